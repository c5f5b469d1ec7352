/**
 * The thread that folds the log into the file, on a connection of its own. It does what it is told, once for each message.
 */
import { fdatasyncSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import BetterSqlite3 from 'better-sqlite3'
import type { CheckpointAnswer, CheckpointFile, CheckpointTask, ReadyToRestart } from './checkpoints.ts'

/**
 * Milliseconds. To begin the log anew the thread waits for the writer's last transaction, and then holds the writer's lock while it waits for
 * readers, so it must not wait long; a backup may be reading for minutes.
 */
const patience = 50

const { file, descriptor } = workerData as CheckpointFile
let sql: BetterSqlite3.Database | undefined

parentPort?.on('message', (task: CheckpointTask) => {
  if (task === 'stop') {
    // Never the last connection, so that this folds nothing.
    sql?.close()
    parentPort?.close()
    return
  }
  parentPort?.postMessage(fold(task))
})

function fold(task: Exclude<CheckpointTask, 'stop'>): CheckpointAnswer {
  try {
    // Beside the writer, who may append meanwhile.
    const passive = checkpoint('PASSIVE')
    if (task === 'fold') return passive
    // SQLite syncs only what it has folded to the end, and then the writer would wait for all of it. So that is done before, and once
    // more for what has come meanwhile; then what little is left is done while the writer waits.
    fdatasyncSync(descriptor)
    checkpoint('PASSIVE')
    fdatasyncSync(descriptor)
    parentPort?.postMessage('ready' satisfies ReadyToRestart)
    return checkpoint('RESTART')
  } catch (error) {
    if (error instanceof BetterSqlite3.SqliteError) return { failed: error.code, message: error.message }
    if (hasSystemCode(error)) return { failed: 'SQLITE_IOERR_FSYNC', message: error.message }
    throw error
  }
}

function hasSystemCode(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error
}

function open(): BetterSqlite3.Database {
  if (sql !== undefined) return sql
  const opened = new BetterSqlite3(file, { fileMustExist: true, timeout: patience })
  // Nothing is ever written here, and nothing is folded but by what is said above.
  opened.pragma('wal_autocheckpoint = 0')
  opened.pragma('synchronous = FULL')
  sql = opened
  return opened
}

function checkpoint(mode: 'PASSIVE' | 'RESTART'): CheckpointAnswer {
  const [{ busy } = { busy: 1 }] = open().pragma(`wal_checkpoint(${mode})`) as readonly { busy: number }[]
  return { isBusy: busy !== 0 }
}
