import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { MediaCatalog } from '../../src/catalog/media-catalog.ts'
import { makeSqliteCatalog } from '../../src/catalog/sqlite-catalog.ts'
import { openDatabase } from '../../src/database/database.ts'
import { systemRandom } from '../../src/domain/clock.ts'
import { type MediaId, newMediaId, type UserId } from '../../src/domain/identifiers.ts'
import { startUpkeep } from '../../src/start/upkeep-timer.ts'
import { openDataDirectory } from '../../src/storage/data-directory.ts'
import { openDiskStore } from '../../src/storage/disk-store.ts'
import { movableClock } from '../support/movable-clock.ts'
import { tempDir } from '../support/temp-dir.ts'
import { until } from '../support/until.ts'
import { collectingLog } from '../support/web-app.ts'

const minute = 60_000
const lifetime = 60 * minute

/** Upkeep every few milliseconds, which is nothing on the clock of the test, over one media that lives an hour. */
async function withUpkeep(t: ExecutionContext) {
  const clock = movableClock()
  const { dir } = openDataDirectory(join(tempDir(t), 'data'), { init: true, random: systemRandom, clock })
  const database = openDatabase(join(dir, 'sluice.db'))
  const catalog = makeSqliteCatalog(database)
  const store = await openDiskStore({ dir, ...database, isReferenced: catalog.isReferenced, random: systemRandom })
  const mediaId: MediaId = newMediaId(systemRandom, Date.now())
  const [createdAt, owner] = [clock.now(), '@me:example.com' as UserId]
  await catalog.reserve(
    { mediaId, owner, createdAt, frozen: false, unusedExpiresAt: createdAt + lifetime },
    { maxPendingPerUser: 1, quota: undefined },
  )
  const { log, lines } = collectingLog()
  const state = { runs: 0, atTheEndOfARun: () => {} }
  const counting: MediaCatalog = {
    ...catalog,
    reap: async (...rest) => {
      const count = await catalog.reap(...rest)
      state.runs += 1
      state.atTheEndOfARun()
      return count
    },
  }
  const upkeep = startUpkeep({ clock, catalog: counting, store, log }, 2)
  t.teardown(async () => {
    await upkeep.stop()
    await store.close()
    database.close()
  })
  await until(() => state.runs > 0)
  const moreRuns = (count: number) => {
    const before = state.runs
    return until(() => state.runs >= before + count)
  }
  const warnings = () => lines.filter(({ event }) => event === 'clock moved').map(({ movedMs }) => movedMs)
  return { clock, state, moreRuns, warnings, isThere: async () => (await catalog.find(mediaId)) !== undefined }
}

test('what is not completed yet survives a clock that is wrong for one run of upkeep', async t => {
  const { clock, state, moreRuns, warnings, isThere } = await withUpkeep(t)
  for (const jump of [24 * lifetime, -24 * lifetime]) {
    const before = warnings().length
    state.atTheEndOfARun = () => {
      if (warnings().length === before) return
      clock.jump(-jump)
      state.atTheEndOfARun = () => {}
    }
    clock.jump(jump)
    await until(() => warnings().length === before + 2)
    await moreRuns(2)
    t.true(await isThere())
  }
  t.deepEqual(warnings(), [24 * lifetime, -24 * lifetime, -24 * lifetime, 24 * lifetime])
})

test('a clock that stays where it was set is believed from the second run on, and is warned of once', async t => {
  const { clock, warnings, isThere } = await withUpkeep(t)
  clock.jump(lifetime)
  await until(async () => !(await isThere()))
  t.deepEqual(warnings(), [lifetime])
})

test('time that passes is no jump, nor is a clock that is put right by a minute', async t => {
  const { clock, warnings, isThere } = await withUpkeep(t)
  clock.advance(lifetime - minute)
  clock.jump(minute)
  await until(async () => !(await isThere()))
  t.deepEqual(warnings(), [])
})
