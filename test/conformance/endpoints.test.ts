/** Every endpoint, every alias, every method, over HTTP; and no route that is not on the list. */
import test, { type ExecutionContext } from 'ava'
import type Koa from 'koa'
import { parseConfig } from '../../src/config/parse-config.ts'
import { type ApiOptions, makeApi } from '../../src/http/api.ts'
import * as apiPaths from '../../src/http/api-paths.ts'
import { type EdgeNeeds, makeEdge } from '../../src/http/edge.ts'
import { pagePaths } from '../../src/http/routes/standalone-page.ts'
import type { Sluice } from '../../src/services/sluice.ts'
import { askExactly } from '../support/exact-request.ts'
import { type MatrixHomeserver, matrixHomeserver, say } from '../support/matrix-homeserver.ts'
import { isRefused } from '../support/refusal.ts'
import { type TestSluice, withSluice } from '../support/with-sluice.ts'
import { type Endpoint, endpoints, filledIn } from './endpoints.ts'

const ours = endpoints.filter(({ by }) => by !== 'homeserver')
const theirs = endpoints.filter(({ by }) => by === 'homeserver')
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

interface World {
  readonly sluice: TestSluice
  readonly homeserver: MatrixHomeserver
}

async function world(t: ExecutionContext): Promise<World> {
  const homeserver = await matrixHomeserver(t)
  // One that would take anything, so that whatever gets there shows.
  homeserver.answer = ({ url }, response) =>
    say(response, 200, url?.endsWith('/versions') ? { versions: ['v1.1'] } : { theirs: true })
  return { sluice: await withSluice(t, { SLUICE_HOMESERVER__URL: homeserver.url }), homeserver }
}

function baseOf({ api, edge }: TestSluice, { by }: Endpoint): string {
  return by === 'edge' ? edge : api
}

function hasCors(t: ExecutionContext, { headers }: Response, what: string): void {
  t.is(headers.get('access-control-allow-origin'), '*', what)
  t.regex(headers.get('access-control-allow-methods') ?? '', /\bGET\b.*\bPOST\b.*\bPUT\b.*\bOPTIONS\b/, what)
  t.regex(headers.get('access-control-allow-headers') ?? '', /\bContent-Type\b.*\bAuthorization\b.*\bRange\b/, what)
}

/** What somebody gets who shows nothing, which no other route and nobody else would answer. */
async function answersForItself(
  t: ExecutionContext,
  answer: Response,
  endpoint: Endpoint,
  what: string,
): Promise<void> {
  if (endpoint.name === 'versions') {
    t.true(((await answer.json()) as { versions: string[] }).versions.includes('v1.11'), what)
  } else if (endpoint.name.startsWith('health')) {
    t.deepEqual(await answer.json(), { status: 'ok' }, what)
  } else if (endpoint.by === 'both') {
    t.deepEqual(await answer.json(), {}, what)
  } else if (endpoint.who === 'user' || endpoint.who === 'member') {
    await isRefused(t, answer, 401, 'M_MISSING_TOKEN', what)
  } else if (endpoint.who === 'signed URL') {
    await isRefused(t, answer, 403, 'M_FORBIDDEN', what)
  } else {
    // Without a signature, and with an id that nobody here has made: these two are passed on.
    t.deepEqual(await answer.json(), { theirs: true }, what)
  }
}

test('each path of ours answers to its method, with CORS', async t => {
  const { sluice } = await world(t)
  for (const endpoint of ours) {
    for (const path of endpoint.paths) {
      const what = `${endpoint.method} ${path}`
      const answer = await askExactly(baseOf(sluice, endpoint), { method: endpoint.method, target: filledIn(path) })
      hasCors(t, answer, what)
      await answersForItself(t, answer, endpoint, what)
    }
  }
})

test('standalone each path that needs no homeserver answers for itself, and all others are 404 M_UNRECOGNIZED', async t => {
  const sluice = await withSluice(t)
  for (const endpoint of endpoints) {
    for (const path of endpoint.paths) {
      const what = `${endpoint.method} ${path}`
      const answer = await askExactly(baseOf(sluice, endpoint), { method: endpoint.method, target: filledIn(path) })
      if (endpoint.by === 'homeserver' || endpoint.by === 'both')
        await isRefused(t, answer, 404, 'M_UNRECOGNIZED', what)
      else if (endpoint.who === 'server') await isRefused(t, answer, 401, 'M_UNAUTHORIZED', what)
      else if (endpoint.name.startsWith('legacy')) await isRefused(t, answer, 404, 'M_NOT_FOUND', what)
      else await answersForItself(t, answer, endpoint, what)
    }
  }
})

test('each path of ours refuses every other method with 405 M_UNRECOGNIZED, Allow and CORS, and the homeserver hears nothing of it', async t => {
  const { sluice, homeserver } = await world(t)
  for (const endpoint of ours) {
    const allowed = endpoint.method === 'GET' ? ['GET', 'HEAD'] : [endpoint.method]
    for (const path of endpoint.paths) {
      for (const method of methods.filter(other => !allowed.includes(other))) {
        const what = `${method} ${path}`
        const answer = await askExactly(baseOf(sluice, endpoint), { method, target: filledIn(path) })
        hasCors(t, answer, what)
        const allow = answer.headers.get('allow')?.split(', ') ?? []
        t.deepEqual(allow.toSorted(), [...allowed, 'OPTIONS'].toSorted(), what)
        if (method === 'HEAD') t.is(answer.status, 405, what)
        else await isRefused(t, answer, 405, 'M_UNRECOGNIZED', what)
      }
    }
  }
  t.deepEqual(homeserver.asked, [])
})

test('OPTIONS is 204 on each path, for anybody, with nothing run', async t => {
  const { sluice, homeserver } = await world(t)
  for (const endpoint of endpoints) {
    for (const path of endpoint.paths) {
      const headers = { Origin: 'https://app.example', 'Access-Control-Request-Method': endpoint.method }
      const answer = await askExactly(baseOf(sluice, endpoint), { method: 'OPTIONS', target: filledIn(path), headers })
      t.is(answer.status, 204, path)
      t.is(answer.headers.get('access-control-max-age'), '86400', path)
      hasCors(t, answer, path)
    }
  }
  t.deepEqual(homeserver.asked, [])
})

test('what belongs to the homeserver goes there, with any method', async t => {
  const { sluice, homeserver } = await world(t)
  for (const { method, paths } of theirs) {
    for (const path of paths) {
      for (const each of [method, 'DELETE']) {
        const answer = await askExactly(sluice.api, { method: each, target: filledIn(path) })
        t.deepEqual([answer.status, await answer.json()], [200, { theirs: true }], path)
        t.is(homeserver.asked.at(-1), `${each} ${filledIn(path)}`)
        hasCors(t, answer, path)
      }
    }
  }
})

test('paths are case-sensitive and have no form with a slash behind them', async t => {
  const sluice = await withSluice(t)
  for (const endpoint of ours) {
    for (const path of endpoint.paths) {
      for (const other of [`${filledIn(path)}/`, filledIn(path).replace(/[a-z]/, first => first.toUpperCase())]) {
        const answer = askExactly(baseOf(sluice, endpoint), { method: endpoint.method, target: other })
        await isRefused(t, answer, 404, 'M_UNRECOGNIZED', other)
      }
    }
  }
})

test('no path of one listener is on the other', async t => {
  const { sluice, homeserver } = await world(t)
  for (const endpoint of endpoints.filter(({ paths }) => !paths.includes('/health'))) {
    for (const path of endpoint.paths) {
      const other = endpoint.by === 'edge' ? sluice.api : sluice.edge
      await isRefused(
        t,
        askExactly(other, { method: endpoint.method, target: filledIn(path) }),
        404,
        'M_UNRECOGNIZED',
        path,
      )
    }
  }
  t.deepEqual(homeserver.asked, [])
})

/** What the routers really have, as `METHOD /path`, in the fact sheet's spelling. */
function routesOf(app: Pick<Koa, 'middleware'>): readonly string[] {
  const routers = app.middleware.flatMap(step => ('router' in step ? [step.router as Router] : []))
  return routers.flatMap(({ stack }) =>
    stack.flatMap(({ path, methods: taken }) =>
      taken.filter(method => method !== 'HEAD').map(method => `${method} ${inTheirSpelling(String(path))}`),
    ),
  )
}

interface Router {
  readonly stack: readonly { readonly path: string | RegExp; readonly methods: readonly string[] }[]
}

function inTheirSpelling(path: string): string {
  const letters: Readonly<Record<string, string>> = { serverName: 's', mediaId: 'm', fileName: 'f', variant: 'v' }
  return path.replace(/:(\w+)/g, (_, name: string) => `{${letters[name]}}`)
}

function listed(...by: readonly Endpoint['by'][]): readonly string[] {
  return endpoints
    .filter(endpoint => by.includes(endpoint.by))
    .flatMap(({ method, paths }) => paths.map(path => `${method} ${path}`))
    .toSorted()
}

/** Whatever is asked of it, it has it: routes are only listed here, and none of them runs. */
const anything: object = new Proxy(() => anything, { get: () => anything, apply: () => anything })

function withAnything<T extends object>(known: Partial<Record<keyof T, unknown>>): T {
  return new Proxy(known, { get: (_, name) => (name in known ? Reflect.get(known, name) : anything) }) as T
}

test('the list and the routers agree, in both directions', t => {
  const config = parseConfig({ yaml: '', env: {}, cwd: '/' })
  const api = (forward: unknown) =>
    makeApi(withAnything<Sluice>({ config }), withAnything<ApiOptions>({ forward, pageDirectory: undefined }))
  const edge = makeEdge(withAnything<EdgeNeeds>({ config }), () => '')
  t.deepEqual(routesOf(api(anything)).toSorted(), listed('sluice', 'both'))
  t.deepEqual(routesOf(api(undefined)).toSorted(), listed('sluice'))
  t.deepEqual(routesOf(edge).toSorted(), listed('edge'))
  t.deepEqual(pagePaths, ['/', '/page.css', '/page.js'], 'the page of standalone mode is no part of the API')
})

test('every path that the code names is a route', t => {
  const named = Object.values(apiPaths).flat().map(inTheirSpelling)
  const routed = endpoints.flatMap(({ paths }) => paths)
  t.deepEqual(
    named.filter(path => !routed.includes(path)),
    [],
  )
})
