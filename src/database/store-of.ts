/**
 * Which store a database is the index of: the id of the identity file, written into the database as well, so that a file that was moved
 * here from another store is noticed before its rows make every object of this one a stray.
 */
import type BetterSqlite3 from 'better-sqlite3'

/** The database says that it belongs to another store. */
export class ForeignDatabase extends Error {
  override readonly name = 'ForeignDatabase'
}

/** @returns undefined for one that has not been served since there was such an id */
function storeOf(sql: BetterSqlite3.Database): string | undefined {
  const isKnown = sql.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'store'").get() !== undefined
  return isKnown ? sql.prepare<[], string>('SELECT store_id FROM store').pluck().get() : undefined
}

/** @throws ForeignDatabase */
export function requireStore(sql: BetterSqlite3.Database, storeId: string): void {
  const found = storeOf(sql)
  if (found !== undefined && found !== storeId) {
    throw new ForeignDatabase(`it belongs to the store ${found}, and this is the store ${storeId}`)
  }
}

/** For a database of the current schema: makes it belong to this store unless it does already. @throws ForeignDatabase */
export function adopt(sql: BetterSqlite3.Database, storeId: string): void {
  if (storeOf(sql) === undefined) {
    // Another process, started at the same moment, may have done so meanwhile.
    sql.prepare('INSERT OR IGNORE INTO store (only_one, store_id) VALUES (1, ?)').run(storeId)
  }
  requireStore(sql, storeId)
}
