import { once } from 'node:events'
import http from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { Router } from '@koa/router'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type ForwardOptions, makeForward } from '../../src/homeserver/forward.ts'
import type { State, Step } from '../../src/http/context.ts'
import { isRouted, passThrough, relay } from '../../src/http/pass-through.ts'
import { homeserver, rawHomeserver } from '../support/homeserver.ts'
import { parseAnswer, rawClient } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { type WebApp, webApp } from '../support/web-app.ts'

function gateway(
  t: ExecutionContext,
  url: string,
  options: Omit<ForwardOptions, 'url'> & { readonly idle?: number } = {},
): Promise<WebApp> {
  const { idle = 60_000, ...forwarding } = options
  const forward = makeForward({ url, ...forwarding })
  return webApp(t, passThrough({ forward }), { surface: 'api', idleTimeout: idle })
}

/** Sends bytes, and waits until the gateway closes the connection. */
function exchange(t: ExecutionContext, { port }: WebApp, bytes: string): Promise<string> {
  const socket = rawClient(t, port)
  socket.setEncoding('latin1')
  socket.write(bytes, 'latin1')
  return everything(socket)
}

async function everything(socket: Socket): Promise<string> {
  let all = ''
  socket.on('data', chunk => {
    all += chunk
  })
  await once(socket, 'close')
  return all
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'

function sayOk(socket: Socket): void {
  socket.end(ok)
}

function say(bytes: string): (socket: Socket) => void {
  return socket => void socket.end(bytes, 'latin1')
}

// --- What arrives at the homeserver ---

for (const target of [
  '/_matrix/media/v3/download/a.example/b%2Fc%2f%C3%A4%c3%a4',
  '/_matrix/federation/v1/x?origin=a%2Eb&&c=+%20%7e~;d=/..//?e==',
  '/_matrix//double///slashes/',
  '/_matrix/a/../b/./c/%2e%2E/d',
  '/_matrix/x?',
  '/_matrix/%zz/%',
  '/_matrix/!$&\'()*,;=:@|^{}`"[]',
]) {
  test(`${target} arrives byte for byte, so that a signature over it still holds`, async t => {
    const upstream = await rawHomeserver(t, sayOk)
    const app = await gateway(t, upstream.url)
    const answer = await exchange(t, app, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    t.is(parseAnswer(answer).status, 200, answer)
    t.true(upstream.received[0]?.startsWith(`GET ${target} HTTP/1.1\r\n`), upstream.received[0])
  })
}

test('headers arrive as they were sent, but for those that concern one connection', async t => {
  const upstream = await rawHomeserver(t, sayOk)
  const app = await gateway(t, upstream.url)
  await exchange(
    t,
    app,
    [
      'GET /_matrix/x HTTP/1.1',
      'Host: Matrix.Example.com:8448',
      'Authorization: X-Matrix origin="a",key="ed25519:1",sig="1"',
      'x-TWO: 1',
      'Authorization: X-Matrix origin="a",key="ed25519:2",sig="2"',
      'X-Two: 2',
      'X-Bytes: \xe9\xff',
      'Empty:',
      'Connection: close, X-Hop, x-forwarded-for',
      'X-Hop: secret',
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'Trailer: X-T',
      'Upgrade: websocket',
      'Proxy-Authorization: Basic eDp5',
      'Proxy-Connection: keep-alive',
      'X-Forwarded-For: 9.9.9.9',
      'X-Forwarded-For: 8.8.8.8',
      'Via: 1.0 fred',
      '',
      '',
    ].join('\r\n'),
  )
  const [requestLine, ...lines] = (upstream.received[0] ?? '').split('\r\n')
  t.is(requestLine, 'GET /_matrix/x HTTP/1.1')
  t.deepEqual(lines, [
    'host: Matrix.Example.com:8448',
    'connection: keep-alive',
    'Authorization: X-Matrix origin="a",key="ed25519:1",sig="1"',
    'x-TWO: 1',
    'Authorization: X-Matrix origin="a",key="ed25519:2",sig="2"',
    'X-Two: 2',
    'X-Bytes: \xe9\xff',
    'Empty: ',
    'X-Forwarded-For: 9.9.9.9, 8.8.8.8, 127.0.0.1',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: Matrix.Example.com:8448',
    'Via: 1.0 fred, 1.1 sluice',
    '',
    '',
  ])
})

test('what a proxy in front says about the client stays, even if the client tries to have it removed', async t => {
  const upstream = await rawHomeserver(t, sayOk)
  const app = await gateway(t, upstream.url)
  await exchange(
    t,
    app,
    [
      'PUT /_matrix/x HTTP/1.1',
      'Host: 10.0.0.1',
      'Content-Length: 5',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: matrix.example.com',
      'X-Forwarded-For: 9.9.9.9',
      'Connection: close, host, content-length, via, x-forwarded-for, X-Forwarded-Proto, x-forwarded-host',
      '',
      'hello',
    ].join('\r\n'),
  )
  const lines = (upstream.received[0] ?? '').split('\r\n')
  t.deepEqual(lines.filter(line => /^(?:host|content-length|x-forwarded)/i.test(line)).sort(), [
    'X-Forwarded-For: 9.9.9.9, 127.0.0.1',
    'X-Forwarded-Host: matrix.example.com',
    'X-Forwarded-Proto: https',
    'content-length: 5',
    'host: 10.0.0.1',
  ])
})

test('a body with a length arrives with that length, and one in chunks arrives in chunks', async t => {
  const seen: unknown[] = []
  const url = await homeserver(t, async (request, response) => {
    const { 'content-length': length, 'transfer-encoding': coding } = request.headers
    seen.push({ method: request.method, length, coding, body: await text(request) })
    response.end()
  })
  const app = await gateway(t, url)
  await exchange(t, app, 'DELETE /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello')
  await exchange(
    t,
    app,
    'PUT /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: dropped\r\n\r\n',
  )
  await exchange(t, app, 'POST /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  t.deepEqual(seen, [
    { method: 'DELETE', length: '5', coding: undefined, body: 'hello' },
    { method: 'PUT', length: undefined, coding: 'chunked', body: 'hello' },
    { method: 'POST', length: '0', coding: undefined, body: '' },
  ])
})

for (const [title, head] of [
  ['Content-Length and Transfer-Encoding', 'Content-Length: 4\r\nTransfer-Encoding: chunked'],
  ['Transfer-Encoding and Content-Length', 'Transfer-Encoding: chunked\r\nContent-Length: 4'],
  ['two lengths', 'Content-Length: 4\r\nContent-Length: 5'],
  ['a length with a sign', 'Content-Length: +4'],
  ['a coding before chunked', 'Transfer-Encoding: gzip, chunked'],
  ['chunked twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'],
  ['a coding that only looks like chunked', 'Transfer-Encoding: xchunked'],
  ['chunked that is not last', 'Transfer-Encoding: chunked, identity'],
  ['a space before the colon', 'Transfer-Encoding : chunked'],
  ['a folded header', 'X: a\r\n Transfer-Encoding: chunked'],
  ['two hosts', 'Host: b\r\nContent-Length: 4'],
]) {
  test(`smuggling with ${title} is refused, and the homeserver sees nothing of it`, async t => {
    const upstream = await rawHomeserver(t, sayOk)
    const app = await gateway(t, upstream.url)
    const answer = await exchange(
      t,
      app,
      `POST /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${head}\r\n\r\n0\r\n\r\nGET /_matrix/smuggled HTTP/1.1\r\nHost: a\r\n\r\n`,
    )
    t.is(parseAnswer(answer).status, 400, answer)
    t.deepEqual(upstream.received.join(''), '')
  })
}

// --- What comes back ---

test('an answer arrives as it was given, with our headers only where it has none', async t => {
  const upstream = await rawHomeserver(
    t,
    say(
      [
        'HTTP/1.1 299 Odd',
        'Server: Synapse/1.2',
        'Set-Cookie: a=1; Path=/',
        'X-Odd: 1',
        'set-cookie: b=2',
        'Access-Control-Allow-Origin: https://app.example',
        'access-control-allow-headers: X-Theirs',
        'X-Bytes: \xe9\xff',
        'Connection: X-Hop, close',
        'X-Hop: secret',
        'Keep-Alive: timeout=9',
        'Proxy-Authenticate: Basic',
        'Trailer: X-T',
        'Transfer-Encoding: chunked',
        '',
        '5',
        '<h1>!',
        '0',
        'X-T: dropped',
        '',
        '',
      ].join('\r\n'),
    ),
  )
  const app = await gateway(t, upstream.url)
  const answer = await exchange(t, app, 'GET /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const lines = answer.split('\r\n')
  const having = (name: RegExp) => lines.filter(line => name.test(line))
  t.true(answer.startsWith('HTTP/1.1 299 '))
  t.deepEqual(having(/^server:/i), ['Server: Synapse/1.2'])
  t.deepEqual(having(/^set-cookie:/i), ['Set-Cookie: a=1; Path=/', 'Set-Cookie: b=2'])
  t.deepEqual(having(/^x-bytes:/i), ['X-Bytes: \xe9\xff'])
  t.deepEqual(having(/^access-control-allow-origin:/i), ['Access-Control-Allow-Origin: https://app.example'])
  t.deepEqual(having(/^access-control-allow-headers:/i), ['access-control-allow-headers: X-Theirs'])
  t.is(having(/^access-control-allow-methods:/i).length, 1)
  t.is(having(/^x-request-id:/i).length, 1)
  t.deepEqual(having(/^(?:connection|keep-alive|transfer-encoding|trailer|proxy-|x-hop|x-t):?/i), [
    'Connection: close',
    'Transfer-Encoding: chunked',
  ])
  t.deepEqual(having(/^content-type:/i), [], 'nothing invented')
  t.true(answer.endsWith('\r\n\r\n5\r\n<h1>!\r\n0\r\n\r\n'))
})

test('an error of the homeserver is relayed as it is, and is no error of ours', async t => {
  const page = '<html><body>Internal Server Error</body></html>'
  const url = await homeserver(t, (_request, response) => {
    response.writeHead(500, { 'Content-Type': 'text/html' }).end(page)
  })
  const app = await gateway(t, url)
  const answer = await fetch(`${app.url}/_matrix/x`)
  t.is(answer.status, 500)
  t.is(answer.headers.get('content-type'), 'text/html')
  t.is(await answer.text(), page)
  await until(() => app.log.length > 0)
  t.deepEqual(
    app.log.map(({ level, msg }) => ({ level, msg })),
    [{ level: 'info', msg: 'request' }],
  )
})

test('the request log says that a request was forwarded', async t => {
  const url = await homeserver(t, (_request, response) => void response.end())
  const app = await gateway(t, url)
  await fetch(`${app.url}/_matrix/x?access_token=secret`)
  await fetch(`${app.url}/elsewhere`)
  await until(() => app.log.length === 2)
  t.like(app.log[0], { path: '/_matrix/x', status: 200, forwarded: true })
  t.false('forwarded' in (app.log[1] ?? {}))
})

for (const [status, body] of [
  ['204 No Content', ''],
  ['304 Not Modified', 'Content-Length: 10\r\n'],
] as const) {
  test(`${status} has no body, and the connection goes on`, async t => {
    const upstream = await rawHomeserver(t, say(`HTTP/1.1 ${status}\r\n${body}ETag: "x"\r\n\r\n`))
    const app = await gateway(t, upstream.url)
    const head = 'HTTP/1.1\r\nHost: a\r\n'
    const answers = await exchange(t, app, `GET /_matrix/1 ${head}\r\nGET /_matrix/2 ${head}Connection: close\r\n\r\n`)
    t.is(answers.split(`HTTP/1.1 ${status}\r\n`).length, 3, answers)
    t.true(answers.endsWith('\r\n\r\n'))
    t.is(answers.split('ETag: "x"').length, 3)
  })
}

test('HEAD keeps the length of what GET would give, and has no body', async t => {
  const url = await homeserver(
    t,
    (_request, response) => void response.writeHead(200, { 'Content-Length': 12345 }).end(),
  )
  const app = await gateway(t, url)
  const answer = await exchange(t, app, 'HEAD /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.is(parseAnswer(answer).headers.get('content-length'), '12345')
  t.is(parseAnswer(answer).body, '')
})

test('interim answers stay between us and the homeserver', async t => {
  const upstream = await rawHomeserver(
    t,
    say(`HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${ok}`),
  )
  const app = await gateway(t, upstream.url)
  const answer = await exchange(t, app, 'GET /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.true(answer.startsWith('HTTP/1.1 200 OK\r\n'))
  t.true(answer.endsWith('\r\n\r\nok'))
})

test('a long head is no error', async t => {
  const policy = `X-Policy: ${'x'.repeat(40_000)}`
  const upstream = await rawHomeserver(t, say(`HTTP/1.1 200 OK\r\n${policy}\r\nContent-Length: 0\r\n\r\n`))
  const app = await gateway(t, upstream.url)
  const answer = await exchange(t, app, 'GET /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.true(answer.includes(policy))
})

test('the head of an answer does not wait for its body', async t => {
  const url = await homeserver(t, (_request, response) => response.writeHead(200).flushHeaders())
  const app = await gateway(t, url)
  const answer = await fetch(`${app.url}/_matrix/x`)
  t.is(answer.status, 200)
  await answer.body?.cancel()
})

test('a packed answer stays packed', async t => {
  const url = await homeserver(t, (request, response) => {
    response
      .writeHead(200, { 'Content-Encoding': 'gzip', 'X-Asked': request.headers['accept-encoding'] })
      .end('not gzip')
  })
  const app = await gateway(t, url)
  const answer = await exchange(
    t,
    app,
    'GET /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: br, gzip\r\n\r\n',
  )
  t.is(parseAnswer(answer).headers.get('x-asked'), 'br, gzip')
  t.regex(answer, /not gzip/)
})

// --- When something breaks ---

test('a homeserver that is not there is 502, and worth another try', async t => {
  const app = await gateway(t, 'http://127.0.0.1:1')
  const answer = await fetch(`${app.url}/_matrix/x`, { method: 'POST', body: 'hello' })
  t.is(answer.status, 502)
  t.is(answer.headers.get('retry-after'), '5')
  t.is(answer.headers.get('access-control-allow-origin'), '*')
  t.like(await answer.json(), { errcode: 'M_UNKNOWN' })
})

for (const [title, bytes] of [
  ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['nothing', ''],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['an upgrade that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
  ['endless headers', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`],
] as const) {
  test(`a homeserver that answers with ${title} is 502`, async t => {
    const upstream = await rawHomeserver(t, say(bytes))
    const app = await gateway(t, upstream.url)
    const answer = await exchange(t, app, 'GET /_matrix/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    t.is(parseAnswer(answer).status, 502, answer)
  })
}

for (const [title, head, end] of [
  ['with a length, reset', 'Content-Length: 100', (socket: Socket) => void socket.resetAndDestroy()],
  ['with a length, closed', 'Content-Length: 100', (socket: Socket) => void socket.end()],
  ['in chunks, reset', 'Transfer-Encoding: chunked', (socket: Socket) => void socket.resetAndDestroy()],
  ['in chunks, closed', 'Transfer-Encoding: chunked', (socket: Socket) => void socket.end()],
] as const) {
  test(`an answer ${title} in its middle does not look whole to the client`, async t => {
    const upstream = await rawHomeserver(t, socket => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n5\r\nhello\r\n`)
    })
    const app = await gateway(t, upstream.url)
    const socket = rawClient(t, app.port)
    socket.write('GET /_matrix/x HTTP/1.1\r\nHost: a\r\n\r\n')
    let answer = ''
    const closed = once(socket, 'close')
    socket.on('data', chunk => {
      answer += chunk
      if (answer.includes('hello')) for (const connection of upstream.sockets) end(connection)
    })
    await closed
    t.true(answer.includes('hello'))
    t.false(answer.includes('\r\n0\r\n'))
    await until(() => app.log.length === 2)
    t.like(
      app.log.find(({ msg }) => msg === 'request'),
      { status: 200, aborted: true },
    )
    t.like(
      app.log.find(({ msg }) => msg !== 'request'),
      { level: 'warn', code: 'homeserver_unreachable' },
    )
  })
}

test('a homeserver that does not answer in time is 504, and is let go', async t => {
  const upstream = await rawHomeserver(t, () => {})
  const app = await gateway(t, upstream.url, { headersTimeout: 200 })
  const answer = await fetch(`${app.url}/_matrix/x`)
  t.is(answer.status, 504)
  t.like(await answer.json(), { errcode: 'M_UNKNOWN' })
  await until(() => upstream.sockets[0]?.readableEnded === true)
})

test('an answer that falls silent in its middle is cut', async t => {
  const upstream = await rawHomeserver(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello')
  })
  const app = await gateway(t, upstream.url, { idleTimeout: 200 })
  const answer = await exchange(t, app, 'GET /_matrix/x HTTP/1.1\r\nHost: a\r\n\r\n')
  t.true(answer.endsWith('hello'))
})

test('an answer that trickles is never cut, however long it takes in all', async t => {
  const url = await homeserver(t, (_request, response) => {
    response.writeHead(200)
    let left = 12
    const dripping = setInterval(() => {
      response.write('x')
      left -= 1
      if (left > 0) return
      clearInterval(dripping)
      response.end()
    }, 600)
  })
  // Longer than any machine stops for, and shorter than all of it takes.
  const app = await gateway(t, url, { idleTimeout: 5000 })
  t.is(await (await fetch(`${app.url}/_matrix/x`)).text(), 'x'.repeat(12))
})

test('a client that leaves while the homeserver thinks takes the question with it', async t => {
  const asked = Promise.withResolvers<Socket>()
  const upstream = await rawHomeserver(t, asked.resolve)
  const app = await gateway(t, upstream.url)
  const socket = rawClient(t, app.port)
  socket.write('GET /_matrix/client/v3/sync?timeout=30000 HTTP/1.1\r\nHost: a\r\n\r\n')
  const connection = await asked.promise
  socket.destroy()
  await once(connection, 'end')
  await until(() => app.log.some(({ msg }) => msg === 'request'))
  t.like(
    app.log.find(({ msg }) => msg === 'request'),
    { aborted: true, forwarded: true },
  )
  t.deepEqual(
    app.log.filter(({ level }) => level !== 'debug' && level !== 'info'),
    [],
    'nobody is to blame',
  )
})

test('a client that leaves in the middle of its body leaves no whole request behind', async t => {
  const asked = Promise.withResolvers<Socket>()
  const upstream = await rawHomeserver(t, asked.resolve)
  const app = await gateway(t, upstream.url)
  const socket = rawClient(t, app.port)
  socket.write('PUT /_matrix/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  const connection = await asked.promise
  socket.destroy()
  await once(connection, 'end')
  t.true(upstream.received[0]?.includes('hello'))
  t.false(upstream.received[0]?.includes('\r\n0\r\n'))
  await until(() => app.log.some(({ msg }) => msg === 'request'))
  t.deepEqual(
    app.log.filter(({ level }) => level !== 'debug' && level !== 'info'),
    [],
  )
})

test('a client that leaves in the middle of the answer stops it', async t => {
  const url = await homeserver(t, (_request, response) => {
    response.writeHead(200)
    const flood = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65536)));
    }
    response.on('drain', flood)
    response.once('close', () => stopped.resolve())
    flood()
  })
  const stopped = Promise.withResolvers<void>()
  const app = await gateway(t, url)
  const socket = rawClient(t, app.port)
  socket.write('GET /_matrix/x HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'data')
  socket.destroy()
  await stopped.promise
  t.pass()
})

test('a client that falls silent in the middle of its body is told so, and the homeserver is left', async t => {
  const upstream = await rawHomeserver(t, () => {})
  const app = await gateway(t, upstream.url, { idle: 200 })
  const answer = await exchange(t, app, 'PUT /_matrix/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
  t.is(parseAnswer(answer).status, 408)
  await until(() => upstream.sockets[0]?.readableEnded === true)
})

test('a homeserver that answers before the body is there is heard', async t => {
  const upstream = await rawHomeserver(t, socket => {
    socket.end(
      'HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}',
    )
  })
  const app = await gateway(t, upstream.url)
  const request = http.request(`${app.url}/_matrix/x`, { method: 'POST' })
  request.on('error', () => {})
  const piece = Buffer.alloc(65536)
  const pour = () => {
    while (!request.destroyed && request.write(piece));
  }
  request.on('drain', pour)
  pour()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  t.is(response.statusCode, 413)
  t.is(await text(response), '{}')
  request.destroy()
})

// --- 100 Continue ---

test('the body is asked for once the homeserver is there to take it', async t => {
  const upstream = await rawHomeserver(t, sayOk)
  const app = await gateway(t, upstream.url)
  const socket = rawClient(t, app.port)
  socket.write(
    'PUT /_matrix/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n',
  )
  const [first] = (await once(socket, 'data')) as [Buffer]
  t.is(first.toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
  socket.write('hello')
  t.is(parseAnswer(await text(socket)).status, 200)
  t.false(/^expect:/im.test(upstream.received[0] ?? ''), 'the expectation was for us')
})

test('without a homeserver nobody is asked for a body', async t => {
  const app = await gateway(t, 'http://127.0.0.1:1')
  const answer = await exchange(
    t,
    app,
    'PUT /_matrix/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\nExpect: 100-continue\r\n\r\n',
  )
  t.true(answer.startsWith('HTTP/1.1 502 '), answer)
})

// --- Connections ---

test('one connection serves requests that come one after the other', async t => {
  const ports = new Set<number | undefined>()
  const url = await homeserver(t, async (request, response) => {
    ports.add(request.socket.remotePort)
    await text(request)
    response.end('hello')
  })
  const app = await gateway(t, url)
  for (let round = 0; round < 5; round += 1) {
    const body = round % 2 === 0 ? {} : { method: 'POST', body: 'x' }
    t.is(await (await fetch(`${app.url}/_matrix/x`, body)).text(), 'hello')
  }
  t.is(ports.size, 1)
})

test('long polls do not stand in the way of others', async t => {
  const polls: http.ServerResponse[] = []
  const url = await homeserver(t, (request, response) => {
    if (request.url?.includes('sync')) polls.push(response)
    else response.end('quick')
  })
  const app = await gateway(t, url)
  const waiting = Array.from({ length: 40 }, () => fetch(`${app.url}/_matrix/sync`))
  await until(() => polls.length === 40)
  t.is(await (await fetch(`${app.url}/_matrix/x`)).text(), 'quick')
  for (const response of polls) response.end('slow')
  t.is(new Set(await Promise.all(waiting.map(async answer => (await answer).text()))).size, 1)
})

test('a homeserver URL that leads back here is noticed at the second sight', async t => {
  let visits = 0
  const url = await homeserver(t, (request, response) => {
    visits += 1
    request.pipe(
      http.request(app.url + request.url, { headers: request.headers }, back => {
        response.writeHead(back.statusCode ?? 0)
        back.pipe(response)
      }),
    )
  })
  const app = await gateway(t, url)
  t.is((await fetch(`${app.url}/_matrix/x`)).status, 502)
  t.is(visits, 1)
})

// --- What is forwarded at all ---

for (const target of [
  '/',
  '/_synapse/admin/v1/users',
  '/_matrix',
  '/_Matrix/x',
  '//_matrix/x',
  '/.well-known/matrix/client',
  '/_matrix/%2e%2e/_synapse/admin',
  'http://a/_matrix/x',
  '*',
]) {
  test(`${target} is not the homeserver's to answer`, async t => {
    const upstream = await rawHomeserver(t, sayOk)
    const app = await gateway(t, upstream.url)
    const answer = await exchange(t, app, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    t.is(parseAnswer(answer).status, 404)
    t.deepEqual(upstream.received, [])
  })
}

test('no spelling of a path leads out of the prefix', t => {
  const piece = fc.constantFrom('..', '.', '', 'a', '%2e', '%2E.', '.%2e', '%2e%2E', '%2f', '%5C', '\\', '_synapse')
  const slash = fc.constantFrom('/', '/', '%2f', '%2F', '\\', '%5c', '//')
  const path = fc.array(fc.tuple(piece, slash), { maxLength: 8 }).map(parts => `/_matrix/${parts.flat().join('')}`)
  fc.assert(
    fc.property(path, raw => {
      const resolved = new URL(
        decodeURIComponent(raw)
          .replaceAll('\\', '/')
          .replaceAll(/\/{2,}/g, '/'),
        'http://a',
      )
      return !isRouted(raw) || resolved.pathname.startsWith('/_matrix/')
    }),
    { numRuns: 2000 },
  )
  t.true(isRouted('/_matrix/client/v3/rooms/!a:b/state/x/..'))
  t.true(isRouted('/_matrix/x?y=/../../..'))
  t.false(isRouted('/_matrix/..#/_matrix/x'))
})

test('standalone, everything that is not ours is 404 in JSON', async t => {
  const app = await webApp(t, passThrough({ forward: undefined }))
  const answer = await fetch(`${app.url}/_matrix/media/v3/download/a/b`)
  t.is(answer.status, 404)
  t.like(await answer.json(), { errcode: 'M_UNRECOGNIZED' })
})

test('a path of ours stays ours with any method; a route may still hand a request on', async t => {
  const seen: string[] = []
  const url = await homeserver(t, async (request, response) => {
    seen.push(`${request.method} ${request.url} ${await text(request)}`)
    response.end('theirs')
  })
  const forward = makeForward({ url })
  const router = new Router<State>()
  router.put('/_matrix/ours', ctx => {
    ctx.body = 'ours'
  })
  router.post('/_matrix/undecided', ctx => relay(ctx, forward))
  router.post('/_matrix/shrugs', (_ctx, next) => next())
  const app = await webApp(t, [router.routes() as Step, passThrough({ forward })])
  const ask = async (method: string, path: string) => {
    const answer = await fetch(app.url + path, { method, ...(method === 'POST' && { body: 'x' }) })
    return [answer.status, await answer.text()]
  }
  t.deepEqual(await ask('PUT', '/_matrix/ours'), [200, 'ours'])
  t.is((await ask('DELETE', '/_matrix/ours'))[0], 405)
  t.deepEqual(seen, [])
  t.deepEqual(await ask('POST', '/_matrix/undecided'), [200, 'theirs'])
  t.deepEqual(await ask('POST', '/_matrix/shrugs'), [200, 'theirs'])
  t.deepEqual(await ask('DELETE', '/_matrix/unknown'), [200, 'theirs'])
  t.deepEqual(seen, ['POST /_matrix/undecided x', 'POST /_matrix/shrugs x', 'DELETE /_matrix/unknown '])
})
