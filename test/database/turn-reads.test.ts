import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { makeSqliteCatalog } from '../../src/catalog/sqlite-catalog.ts'
import { openDatabase } from '../../src/database/database.ts'
import { makeGroupCommit } from '../../src/database/group-commit.ts'
import { makeTurnReads } from '../../src/database/turn-reads.ts'
import { media } from '../catalog/media-catalog-contract.ts'
import { watchStatements } from '../support/counting.ts'
import { tempDir } from '../support/temp-dir.ts'

function openTable(t: ExecutionContext) {
  const statements: string[] = []
  const file = join(tempDir(t), 'x.db')
  const open = (verbose?: (text: unknown) => void) => {
    const sql = new BetterSqlite3(file, { ...(verbose && { verbose }) })
    t.teardown(() => sql.close())
    sql.pragma('journal_mode = WAL')
    return sql
  }
  open().exec('CREATE TABLE x (n INTEGER PRIMARY KEY)')
  const sql = open(text => statements.push(String(text)))
  const insert = 'INSERT INTO x VALUES (1)'
  const count = sql.prepare<[], number>('SELECT count(*) FROM x').pluck()
  statements.length = 0
  return { sql, open, insert, look: () => count.get(), statements, ...makeGroupCommit(sql), ...makeTurnReads(sql) }
}

const select = 'SELECT count(*) FROM x'

test('reads of one turn share one transaction', async t => {
  const { read, look, statements } = openTable(t)
  t.deepEqual(await Promise.all([read(look), read(look), read(look)]), [0, 0, 0])
  t.deepEqual(statements, ['BEGIN', select, select, select, 'ROLLBACK'])
})

test('one alone has none, and each turn begins anew', async t => {
  const { read, look, statements } = openTable(t)
  await read(look)
  await read(look)
  t.deepEqual(statements, [select, select])
})

test('a transaction that can not begin fails nobody but those who read', async t => {
  const { sql, read, look } = openTable(t)
  const reads = Promise.allSettled([read(look), read(look), read(() => 'nothing of the database')])
  sql.close()
  t.deepEqual(
    (await reads).map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  )
})

test('nothing is open before the end of the turn, nor after it', async t => {
  const { sql, read, look } = openTable(t)
  const reads = Promise.all([read(look), read(() => sql.inTransaction), read(look)])
  t.false(sql.inTransaction)
  t.deepEqual(await reads, [0, true, 0])
  t.false(sql.inTransaction)
})

test('what others commit after it was asked for is seen', async t => {
  const { read, look, open, insert } = openTable(t)
  const reads = [read(look), read(look)]
  open().exec(insert)
  t.deepEqual(await Promise.all(reads), [1, 1])
})

test('what others commit in one turn is seen in the next', async t => {
  const { read, look, open, insert } = openTable(t)
  await Promise.all([read(look), read(look)])
  open().exec(insert)
  t.deepEqual(await Promise.all([read(look), read(look)]), [1, 1])
})

test('reads and writes of one turn do not meet, whichever were asked for first', async t => {
  const { sql, read, write, writeAlone, look, insert } = openTable(t)
  const first = await Promise.all([read(look), write(() => sql.exec(insert)), read(look), read(look)])
  t.deepEqual([first[0], first[2], first[3]], [0, 0, 0])
  await t.notThrowsAsync(Promise.all([write(() => sql.exec('DELETE FROM x')), read(look), read(look)]))
  const third = await Promise.all([read(look), read(look), writeAlone(() => sql.exec(insert)), read(look)])
  t.deepEqual([third[0], third[1], third[3]], [1, 1, 1])
  t.false(sql.inTransaction)
})

test('whoever was told of a write sees it', async t => {
  const { sql, read, write, look, insert } = openTable(t)
  const others = [read(look), read(look)]
  const [seen] = await write(() => sql.exec(insert)).then(() => Promise.all([read(look), read(look)]))
  t.is(seen, 1)
  await Promise.all(others)
})

test('one that throws disturbs no other, and leaves nothing open', async t => {
  const { sql, read, write, look, insert } = openTable(t)
  const results = await Promise.allSettled([
    read(look),
    read(() => {
      throw new Error('no such row')
    }),
    read(look),
  ])
  t.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.false(sql.inTransaction)
  await t.notThrowsAsync(write(() => sql.exec(insert)))
})

test('a transaction that SQLite has ended by itself is no trouble', async t => {
  const { sql, read, look } = openTable(t)
  const end = sql.prepare('ROLLBACK')
  t.deepEqual(await Promise.all([read(look), read(() => end.run().changes), read(look)]), [0, 0, 0])
})

test('what was asked for before the end is answered; after it, all are told', async t => {
  const { sql, read, finish, look } = openTable(t)
  const before = [read(look), read(look)]
  finish()
  sql.close()
  t.deepEqual(await Promise.all(before), [0, 0])
  const after = await Promise.allSettled([read(look), read(look)])
  t.deepEqual(
    after.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
})

test('a database that closes answers what was asked for', async t => {
  const database = openDatabase(join(tempDir(t), 'sluice.db'))
  const catalog = makeSqliteCatalog(database)
  // A group of one: the next one, the last, is not waited for, and the database is closed before the end of the turn.
  await database.write(() => undefined)
  const closed = database.close()
  const found = Promise.all([catalog.find(media('one')), catalog.find(media('two'))])
  await t.notThrowsAsync(closed)
  t.deepEqual(await found, [undefined, undefined])
})

test.serial('media that are looked for in one turn are found in one transaction', async t => {
  const database = openDatabase(join(tempDir(t), 'sluice.db'))
  t.teardown(() => database.close())
  const catalog = makeSqliteCatalog(database)
  const statements = watchStatements(t)
  await Promise.all(['one', 'two', 'three'].map(name => catalog.find(media(name))))
  t.deepEqual(
    statements.filter(text => !text.startsWith('SELECT')),
    ['BEGIN', 'ROLLBACK'],
  )
  t.is(statements.length, 8)
})
