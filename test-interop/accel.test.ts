/** Downloads that nginx sends, told by Sluice: nobody can tell them from those that Sluice sends itself. */
import { randomBytes } from 'node:crypto'
import { type get, type IncomingHttpHeaders, request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import test from 'ava'
import { tempDir } from '../test/support/temp-dir.ts'
import { tokens, withSluice } from '../test/support/with-sluice.ts'
import { startAccelNginx } from './support/nginx-accel.ts'

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** What differs between any two answers, or belongs to one connection. */
const passing = ['date', 'server', 'connection', 'keep-alive', 'transfer-encoding', 'x-request-id']

test('whole, in parts, with conditions: through nginx the same comes as without it, and not through Sluice', async t => {
  const sluice = await withSluice(t, { SLUICE_DOWNLOADS__ACCEL_REDIRECT: '/sluice-objects/' })
  const nginx = await startAccelNginx({ dir: join(tempDir(t), 'nginx'), api: sluice.api, dataDir: sluice.dataDir })
  t.teardown(() => nginx.stop())
  const bytes = randomBytes(3_000_000)
  const path = `/_matrix/client/v1/media/download/${await sluice.publish(bytes, 'image/x-odd; a=b', 'naïve.odd')}`
  const authorization = `Bearer ${tokens.me}`
  const through = (headers: Record<string, string>, method = 'GET') =>
    ask({ socketPath: nginx.socketPath, path, method, headers: { host: 'localhost', authorization, ...headers } })
  const without = (headers: Record<string, string>, method = 'GET') => {
    const { hostname, port } = new URL(sluice.api)
    return ask({ hostname, port, path, method, headers: { authorization, ...headers } })
  }
  const { etag = '' } = (await without({})).headers

  for (const headers of [
    {},
    { range: 'bytes=0-0' },
    { range: 'bytes=1000000-1999999' },
    { range: 'bytes=2999990-' },
    { range: 'bytes=-10' },
    { range: 'bytes=5-99999999' },
    { range: 'bytes=5-9', 'if-range': etag },
    { range: 'bytes=5-9', 'if-range': '"another"' },
    { range: 'bytes=5-9', 'if-range': new Date().toUTCString() },
    { 'if-modified-since': new Date(Date.now() + 1e6).toUTCString() },
    { 'if-none-match': '"another"' },
    // These Sluice answers itself.
    { 'if-none-match': etag },
    { 'if-none-match': '*' },
    { range: 'bytes=5-9, 20-29' },
    { range: 'bytes=a-b' },
    { range: 'bytes=5-99999999999999999999999999' },
    { range: 'bytes=3000000-' },
    { range: 'bytes=-0' },
  ]) {
    const [one, other] = [await through(headers), await without(headers)]
    const title = JSON.stringify(headers)
    t.is(one.status, other.status, title)
    t.deepEqual(lasting(one.headers), lasting(other.headers), title)
    t.true(one.body.equals(other.body), title)
    t.regex(String(one.headers['x-request-id']), /^[\w-]{12}$/)
  }
  const head = await through({}, 'HEAD')
  t.deepEqual(lasting(head.headers), lasting((await without({}, 'HEAD')).headers))

  const sent = sluice.logLines.map(line => JSON.parse(line)).filter(line => line.path === path && line.method === 'GET')
  const viaNginx = sent.filter((_, index) => index % 2 === 1)
  t.true(viaNginx.slice(0, 11).every(({ bytesOut }) => bytesOut < 10_000))
})

test('nobody gets at an object by the internal path, and a deleted one is gone at once', async t => {
  const sluice = await withSluice(t, { SLUICE_DOWNLOADS__ACCEL_REDIRECT: '/sluice-objects/' })
  const nginx = await startAccelNginx({ dir: join(tempDir(t), 'nginx'), api: sluice.api, dataDir: sluice.dataDir })
  t.teardown(() => nginx.stop())
  const media = await sluice.publish(randomBytes(100_000), 'application/octet-stream')
  const headers = { host: 'localhost', authorization: `Bearer ${tokens.me}` }
  const through = (path: string) => ask({ socketPath: nginx.socketPath, path, method: 'GET', headers })
  const path = `/_matrix/client/v1/media/download/${media}`

  const found = await through(path)
  t.is(found.status, 200)
  t.is(found.body.length, 100_000)
  const key = String(found.headers.etag).replaceAll('"', '')
  t.is((await through(`/sluice-objects/${key.slice(0, 2)}/${key}`)).status, 404)

  const redacted = await sluice.ask('POST', `/_matrix/client/v1/media/redact/${media}`, { body: '{}' })
  t.is(redacted.status, 200)
  t.is((await through(path)).status, 404)
})

async function ask(options: Parameters<typeof request>[0] & object): Promise<Answer> {
  const response = await new Promise<Parameters<NonNullable<Parameters<typeof get>[1]>>[0]>((resolve, reject) => {
    request({ ...options, agent: false }, resolve)
      .once('error', reject)
      .end()
  })
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) }
}

function lasting(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !passing.includes(name)))
}
