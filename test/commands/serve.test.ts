import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { mediaClient, put, putHalf } from '../support/media-client.ts'
import { freePorts, runCommand, serve, startProcess, whenReady } from '../support/sluice-process.ts'
import { tempDir } from '../support/temp-dir.ts'
import { until } from '../support/until.ts'

const token = 'token-of-me'
const family = `server_name: example.com
auth: { tokens: [ { token: ${token}, user_id: '@me:example.com' } ] }
`
const large = randomBytes(300_000)

function written(dir: string, yaml: string): string {
  const file = join(dir, 'sluice.yaml')
  writeFileSync(file, yaml)
  return file
}

function incoming(cwd: string): readonly string[] {
  return readdirSync(join(cwd, 'data/incoming'))
}

function tokenIn(cwd: string): string {
  return readFileSync(join(cwd, 'data/token'), 'utf8').trim()
}

test('on embedded defaults: a ready line, plain words below it, and a token for its owner only', async t => {
  const cwd = tempDir(t)
  const first = await serve(t, [], { cwd })
  // The ready line and what follows are two writes.
  await until(() => first.said.stdout.includes('copy.jpg'))
  const [readyLine = '', ...below] = first.said.stdout.split('\n')
  t.deepEqual(Object.keys(JSON.parse(readyLine)), ['event', 'api_url', 'edge_url'])
  t.is((await fetch(`${first.api}/health`)).status, 200)
  t.is((await fetch(`${first.edge}/health`)).status, 200)

  t.is(statSync(join(cwd, 'data')).mode & 0o777, 0o700)
  t.is(statSync(join(cwd, 'data/token')).mode & 0o777, 0o600)
  const made = tokenIn(cwd)
  const words = below.join('\n')
  for (const part of [first.api, first.edge, made, 'curl']) t.true(words.includes(part), part)
  t.is((await mediaClient(first.api, made).ask('POST', '/_matrix/media/v1/create')).status, 200)

  first.kill('SIGINT')
  t.is((await first.ended).code, 0)
  t.false(first.said.stderr.includes(made), 'the log has no token')
})

test('a data directory that is missing or empty stops the start of a server that is configured', async t => {
  const cwd = tempDir(t)
  const config = written(cwd, family)
  mkdirSync(join(cwd, 'empty'))
  const atHomeserver = { SLUICE_HOMESERVER__URL: 'http://127.0.0.1:1', SLUICE_DATA_DIR: 'empty' }
  const [missing, empty] = await Promise.all([
    runCommand(t, ['serve', '--config', config], { cwd, env: freePorts }),
    runCommand(t, ['serve'], { cwd, env: { ...freePorts, ...atHomeserver } }),
  ])
  t.is(missing.code, 2)
  t.regex(missing.stderr, /^sluice: The data directory .*\/data is missing\..*--init\.\n$/)
  t.false(existsSync(join(cwd, 'data')))
  t.is(empty.code, 2)
  t.regex(empty.stderr, /^sluice: The data directory .*\/empty is empty\..*--init\.\n$/)
  t.deepEqual(readdirSync(join(cwd, 'empty')), [])
})

test('every problem of a wrong configuration is listed with its path, and no value is repeated', async t => {
  const cwd = tempDir(t)
  const config = written(
    cwd,
    `server_name: not!a!name
limits: { max_upload_bytes: plenty, max_pending_per_usr: 5 }
auth: { tokens: [ { token: s3cret-s3cret, user_id: bob } ] }
colour: blue
`,
  )
  const env = { ...freePorts, SLUICE_LOG__LEVEL: 'deafening', SLUICE_EDGE__LISTNE: 'nowhere' }
  const { code, stdout, stderr } = await runCommand(t, ['serve', '--config', config, '--init'], { cwd, env })
  t.is(code, 2)
  t.is(stdout, '')
  const [headline, ...problems] = stderr.trimEnd().split('\n')
  t.is(headline, 'sluice: the configuration has problems:')
  const paths = problems.map(line => line.trim().split(': ', 1)[0] ?? '')
  t.deepEqual(paths.toSorted(), [
    'SLUICE_EDGE__LISTNE',
    'auth.tokens[0].user_id',
    'colour',
    'limits.max_pending_per_usr',
    'limits.max_upload_bytes',
    'log.level (SLUICE_LOG__LEVEL)',
    'server_name',
  ])
  for (const value of ['s3cret', 'bob', 'not!a!name', 'plenty', 'deafening', 'nowhere', 'blue']) {
    t.false(stderr.includes(value), value)
  }
  t.deepEqual(readdirSync(cwd), ['sluice.yaml'], 'nothing was made')
})

test('two processes, one for each listener, do the walk together, and finish what is in flight when told to stop', async t => {
  const cwd = tempDir(t)
  const edge = await serve(t, ['--only', 'edge'], { cwd })
  t.is(edge.api, '')
  t.false(existsSync(join(cwd, 'data/token')), 'the edge has no use for a token')
  const api = await serve(t, ['--only', 'api'], {
    cwd,
    env: { SLUICE_EDGE__PUBLIC_URL: edge.edge, SLUICE_DOWNLOADS__REDIRECT: 'true' },
  })
  t.is(api.edge, '')
  const me = mediaClient(api.api, tokenIn(cwd))
  const media = await me.publish(large, 'application/octet-stream')
  t.deepEqual(await me.download(media), large, 'by way of a signed URL on the edge')

  const slow = await me.create()
  const unfinished = await me.create()
  const waiting = me.ask('GET', `/_matrix/client/v1/media/download/${unfinished.media}?timeout_ms=60000`)
  const { request, answer } = putHalf(t, slow.uploadUrl, large)
  await until(() => incoming(cwd).length > 0)

  const toldAt = Date.now()
  edge.kill('SIGTERM')
  await until(() => edge.log().some(({ event }) => event === 'stopping'))
  // The line comes first, the closing right behind it.
  await until(() =>
    fetch(`${edge.edge}/health`, { headers: { Connection: 'close' } }).then(
      () => false,
      () => true,
    ),
  )
  request.end(large.subarray(large.length / 2))
  t.is(await answer, 200)
  t.is((await edge.ended).code, 0)
  t.is((await me.complete(slow.media)).status, 200)

  api.kill('SIGTERM')
  api.kill('SIGTERM')
  t.is((await waiting).status, 504, 'nothing can arrive any more, so nobody is kept waiting for it')
  t.is((await api.ended).code, 0, 'a signal that is repeated changes nothing')
  t.true(Date.now() - toldAt < 20_000, 'long before the grace is over')
})

test('SIGHUP takes up a changed configuration, whenever it comes, and a wrong one changes nothing', async t => {
  const cwd = tempDir(t)
  // A pipe, so that the test decides when the configuration has been read.
  const config = join(cwd, 'sluice.yaml')
  execFileSync('mkfifo', [config])

  const starting = startProcess(t, ['serve', '--config', config, '--init'], { cwd, env: freePorts })
  const firstReading = await open(config, 'w')
  starting.kill('SIGHUP')
  await firstReading.writeFile(family)
  await firstReading.close()
  const running = await whenReady(starting)
  t.false(existsSync(join(cwd, 'data/token')), 'a server that has users needs no token')
  const reloads = () => running.log().filter(({ event }) => event === 'reloaded' || event === 'reload refused')

  await writeFile(config, `${family}limits: { max_upload_bytes: 1kB }\nshutdown_grace: 5s\n`)
  await until(() => reloads().length === 1)
  t.like(reloads()[0], { event: 'reloaded', needsRestart: ['shutdown_grace'] })
  const me = mediaClient(running.api, token)
  const { uploadUrl, media } = await me.create()
  t.is((await put(uploadUrl, large)).status, 413)

  running.kill('SIGHUP')
  await writeFile(config, `${family}limits: { max_upload_bytes: 1GB, speed: s3cret }\n`)
  await until(() => reloads().length === 2)
  t.like(reloads()[1], { event: 'reload refused', level: 'error' })
  t.true(JSON.stringify(reloads()[1]).includes('limits.speed'))
  t.false(JSON.stringify(reloads()[1]).includes('s3cret'))
  t.is((await put((await me.create()).uploadUrl, large)).status, 413)

  t.is((await put(uploadUrl, 'small enough')).status, 200)
  t.is((await me.complete(media)).status, 200)
  t.is(running.said.stdout.trimEnd().split('\n').length, 1, 'nor is anybody told how to try it out')
})

test('kill -9 in the middle of an upload: what was acknowledged is there, byte for byte, and nothing else is', async t => {
  const cwd = tempDir(t)
  const first = await serve(t, [], { cwd })
  const made = tokenIn(cwd)
  const before = mediaClient(first.api, made)
  const media = await before.publish(large, 'application/octet-stream')
  const note = await before.publish('a few words', 'text/plain')
  const uploaded = await before.create()
  const reversed = Buffer.from(large).reverse()
  t.is((await put(uploaded.uploadUrl, reversed)).status, 200)
  const interrupted = await before.create()
  putHalf(t, interrupted.uploadUrl, randomBytes(500_000))
  await until(() => incoming(cwd).length > 0)
  first.kill('SIGKILL')
  t.is((await first.ended).code, null)
  t.true(incoming(cwd).length > 0, 'there is something to clear away')

  const second = await serve(t, [], { cwd })
  t.is(tokenIn(cwd), made)
  t.deepEqual(incoming(cwd), [])
  const after = mediaClient(second.api, made)
  t.deepEqual(await after.download(media), large)
  t.is((await after.download(note)).toString(), 'a few words')
  t.is((await after.complete(uploaded.media)).status, 200)
  t.deepEqual(await after.download(uploaded.media), reversed)
  t.is((await after.complete(interrupted.media)).status, 400)
  const { pathname, search } = new URL(interrupted.uploadUrl)
  t.is((await put(`${second.edge}${pathname}${search}`, 'once more')).status, 200)
  t.is((await after.complete(interrupted.media)).status, 200)
})
