/**
 * Databases with so many rows in them, made by the product's own migrations and filled in bulk. That of 10⁷ media takes minutes, so they
 * are kept in .tmp/bench/catalogs, under a name that changes with the schema and with this file.
 */
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { openDatabase } from '../../src/database/database.ts'
import { migrations } from '../../src/database/migrations.ts'
import { type MediaId, newMediaId } from '../../src/domain/identifiers.ts'
import { benchDir } from '../paths.ts'

export interface Rows {
  readonly media: number
  /** Unused ids that have all expired. */
  readonly pending?: number
}

/** Puts one at `file`, a copy that may be written to. */
export async function prepareCatalog(file: string, rows: Rows): Promise<void> {
  const kept = join(benchDir, 'catalogs', `${nameOf(rows)}.db`)
  if (!existsSync(kept)) {
    mkdirSync(join(benchDir, 'catalogs'), { recursive: true })
    const unfinished = `${kept}.${process.pid}`
    await openDatabase(unfinished).close()
    fill(unfinished, rows)
    renameSync(unfinished, kept)
  }
  for (const rest of ['', '-wal', '-shm']) rmSync(`${file}${rest}`, { force: true })
  copyFileSync(kept, file)
}

function nameOf({ media, pending = 0 }: Rows): string {
  const made = createHash('sha256')
    .update(migrations.join('\n'))
    .update(readFileSync(import.meta.filename))
    .digest('hex')
  return `${media}-media-${pending}-pending-${made.slice(0, 12)}`
}

const userOf = (number: number) => `@user-${number % 1000}:localhost`

function fill(file: string, { media, pending = 0 }: Rows): void {
  const sql = new BetterSqlite3(file)
  // Nobody relies on it yet.
  sql.pragma('journal_mode = MEMORY')
  sql.pragma('synchronous = OFF')
  sql.pragma('cache_size = -1000000')
  const addIndexes = withoutIndexes(sql)
  const now = Date.now()
  const addMedia = sql.prepare(
    `INSERT INTO media (media_id, owner, state, created_at, ended_at, frozen, size, sha256, content_type)
     VALUES (?, ?, 'ready', ?, ?, 1, ?, randomblob(32), 'image/jpeg')`,
  )
  inBatches(sql, media, number => {
    const at = now - (media - number) * 1000
    addMedia.run(mediaIdOf(number), userOf(number), at, at, 100_000 + (number % 1000))
  })
  const addPending = sql.prepare(
    'INSERT INTO pending (media_id, owner, created_at, frozen, expires_at) VALUES (?, ?, ?, 1, ?)',
  )
  inBatches(sql, pending, number => {
    const expiresAt = now - (pending - number)
    addPending.run(mediaIdOf(media + number), userOf(number), expiresAt - 86_400_000, expiresAt)
  })
  addIndexes()
  sql.pragma('journal_mode = WAL')
  sql.close()
}

/** Indexes are made faster in one go than row by row. @returns what puts them back */
function withoutIndexes(sql: BetterSqlite3.Database): () => void {
  const indexes = sql
    .prepare<[], { name: string; sql: string }>(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
    )
    .all()
  for (const { name } of indexes) sql.exec(`DROP INDEX ${name}`)
  return () => {
    for (const index of indexes) sql.exec(index.sql)
  }
}

function inBatches(sql: BetterSqlite3.Database, count: number, add: (number: number) => void): void {
  const batch = 100_000
  const addBatch = sql.transaction((from: number) => {
    for (let number = from; number < Math.min(count, from + batch); number += 1) add(number)
  })
  for (let from = 0; from < count; from += batch) addBatch(from)
}

/** As the product makes them, one a second; the same for the same number. */
export function mediaIdOf(number: number): MediaId {
  const scattered = Buffer.alloc(19, 'made')
  scattered.writeBigUInt64BE(BigInt.asUintN(64, BigInt(number) * 0x9e3779b97f4a7c15n))
  return newMediaId(() => scattered, 1_700_000_000_000 + number * 1000)
}
