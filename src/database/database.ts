/**
 * The one SQLite file: opened, migrated, and shared by the catalog (rows) and the store (small objects).
 */
import { statSync } from 'node:fs'
import BetterSqlite3 from 'better-sqlite3'
import { failPoint } from '../domain/fail-point.ts'
import { type CheckpointNeeds, startCheckpoints } from './checkpoints.ts'
import { makeGroupCommit, type Write, type WriteAlone } from './group-commit.ts'
import { foldKeptLog, openKeptLog } from './kept-log.ts'
import { migrations } from './migrations.ts'
import { adopt, requireStore } from './store-of.ts'
import { makeTurnReads, type Read } from './turn-reads.ts'

/** Of the file, in a data directory and in a backup. */
export const databaseName = 'sluice.db'

export interface Database {
  /** For prepared statements and reads. Writes go through `write`. */
  readonly sql: BetterSqlite3.Database
  readonly read: Read
  readonly write: Write
  readonly writeAlone: WriteAlone
  /** Waits for what was written, folds the log into the file and closes it. */
  close(): Promise<void>
}

/** The file was written by a later version of Sluice; opening it could lose what this version does not know. */
export class NewerSchema extends Error {
  override readonly name = 'NewerSchema'
}

/** There is nothing in the file, or no file, where there has been something: it must not be taken for a new one. */
export class EmptyDatabase extends Error {
  override readonly name = 'EmptyDatabase'
}

export interface OpenOptions {
  /** False: there must be one already, with tables in it. */
  readonly mayBeNew?: boolean
  /** The store that it has to be the index of. */
  readonly storeId?: string
  /** Told when folding the log into the file failed: then the log is kept, and grows, until every process has closed the database. */
  readonly onLogKept?: (reason: string) => void
}

/**
 * @param file path of the database, made if missing
 * @throws EmptyDatabase, ForeignDatabase, NewerSchema; SqliteError when the file is not a database or cannot be opened
 */
export function openDatabase(file: string, options: OpenOptions = {}): Database {
  const { mayBeNew = true, storeId, onLogKept = () => {} } = options
  if (!mayBeNew) requireContent(file)
  foldKeptLog(file)
  const { sql, isAlone } = openConfigured(file)
  try {
    if (!mayBeNew && stepsSeen(sql) === 0) throw new EmptyDatabase('there is nothing in it')
    // Before anything is written into what may be somebody else's.
    if (storeId !== undefined) requireStore(sql, storeId)
    migrate(sql)
    if (storeId !== undefined) adopt(sql, storeId)
    const { write, writeAlone, hold, idle } = makeGroupCommit(sql)
    const { read, finish } = makeTurnReads(sql)
    const shut = () => {
      finish()
      sql.close()
    }
    const close = isAlone ? async () => shut() : foldingBeside(sql, { holdWrites: hold, onKept: onLogKept, shut })
    return {
      sql,
      read,
      write,
      writeAlone,
      close: async () => {
        // Whoever wrote was told what came of it.
        await idle().catch(() => {})
        await close()
      },
    }
  } catch (error) {
    sql.close()
    throw error
  }
}

/** @returns what closes the database */
function foldingBeside(
  sql: BetterSqlite3.Database,
  { shut, ...needs }: Pick<CheckpointNeeds, 'holdWrites' | 'onKept'> & { readonly shut: () => void },
): () => Promise<void> {
  const log = openKeptLog(sql.name)
  const checkpoints = startCheckpoints({ sql, log, ...needs })
  return async () => {
    await checkpoints.stop()
    log.close(shut)
  }
}

/** Before it is opened: SQLite would make a missing file, and throw away the log of one that has 0 bytes. */
function requireContent(file: string): void {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats === undefined) throw new EmptyDatabase('it is not there')
  if (stats.size === 0) throw new EmptyDatabase('there is nothing in it')
}

/**
 * On a full disk SQLite can not make the index of its log, a file of 32 KiB. In memory the index needs no room, but then no other process
 * may look at the database, so this is for that one case: media goes on being served, and the next start is an ordinary one.
 */
function openConfigured(file: string): { readonly sql: BetterSqlite3.Database; readonly isAlone: boolean } {
  const sql = new BetterSqlite3(file)
  try {
    configure(sql)
    // See `checkpoints.ts`.
    sql.pragma('wal_autocheckpoint = 0')
    return { sql, isAlone: false }
  } catch (error) {
    sql.close()
    if (!(error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_IOERR_SHM'))) throw error
    const alone = new BetterSqlite3(file)
    alone.pragma('locking_mode = EXCLUSIVE')
    configure(alone)
    return { sql: alone, isAlone: true }
  }
}

function configure(sql: BetterSqlite3.Database): void {
  // `serve --only api` and `serve --only edge` may share the file; the other one's commit is short.
  sql.pragma('busy_timeout = 5000')
  // Readers go on while a commit is written, and a commit is one sequential write.
  patiently(() => sql.pragma('journal_mode = WAL'))
  // better-sqlite3's builds default to NORMAL in WAL mode, which may lose acknowledged commits when the power goes. We answer
  // 200 after COMMIT, so COMMIT has to mean it; group commit makes this nearly free.
  sql.pragma('synchronous = FULL')
  // 64 MiB of pages: the upper levels of every index stay in memory up to some ten million media. Four times as much makes a lookup among
  // a million 4 % cheaper. Mapping the file makes it a fifth cheaper, but then a page that the disk does not give back ends the process.
  sql.pragma('cache_size = -65536')
  // A burst must not leave a giant log behind for ever.
  sql.pragma(`journal_size_limit = ${64 * 1024 * 1024}`)
  // The file is ours, but a damaged or planted one must not reach code through its schema.
  sql.pragma('trusted_schema = OFF')
  // Sorting for fsck stays off the disk that is being checked.
  sql.pragma('temp_store = MEMORY')
}

function migrate(sql: BetterSqlite3.Database): void {
  if (stepsSeen(sql) > migrations.length) {
    throw new NewerSchema(
      `this database has schema ${stepsSeen(sql)}; this version of Sluice knows up to ${migrations.length}`,
    )
  }
  for (const [index, step] of migrations.entries()) {
    if (index < stepsSeen(sql)) continue
    // DDL is transactional in SQLite: a crash in the middle leaves the step undone, and the next start does it again.
    sql
      .transaction(() => {
        // Asked again inside: another process, started at the same moment, may have taken this step meanwhile.
        if (index < stepsSeen(sql)) return
        sql.exec(step)
        sql.pragma(`user_version = ${index + 1}`)
        failPoint('migrate: in transaction')
      })
      .immediate()
    failPoint('migrate: after commit')
  }
}

function stepsSeen(sql: BetterSqlite3.Database): number {
  return sql.pragma('user_version', { simple: true }) as number
}

/** SQLite does not wait for the lock that this takes, whatever `busy_timeout` says; two processes on a fresh file meet there. */
function patiently(work: () => unknown): void {
  for (let tries = 1; ; tries += 1) {
    try {
      work()
      return
    } catch (error) {
      const isBusy = error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY')
      if (!isBusy || tries === 100) throw error
      // Synchronous like everything else at this point of the start.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
    }
  }
}
