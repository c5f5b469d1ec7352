import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { askExactly } from '../support/exact-request.ts'
import { mediaClient, put, putHalf } from '../support/media-client.ts'
import { restless } from '../support/restless-client.ts'
import { type Serving, serve, startActivated } from '../support/sluice-process.ts'
import { tempDir } from '../support/temp-dir.ts'
import { until } from '../support/until.ts'

const token = 'token-of-me'
const env = {
  SLUICE_AUTH__TOKENS: JSON.stringify([{ token, user_id: '@me:localhost' }]),
  SLUICE_LIMITS__EXEMPT_USERS: '["*"]',
  SLUICE_EDGE__WORKERS: '2',
}
const large = randomBytes(300_000)

function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return children === '' ? [] : children.split(' ').map(Number)
}

function isRunning(pid: number): boolean {
  try {
    // Nobody has waited for a zombie yet, but it runs no more.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

function isReceiving(cwd: string): boolean {
  return readdirSync(join(cwd, 'data/incoming')).length > 0
}

/** Numbers of the workers that have answered a PUT. */
function busyWorkers(running: Serving): readonly unknown[] {
  const lines = running.log().filter(({ method, status }) => method === 'PUT' && status === 200)
  return [...new Set(lines.map(({ worker }) => worker))].toSorted()
}

test('workers share the edge, take up a changed configuration, and finish what is in flight when told to stop', async t => {
  const cwd = tempDir(t)
  const config = join(cwd, 'sluice.yaml')
  writeFileSync(config, '{}')
  const running = await serve(t, ['--config', config, '--init'], { cwd, env })
  const me = mediaClient(running.api, token)
  const clients = restless({ api: running.api, token, count: 2 })
  await until(() => busyWorkers(running).length === 2)
  await clients.stop()
  t.deepEqual(clients.troubles, [])
  t.deepEqual(busyWorkers(running), [1, 2])

  const slow = await me.create()
  const { request, answer } = putHalf(t, slow.uploadUrl, large)
  await until(() => isReceiving(cwd))
  writeFileSync(config, 'limits: { max_upload_bytes: 1kB }')
  running.kill('SIGHUP')
  await until(() => running.log().some(({ event }) => event === 'reloaded'))
  const { origin, pathname, search } = new URL((await me.create()).uploadUrl)
  // Each on a connection of its own, so that both workers are asked.
  for (let tries = 0; tries < 4; tries += 1) {
    t.is((await askExactly(origin, { method: 'PUT', target: pathname + search, body: large })).status, 413)
  }

  running.kill('SIGTERM')
  await until(() => running.log().some(({ event }) => event === 'stopping'))
  request.end(large.subarray(large.length / 2))
  t.is(await answer, 200)
  const { code, stdout } = await running.ended
  t.is(code, 0)
  t.is(stdout.trimEnd().split('\n').length, 1, 'ready once')

  writeFileSync(config, '{}')
  const again = await serve(t, ['--config', config], { cwd, env })
  const later = mediaClient(again.api, token)
  t.is((await later.complete(slow.media)).status, 200)
  t.deepEqual(await later.download(slow.media), large)
})

test('a worker that is killed is replaced, and what it was receiving is cleared away; the others go on', async t => {
  const cwd = tempDir(t)
  const unit = startActivated(t, ['serve'], { cwd, env })
  const { pid, api } = await unit.serving(1)
  const me = mediaClient(api, token)
  const interrupted = await me.create()
  const { answer } = putHalf(t, interrupted.uploadUrl, large)
  await until(() => isReceiving(cwd))
  const owner = /^receiving-edge\.(\d)-/.exec(readdirSync(join(cwd, 'data/incoming'))[0] ?? '')?.[1]
  const before = childrenOf(pid)
  t.is(before.length, 2)
  const victim = before[Number(owner) - 1] ?? 0
  process.kill(victim, 'SIGKILL')
  t.is(await answer, undefined)
  t.deepEqual(await me.download(await me.publish(large, 'application/octet-stream')), large)
  await until(() => childrenOf(pid).length === 2 && !childrenOf(pid).includes(victim))
  await until(() => !isReceiving(cwd))
  t.is((await put(interrupted.uploadUrl, large)).status, 200)
  t.is((await me.complete(interrupted.media)).status, 200)
  t.deepEqual(await me.download(interrupted.media), large)
})

test('workers end with their parent, and the next one waits for them', async t => {
  const cwd = tempDir(t)
  const first = startActivated(t, ['serve'], { cwd, env })
  const { pid, api } = await first.serving(1)
  const before = mediaClient(api, token)
  const media = await before.publish(large, 'application/octet-stream')
  const interrupted = await before.create()
  putHalf(t, interrupted.uploadUrl, large)
  await until(() => isReceiving(cwd))
  const workers = childrenOf(pid)
  t.is(workers.length, 2)
  process.kill(pid, 'SIGKILL')

  const second = await serve(t, [], { cwd, env })
  t.false(workers.some(isRunning))
  t.false(isReceiving(cwd))
  const after = mediaClient(second.api, token)
  t.deepEqual(await after.download(media), large)
  const { pathname, search } = new URL(interrupted.uploadUrl)
  t.is((await put(`${second.edge}${pathname}${search}`, large)).status, 200)
})

test('with workers as well, a restart on passed sockets refuses nobody', async t => {
  const cwd = tempDir(t)
  const unit = startActivated(t, ['serve'], { cwd, env })
  const { api } = await unit.serving(1)
  const clients = restless({ api, token, count: 4 })
  await until(() => clients.published.length >= 10)
  process.kill((await unit.serving(1)).pid, 'SIGTERM')
  await unit.serving(2)
  await until(() => clients.published.length >= 20)
  await clients.stop()
  t.deepEqual(clients.troubles, [])
  const me = mediaClient(api, token)
  for (const { media, bytes } of clients.published) t.deepEqual(await me.download(media), bytes)
  t.is((await unit.end()).code, 0)
})

test('an edge alone may have workers', async t => {
  const cwd = tempDir(t)
  const edge = await serve(t, ['--only', 'edge', '--init'], { cwd, env })
  const api = await serve(t, ['--only', 'api'], { cwd, env: { ...env, SLUICE_EDGE__PUBLIC_URL: edge.edge } })
  const me = mediaClient(api.api, token)
  t.deepEqual(await me.download(await me.publish(large, 'application/octet-stream')), large)
  t.is(busyWorkers(edge).length, 1)
  edge.kill('SIGTERM')
  t.is((await edge.ended).code, 0)
})
