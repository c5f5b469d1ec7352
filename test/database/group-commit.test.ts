import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { makeGroupCommit } from '../../src/database/group-commit.ts'
import { MediaError } from '../../src/domain/errors.ts'
import { tempDir } from '../support/temp-dir.ts'
import { until } from '../support/until.ts'

/** @param now stands still unless said otherwise, so that the load of the machine makes no difference */
function openTable(t: ExecutionContext, now = () => 0) {
  const statements: string[] = []
  const sql = new BetterSqlite3(join(tempDir(t), 'x.db'), { verbose: text => statements.push(String(text)) })
  t.teardown(() => sql.close())
  sql.exec('CREATE TABLE x (n INTEGER PRIMARY KEY)')
  const insert = sql.prepare<[number]>('INSERT INTO x VALUES (?)')
  const all = () =>
    sql
      .prepare<[], { n: number }>('SELECT n FROM x ORDER BY n')
      .all()
      .map(row => row.n)
  const commits = () => statements.filter(text => text === 'COMMIT').length
  return { sql, insert, all, commits, statements, ...makeGroupCommit(sql, now) }
}

test('writes of one turn share one commit', async t => {
  const { write, insert, all, commits } = openTable(t)
  await Promise.all([1, 2, 3, 4].map(n => write(() => insert.run(n))))
  t.deepEqual(all(), [1, 2, 3, 4])
  t.is(commits(), 1)
})

test('a group waits as long as each turn brings more to it, but not for ever', async t => {
  const { write, insert, all, commits } = openTable(t)
  const written: Promise<unknown>[] = []
  const come = (n: number) => written.push(write(() => insert.run(n)))
  come(1)
  come(2)
  await setImmediate()
  come(3)
  await setImmediate()
  t.is(commits(), 0, 'somebody has come')
  await setImmediate()
  t.is(commits(), 1, 'nobody has')
  t.deepEqual(all(), [1, 2, 3])

  for (let n = 4; commits() === 1 && n < 100; n += 1) {
    come(n)
    await setImmediate()
  }
  t.true(all().length < 10)
  await Promise.all(written)
})

test('a turn that takes long is the last that a group waits', async t => {
  let time = 0
  const { write, insert, commits } = openTable(t, () => (time += 3))
  const written = [write(() => insert.run(1)), write(() => insert.run(2))]
  await setImmediate()
  t.is(commits(), 1)
  await Promise.all(written)
})

test('who writes alone, as the one before did, waits for nobody', async t => {
  const { write, insert, commits } = openTable(t)
  await write(() => insert.run(1))
  const second = write(() => insert.run(2))
  await setImmediate()
  t.is(commits(), 2)
  await second
})

test('while writes are held they wait, together, and then go on', async t => {
  const { write, hold, insert, all, commits } = openTable(t)
  const release = hold()
  const written = [write(() => insert.run(1))]
  for (let turn = 0; turn < 10; turn += 1) await setImmediate()
  written.push(write(() => insert.run(2)))
  for (let turn = 0; turn < 10; turn += 1) await setImmediate()
  t.deepEqual(all(), [])
  release()
  release()
  await Promise.all(written)
  t.is(commits(), 1)
  await write(() => insert.run(3))
  t.deepEqual(all(), [1, 2, 3])
})

test('a job that throws undoes itself and nobody else', async t => {
  const { write, insert, all } = openTable(t)
  const results = await Promise.allSettled([
    write(() => insert.run(1)),
    write(() => {
      insert.run(2)
      throw new Error('changed my mind')
    }),
    write(() => insert.run(3)),
  ])
  t.deepEqual(
    results.map(result => result.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.deepEqual(all(), [1, 3])
})

test('nothing is answered before the commit', async t => {
  const { sql, write, insert } = openTable(t)
  let answered = false
  const written = write(() => insert.run(1)).then(() => {
    answered = true
  })
  const during = write(() => {
    t.true(sql.inTransaction)
    t.false(answered)
  })
  await Promise.all([written, during])
  t.true(answered)
})

test('a failing commit fails every job of its group, and the next group works', async t => {
  const { sql, write, insert, all } = openTable(t)
  sql.exec('CREATE TABLE parent (id INTEGER PRIMARY KEY)')
  sql.exec('CREATE TABLE child (p INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)')
  sql.pragma('foreign_keys = ON')
  const orphan = sql.prepare('INSERT INTO child VALUES (1)')
  const results = await Promise.allSettled([write(() => insert.run(1)), write(() => orphan.run())])
  t.deepEqual(
    results.map(result => result.status),
    ['rejected', 'rejected'],
  )
  await write(() => insert.run(2))
  t.deepEqual(all(), [2])
})

/** A table whose rows can not be committed, and a log. */
function openFailing(t: ExecutionContext) {
  const table = openTable(t)
  const { sql } = table
  sql.pragma('journal_mode = WAL')
  sql.pragma('user_version = 7')
  sql.exec('CREATE TABLE child (p INTEGER REFERENCES x (n) DEFERRABLE INITIALLY DEFERRED)')
  sql.pragma('foreign_keys = ON')
  const orphan = sql.prepare('INSERT INTO child VALUES (1)')
  return { ...table, orphan, logSize: () => statSync(`${sql.name}-wal`).size }
}

test('a commit that failed is written over before anybody is told of it', async t => {
  const { sql, write, writeAlone, insert, orphan, all, logSize } = openFailing(t)
  for (const fail of [() => write(() => orphan.run()), () => writeAlone(() => orphan.run())]) {
    const before = logSize()
    await t.throwsAsync(fail())
    const sealed = logSize()
    t.true(sealed > before, 'a whole commit, although nothing has changed')
    t.is(sql.pragma('user_version', { simple: true }), 7)
    await writeAlone(() => {})
    t.is(logSize(), sealed, 'once is enough')
  }
  await write(() => insert.run(1))
  t.deepEqual(all(), [1])
})

test('while a failed commit can not be written over nothing is promised, and then everything goes on by itself', async t => {
  const { sql, write, writeAlone, insert, orphan, all, logSize } = openFailing(t)
  const failing = write(() => orphan.run())
  const seal = sql.pragma.bind(sql)
  let isBroken = true
  t.teardown(() => Object.assign(sql, { pragma: seal }))
  Object.assign(sql, {
    pragma: (...args: Parameters<typeof seal>) => {
      if (isBroken) throw new BetterSqlite3.SqliteError('disk I/O error', 'SQLITE_IOERR_FSYNC')
      return seal(...args)
    },
  })
  await t.throwsAsync(failing)
  const size = logSize()
  for (const work of [write, writeAlone]) {
    const error = await t.throwsAsync(
      work(() => 'nothing at all'),
      { instanceOf: MediaError },
    )
    t.is(error?.code, 'storage_failed')
  }
  t.is(logSize(), size)
  isBroken = false
  await until(() => logSize() > size)
  await write(() => insert.run(1))
  t.deepEqual(all(), [1])
})

test('a job that throws among several: all is done again, each by itself', async t => {
  const { write, insert, all, commits } = openTable(t)
  const runs: number[] = []
  const results = await Promise.allSettled(
    [1, 2, 3].map(n =>
      write(() => {
        runs.push(n)
        insert.run(n)
        if (n === 2) throw new Error('changed my mind')
        return n
      }),
    ),
  )
  t.deepEqual(runs, [1, 2, 1, 2, 3])
  t.deepEqual(
    results.map(result => (result.status === 'fulfilled' ? result.value : String(result.reason.message))),
    [1, 'changed my mind', 3],
  )
  t.deepEqual(all(), [1, 3])
  t.is(commits(), 1)
})

test('a job costs no statement but its own', async t => {
  const { write, insert, statements } = openTable(t)
  statements.length = 0
  await Promise.all([1, 2].map(n => write(() => insert.run(n))))
  t.deepEqual(statements, ['BEGIN IMMEDIATE', 'INSERT INTO x VALUES (1.0)', 'INSERT INTO x VALUES (2.0)', 'COMMIT'])
})

test('a job that tries to wait is refused', async t => {
  const { write, insert, all } = openTable(t)
  await t.throwsAsync(
    write(async () => {
      insert.run(1)
    }),
    { instanceOf: TypeError },
  )
  t.deepEqual(all(), [])
})

test('a write alone does not join a group that is being gathered', async t => {
  const { write, writeAlone, insert, all } = openTable(t)
  const gathered = write(() => insert.run(1))
  await writeAlone(() => t.deepEqual(all(), []))
  await gathered
  t.deepEqual(all(), [1])
})

test('a full disk becomes an answer that says so', async t => {
  const { sql, write, insert } = openTable(t)
  sql.pragma('max_page_count = 2')
  const fill = sql.transaction(() => {
    for (let n = 0; n < 100_000; n++) insert.run(n)
  })
  const error = await t.throwsAsync(
    write(() => fill()),
    { instanceOf: MediaError },
  )
  t.is(error?.code, 'out_of_space')
})
