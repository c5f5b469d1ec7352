/**
 * Create, PUT and complete: one answer to each, two ways to it. The short one is for plain requests; an unknown parameter is enough to ask
 * for the usual one. What they answer is compared to the letter.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import Koa from 'koa'
import { rawClient } from '../../support/raw-http.ts'
import { until } from '../../support/until.ts'
import { type TestSluice, tokens, withSluice } from '../../support/with-sluice.ts'

const createPath = '/_matrix/media/v1/create'
const completePath = (media: string) => `/_matrix/media/unstable/com.beeper.msc3870/upload/${media}/complete`
const bearer = (token: string) => `Authorization: Bearer ${token}`

/** How many requests went the usual way so far. */
let usual = 0
const { handleRequest } = Koa.prototype as unknown as { handleRequest: (...args: unknown[]) => unknown }
Object.assign(Koa.prototype, {
  handleRequest(this: Koa, ...args: unknown[]) {
    usual += 1
    return handleRequest.apply(this, args)
  },
})

interface Request {
  readonly server: string
  readonly method: string
  readonly target: string
  readonly head?: readonly string[]
  readonly body?: string | Buffer | undefined
  /** Ends the connection after what was sent. */
  readonly cut?: boolean
}

/** Everything that comes back, to the letter, until nothing more does. */
async function rawAnswer(t: ExecutionContext, request: Request): Promise<string> {
  const { server, method, target, head = [], body, cut = false } = request
  const socket = rawClient(t, Number(new URL(server).port), { allowHalfOpen: true })
  const pieces: Buffer[] = []
  socket.on('data', piece => pieces.push(piece))
  const answer = () => Buffer.concat(pieces).toString('latin1')
  const length =
    body === undefined || head.some(line => /^(?:content-length|transfer)/i.test(line)) ? [] : [body.length]
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: a', ...head, ...length.map(bytes => `Content-Length: ${bytes}`)]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (head.some(line => line.startsWith('Expect'))) await once(socket, 'data')
  if (body !== undefined) socket.write(body)
  if (cut) socket.end()
  await until(() => isWhole(answer()))
  socket.destroy()
  return answer()
}

function isWhole(answer: string): boolean {
  const last = answer.slice(answer.lastIndexOf('HTTP/1.1 '))
  const end = last.indexOf('\r\n\r\n')
  return end > 0 && last.length >= end + 4 + Number(/\r\nContent-Length: (\d+)/.exec(last)?.[1])
}

/** What differs between any two answers, and lengths no more. */
function withoutAccidents(answer: string): string {
  return answer
    .replace(/\r\nDate: [^\r]+/g, '\r\nDate')
    .replace(/\r\nX-Request-Id: [\w-]{12}\r\n/g, '\r\nX-Request-Id\r\n')
    .replaceAll(/mxc:\/\/example.com\/[\w-]{32}/g, 'mxc')
    .replaceAll(/http:[^"]+\/media-repo\/upload\/[\w-]{32}\?signed=[\w.-]+/g, 'upload')
    .replace(/"unused_expires_at":\d{13}/, 'expiry')
    .replace(/"retry_after_ms":\d+/, 'pause')
    .replace(/\r\nContent-Length: (\d{3})\r\n/, '\r\nContent-Length\r\n')
}

/** Sends one request the one way and the other one the other, and compares. @returns the answer */
async function isSame(t: ExecutionContext, plain: Request, other: Request, what: string): Promise<string> {
  const before = usual
  const short = await rawAnswer(t, plain)
  t.is(usual, before, `${what}: goes quick`)
  const long = await rawAnswer(t, unknown(other))
  t.is(usual, before + 1, `${what}: goes the usual way`)
  t.is(withoutAccidents(short), withoutAccidents(long), what)
  return short
}

function unknown(request: Request): Request {
  return { ...request, target: `${request.target}${request.target.includes('?') ? '&' : '?'}unknown=parameter` }
}

function statusOf(answer: string): number {
  return Number(answer.slice(answer.lastIndexOf('HTTP/1.1 ')).split(' ')[1])
}

function creation(sluice: TestSluice, more: Partial<Request> = {}): Request {
  return { server: sluice.api, method: 'POST', target: createPath, head: [bearer(tokens.me)], ...more }
}

function completion(sluice: TestSluice, media: string, more: Partial<Request> = {}, query = ''): Request {
  const target = completePath(media) + query
  return { server: sluice.api, method: 'POST', target, head: [bearer(tokens.me)], ...more }
}

function upload(uploadUrl: string, more: Partial<Request> = {}): Request {
  const { origin, pathname, search } = new URL(uploadUrl)
  const head = ['Content-Type: text/plain']
  return { server: origin, method: 'PUT', target: pathname + search, head, body: 'some words', ...more }
}

test.serial('an upload is answered the same, whichever way it takes', async t => {
  const sluice = await withSluice(t)
  for (const body of [undefined, '', '{}', '{"a":[1]}'])
    t.is(statusOf(await isSame(t, creation(sluice, { body }), creation(sluice, { body }), `create ${body}`)), 200)
  for (const body of ['', 'x', Buffer.alloc(32 * 1024, 1), Buffer.alloc(100_000, 2), Buffer.alloc(3_000_000, 3)]) {
    const [one, two] = [await sluice.create(), await sluice.create()]
    const head = ['Content-Type: application/octet-stream']
    const what = `${body.length} bytes`
    const put = await isSame(t, upload(one.uploadUrl, { body, head }), upload(two.uploadUrl, { body, head }), what)
    t.is(statusOf(put), 200)
    const done = await isSame(t, completion(sluice, one.media), completion(sluice, two.media), what)
    t.is(statusOf(done), 200)
    for (const { media } of [one, two])
      t.deepEqual(Buffer.from(await (await sluice.download(media)).arrayBuffer()), Buffer.from(body))
  }
})

test.serial('a file name goes both ways, and so does one that is none', async t => {
  const sluice = await withSluice(t)
  const [one, two] = [await sluice.create(), await sluice.create()]
  for (const { uploadUrl } of [one, two]) t.is((await sluice.put(uploadUrl, 'x', 'text/plain')).status, 200)
  for (const [query, status] of [
    ['?filename=%ff', 400],
    [`?filename=${'a'.repeat(1025)}`, 400],
    ['?filename=na%C3%AFve+"cat".txt', 200],
    ['?filename=other', 200],
  ] as const) {
    const [short, long] = [completion(sluice, one.media, {}, query), completion(sluice, two.media, {}, query)]
    t.is(statusOf(await isSame(t, short, long, query.slice(0, 20))), status)
  }
  for (const { media } of [one, two])
    t.regex((await sluice.download(media)).headers.get('content-disposition') ?? '', /filename\*=utf-8''na%C3%AFve/i)
})

test.serial('what is refused is refused the same', async t => {
  const sluice = await withSluice(t, { SLUICE_LIMITS__MAX_UPLOAD_BYTES: '1000', SLUICE_LIMITS__CREATE_BURST: '20' })
  const [one, two] = [await sluice.create(), await sluice.create()]
  const refused = async (status: number, what: string, plain: Request, other = plain) =>
    t.is(statusOf(await isSame(t, plain, other, what)), status, what)

  await refused(400, 'create with a body that is no JSON', creation(sluice, { body: '{' }))
  await refused(400, 'create with a body that is no object', creation(sluice, { body: '[]' }))
  await refused(413, 'create with a large body', creation(sluice, { body: ' '.repeat(70_000) }))

  await refused(
    404,
    'complete of another server',
    completion(sluice, one.media.replace('example.com', 'other.example')),
  )
  await refused(400, 'complete of no server', completion(sluice, one.media.replace('example.com', 'a..b')))
  await refused(404, 'complete of no id', completion(sluice, 'example.com/a.b'))
  await refused(404, 'complete of an unknown id', completion(sluice, 'example.com/unknown'))
  await refused(400, 'complete without bytes', completion(sluice, one.media))
  await refused(403, "complete of another user's", completion(sluice, one.media, { head: [bearer(tokens.you)] }))

  const both = (more: Partial<Request>) => [upload(one.uploadUrl, more), upload(two.uploadUrl, more)] as const
  await refused(403, 'PUT with no token', upload(one.uploadUrl.replace(/signed=.*/, 'signed=a.b.c')))
  const { pathname } = new URL(one.uploadUrl)
  await refused(403, 'PUT without a signature', upload(one.uploadUrl, { target: pathname }))
  await refused(
    403,
    'PUT with another signature',
    upload(one.uploadUrl.replace(/signed=.*/, two.uploadUrl.replace(/.*\?/, ''))),
  )
  await refused(413, 'PUT of too much', ...both({ body: Buffer.alloc(1001) }))
  await refused(
    413,
    'PUT of too much, asked before',
    ...both({ head: ['Content-Length: 1001', 'Expect: 100-continue'] }),
  )
  await refused(
    413,
    'PUT of too much, in chunks',
    ...both({ head: ['Transfer-Encoding: chunked'], body: `3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n` }),
  )
  await refused(415, 'PUT of packed bytes', ...both({ head: ['Content-Encoding: gzip'] }))
  await refused(400, 'PUT of a part', ...both({ head: ['Content-Range: bytes 0-9/20'] }))
  await refused(400, 'PUT that is cut', ...both({ head: ['Content-Length: 20'], cut: true }))
  for (const { uploadUrl } of [one, two])
    t.is((await sluice.put(uploadUrl, '<!doctype html>', 'image/png')).status, 200)
  await refused(403, 'complete of what is refused', completion(sluice, one.media), completion(sluice, two.media))
  await refused(403, 'complete of what was refused', completion(sluice, one.media), completion(sluice, two.media))
  const ready = await sluice.create()
  t.is((await sluice.put(ready.uploadUrl, 'x')).status, 200)
  t.is((await sluice.complete(ready.media)).status, 200)
  await refused(409, 'PUT of what is done', upload(ready.uploadUrl))

  const late = await sluice.create()
  sluice.clock.advance(10 * 86_400_000)
  await refused(403, 'PUT too late', ...both({}))
  await refused(404, 'complete too late', completion(sluice, late.media))
  for (let time = 0; time < 20; time += 1) await sluice.create()
  await refused(429, 'create too often', creation(sluice))
})

test.serial('where nothing more can be stored, both ways say so', async t => {
  const sluice = await withSluice(t)
  const { uploadUrl } = await sluice.create()
  await sluice.reconfigure({ SLUICE_LIMITS__MIN_FREE_BYTES: '8TiB' })
  t.is(statusOf(await isSame(t, creation(sluice), creation(sluice), 'create')), 503)
  t.is(statusOf(await isSame(t, upload(uploadUrl), upload(uploadUrl), 'PUT')), 503)
})

test.serial('whoever waits for leave to send is given it, on either way', async t => {
  const sluice = await withSluice(t)
  const [one, two] = [await sluice.create(), await sluice.create()]
  for (const head of [['Expect: 100-continue'], ['Expect: 100-continue', 'Connection: close']]) {
    const answer = await isSame(t, upload(one.uploadUrl, { head }), upload(two.uploadUrl, { head }), head.join())
    t.true(answer.startsWith('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n'))
  }
  const json = { head: [bearer(tokens.me), 'Expect: 100-continue'], body: '{}' }
  t.regex(await isSame(t, creation(sluice, json), creation(sluice, json), 'create'), /^HTTP\/1.1 100 Continue/)
})

test.serial('both ways write the same lines into the log, and no secret', async t => {
  const sluice = await withSluice(t)
  const [one, two] = [await sluice.create(), await sluice.create()]
  for (const [short, long] of [
    [creation(sluice), creation(sluice)],
    [creation(sluice, { body: '[' }), creation(sluice, { body: '[' })],
    [upload(one.uploadUrl), upload(one.uploadUrl)],
    [completion(sluice, one.media, {}, '?filename=secret'), completion(sluice, one.media, {}, '?filename=secret')],
    [upload(two.uploadUrl, { head: ['Content-Length: 20'], cut: true })].flatMap(request => [request, request]),
  ] as readonly Request[][]) {
    const lines = await Promise.all(
      [short, long && unknown(long)].map(async request => {
        const id = /X-Request-Id: ([\w-]+)/.exec(request === undefined ? '' : await rawAnswer(t, request))?.[1]
        const own = () => sluice.logLines.map(line => JSON.parse(line)).filter(line => line.requestId === id)
        await until(() => own().some(line => line.msg === 'request'))
        return own().map(({ time: _, requestId, ms, bytesIn, bytesOut, ...line }) => {
          t.deepEqual([requestId, ms, bytesIn, bytesOut].map(Boolean).slice(0, 1), [true])
          return { ...line, counts: [typeof ms, bytesIn > 50, bytesOut > 50] }
        })
      }),
    )
    t.deepEqual(lines[0], lines[1])
  }
  t.notRegex(sluice.logLines.join('\n'), /secret|signed=|token-of-me/)
})

test.serial('a client that vanishes in the middle is no fault of ours, on either way', async t => {
  const sluice = await withSluice(t)
  const { uploadUrl } = await sluice.create()
  const plain = upload(uploadUrl)
  const lines = []
  for (const { server, target } of [plain, unknown(plain)]) {
    const from = sluice.logLines.length
    const socket = rawClient(t, Number(new URL(server).port))
    socket.write(`PUT ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome`)
    await delay(50)
    socket.resetAndDestroy()
    const own = () => sluice.logLines.slice(from).map(line => JSON.parse(line))
    await until(() => own().some(({ msg }) => msg === 'request'))
    await delay(20)
    t.false(own().some(({ level }) => level === 'error' || level === 'warn'))
    lines.push(own().find(({ msg }) => msg === 'request'))
  }
  for (const line of lines) t.like(line, { method: 'PUT', aborted: true })
  t.deepEqual(Object.keys(lines[0]), Object.keys(lines[1]))
  t.is((await sluice.put(uploadUrl, 'x')).status, 200)
})

test.serial('who is not known, or not plainly, takes the usual way', async t => {
  const sluice = await withSluice(t)
  const { media, uploadUrl } = await sluice.create()
  const { pathname, search } = new URL(uploadUrl)
  for (const [request, status] of [
    [creation(sluice, { head: [] }), 401],
    [creation(sluice, { head: [bearer('nobody')] }), 401],
    [creation(sluice, { head: [bearer(tokens.me), bearer(tokens.you)] }), 401],
    [creation(sluice, { target: `${createPath}?access_token=${tokens.me}` }), 401],
    [creation(sluice, { target: `${createPath}?user_id=@you:example.com` }), 403],
    [creation(sluice, { target: `${createPath}/` }), 404],
    [creation(sluice, { method: 'PUT' }), 405],
    [completion(sluice, media, {}, `?filename=a&user_id=@you:example.com`), 403],
    [completion(sluice, media.replace('.', '%2e')), 400],
    [completion(sluice, `${media}#`), 404],
    [upload(uploadUrl, { target: `${pathname}${search}${search.replace('?', '&')}` }), 403],
    [upload(uploadUrl, { method: 'POST' }), 405],
  ] as const) {
    const before = usual
    t.is(statusOf(await rawAnswer(t, request)), status, request.target)
    t.is(usual, before + 1, request.target)
  }
})
