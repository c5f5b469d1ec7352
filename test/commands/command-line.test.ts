import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { decodeProtectedHeader } from 'jose'
import { openDatabase } from '../../src/database/database.ts'
import { systemClock, systemRandom } from '../../src/domain/clock.ts'
import { openDataDirectory } from '../../src/storage/data-directory.ts'
import { mediaClient, put } from '../support/media-client.ts'
import { freePorts, runCommand, serve } from '../support/sluice-process.ts'
import { tempDir } from '../support/temp-dir.ts'
import { until } from '../support/until.ts'

/** A store as the first start leaves it, in `data/`. */
function makeStore(cwd: string): string {
  return openDataDirectory(join(cwd, 'data'), { init: true, random: systemRandom, clock: systemClock }).dir
}

function keyIdOf(uploadUrl: string): string | undefined {
  return decodeProtectedHeader(new URL(uploadUrl).searchParams.get('signed') ?? '').kid
}

test('help is no mistake, and a command line that makes no sense is', async t => {
  const cwd = tempDir(t)
  const [help, wrong, nowhere] = await Promise.all([
    runCommand(t, ['--help'], { cwd }),
    runCommand(t, ['serve', '--only', 'both'], { cwd }),
    runCommand(t, ['serve', '--only', 'api'], { cwd, env: freePorts }),
  ])
  t.is(help.code, 0)
  for (const command of ['serve', 'demo', 'check-config', 'keys'])
    t.regex(help.stdout, new RegExp(`^  ${command}\\b`, 'm'))
  t.is(wrong.code, 2)
  t.regex(wrong.stderr, /--only.*both.*api, edge/)
  t.is(wrong.stdout, '')
  t.is(nowhere.code, 2)
  t.regex(nowhere.stderr, /^ {2}edge\.public_url: is required with --only api /m)
})

test('check-config says that all is well, or everything that is not, and starts nothing', async t => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'good.yaml'), 'server_name: example.com\ndata_dir: media\n')
  const [good, bad] = await Promise.all([
    runCommand(t, ['check-config', '--config', 'good.yaml'], { cwd }),
    runCommand(t, ['check-config', '--config', 'none.yaml'], { cwd }),
  ])
  t.is(good.code, 0, good.stderr)
  t.is(good.stdout, `The configuration is fine: server example.com, data in ${join(cwd, 'media')}\n`)
  t.is(bad.code, 2)
  t.is(bad.stdout, '')
  t.regex(bad.stderr, /none\.yaml: cannot be read/)
})

test('keys rotate: the running server signs with the new key, and what the old one signed goes on to work', async t => {
  const cwd = tempDir(t)
  const running = await serve(t, [], { cwd })
  const me = mediaClient(running.api, readFileSync(join(cwd, 'data/token'), 'utf8').trim())
  const before = await me.create()
  const oldKey = keyIdOf(before.uploadUrl) ?? ''

  const rotated = await runCommand(t, ['keys', 'rotate'], { cwd })
  t.is(rotated.code, 0, rotated.stderr)
  const newKey = /^New key (\S+)\. Send SIGHUP/.exec(rotated.stdout)?.[1] ?? ''
  t.not(newKey, oldKey)
  running.kill('SIGHUP')
  await until(() => running.log().some(({ event }) => event === 'reloaded'))

  const after = await me.create()
  t.is(keyIdOf(after.uploadUrl), newKey)
  for (const { media, uploadUrl } of [after, before]) {
    t.is((await put(uploadUrl, 'signed')).status, 200)
    t.is((await me.complete(media)).status, 200)
  }

  const list = await runCommand(t, ['keys', 'list'], { cwd })
  t.is(list.code, 0)
  const [first = '', second = '', ...more] = list.stdout.trimEnd().split('\n')
  t.deepEqual(more, [])
  const end = /accepted until (\S+)$/.exec(first)?.[1] ?? ''
  t.true(first.startsWith(`${oldKey}  `))
  t.true(Date.parse(end) > Date.now() + 30 * 86_400_000, 'longer than any upload URL lives')
  t.is(second, `${newKey}  signs`)
})

test('a store that can not be used stops the start with one line that says which file and why', async t => {
  const damaged = tempDir(t)
  writeFileSync(join(makeStore(damaged), 'sluice-store.json'), '{"format":1,"store')
  const newer = tempDir(t)
  const database = new BetterSqlite3(join(makeStore(newer), 'sluice.db'))
  database.pragma('user_version = 999')
  database.close()
  const foreign = tempDir(t)
  writeFileSync(join(makeStore(foreign), 'sluice.db'), 'this is a letter, and no database '.repeat(100))

  const outcomes = await Promise.all(
    [damaged, newer, foreign].map(cwd => runCommand(t, ['serve'], { cwd, env: freePorts })),
  )
  const said = [
    /sluice-store\.json is damaged; restore it/,
    /sluice\.db .*schema 999.*knows up to \d+/,
    /sluice\.db .*not a database/,
  ]
  for (const [index, { code, stdout, stderr }] of outcomes.entries()) {
    t.is(code, 2)
    t.is(stdout, '')
    t.regex(stderr, /^sluice: [^\n]*\n$/)
    t.regex(stderr, said[index] ?? /^$/)
  }
})

test('keys are not made where the store is missing: it may be a disk that is not mounted', async t => {
  const cwd = tempDir(t)
  const { code, stderr } = await runCommand(t, ['keys', 'rotate'], { cwd })
  t.is(code, 2)
  t.regex(stderr, /^sluice: The data directory .*\/data is missing/)
  t.false(existsSync(join(cwd, 'data')))
})

test('keys rotate: the old key stays accepted for as long as any URL can live, whatever the settings are today', async t => {
  const cwd = tempDir(t)
  makeStore(cwd)
  const invocation = { cwd, env: { SLUICE_LIMITS__UNUSED_TTL: '1s', SLUICE_DOWNLOADS__SIGNED_TTL: '1s' } }
  for (let rotation = 0; rotation < 2; rotation += 1) {
    t.is((await runCommand(t, ['keys', 'rotate'], invocation)).code, 0)
  }
  const { stdout } = await runCommand(t, ['keys', 'list'], invocation)
  const end = Date.parse(/accepted until (\S+)$/m.exec(stdout)?.[1] ?? '')
  t.true(end > Date.now() + 30 * 86_400_000, stdout)
})

test('a damaged key stops every command that needs it with one line that names the file', async t => {
  const cwd = tempDir(t)
  const store = makeStore(cwd)
  openDatabase(join(store, 'sluice.db')).close()
  const dir = join(store, 'keys')
  mkdirSync(dir)
  writeFileSync(join(dir, '1.json'), '{"kty":"OKP","d":"secret')
  const commands = [['serve'], ['keys', 'list'], ['keys', 'rotate']]
  for (const { code, stdout, stderr } of await Promise.all(
    commands.map(args => runCommand(t, args, { cwd, env: freePorts })),
  )) {
    t.is(code, 2)
    t.is(stdout, '')
    t.is(stderr, `sluice: ${join(dir, '1.json')} is not a signing key, or is damaged\n`)
  }
})
