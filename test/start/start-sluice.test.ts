import { randomBytes } from 'node:crypto'
import { copyFileSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { openLog } from '../../src/commands/log.ts'
import { ConfigError, parseConfig } from '../../src/config/parse-config.ts'
import { systemClock, systemRandom } from '../../src/domain/clock.ts'
import { openInspection } from '../../src/start/inspection.ts'
import { startSluice } from '../../src/start/start-sluice.ts'
import { DataDirectoryError } from '../../src/storage/data-directory.ts'
import { rotateKeys } from '../../src/tokens/keyring.ts'
import { putHalf } from '../support/media-client.ts'
import { phonePhoto } from '../support/phone-photo.ts'
import { tempDir } from '../support/temp-dir.ts'
import { until } from '../support/until.ts'
import { withSluice } from '../support/with-sluice.ts'

test('whoever is not done when the grace is over is cut off, and leaves nothing', async t => {
  const sluice = await withSluice(t, { SLUICE_SHUTDOWN_GRACE: '100ms' })
  const { uploadUrl } = await sluice.create()
  const { answer } = putHalf(t, uploadUrl, randomBytes(300_000))
  const incoming = () => readdirSync(join(sluice.dataDir, 'incoming'))
  await until(() => incoming().length > 0)
  await sluice.running.close()
  t.is(await answer, undefined)
  await until(() => incoming().length === 0)
  const levels = sluice.logLines.map(line => (JSON.parse(line) as { level: string }).level)
  t.false(levels.includes('error') || levels.includes('warn'), sluice.logLines.join(''))
})

test('a server name that changes waits for the restart, and is named', async t => {
  const sluice = await withSluice(t)
  const yaml = `{ server_name: example.org, auth: { tokens: [ { token: another-token, user_id: '@me:example.org' } ] } }`
  const needsRestart = await sluice.running.reload(
    parseConfig({ yaml, env: { SLUICE_DATA_DIR: sluice.dataDir, SLUICE_API__LISTEN: '127.0.0.1:0' }, cwd: '/' }),
  )
  t.true(needsRestart.includes('server_name'))
  t.false(needsRestart.includes('data_dir') || needsRestart.includes('api.listen'))
  const { media, uploadUrl } = await sluice.create('another-token')
  t.is(media.split('/')[0], 'example.com')
  t.is((await sluice.put(uploadUrl, 'signed under the old name, too')).status, 200)
  t.is((await sluice.complete(media, '', 'another-token')).status, 200)
})

test('a store that has lost its index does not get an empty one', async t => {
  const sluice = await withSluice(t)
  await sluice.running.close()
  for (const name of readdirSync(sluice.dataDir)) {
    if (name.startsWith('sluice.db')) rmSync(join(sluice.dataDir, name))
  }
  const error = await t.throwsAsync(withSluice(t, { SLUICE_DATA_DIR: sluice.dataDir }), {
    instanceOf: DataDirectoryError,
  })
  t.regex(error.message, /lost its index/)
  t.false(readdirSync(sluice.dataDir).includes('sluice.db'))
})

test('a store whose index is empty is not taken for an empty store', async t => {
  const sluice = await withSluice(t)
  const large = await sluice.create()
  t.is((await sluice.put(large.uploadUrl, randomBytes(50_000))).status, 200)
  await sluice.running.close()
  const index = join(sluice.dataDir, 'sluice.db')
  const start = () => withSluice(t, { SLUICE_DATA_DIR: sluice.dataDir })
  const refusal = {
    instanceOf: DataDirectoryError,
    message: /lost its index, .*sluice\.db: there is nothing in it\..*backup/,
  }

  truncateSync(index)
  await t.throwsAsync(start(), refusal)
  t.is(statSync(index).size, 0)
  // The objects tell, too, where only the edge has ever run.
  rmSync(join(sluice.dataDir, 'keys'), { recursive: true })
  await t.throwsAsync(start(), refusal)
})

test('the index of another store is noticed, by the start and by whoever looks at the store', async t => {
  const [ours, other] = [await withSluice(t), await withSluice(t)]
  await Promise.all([ours.running.close(), other.running.close()])
  copyFileSync(join(other.dataDir, 'sluice.db'), join(ours.dataDir, 'sluice.db'))
  const refusal = { instanceOf: DataDirectoryError, message: /sluice\.db.*belongs to the store [0-9a-f]{32}/ }
  await t.throwsAsync(withSluice(t, { SLUICE_DATA_DIR: ours.dataDir }), refusal)
  t.throws(() => openInspection(ours.dataDir, { forRepair: false, clock: systemClock }), refusal)
  await t.notThrowsAsync(withSluice(t, { SLUICE_DATA_DIR: other.dataDir }))
})

test('a reload takes up new keys on the edge, too: what a withdrawn one has signed is refused at once', async t => {
  const sluice = await withSluice(t)
  const before = await sluice.create()
  await rotateKeys(join(sluice.dataDir, 'keys'), { clock: sluice.clock, keepFor: 0 })
  await sluice.reconfigure({})
  const after = await sluice.create()
  t.is((await sluice.put(before.uploadUrl, 'signed by the old one')).status, 403)
  t.is((await sluice.put(after.uploadUrl, 'signed by the new one')).status, 200)
})

test('a publication that outlives its client and the grace comes to its end before the database closes', async t => {
  const sluice = await withSluice(t, { SLUICE_SHUTDOWN_GRACE: '1ms' })
  const { media, uploadUrl } = await sluice.create()
  t.is((await sluice.put(uploadUrl, new Uint8Array(await phonePhoto()), 'image/jpeg')).status, 200)
  const completing = sluice.complete(media).then(
    ({ status }) => status,
    () => 'cut off',
  )
  await setTimeout(50)
  await sluice.running.close()
  t.is(await completing, 'cut off')
  // What comes too late for the database would be logged in one of the next turns.
  await setTimeout(1000)
  const faults = sluice.logLines.filter(line => ['error', 'warn'].includes(JSON.parse(line).level))
  t.deepEqual(faults, [])
})

test('the API alone does not start, nor reload, without knowing where the edge can be reached', async t => {
  const dataDir = join(tempDir(t), 'data')
  const configWith = (edge: string) =>
    parseConfig({
      yaml: `{ server_name: example.com, api: { listen: '127.0.0.1:0' }, edge: ${edge}, log: { level: error } }`,
      env: { SLUICE_DATA_DIR: dataDir },
      cwd: '/',
    })
  const start = (edge: string) => {
    const config = configWith(edge)
    const surroundings = { clock: systemClock, random: systemRandom, log: openLog(config.log) }
    const assets = new URL('../../assets/', import.meta.url)
    return startSluice({ config, init: true, only: 'api', assets, ...surroundings })
  }
  const unreachable = ["{ listen: '127.0.0.1:0' }", "{ listen: '0.0.0.0:8091' }", "{ listen: '[::]:8091' }"]
  for (const edge of unreachable) {
    const { problems } = (await t.throwsAsync(start(edge), { instanceOf: ConfigError })) ?? {}
    t.deepEqual(
      problems?.map(({ path }) => path),
      ['edge.public_url'],
    )
  }
  const running = await start("{ listen: '0.0.0.0:8091', public_url: 'http://media.example.com' }")
  t.teardown(() => running.close())
  for (const edge of unreachable) await t.throwsAsync(running.reload(configWith(edge)), { instanceOf: ConfigError })
  await running.reload(configWith("{ listen: '127.0.0.1:8091' }"))
})
