import { once } from 'node:events'
import test from 'ava'
import { openBody } from '../../src/http/request-body.ts'
import { rawClient } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { type LogLine, webApp } from '../support/web-app.ts'

test('one line per request, with the facts and without secrets', async t => {
  const { url, log } = await webApp(t, async ctx => {
    ctx.state.userId = '@me:example.com'
    for await (const _ of openBody(ctx, { maxBytes: 1e6 }).stream());
    ctx.status = 201
    ctx.body = 'x'.repeat(5000)
  })
  const response = await fetch(`${url}/media/a%20b?signed=secret&access_token=secret`, {
    method: 'PUT',
    headers: { Authorization: 'Bearer secret' },
    body: 'y'.repeat(70_000),
  })
  await response.text()
  const [line] = await requests(log, 1)
  t.like(line, {
    level: 'info',
    requestId: response.headers.get('x-request-id'),
    method: 'PUT',
    path: '/media/a%20b',
    status: 201,
    user: '@me:example.com',
  })
  t.false('aborted' in (line ?? {}))
  t.true(Number(line?.ms) >= 0)
  t.true(Number(line?.bytesIn) > 70_000 && Number(line?.bytesIn) < 71_000)
  t.true(Number(line?.bytesOut) > 5000 && Number(line?.bytesOut) < 7000)
  t.notRegex(JSON.stringify(log), /secret/)
})

test('bytes are counted for each request on a connection, not for the connection', async t => {
  const { port, log } = await webApp(t, ctx => {
    ctx.body = {}
  })
  const socket = rawClient(t, port)
  for (let round = 0; round < 3; round += 1) {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
  }
  const lines = await requests(log, 3)
  t.deepEqual(new Set(lines.map(line => line.bytesIn)), new Set(['GET / HTTP/1.1\r\nHost: a\r\n\r\n'.length]))
  t.is(new Set(lines.map(line => line.bytesOut)).size, 1)
  t.is(new Set(lines.map(line => line.requestId)).size, 3)
})

test('a request that the client gave up has no status', async t => {
  const begun = Promise.withResolvers<void>()
  const { port, log } = await webApp(t, async () => {
    begun.resolve()
    await new Promise(() => {})
  })
  const socket = rawClient(t, port)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await begun.promise
  socket.destroy()
  const [line] = await requests(log, 1)
  t.is(line?.aborted, true)
  t.false('status' in (line ?? {}))
})

test('an id that comes with the request is not taken over', async t => {
  const { url } = await webApp(t, () => {})
  const response = await fetch(url, { headers: { 'X-Request-Id': 'mine' } })
  t.regex(response.headers.get('x-request-id') ?? '', /^[\w-]{12}$/)
})

test('a very long path does not fill the log', async t => {
  const { url, log } = await webApp(t, () => {})
  await fetch(`${url}/${'x'.repeat(10_000)}`)
  const [line] = await requests(log, 1)
  t.true(String(line?.path).length < 1000)
})

async function requests(log: readonly LogLine[], count: number): Promise<readonly LogLine[]> {
  const lines = () => log.filter(({ msg }) => msg === 'request')
  await until(() => lines().length >= count)
  return lines()
}
