import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { mediaClient, putHalf } from '../support/media-client.ts'
import { type Published, restless } from '../support/restless-client.ts'
import { runCommand, serve, startActivated, startProcess, whenReady } from '../support/sluice-process.ts'
import { tempDir } from '../support/temp-dir.ts'
import { until } from '../support/until.ts'

const token = 'token-of-me'
const env = {
  SLUICE_AUTH__TOKENS: JSON.stringify([{ token, user_id: '@me:localhost' }]),
  SLUICE_LIMITS__EXEMPT_USERS: '["*"]',
}
const large = randomBytes(300_000)

async function areThere(t: ExecutionContext, api: string, published: readonly Published[]): Promise<void> {
  const me = mediaClient(api, token)
  for (const { media, bytes } of published) t.deepEqual(await me.download(media), bytes)
}

function isReceiving(cwd: string): boolean {
  return readdirSync(join(cwd, 'data/incoming')).length > 0
}

test('with sockets that systemd passes, nobody is refused or reset while the server is restarted', async t => {
  const unit = startActivated(t, ['serve'], { cwd: tempDir(t), env })
  const { api, edge } = await unit.serving(1)
  const clients = restless({ api, token, count: 4 })
  for (const start of [1, 2]) {
    await until(() => clients.published.length >= start * 10)
    process.kill((await unit.serving(start)).pid, 'SIGTERM')
    const next = await unit.serving(start + 1)
    t.deepEqual([next.api, next.edge], [api, edge], 'the sockets are the same ones')
  }
  await until(() => clients.published.length >= 30)
  await clients.stop()
  t.deepEqual(clients.troubles, [])
  await areThere(t, api, clients.published)
  t.is((await unit.end()).code, 0)
})

test('sockets may be named, in any order; those that are not expected are an error that says what is', async t => {
  const [named, other, both] = await Promise.all([
    startActivated(t, ['serve'], { cwd: tempDir(t), env }, 'edge:api').serving(1),
    startActivated(t, ['serve'], { cwd: tempDir(t), env }, 'edge:metrics')
      .serving(1)
      .catch(String),
    startActivated(t, ['serve', '--only', 'edge'], { cwd: tempDir(t), env })
      .serving(1)
      .catch(String),
  ])
  t.is((await mediaClient(named.api, token).ask('POST', '/_matrix/media/v1/create')).status, 200)
  t.is((await fetch(`${named.edge}/_matrix/media/v1/create`)).status, 404)
  t.regex(String(other), /sluice: the sockets passed by systemd do not fit: expected .* api, .* edge.*"metrics"\n/)
  t.regex(String(both), /expected one socket, for the edge.*2 passed/)
})

test('a successor takes clients as soon as the port is free, and serves them as soon as the data is', async t => {
  const cwd = tempDir(t)
  const first = await serve(t, [], { cwd, env })
  const me = mediaClient(first.api, token)
  const { uploadUrl, media } = await me.create()
  const { request, answer } = putHalf(t, uploadUrl, large)
  await until(() => isReceiving(cwd))

  const listen = { SLUICE_API__LISTEN: new URL(first.api).host, SLUICE_EDGE__LISTEN: new URL(first.edge).host }
  const successor = startProcess(t, ['serve'], { cwd, env: { ...env, ...listen } })
  const isWaitingFor = (what: string) => successor.said.stderr.includes(`"waiting","what":"${what}`)
  await until(() => isWaitingFor('127.0.0.1'))
  first.kill('SIGTERM')
  await until(() => isWaitingFor('/'))
  t.true(first.isRunning())
  const early = me.ask('GET', '/health')

  request.end(large.subarray(large.length / 2))
  t.is(await answer, 200)
  t.is((await first.ended).code, 0)
  t.is((await early).status, 200)
  const { api } = await whenReady(successor)
  t.is((await me.complete(media)).status, 200)
  t.deepEqual(await mediaClient(api, token).download(media), large)
})

test('a successor whose predecessor does not stop says what it waited for; told to stop meanwhile, it does', async t => {
  const cwd = tempDir(t)
  const first = await serve(t, [], { cwd, env })
  const noGrace = { ...env, SLUICE_SHUTDOWN_GRACE: '0s', SLUICE_EDGE__LISTEN: '127.0.0.1:0' }
  const [sameDirectory, samePort, cancelled] = await Promise.all([
    runCommand(t, ['serve'], { cwd, env: { ...noGrace, SLUICE_API__LISTEN: '127.0.0.1:0' } }),
    runCommand(t, ['serve'], { cwd: tempDir(t), env: { ...noGrace, SLUICE_API__LISTEN: new URL(first.api).host } }),
    cancelledWhileWaiting(t, cwd),
  ])
  t.is(sameDirectory.code, 2)
  t.regex(sameDirectory.stderr, /\nsluice: Another Sluice serves .*\/data already .*\n$/)
  // Its edge was open by then; an open listener would keep the process from ending.
  t.is(samePort.code, 2)
  t.regex(samePort.stderr, /\nsluice: a listener can not be opened: .*EADDRINUSE.*\n$/)
  t.true(samePort.stderr.includes(new URL(first.api).host))
  t.is(sameDirectory.stdout + samePort.stdout + cancelled.stdout, '')
  t.is(cancelled.code, 0)
})

async function cancelledWhileWaiting(t: ExecutionContext, cwd: string) {
  const free = { SLUICE_API__LISTEN: '127.0.0.1:0', SLUICE_EDGE__LISTEN: '127.0.0.1:0' }
  const waiting = startProcess(t, ['serve'], { cwd, env: { ...env, ...free } })
  await until(() => waiting.said.stderr.includes('"waiting"'))
  waiting.kill('SIGTERM')
  return waiting.ended
}

test('restarts under load lose nothing that was acknowledged', async t => {
  const cwd = tempDir(t)
  const first = await serve(t, [], { cwd, env })
  const clients = restless({ api: first.api, token, count: 4 })
  const listen = { SLUICE_API__LISTEN: new URL(first.api).host, SLUICE_EDGE__LISTEN: new URL(first.edge).host }
  let running = first
  for (const start of [1, 2]) {
    await until(() => clients.published.length >= start * 10)
    running.kill('SIGTERM')
    running = await serve(t, [], { cwd, env: { ...env, ...listen } })
  }
  await until(() => clients.published.length >= 30)
  await clients.stop()
  // Between two servers nobody listens, and whoever was about to be accepted is reset. Nobody gets a wrong answer.
  t.deepEqual(
    clients.troubles.filter(trouble => !['ECONNREFUSED', 'ECONNRESET'].includes(trouble)),
    [],
  )
  await areThere(t, running.api, clients.published)
})

test('told to stop again after a while, a server cuts what is left', async t => {
  const cwd = tempDir(t)
  const running = await serve(t, [], { cwd, env })
  const { uploadUrl } = await mediaClient(running.api, token).create()
  const { answer } = putHalf(t, uploadUrl, large)
  await until(() => isReceiving(cwd))
  running.kill('SIGTERM')
  await until(() => running.log().some(({ event }) => event === 'stopping'))
  // A second signal within a second is taken for the first one.
  await setTimeout(1_100)
  running.kill('SIGTERM')
  t.is((await running.ended).code, 0)
  t.is(await answer, undefined)
  t.true(running.log().some(({ msg }) => String(msg).startsWith('told again')))
})
