import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import type { Step } from '../../src/http/context.ts'
import { openBody } from '../../src/http/request-body.ts'
import { closed, parseAnswer, rawClient } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { webApp } from '../support/web-app.ts'

const echo: Step = async ctx => {
  const { declaredBytes, contentType, ...body } = openBody(ctx, { maxBytes: 10 })
  const stream = body.stream()
  ctx.body = { declaredBytes: declaredBytes ?? null, contentType: contentType ?? null, got: await text(stream) }
}

for (const [title, head, body, expected] of [
  [
    'a declared length',
    'Content-Length: 5\r\nContent-Type: a/b',
    'hello',
    { declaredBytes: 5, contentType: 'a/b', got: 'hello' },
  ],
  [
    'chunks',
    'Transfer-Encoding: chunked',
    '5\r\nhello\r\n0\r\n\r\n',
    { declaredBytes: null, contentType: null, got: 'hello' },
  ],
  ['no body at all', 'Content-Type:', '', { declaredBytes: 0, contentType: '', got: '' }],
  [
    'a body of exactly the limit',
    'Content-Length: 10',
    '0123456789',
    { declaredBytes: 10, contentType: null, got: '0123456789' },
  ],
  [
    'Content-Encoding: identity',
    'Content-Length: 1\r\nContent-Encoding: Identity',
    'x',
    { declaredBytes: 1, contentType: null, got: 'x' },
  ],
] as const) {
  test(`a body is read: ${title}`, async t => {
    const { port } = await webApp(t, echo)
    const socket = rawClient(t, port)
    socket.write(`PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${head}\r\n\r\n${body}`)
    t.deepEqual(JSON.parse(parseAnswer(await text(socket)).body), expected)
  })
}

for (const [title, head, status, fields] of [
  ['one byte over the limit', 'Content-Length: 11', 413, { errcode: 'M_TOO_LARGE', max_bytes: 10 }],
  ['a length beyond 2^53', 'Content-Length: 18446744073709551615', 413, { errcode: 'M_TOO_LARGE', max_bytes: 10 }],
  ['Content-Encoding: gzip', 'Content-Length: 5\r\nContent-Encoding: gzip', 415, { errcode: 'M_UNKNOWN' }],
  ['Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: gzip, chunked', 400, { errcode: 'M_UNKNOWN' }],
  ['Content-Range', 'Content-Length: 5\r\nContent-Range: bytes 0-4/10', 400, { errcode: 'M_UNKNOWN' }],
] as const) {
  test(`refused without reading a byte: ${title}`, async t => {
    const { port } = await webApp(t, echo)
    const socket = rawClient(t, port)
    socket.write(`PUT / HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    const { status: actual, body } = parseAnswer(answer.toString())
    t.is(actual, status)
    t.like(JSON.parse(body), fields)
  })
}

test('a refused coding is told what would be accepted', async t => {
  const { url } = await webApp(t, echo)
  const response = await fetch(url, { method: 'PUT', body: 'x', headers: { 'Content-Encoding': 'br' } })
  t.is(response.headers.get('accept-encoding'), 'identity')
})

test('destroying the stream leaves the connection alive for the answer', async t => {
  const { url } = await webApp(t, async ctx => {
    openBody(ctx, { maxBytes: 1e9 }).stream().destroy(new Error('no interest'))
    await delay(20)
    ctx.body = 'still here'
  })
  const response = await fetch(url, { method: 'PUT', body: Buffer.alloc(5e6) })
  t.is(await response.text(), 'still here')
})

test('a slow reader slows the sender down instead of filling memory', async t => {
  const read = Promise.withResolvers<void>()
  const { port } = await webApp(t, async ctx => {
    const stream = openBody(ctx, { maxBytes: 1e9 }).stream()
    const chunks = stream[Symbol.asyncIterator]()
    await chunks.next()
    await delay(300)
    t.true(stream.readableLength < 1e6)
    t.true(ctx.req.socket.bytesRead < 5e6)
    await chunks.return?.()
    ctx.body = {}
    read.resolve()
  })
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n')
  socket.write(Buffer.alloc(1e8))
  await read.promise
})

test('a reader is told when the client vanishes, also when it asks too late', async t => {
  for (const late of [false, true]) {
    const begun = Promise.withResolvers<void>()
    const outcome = Promise.withResolvers<unknown>()
    const { port } = await webApp(t, async ctx => {
      const stream = openBody(ctx, { maxBytes: 1000 }).stream()
      begun.resolve()
      if (late) await closed(ctx.req.socket)
      outcome.resolve(await text(stream).catch((error: unknown) => error))
    })
    const socket = rawClient(t, port)
    socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome')
    await begun.promise
    socket.resetAndDestroy()
    t.like(await outcome.promise, { code: 'ECONNRESET' })
  }
})

test('a client that vanishes after its body was given up does not end the process', async t => {
  const reading = Promise.withResolvers<void>()
  const { port, log } = await webApp(t, async ctx => {
    const stream = openBody(ctx, { maxBytes: 1000 }).stream()
    await once(stream, 'data')
    reading.resolve()
    await closed(ctx.req.socket)
  })
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome')
  await reading.promise
  socket.resetAndDestroy()
  await until(() => log.some(({ msg }) => msg === 'request'))
  t.pass()
})

test('a body can be taken once only', async t => {
  const { url, log } = await webApp(t, async ctx => {
    await nextTurn()
    const body = openBody(ctx, { maxBytes: 10 })
    if (ctx.path === '/arrived') body.arrived(10)
    else body.stream()
    body.stream()
  })
  for (const path of ['/', '/arrived'])
    t.is((await fetch(`${url}${path}`, { method: 'PUT', body: 'x' })).status, 500, path)
  t.is(log.filter(({ level }) => level === 'error').length, 2)
})

test('a small body that is here already is taken at once; any other one is not, and is still there', async t => {
  const { port } = await webApp(t, async ctx => {
    await nextTurn()
    const body = openBody(ctx, { maxBytes: 1000 })
    const bytes = body.arrived(10)
    ctx.body = {
      atOnce: bytes !== undefined,
      got: bytes === undefined ? await text(body.stream()) : Buffer.from(bytes).toString(),
    }
  })
  const socket = rawClient(t, port)
  const head = (line: string) => `PUT / HTTP/1.1\r\nHost: a\r\n${line}\r\n\r\n`
  const answer = async () => JSON.parse(parseAnswer(String((await once(socket, 'data'))[0])).body)
  // One connection for all: what is taken leaves nothing behind.
  for (let time = 0; time < 2; time += 1) {
    socket.write(`${head('Content-Length: 10')}0123456789`)
    t.deepEqual(await answer(), { atOnce: true, got: '0123456789' })
    socket.write(head('Content-Length: 0'))
    t.deepEqual(await answer(), { atOnce: true, got: '' })
    socket.write(`${head('Content-Length: 11')}0123456789a`)
    t.deepEqual(await answer(), { atOnce: false, got: '0123456789a' })
    socket.write(`${head('Transfer-Encoding: chunked')}1\r\nx\r\n0\r\n\r\n`)
    t.deepEqual(await answer(), { atOnce: false, got: 'x' })
    socket.write(`${head('Content-Length: 2')}x`)
    setTimeout(() => socket.write('y'), 30)
    t.deepEqual(await answer(), { atOnce: false, got: 'xy' })
  }
})
