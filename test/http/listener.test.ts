import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import http from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { refuse } from '../../src/domain/errors.ts'
import type { Step } from '../../src/http/context.ts'
import { openBody } from '../../src/http/request-body.ts'
import { closed, parseAnswer, rawClient, zeros } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { webApp } from '../support/web-app.ts'

const mebibyte = 1024 * 1024
const limit = 10_000

/** Refuses by the head if it can, and while counting otherwise, as the object store does. */
const upload: Step = async ctx => {
  const { maxBytes, ...body } = openBody(ctx, { maxBytes: limit })
  const stream = body.stream()
  let size = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) refuse('too_large', `More than ${maxBytes} bytes`, { fields: { max_bytes: maxBytes } })
  }
  ctx.body = { size }
}

const refuseAll: Step = () => refuse('grant_refused', 'No')

// --- What follows an early refusal (see also early-refusal.test.ts) ---

test('what comes after a refusal is thrown away only up to the byte limit', async t => {
  const { port } = await webApp(t, refuseAll, { linger: { totalMs: 30_000, silenceMs: 100, maxBytes: mebibyte } })
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  const piece = `10000\r\n${'x'.repeat(65536)}\r\n`
  const sending = setInterval(() => socket.write(piece), 2)
  t.teardown(() => clearInterval(sending))
  await closed(socket)
  t.true(socket.bytesWritten < 200 * mebibyte)
})

test('what comes after a refusal is thrown away only for the whole time, however steadily it comes', async t => {
  const { port } = await webApp(t, refuseAll, { linger: { totalMs: 200, silenceMs: 150, maxBytes: mebibyte } })
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  const dripping = setInterval(() => socket.write('1\r\nx\r\n'), 10)
  t.teardown(() => clearInterval(dripping))
  await closed(socket)
  t.pass()
})

test('a client that falls silent after a refusal is let go', async t => {
  const { port } = await webApp(t, refuseAll, { linger: { totalMs: 30_000, silenceMs: 100, maxBytes: mebibyte } })
  const socket = rawClient(t, port, { allowHalfOpen: true })
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\nonly this')
  t.is(parseAnswer(await text(socket)).status, 403)
  // Our half is still open; writing to the closed connection is what shows that it is closed.
  await delay(500)
  const poking = setInterval(() => socket.write('x'), 20)
  t.teardown(() => clearInterval(poking))
  await closed(socket)
  t.pass()
})

// --- 100 Continue ---

test('100 Continue is sent when the body is read, and not before', async t => {
  const goOn = Promise.withResolvers<void>()
  const { port } = await webApp(t, async ctx => {
    const stream = openBody(ctx, { maxBytes: limit }).stream()
    await goOn.promise
    ctx.body = { got: await text(stream) }
  })
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n')
  const early = await Promise.race([once(socket, 'data'), delay(100, 'silence')])
  t.is(early, 'silence')
  goOn.resolve()
  const [first] = (await once(socket, 'data')) as [Buffer]
  t.is(first.toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
  socket.write('hello')
  t.is(parseAnswer(await text(socket)).body, '{"got":"hello"}')
})

test('a refusal instead of 100 Continue closes the connection', async t => {
  const { port } = await webApp(t, upload)
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\nExpect: 100-continue\r\n\r\n')
  const answer = await text(socket)
  t.true(answer.startsWith('HTTP/1.1 413'))
  t.regex(answer, /\r\nConnection: close\r\n/)
})

// --- Keep-alive ---

test('the connection lives on after a small refused body', async t => {
  const { port } = await webApp(t, refuseAll)
  const socket = rawClient(t, port)
  for (let round = 0; round < 3; round += 1) {
    socket.write(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(50_000)}`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    t.regex(answer.toString(), /^HTTP\/1\.1 403 [\s\S]*\r\nConnection: keep-alive\r\n/)
  }
})

test('the connection lives on after a large body that was read', async t => {
  const { url } = await webApp(t, async ctx => {
    let size = 0
    for await (const chunk of openBody(ctx, { maxBytes: Infinity }).stream()) size += chunk.length
    ctx.body = { size }
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ports = new Set<number | undefined>()
  for (let round = 0; round < 3; round += 1) {
    const request = http.request(url, { method: 'PUT', agent })
    zeros(3 * mebibyte).pipe(request)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    ports.add(request.socket?.localPort)
    t.deepEqual(JSON.parse(await text(response)), { size: 3 * mebibyte })
  }
  t.is(ports.size, 1)
})

test('the connection lives on when a whole body was left unread', async t => {
  const { port } = await webApp(t, async ctx => {
    openBody(ctx, { maxBytes: limit }).stream().read(0)
    await delay(20)
    ctx.body = {}
  })
  const socket = rawClient(t, port)
  for (let round = 0; round < 2; round += 1) {
    socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    t.true(answer.toString().startsWith('HTTP/1.1 200'))
  }
})

test('the connection lives on when a small body was refused after its first bytes, and nothing piles up on it', async t => {
  const listeners = new Set<number>()
  const { port } = await webApp(t, async ctx => {
    listeners.add(ctx.req.socket.listenerCount('close'))
    for await (const _ of openBody(ctx, { maxBytes: 1e6 }).stream()) refuse('type_refused', 'Not such content')
  })
  const socket = rawClient(t, port)
  for (let round = 0; round < 10; round += 1) {
    socket.write(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(10_000)}`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    t.true(answer.toString().startsWith('HTTP/1.1 403'))
    socket.write('x'.repeat(40_000))
  }
  // The last one's may still be there when the next request begins; ten of them would not be.
  t.true(listeners.size <= 2, `${[...listeners]}`)
})

// --- What the parser refuses ---

test('a body cut short by a half-closed connection is 400 body_too_short from the route that reads it', async t => {
  const { port, log } = await webApp(t, upload)
  const socket = rawClient(t, port, { allowHalfOpen: true })
  socket.end('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nnot enough')
  const { status, body, headers } = parseAnswer(await text(socket))
  t.is(status, 400)
  t.like(JSON.parse(body), { errcode: 'M_UNKNOWN', error: 'The body ended before all announced bytes had come' })
  t.is(headers.get('access-control-allow-origin'), '*')
  await until(() => log.some(({ msg, status }) => msg === 'request' && status === 400))
  t.pass()
})

test('two Host headers, and chunks in HTTP/1.0, are 400 and the end of the connection', async t => {
  const { port } = await webApp(t, upload)
  for (const head of [
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b',
    'GET / HTTP/1.1\r\nHost: a\r\nhOST: a',
    'GET / HTTP/1.0\r\nHost: a\r\nHost: b',
    'PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked',
  ]) {
    const socket = rawClient(t, port)
    socket.write(`${head}\r\n\r\n${head.startsWith('PUT') ? '5\r\nhello\r\n0\r\n\r\n' : ''}`)
    const { status, headers, body } = parseAnswer(await text(socket))
    t.is(status, 400, head)
    t.is(headers.get('connection'), 'close', head)
    t.like(JSON.parse(body), { errcode: 'M_UNKNOWN' })
  }
})

test('a whole body is answered although the client has closed its half of the connection', async t => {
  const { port } = await webApp(t, async ctx => {
    const body = await text(openBody(ctx, { maxBytes: limit }).stream())
    await delay(50)
    ctx.body = { body }
  })
  for (const request of [
    'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
    'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ]) {
    const socket = rawClient(t, port, { allowHalfOpen: true })
    socket.end(request)
    // Resolves because the server then closes its half, too.
    const { status, headers, body } = parseAnswer(await text(socket))
    t.is(status, 200)
    t.is(headers.get('connection'), 'close')
    t.deepEqual(JSON.parse(body), { body: 'hello' })
  }
})

test('a broken chunk is 400 from the route that reads the body', async t => {
  const { port } = await webApp(t, upload)
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n')
  const { status, body } = parseAnswer(await text(socket))
  t.is(status, 400)
  t.like(JSON.parse(body), { errcode: 'M_UNKNOWN' })
})

test('a body that broke before anybody read it fails the reader who comes later', async t => {
  const { port, log } = await webApp(t, async ctx => {
    await until(() => log.some(({ msg }) => msg === 'a request could not be parsed'))
    ctx.body = await text(openBody(ctx, { maxBytes: limit }).stream())
  })
  const socket = rawClient(t, port, { allowHalfOpen: true })
  socket.end('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nnot enough')
  t.is(parseAnswer(await text(socket)).status, 400)
})

for (const [title, bytes, status] of [
  ['headers beyond 16 KiB are 431', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ['a request line beyond 16 KiB is 431', `GET /${'x'.repeat(200_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431],
  ['garbage is 400', 'this is not HTTP\r\n\r\n', 400],
  [
    'two framings at once are 400',
    'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    400,
  ],
  ['a length that is no number is 400', 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello', 400],
  ['a missing Host is 400', 'GET / HTTP/1.1\r\n\r\n', 400],
] as const) {
  test(`${title}, in Matrix JSON with CORS`, async t => {
    const { port } = await webApp(t, refuseAll)
    const socket = rawClient(t, port)
    socket.write(bytes)
    const answer = parseAnswer(await text(socket))
    t.is(answer.status, status)
    t.like(JSON.parse(answer.body), { errcode: 'M_UNKNOWN' })
    t.is(answer.headers.get('content-type'), 'application/json')
    t.is(answer.headers.get('access-control-allow-origin'), '*')
    t.is(answer.headers.get('cache-control'), 'no-store')
    t.is(answer.headers.get('connection'), 'close')
  })
}

test('garbage that follows a request does not spoil its answer', async t => {
  const begun = Promise.withResolvers<void>()
  const { port, log } = await webApp(t, async ctx => {
    begun.resolve()
    await until(() => log.some(({ msg }) => msg === 'a request could not be parsed'))
    ctx.body = { fine: true }
  })
  const socket = rawClient(t, port)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await begun.promise
  socket.write('\0\0\0garbage')
  const { status, body, headers } = parseAnswer(await text(socket))
  t.is(status, 200)
  t.is(body, '{"fine":true}')
  t.is(headers.get('connection'), 'close')
})

test('garbage during an answer cuts the connection', async t => {
  const { port } = await webApp(t, ctx => {
    const endless = new Readable({ read() {} })
    endless.push('begun')
    ctx.body = endless
  })
  const socket = rawClient(t, port)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'data')
  socket.write('\0\0\0garbage')
  await closed(socket)
  t.pass()
})

test('a head that does not come to its end is 408', async t => {
  const { port } = await webApp(t, refuseAll, { headersTimeout: 800 })
  const socket = rawClient(t, port)
  socket.write('GET / HTTP/1.1\r\nHost:')
  const { status, body } = parseAnswer(await text(socket))
  t.is(status, 408)
  t.like(JSON.parse(body), { errcode: 'M_UNKNOWN' })
})

test('a connection on which nothing was ever sent is closed without a word', async t => {
  const { port } = await webApp(t, refuseAll, { headersTimeout: 300 })
  t.is(await text(rawClient(t, port)), '')
})

test('a request that is answered is not answered again when its unread body breaks', async t => {
  const { port } = await webApp(t, refuseAll)
  const socket = rawClient(t, port, { allowHalfOpen: true })
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nnot')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.true(answer.toString().startsWith('HTTP/1.1 403'))
  socket.end(' enough')
  t.is(await text(socket), '')
})

test('what could not be parsed does not get into the log', async t => {
  const { port, log } = await webApp(t, refuseAll)
  const socket = rawClient(t, port)
  socket.write('GET / HTTP/1.1\r\nAuthorization: Bearer s3cret\r\nbroken header\r\n\r\n')
  t.is(parseAnswer(await text(socket)).status, 400)
  t.like(log[0], { level: 'debug', code: 'HPE_INVALID_HEADER_TOKEN' })
  const bytesOfSecret = JSON.stringify([...Buffer.from('s3cret')]).slice(1, -1)
  t.false(JSON.stringify(log).includes('s3cret') || JSON.stringify(log).includes(bytesOfSecret))
})

// --- Silence ---

test('a stalled body fails the stream, is answered with 408, and the connection is closed', async t => {
  const { port, log } = await webApp(t, upload, {
    idleTimeout: 250,
    linger: { totalMs: 1000, silenceMs: 50, maxBytes: mebibyte },
  })
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nand then nothing')
  const { status, headers } = parseAnswer(await text(socket))
  t.is(status, 408)
  t.is(headers.get('connection'), 'close')
  t.is(log.filter(({ level }) => level === 'error' || level === 'warn').length, 0)
})

test('a body that comes slowly but steadily is not cut', async t => {
  // Longer than any machine stops for, and shorter than all of it takes.
  const { port } = await webApp(t, upload, { idleTimeout: 5000 })
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\n')
  for (let sent = 0; sent < 10; sent += 1) {
    await delay(600)
    socket.write('x')
  }
  t.is(parseAnswer(await text(socket)).body, '{"size":10}')
})

test('silence while it is our turn is no fault of the client', async t => {
  const { port } = await webApp(
    t,
    async ctx => {
      const stream = openBody(ctx, { maxBytes: limit }).stream()
      await delay(300)
      ctx.body = { got: await text(stream) }
    },
    { idleTimeout: 100 },
  )
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello')
  t.is(parseAnswer(await text(socket)).body, '{"got":"hello"}')
})

test('a client that can not send because we do not read is not silent', async t => {
  const size = 20 * mebibyte
  const { port } = await webApp(
    t,
    async ctx => {
      let received = 0
      for await (const chunk of openBody(ctx, { maxBytes: size }).stream() as AsyncIterable<Buffer>) {
        if (received === 0) await delay(6000)
        received += chunk.length
      }
      ctx.body = { received }
    },
    { idleTimeout: 5000 },
  )
  const socket = rawClient(t, port)
  socket.write(`PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`)
  zeros(size).pipe(socket, { end: false })
  t.is(parseAnswer(await text(socket)).body, `{"received":${size}}`)
})

test('a client that stops taking what it asked for is cut', async t => {
  const gone = Promise.withResolvers<void>()
  const { port } = await webApp(
    t,
    ctx => {
      ctx.res.once('close', gone.resolve)
      ctx.body = zeros(100 * mebibyte)
    },
    { idleTimeout: 100 },
  )
  const socket = rawClient(t, port)
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await gone.promise
  t.pass()
})

test('a client that goes away while it waits for an answer ends the wait', async t => {
  const waiting = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  const { port } = await webApp(t, async ctx => {
    ctx.res.once('close', gone.resolve)
    waiting.resolve()
    await gone.promise
  })
  const socket = rawClient(t, port)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await waiting.promise
  socket.end()
  await gone.promise
  t.pass()
})

test('connections beyond the limit are closed, and those before it live', async t => {
  const { port } = await webApp(
    t,
    ctx => {
      ctx.body = {}
    },
    { maxConnections: 1 },
  )
  const first = rawClient(t, port)
  await once(first, 'connect')
  await closed(rawClient(t, port))
  first.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [answer] = (await once(first, 'data')) as [Buffer]
  t.true(answer.toString().startsWith('HTTP/1.1 200'))
})

// --- Shutdown ---

test('closing waits for a slow answer, which says that the connection ends, and refuses new connections', async t => {
  const begun = Promise.withResolvers<void>()
  const finish = Promise.withResolvers<void>()
  const { url, close } = await webApp(t, async ctx => {
    begun.resolve()
    await finish.promise
    ctx.body = { done: true }
  })
  const answering = fetch(url)
  await begun.promise
  let closed = false
  const closing = close(10_000).then(() => {
    closed = true
  })
  await t.throwsAsync(fetch(url))
  await delay(50)
  t.false(closed)
  finish.resolve()
  const response = await answering
  t.is(response.headers.get('connection'), 'close')
  t.deepEqual(await response.json(), { done: true })
  await closing
  t.true(closed)
})

test('closing ends idle connections and silent ones when nothing can be on its way any more', async t => {
  const step: Step = ctx => {
    ctx.body = {}
  }
  const { port, close } = await webApp(t, step, { farewell: { first: 300, next: 100 } })
  const used = rawClient(t, port)
  used.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(used, 'data')
  const silent = rawClient(t, port)
  await once(silent, 'connect')
  const ended = Promise.all([closed(used), closed(silent)])
  await close(60_000)
  await ended
  t.pass()
})

test('what was on its way while the listener closed is answered, and is the last on its connection', async t => {
  const step: Step = ctx => {
    ctx.body = { path: ctx.path }
  }
  const { port, close } = await webApp(t, step, { farewell: { first: 60_000, next: 60_000 } })
  const used = rawClient(t, port)
  used.write('GET /one HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(used, 'data')
  const fresh = rawClient(t, port)
  await once(fresh, 'connect')
  // Until it has been accepted it is the kernel's, which resets it with the port.
  const later = rawClient(t, port)
  later.write('GET /accepted HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(later, 'data')

  const closing = close(60_000)
  for (const socket of [used, fresh, later]) {
    socket.write('GET /two HTTP/1.1\r\nHost: a\r\n\r\n')
    const answer = parseAnswer(await text(socket))
    t.is(answer.status, 200)
    t.is(answer.headers.get('connection'), 'close')
    t.regex(answer.body, /two/)
  }
  await closing
})

test('closing again with less grace cuts what is left', async t => {
  const begun = Promise.withResolvers<void>()
  const { port, close } = await webApp(t, async () => {
    begun.resolve()
    await new Promise(() => {})
  })
  const socket = rawClient(t, port)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await begun.promise
  const closing = close(600_000)
  await Promise.all([close(0), closing, closed(socket)])
  t.pass()
})

test('a descriptor that does not listen is an error that says so', async t => {
  const socket = openSync('/dev/null', 'r')
  t.teardown(() => closeSync(socket))
  await t.throwsAsync(webApp(t, refuseAll, { socket }), { message: /descriptor|EINVAL|ENOTSOCK|EBADF/ })
})

test('closing lets an answer that was handed over already reach a slow reader whole', async t => {
  const size = 20 * mebibyte
  const begun = Promise.withResolvers<void>()
  const { port, close } = await webApp(t, ctx => {
    ctx.body = Buffer.alloc(size)
    begun.resolve()
  })
  const socket = rawClient(t, port)
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await begun.promise
  await delay(20)
  const closing = close(10_000)
  let received = 0
  socket.on('data', chunk => {
    received += chunk.length
  })
  socket.resume()
  await closed(socket)
  t.true(received > size)
  await closing
})

test('closing cuts what does not finish within the grace, also in the middle of a body', async t => {
  const begun = Promise.withResolvers<void>()
  const { port, close } = await webApp(t, async () => {
    begun.resolve()
    await new Promise(() => {})
  })
  const socket = rawClient(t, port)
  socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\nonly this')
  await begun.promise
  await Promise.all([close(50), close(60_000), closed(socket)])
  t.pass()
})

test('a keep-alive connection whose answer was under way is closed when it has been sent', async t => {
  const { port, close } = await webApp(t, async ctx => {
    ctx.body = Readable.from(
      (async function* () {
        yield 'one'
        await delay(100)
        yield 'two'
      })(),
    )
  })
  const socket = rawClient(t, port)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'data')
  const closing = close(10_000)
  t.regex(await text(socket), /two/)
  await closing
})

test('an address that is taken is an error, not a crash', async t => {
  const { port } = await webApp(t, refuseAll)
  await t.throwsAsync(webApp(t, refuseAll, { address: { host: '127.0.0.1', port } }), { code: 'EADDRINUSE' })
})

test('the URL of a listener on all addresses can be connected to', async t => {
  const { url } = await webApp(t, refuseAll, { address: { host: '0.0.0.0', port: 0 } })
  t.is((await fetch(url)).status, 403)
})
