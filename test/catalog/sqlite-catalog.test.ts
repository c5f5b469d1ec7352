import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { allReferences, makeMediaReferences } from '../../src/catalog/media-references.ts'
import { InconsistentRow } from '../../src/catalog/rows.ts'
import { makeSqliteCatalog } from '../../src/catalog/sqlite-catalog.ts'
import { type Database, openDatabase } from '../../src/database/database.ts'
import type { UserId } from '../../src/domain/identifiers.ts'
import type { Quota } from '../../src/domain/quota.ts'
import { tempDir } from '../support/temp-dir.ts'
import { media, mediaCatalogContract, object } from './media-catalog-contract.ts'
import { quotaContract } from './quota-contract.ts'

mediaCatalogContract(test, t => {
  const database = openDatabase(join(tempDir(t), 'sluice.db'))
  t.teardown(() => database.close())
  return makeSqliteCatalog(database)
})

quotaContract(test, t => {
  const file = join(tempDir(t), 'sluice.db')
  const open = () => {
    const database = openDatabase(file)
    t.teardown(() => database.close())
    return database
  }
  const { sql } = open()
  return { process: holder => makeSqliteCatalog(open(), holder), audit: assert => auditUsage(assert, sql) }
})

/** Compares each row of usage with what the other tables say. Passes while nobody keeps the books. */
function auditUsage(t: ExecutionContext, sql: Database['sql']): void {
  const kept = sql
    .prepare(
      `SELECT * FROM usage WHERE ready_bytes <> 0 OR ready_count <> 0 OR pending_bytes <> 0 OR pending_count <> 0
        ORDER BY owner`,
    )
    .all()
  const counted = sql
    .prepare(
      `SELECT owner, sum(ready_bytes) AS ready_bytes, sum(ready_count) AS ready_count,
              sum(pending_bytes) AS pending_bytes, sum(pending_count) AS pending_count
         FROM (SELECT owner, size AS ready_bytes, 1 AS ready_count, 0 AS pending_bytes, 0 AS pending_count
                 FROM media WHERE state = 'ready'
               UNION ALL
               SELECT owner, 0, 0, max(coalesce(size, 0), coalesce(held_bytes, 0)), 1
                 FROM pending WHERE coalesce(size, held_bytes) IS NOT NULL)
        GROUP BY owner ORDER BY owner`,
    )
    .all()
  if (triggersOf(sql) > 0) t.deepEqual(kept, counted)
}

function triggersOf(sql: Database['sql']): number {
  return sql.prepare("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").pluck().get() as number
}

test('without a quota nobody keeps books; the first one begins them, and they stay when it goes', async t => {
  const database = openDatabase(join(tempDir(t), 'sluice.db'))
  t.teardown(() => database.close())
  const { sql } = database
  const catalog = makeSqliteCatalog(database)
  const owner = '@a:b' as UserId
  const reserve = (name: string, quota: Quota | undefined) =>
    catalog.reserve(
      { mediaId: media(name), owner, createdAt: 1, frozen: true, unusedExpiresAt: 9 },
      { maxPendingPerUser: 9, quota },
    )
  const upload = (name: string) => ({
    mediaId: media(name),
    object: object('1', 5),
    contentType: 'a/b',
    at: 1,
    began: 0,
    hold: undefined,
  })
  await reserve('a', undefined)
  await catalog.recordUpload(upload('a'), () => {})
  t.deepEqual(await catalog.usageOf(owner), { bytes: 5, count: 1 })
  t.is(triggersOf(sql), 0)

  await reserve('b', { maxBytes: 100, maxCount: undefined, windows: [], infoUri: undefined })
  t.is(triggersOf(sql), 6)
  auditUsage(t, sql)

  await catalog.recordUpload(upload('b'), () => {})
  t.deepEqual(await catalog.usageOf(owner), { bytes: 10, count: 2 })
  auditUsage(t, sql)
})

test('a window is added up from the index alone', t => {
  const database = openDatabase(join(tempDir(t), 'sluice.db'))
  t.teardown(() => database.close())
  const plan = database.sql.prepare(
    'EXPLAIN QUERY PLAN SELECT sum(size), count(size) FROM media WHERE owner = ? AND ended_at > ?',
  )
  t.regex(JSON.stringify(plan.all('@a:b', 1)), /USING COVERING INDEX media_by_owner/)
})

test('a row that fits no state is an error that names it', async t => {
  const database = openDatabase(join(tempDir(t), 'sluice.db'))
  t.teardown(() => database.close())
  database.sql.exec(
    "INSERT INTO media (media_id, owner, state, created_at, ended_at, frozen) VALUES ('odd', '@a:b', 'ready', 1, 1, 1)",
  )
  const error = await t.throwsAsync(makeSqliteCatalog(database).find(media('odd')), { instanceOf: InconsistentRow })
  t.regex(error.message, /media.*odd/)
})

test('referenced objects are listed across page borders', async t => {
  const database = openDatabase(join(tempDir(t), 'sluice.db'))
  t.teardown(() => database.close())
  const insert = database.sql.prepare(
    "INSERT INTO media (media_id, owner, state, created_at, ended_at, frozen, sha256, size, content_type) VALUES (?, '@a:b', 'ready', 1, 1, 1, ?, 5, 'a/b')",
  )
  database.sql.transaction(() => {
    for (let n = 0; n < 1234; n++) {
      const key = Buffer.alloc(32)
      key.writeUInt32BE(n >> 1, 28)
      insert.run(`m${n}`, key)
    }
  })()
  const listed = [...allReferences(makeMediaReferences(database.sql))]
  t.is(listed.length, 617)
  t.is(new Set(listed.map(info => info.key)).size, 617)
  t.is(listed[0]?.size, object('0', 5).size)
})
