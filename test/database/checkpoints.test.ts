import { once } from 'node:events'
import { copyFileSync, existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import {
  type CheckpointFile,
  type CheckpointNeeds,
  type CheckpointTask,
  startCheckpoints,
} from '../../src/database/checkpoints.ts'
import { openDatabase } from '../../src/database/database.ts'
import { makeGroupCommit } from '../../src/database/group-commit.ts'
import { foldKeptLog, openKeptLog } from '../../src/database/kept-log.ts'
import { tempDir } from '../support/temp-dir.ts'
import { until } from '../support/until.ts'

function open(file: string) {
  const sql = new BetterSqlite3(file)
  sql.pragma('journal_mode = WAL')
  sql.pragma('wal_autocheckpoint = 0')
  sql.exec('CREATE TABLE IF NOT EXISTS x (n INTEGER PRIMARY KEY, filling BLOB)')
  const insert = sql.prepare('INSERT INTO x (filling) VALUES (randomblob(3000))')
  return {
    sql,
    file,
    /** About as many pages in the log, and exactly as many rows. */
    write: sql.transaction((rows: number) => {
      for (let row = 0; row < rows; row += 1) insert.run()
    }),
    rows: () => sql.prepare('SELECT count(*) FROM x').pluck().get(),
    unfolded: () => {
      const [row] = sql.pragma('wal_checkpoint(NOOP)') as readonly { log: number; checkpointed: number }[]
      return row === undefined ? Number.NaN : row.log - row.checkpointed
    },
    logBytes: () => statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0,
  }
}

function world(t: ExecutionContext, needs: Partial<CheckpointNeeds> = {}) {
  const database = open(join(tempDir(t), 'x.db'))
  const log = openKeptLog(database.file)
  const reasons: string[] = []
  const onKept = (reason: string) => void reasons.push(reason)
  const checkpoints = startCheckpoints({ sql: database.sql, log, onKept, every: 5, ...needs })
  async function close(): Promise<void> {
    await checkpoints.stop()
    log.close(() => database.sql.close())
  }
  t.teardown(close)
  return { ...database, log, reasons, close }
}

/** A thread that answers what it is told to, and folds nothing. `tasks` counts what it was asked for. */
function pretend(code: string): { readonly thread: () => Worker; readonly tasks: Int32Array } {
  const tasks = new Int32Array(new SharedArrayBuffer(4))
  const program = `const { parentPort, workerData: tasks } = require('node:worker_threads')
    parentPort.on('message', task => {
      if (task === 'stop') return parentPort.close()
      const count = Atomics.add(tasks, 0, 1) + 1
      ${code}
    })`
  return { thread: () => new Worker(program, { eval: true, workerData: tasks }), tasks }
}

const failing = (code: string) => `parentPort.postMessage({ failed: '${code}', message: 'disk I/O error' })`

test('a log that is worth it is folded beside the writer, a short one is not, and closing folds what is left', async t => {
  const { write, unfolded, logBytes, file, close, rows } = world(t)
  write(100)
  t.true(unfolded() > 0)
  write(1100)
  await until(() => unfolded() === 0)
  write(100)
  t.true(unfolded() >= 100)
  t.is(rows(), 1300)
  await close()
  t.is(logBytes(), 0)
  const after = open(file)
  t.is(after.rows(), 1300)
  after.sql.close()
})

test('when the log has become too long, the writer is made to wait for it to begin anew', async t => {
  const { thread, tasks } = pretend(
    "if (task !== 'restart') Atomics.sub(tasks, 0, 1); parentPort.postMessage({ isBusy: false })",
  )
  const { write } = world(t, { thread, longest: 1500 })
  write(1200)
  write(200)
  t.is(Atomics.load(tasks, 0), 0)
  write(400)
  await until(() => Atomics.load(tasks, 0) > 0)
})

test('nobody writes while the log begins anew, and everybody goes on whatever comes of it', async t => {
  const endings = ['parentPort.postMessage({ isBusy: false })', failing('SQLITE_FULL'), 'process.exit(1)', '']
  for (const ending of endings) {
    let holds = 0
    let releases = 0
    const holdWrites = () => {
      holds += 1
      let isOver = false
      return () => {
        if (!isOver) releases += 1
        isOver = true
      }
    }
    const { thread } = pretend(
      `if (task === 'fold') return parentPort.postMessage({ isBusy: false })
      parentPort.postMessage('ready')
      setTimeout(() => { ${ending} }, 100)`,
    )
    const { write } = world(t, { thread, longest: 1500, holdWrites })
    write(1600)
    await until(() => holds > 0)
    await until(() => releases > 0)
    t.true(releases <= holds)
  }
})

test('a log does not grow without end while one transaction follows the other', async t => {
  const file = join(tempDir(t), 'x.db')
  const { sql, write, rows, logBytes } = open(file)
  const log = openKeptLog(file)
  const { write: writeInGroup, hold } = makeGroupCommit(sql)
  const checkpoints = startCheckpoints({ sql, log, onKept: t.fail, holdWrites: hold, every: 5, longest: 1500 })
  for (let times = 0; times < 40; times += 1) await writeInGroup(() => write(500))
  t.is(rows(), 20_000)
  t.true(logBytes() < 40_000_000, `${logBytes()} bytes`)
  await checkpoints.stop()
  log.close(() => sql.close())
})

test('the thread folds, and lets the writer begin at the start of the log when it is told to', async t => {
  const { write, sql, file, log, unfolded } = world(t, { every: 600_000 })
  const program = new URL('../../src/database/checkpoint-thread.ts', import.meta.url)
  const what: CheckpointFile = { file, descriptor: log.descriptor }
  const thread = new Worker(program, { workerData: what })
  t.teardown(() => thread.terminate())
  const answer = async (task: CheckpointTask) => {
    thread.postMessage(task)
    const [answer] = await once(thread, 'message')
    return answer === 'ready' ? (await once(thread, 'message'))[0] : answer
  }
  write(50)
  t.deepEqual(await answer('fold'), { isBusy: false })
  t.is(unfolded(), 0)
  write(50)
  t.deepEqual(await answer('restart'), { isBusy: false })
  write(1)
  const [row] = sql.pragma('wal_checkpoint(NOOP)') as readonly { log: number }[]
  t.true((row?.log ?? 50) < 50)

  // Whoever reads the log keeps it from beginning anew, and is not waited for.
  const reader = new BetterSqlite3(file, { readonly: true })
  t.teardown(() => reader.close())
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM x').get()
  write(1)
  t.deepEqual(await answer('restart'), { isBusy: true })
  const ended = once(thread, 'exit')
  thread.postMessage('stop' satisfies CheckpointTask)
  t.deepEqual(await ended, [0])
})

test('after a sync that failed the log is kept: nobody begins it anew, and closing does not fold it', async t => {
  const { thread, tasks } = pretend(failing('SQLITE_IOERR_FSYNC'))
  const { write, close, file, log, reasons, logBytes } = world(t, { thread })
  write(1200)
  await until(() => log.isKept())
  t.deepEqual(reasons, ['SQLITE_IOERR_FSYNC: disk I/O error'])

  // Another process may fold what it likes; the log stays, and so does the place where it begins.
  const beginning = readBeginning(file)
  const other = open(file)
  other.sql.pragma('wal_checkpoint(RESTART)')
  other.write(1)
  write(1)
  t.deepEqual(readBeginning(file), beginning)
  other.sql.close()
  t.is(tasks[0], 1, 'it is not tried again')

  await close()
  t.true(logBytes() > 1200 * 3000)
  // As after a power cut that cost the file everything that was folded: the log has it all.
  const lost = join(tempDir(t), 'lost.db')
  copyFileSync(`${file}-wal`, `${lost}-wal`)
  copyFileSync(file, lost)
  const found = open(lost)
  t.is(found.rows(), 1202)
  found.sql.close()
})

test('a kept log is folded from its beginning by the next who has the database alone, and not before', async t => {
  const { thread } = pretend(failing('SQLITE_IOERR_FSYNC'))
  const { write, close, file, log, logBytes } = world(t, { thread })
  write(1200)
  await until(() => log.isKept())

  // A second process, which comes later and knows nothing of it.
  const second = openKeptLog(file)
  foldKeptLog(file)
  t.true(second.isKept())
  await close()
  const bytes = logBytes()
  t.true(bytes > 0)
  second.close(() => {})
  t.is(logBytes(), bytes, 'neither was the last')

  const next = openDatabase(file)
  t.false(existsSync(`${file}-kept`))
  t.is(next.sql.prepare('SELECT count(*) FROM x').pluck().get(), 1200)
  await next.close()
  t.is(logBytes(), 0)
})

test('what another process had to keep is not folded here either, and is told here, too', async t => {
  const { thread, tasks } = pretend('parentPort.postMessage({ isBusy: false })')
  const { write, file, log, reasons, close, logBytes } = world(t, { thread })
  const other = openKeptLog(file)
  other.keep()
  write(1200)
  await until(() => reasons.length > 0)
  t.deepEqual(reasons, ['another process had to keep it'])
  t.true(log.isKept())
  t.is(tasks[0], 0)
  other.close(() => {})
  await close()
  t.true(logBytes() > 0)
})

test('a thread that dies, or does not end as it should, leaves the log kept', async t => {
  for (const code of ['process.exit(1)', 'throw new Error("a defect")']) {
    const { write, log, reasons } = world(t, { thread: pretend(code).thread })
    write(1200)
    await until(() => log.isKept())
    t.regex(reasons.join(), /^the thread that folds the log has ended/)
  }
  const { thread, tasks } = pretend('parentPort.on("message", () => process.exit(1))')
  const { write, close, logBytes } = world(t, { thread })
  write(1200)
  await until(() => tasks[0] === 1)
  await close()
  t.true(logBytes() > 0)
})

test('a thread that can not be had is tried again, and nothing is kept', async t => {
  const program = new URL('../../src/database/checkpoint-thread.ts', import.meta.url)
  const shortage = 'Object.assign(new Error("short of something"), { code: "EMFILE" })'
  const failures = [
    () => {
      throw Object.assign(new Error('no thread'), { code: 'EAGAIN' })
    },
    () => new Worker(`throw ${shortage}`, { eval: true }),
  ]
  for (const fail of failures) {
    let tries = 0
    const thread = (what: CheckpointFile): Worker => {
      tries += 1
      return tries === 1 ? fail() : new Worker(program, { workerData: what })
    }
    const { write, log, reasons, unfolded } = world(t, { thread })
    write(1200)
    await until(() => unfolded() === 0)
    t.is(tries, 2)
    t.deepEqual(reasons, [])
    t.false(log.isKept())
  }
})

test('what is no failure of a sync is tried again: a full disk, somebody who reads', async t => {
  for (const answer of [
    failing('SQLITE_FULL'),
    failing('SQLITE_CANTOPEN'),
    'parentPort.postMessage({ isBusy: true })',
  ]) {
    const { thread, tasks } = pretend(answer)
    const { write, log } = world(t, { thread })
    write(1200)
    await until(() => Atomics.load(tasks, 0) > 2)
    t.false(log.isKept())
  }
})

/** The salts of the log, which change when it begins anew. */
function readBeginning(file: string): Buffer {
  const copy = `${file}-copy`
  copyFileSync(`${file}-wal`, copy)
  return readFileSync(copy).subarray(16, 24)
}
