/**
 * Keeping the log from being folded, by anybody, after something went wrong while it was folded into the file.
 *
 * SQLite notes how far it has folded without syncing the file, as long as the writer is ahead. When a later sync fails, the pages that it
 * has lost may lie before that point: Linux tells of the failure once, takes the pages for clean, and the next sync succeeds. Whoever went on
 * folding from that point would throw away a log that is the only place where those pages are. The point is lost, too, when the last
 * process has closed the database: the next one begins at the beginning of the log, and writes all of its pages again.
 */
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs'
import BetterSqlite3 from 'better-sqlite3'

export interface KeptLog {
  /** From now on the log is not begun anew, by any process, and not folded when this one closes the database. Harmless to repeat. */
  keep(): void
  /** Whether this process, or another one that has the database open, had to keep it. */
  isKept(): boolean
  /** The file of the database, to sync it by. Not to be closed: that would end all locks that this process has on the file. */
  readonly descriptor: number
  /** @param closeWriter closes the connection that wrote; it folds what is left, unless the log is kept */
  close(closeWriter: () => void): void
}

/** For a file that is open already. */
export function openKeptLog(file: string): KeptLog {
  // A connection that may only read folds nothing when it closes, and as long as it is open no other one is the last to close.
  const keeper = new BetterSqlite3(file, { readonly: true, fileMustExist: true })
  const look = keeper.prepare('SELECT count(*) FROM sqlite_schema')
  look.get()
  const descriptor = openSync(file, 'r')
  let isPinned = false

  /** What somebody reads of the log can not be overwritten, so it is not begun anew, whoever folds it. */
  function pin(): void {
    if (isPinned || !keeper.open) return
    isPinned = true
    keeper.exec('BEGIN')
    look.get()
  }

  function isKept(): boolean {
    if (!isPinned && existsSync(markerOf(file))) pin()
    return isPinned
  }

  return {
    keep: () => {
      pin()
      // For those that open the database while we have it, and close it after us. Not synced: after a power cut all begin anew.
      try {
        writeFileSync(markerOf(file), '')
      } catch {
        // A disk in trouble. What this process can do, it does.
      }
    },
    isKept,
    descriptor,
    close: closeWriter => {
      if (!keeper.open) return
      if (!isKept()) keeper.close()
      closeWriter()
      keeper.close()
      closeSync(descriptor)
    },
  }
}

/**
 * Folds a log that was kept, from its beginning. Only when nobody else has the database open, so before it is opened; otherwise it stays
 * kept.
 * @throws SqliteError when the file is no database
 */
export function foldKeptLog(file: string): void {
  if (!existsSync(markerOf(file))) return
  const sql = new BetterSqlite3(file, { fileMustExist: true, timeout: 0 })
  try {
    // Alone, SQLite reads the whole log anew and believes in no point that others have come to.
    sql.pragma('locking_mode = EXCLUSIVE')
    const [{ busy } = { busy: 1 }] = sql.pragma('wal_checkpoint(TRUNCATE)') as readonly { busy: number }[]
    if (busy === 0) rmSync(markerOf(file), { force: true })
  } catch (error) {
    if (!(error instanceof BetterSqlite3.SqliteError && /^SQLITE_(?:BUSY|IOERR|FULL)/.test(error.code))) throw error
  } finally {
    sql.close()
  }
}

function markerOf(file: string): string {
  return `${file}-kept`
}
