/**
 * A lock that processes hold and the kernel lets go of when they are gone, however they went, so that no stale lock is ever left for an
 * operator to find: a transaction on an empty database.
 */
import BetterSqlite3 from 'better-sqlite3'

export interface HeldLock {
  /** Harmless to repeat. */
  release(): void
}

/** A handle that nobody refers to is closed by the collector, and its lock with it. */
const held = new Set<BetterSqlite3.Database>()

/**
 * @param file made if missing; stays when the lock is released
 * @returns undefined when another process has the lock, of either kind
 * @throws SqliteError when there can be no lock here
 */
export function takeExclusiveLock(file: string): HeldLock | undefined {
  return takeLock(file, 'BEGIN EXCLUSIVE')
}

/** Others may have it too, as long as nobody has it exclusively. As above. */
export function takeSharedLock(file: string): HeldLock | undefined {
  // The transaction alone locks nothing until something is read.
  return takeLock(file, 'BEGIN; SELECT count(*) FROM sqlite_schema')
}

function takeLock(file: string, begin: string): HeldLock | undefined {
  let lock: BetterSqlite3.Database | undefined
  try {
    lock = new BetterSqlite3(file, { timeout: 0 })
    // Nothing is ever written, so there is nothing to roll back; without this a journal would lie beside each lock.
    lock.pragma('journal_mode = MEMORY')
    lock.exec(begin)
  } catch (error) {
    lock?.close()
    if (error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY')) return undefined
    throw error
  }
  const taken = lock
  held.add(taken)
  return {
    release: () => {
      held.delete(taken)
      taken.close()
    },
  }
}
