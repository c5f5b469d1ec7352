import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { Router } from '@koa/router'
import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { type ErrorCode, errorTable, MediaError, RelayedError, refuse } from '../../src/domain/errors.ts'
import type { State, Step } from '../../src/http/context.ts'
import { errorAnswer } from '../../src/http/error-response.ts'
import { openBody } from '../../src/http/request-body.ts'
import { closed, rawClient } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { type LogLine, webApp } from '../support/web-app.ts'

test('a refusal becomes Matrix JSON with its fields and headers', async t => {
  const { url, log } = await webApp(t, () =>
    refuse('range_unsatisfiable', 'No such part', { fields: { size: 3 }, headers: { 'Content-Range': 'bytes */3' } }),
  )
  const response = await fetch(url)
  t.is(response.status, 416)
  t.deepEqual(await response.json(), { errcode: 'M_UNKNOWN', error: 'No such part', size: 3 })
  t.regex(response.headers.get('content-type') ?? '', /^application\/json/)
  t.is(response.headers.get('content-range'), 'bytes */3')
  t.is(response.headers.get('cache-control'), 'no-store')
  t.deepEqual(faults(log), [])
})

test('a rate limit says when to come back, in both ways', t => {
  const { headers, body } = errorAnswer(new MediaError('limit_exceeded', 'Slowly', { retryAfterMs: 1200.5 }))
  t.is(headers['Retry-After'], '2')
  t.is(body.retry_after_ms, 1201)
})

test('any other refusal says when to come back in the header only', t => {
  const { headers, body } = errorAnswer(new MediaError('out_of_space', 'Full', { retryAfterMs: 60_000 }))
  t.is(headers['Retry-After'], '60')
  t.false('retry_after_ms' in body)
})

test('who is told to come back is told when, even where nobody has thought of a number', t => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const { status, headers } = errorAnswer(new MediaError(code, 'Later'))
    t.is(headers['Retry-After'], [429, 502, 503].includes(status) ? '5' : undefined, code)
  }
  const relayed = (body: Record<string, unknown>, headers = {}) =>
    errorAnswer(new RelayedError(429, body, headers)).headers['Retry-After']
  t.is(relayed({}), '5')
  t.is(relayed({ retry_after_ms: 1001 }), '2')
  t.is(relayed({ retry_after_ms: 1001 }, { 'Retry-After': '7' }), '7')
})

test('a defect is a plain 500 for the client and a line with the cause for the operator', async t => {
  const { url, log } = await webApp(t, () => {
    throw new Error('secret detail')
  })
  const response = await fetch(`${url}/path?signed=secret-token`)
  t.is(response.status, 500)
  const body = await response.text()
  t.is(JSON.parse(body).errcode, 'M_UNKNOWN')
  t.notRegex(body, /secret/)
  t.is(faults(log).length, 1)
  const [fault] = faults(log)
  t.like(fault, { level: 'error', method: 'GET', path: '/path' })
  t.like(fault?.err, { message: 'secret detail' })
  t.is(fault?.requestId, response.headers.get('x-request-id'))
  t.notRegex(JSON.stringify(log), /secret-token/)
})

test('a database that can not be read is no defect: come back in a moment', async t => {
  const { url, log } = await webApp(t, () => {
    throw new BetterSqlite3.SqliteError('disk I/O error', 'SQLITE_IOERR_READ')
  })
  const response = await fetch(url)
  t.is(response.status, 503)
  t.is(response.headers.get('retry-after'), '10')
  t.like(await response.json(), { errcode: 'M_UNKNOWN' })
  t.is(faults(log).length, 1)
})

test('a thrown value that is no Error is a 500 too', async t => {
  const { url, log } = await webApp(t, () => Promise.reject('just a string'))
  t.is((await fetch(url)).status, 500)
  t.is(faults(log).length, 1)
})

test('the cause of a server fault is logged as a warning, and not sent', async t => {
  const { url, log } = await webApp(t, () =>
    refuse('storage_failed', 'The disk failed', { cause: new Error('EIO at /secret/place') }),
  )
  const response = await fetch(url)
  t.is(response.status, 503)
  t.notRegex(await response.text(), /secret/)
  t.is(faults(log).length, 1)
  t.like(faults(log)[0], { level: 'warn', code: 'storage_failed' })
})

test('waiting in vain is no fault worth a line', async t => {
  const { url, log } = await webApp(t, () => refuse('not_yet_uploaded', 'Not yet'))
  t.is((await fetch(url)).status, 504)
  t.deepEqual(faults(log), [])
})

test('an error takes back the headers that were set for a success', async t => {
  const { url } = await webApp(t, ctx => {
    ctx.set({ 'Content-Type': 'image/png', ETag: '"x"', 'Cache-Control': 'private, immutable', 'Content-Length': '5' })
    ctx.body = Readable.from(['abc'])
    refuse('not_found', 'Not here')
  })
  const { headers } = await fetch(url)
  t.is(headers.get('etag'), null)
  t.is(headers.get('cache-control'), 'no-store')
  t.is(headers.get('access-control-allow-origin'), '*')
  t.truthy(headers.get('x-request-id'))
})

test('HEAD gets the head of the error and no body', async t => {
  const { url } = await webApp(t, () => refuse('not_found', 'Not here'))
  const response = await fetch(url, { method: 'HEAD' })
  t.is(response.status, 404)
  t.is(await response.text(), '')
  t.true(Number(response.headers.get('content-length')) > 0)
})

test('an unknown path is 404, a known one with another method is 405 with Allow', async t => {
  const router = new Router<State>({ sensitive: true, strict: true })
  router.get('/thing/:id', ctx => {
    ctx.body = {}
  })
  router.put('/thing/:id', ctx => {
    ctx.body = {}
  })
  const { url } = await webApp(t, router.routes() as Step)
  t.is((await fetch(`${url}/thing/1`)).status, 200)

  const unknown = await fetch(`${url}/other`)
  t.is(unknown.status, 404)
  t.like(await unknown.json(), { errcode: 'M_UNRECOGNIZED' })

  const wrong = await fetch(`${url}/thing/1`, { method: 'PATCH' })
  t.is(wrong.status, 405)
  t.like(await wrong.json(), { errcode: 'M_UNRECOGNIZED' })
  t.deepEqual(wrong.headers.get('allow')?.split(', ').sort(), ['GET', 'HEAD', 'OPTIONS', 'PUT'])
})

for (const reset of [false, true]) {
  test(`a client that vanishes while uploading is no fault of ours (${reset ? 'reset' : 'end'})`, async t => {
    const reading = Promise.withResolvers<void>()
    const { port, log } = await webApp(t, async ctx => {
      for await (const _ of openBody(ctx, { maxBytes: 1000 }).stream()) reading.resolve()
    })
    const socket = rawClient(t, port)
    socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome')
    await reading.promise
    if (reset) socket.resetAndDestroy()
    else socket.destroy()
    await logged(log, 'request')
    t.deepEqual(faults(log), [])
  })

  test(`a client that vanishes while downloading is no fault of ours (${reset ? 'reset' : 'end'})`, async t => {
    const { port, log } = await webApp(t, ctx => {
      ctx.body = new Readable({
        read() {
          this.push(Buffer.alloc(65536))
        },
      })
    })
    const socket = rawClient(t, port)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
    if (reset) socket.resetAndDestroy()
    else socket.destroy()
    t.like(await logged(log, 'request'), { aborted: true, status: 200 })
    await delay(20)
    t.deepEqual(faults(log), [])
  })
}

test('a source that breaks in mid-answer cuts the connection and is logged once, even with a network error of its own', async t => {
  const { port, log } = await webApp(t, ctx => {
    ctx.set('Content-Length', '1000000')
    const source = new Readable({ read() {} })
    source.push('begun')
    setTimeout(() => source.destroy(Object.assign(new Error('upstream is gone'), { code: 'ECONNRESET' })), 20)
    ctx.body = source
  })
  const socket = rawClient(t, port)
  socket.resume()
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await closed(socket)
  await delay(20)
  t.is(faults(log).length, 1)
  t.like(faults(log)[0], { level: 'error', msg: 'an answer broke off' })
})

test('an error after the answer has begun cuts the connection', async t => {
  const { port, log } = await webApp(t, async ctx => {
    ctx.respond = false
    ctx.res.writeHead(200, { 'Content-Length': '100' })
    ctx.res.write('begun')
    await delay(10)
    throw new Error('too late')
  })
  const socket = rawClient(t, port)
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await closed(socket)
  t.regex(Buffer.concat(chunks).toString(), /begun$/)
  t.is(faults(log).length, 1)
})

function faults(log: readonly LogLine[]): readonly LogLine[] {
  return log.filter(({ level }) => level !== 'debug' && level !== 'info')
}

async function logged(log: readonly LogLine[], msg: string): Promise<LogLine | undefined> {
  await until(() => log.some(line => line.msg === msg))
  return log.find(line => line.msg === msg)
}

test('a path is not logged beyond its limit, whatever becomes of the request', async t => {
  const { url, log } = await webApp(t, () => {
    throw new Error('a defect')
  })
  await fetch(`${url}/${'x'.repeat(5000)}`)
  await until(() => log.length >= 2)
  for (const { path } of log) t.true(String(path).length <= 512, `${String(path).length} characters`)
})
