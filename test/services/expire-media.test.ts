import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { makeSqliteCatalog } from '../../src/catalog/sqlite-catalog.ts'
import { openDatabase } from '../../src/database/database.ts'
import { systemRandom } from '../../src/domain/clock.ts'
import type { MediaId, UserId } from '../../src/domain/identifiers.ts'
import { upkeep } from '../../src/services/expire-media.ts'
import { openDiskStore } from '../../src/storage/disk-store.ts'
import { faultyFileSystem } from '../support/faulty-file-system.ts'
import { movableClock } from '../support/movable-clock.ts'
import { tempDir } from '../support/temp-dir.ts'

test('many deletions cost one sync for each directory, not one for each object, and nobody waits for all of them', async t => {
  const dir = tempDir(t)
  const fs = faultyFileSystem(() => {})
  const clock = movableClock()
  const database = openDatabase(join(dir, 'sluice.db'))
  const catalog = makeSqliteCatalog(database)
  const { isReferenced } = catalog
  const store = await openDiskStore({ dir, ...database, isReferenced, random: systemRandom, fs })
  t.teardown(async () => {
    await store.close()
    await database.close()
  })
  const deletions = 300
  const at = clock.now()
  for (let number = 0; number < deletions; number += 1) {
    const mediaId = `media-${number}` as MediaId
    await catalog.reserve(
      { mediaId, owner: '@me:example.com' as UserId, createdAt: at, frozen: true, unusedExpiresAt: at + 1000 },
      { maxPendingPerUser: Number.POSITIVE_INFINITY, quota: undefined },
    )
    const staged = await store.stage(Buffer.alloc(40_000, `content ${number}`), { maxBytes: 40_000 })
    const upload = { mediaId, object: staged.object, contentType: 'a/b', at, began: at, hold: undefined }
    await store.keep([staged], alongside => catalog.recordUpload(upload, alongside))
    await catalog.delete(mediaId, at)
  }

  const shards = readdirSync(join(dir, 'objects')).length
  const syncsBefore = fs.calls.filter(name => name === 'sync').length
  let turns = 0
  const counting = setInterval(() => {
    turns += 1
  }, 0)
  const report = await upkeep({ clock, catalog, store }, new AbortController().signal)
  clearInterval(counting)
  t.is(report.reaped, 2 * deletions, 'each was taken away, and then found gone')
  t.is(fs.calls.filter(name => name === 'sync').length - syncsBefore, shards)
  t.true(turns > 0)
  t.deepEqual(readdirSync(join(dir, 'incoming')), [])
  t.is(database.sql.prepare('SELECT count(*) FROM unwanted_object').pluck().get(), 0)
})
