/**
 * What an operator runs, killed at each of its steps: a repair, which must not lose what it takes out of the store, and a backup, which
 * must be whole or not be there. Each is run once more afterwards, and then everything has to be in order.
 */

import { hash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { failPoints } from '../test/support/fail-points.ts'
import { deepInventory } from '../test/support/inventory.ts'
import { readSample } from '../test/support/samples.ts'
import { makeSend } from './support/requests.ts'
import { startServer, users } from './support/server.ts'

const pointsOf = (flow: string) => failPoints().flatMap(({ name }) => (name.startsWith(`${flow}: `) ? [name] : []))
/** Most steps are taken for each of several objects. */
const times = [1, 2, 4]

test.serial('a repair killed at any step has lost nothing, and the next one ends it', async t => {
  const dir = freshDir(t)
  const sound = join(dir, 'sound')
  const kept = await fill(t, sound)
  const damaged = join(dir, 'damaged')
  cpSync(sound, damaged, { recursive: true })
  const strays = damage(damaged)
  const met = new Set<string>()
  let kills = 0
  for (const point of pointsOf('repair')) {
    for (const time of times) {
      const dataDir = join(dir, 'data')
      rmSync(dataDir, { recursive: true, force: true })
      cpSync(damaged, dataDir, { recursive: true })
      const { signal } = await run(dataDir, repair, { CRASH_AT: point, CRASH_AT_TIME: String(time) })
      if (signal !== 'SIGKILL') break
      met.add(point)
      kills += 1
      const { said } = await run(dataDir, repair)
      const outcome = await run(dataDir, ['fsck', '--deep', '--json'])
      t.is(outcome.code, 0, `${point}, time ${time}: ${said} ${outcome.wrote}`)
      t.deepEqual(problemsIn(dataDir), [], point)
      const found = hashesBelow(join(dataDir, 'lost+found'))
      for (const [name, sha256] of Object.entries(strays)) t.true(found.has(sha256), `${name} after ${point}`)
      t.deepEqual(mediaIn(dataDir), kept)
    }
  }
  t.log(`${kills} kills`)
  t.deepEqual(
    pointsOf('repair').filter(point => !met.has(point)),
    [],
  )
})

test.serial('a backup killed at any step leaves the earlier ones whole, and the next one clears up', async t => {
  const dir = freshDir(t)
  const dataDir = join(dir, 'data')
  const kept = await fill(t, dataDir)
  const server = startServer({ dataDir, env: { CRASH_UPKEEP_EVERY: '60' } })
  t.teardown(async () => {
    server.kill()
    await server.ended
  })
  const ready = await server.ready
  if (ready === undefined) throw new Error(server.said())
  const traffic = publishAndDelete(ready)
  const met = new Set<string>()
  let kills = 0
  const backups = join(dir, 'backups')
  const backup = ['backup', backups, '--copy', '--keep', '1', '--json']
  for (const point of pointsOf('backup')) {
    for (const time of times.slice(0, 2)) {
      // From nothing, or on top of an earlier one that is to go; each has steps that the other has not.
      if (time === 1 && kills % 2 === 0) rmSync(backups, { recursive: true, force: true })
      await traffic.wait()
      const env = { CRASH_AT: point, CRASH_AT_TIME: String(time) }
      let { signal } = await run(dataDir, backup, env)
      // Nothing could go yet: now there is something.
      if (signal !== 'SIGKILL' && time === 1) {
        await traffic.wait()
        signal = (await run(dataDir, backup, env)).signal
      }
      if (signal !== 'SIGKILL') break
      met.add(point)
      kills += 1
      await requireRestorable(t, { backups, kept, point, isThere: false })
      const next = await run(dataDir, backup)
      t.is(next.code, 0, `${point}, time ${time}: ${next.said}`)
      t.deepEqual(
        readdirSync(backups).filter(name => name.startsWith('unfinished-')),
        [],
      )
      await requireRestorable(t, { backups, kept, point, isThere: true })
    }
  }
  await traffic.stop()
  t.log(`${kills} kills`)
  t.deepEqual(
    pointsOf('backup').filter(point => !met.has(point)),
    [],
  )
  t.deepEqual(problemsIn(dataDir), [])
})

const repair = ['fsck', '--repair', '--min-age', '0s', '--force', '--json']

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly wrote: string
  readonly said: string
}

async function run(
  dataDir: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const process = startServer({ dataDir, command, env })
  const { code, signal } = await process.ended
  return { code, signal, wrote: process.wrote(), said: process.said() }
}

/** The last backup, if there must be one, becomes a store that has everything that nobody has deleted. */
async function requireRestorable(
  t: ExecutionContext,
  {
    backups,
    kept,
    point,
    isThere,
  }: { readonly backups: string; readonly kept: readonly string[]; readonly point: string; readonly isThere: boolean },
): Promise<void> {
  const names = readdirSync(backups).filter(name => /^\d+_/.test(name))
  if (names.length === 0) return t.false(isThere, `${point}: there is no backup`)
  const dir = freshDir(t)
  const dataDir = join(dir, 'data')
  const { code, said } = await run(dataDir, ['restore', backups])
  t.is(code, 0, `${point}: ${said}`)
  t.deepEqual(problemsIn(dataDir), [], point)
  const found = new Set(mediaIn(dataDir))
  t.deepEqual(
    kept.filter(media => !found.has(media)),
    [],
    point,
  )
  rmSync(dir, { recursive: true })
}

interface Traffic {
  /** Resolves when everything that is there now has gone. */
  wait(): Promise<void>
  stop(): Promise<void>
}

/** A store that stands still would be too easy. */
function publishAndDelete({ api }: { readonly api: string }): Traffic {
  const { send, close } = makeSend()
  const token = users.you.token
  let isOver = false
  let round = 0
  const living: string[] = []
  const ended = (async () => {
    for (; !isOver; round += 1) {
      const body = Buffer.alloc(40_000 + round, `traffic ${round} `)
      const uploaded = await send('POST', `${api}/_matrix/media/v3/upload`, { token, body, contentType: 'text/plain' })
      if (uploaded?.status !== 200) throw new Error(`an upload was answered ${uploaded?.status}: ${uploaded?.body}`)
      living.push(String(JSON.parse(String(uploaded.body)).content_uri).slice('mxc://'.length))
      // So each backup has something that is gone when the next one comes.
      if (living.length > 3) await send('POST', `${api}/_matrix/client/v1/media/redact/${living.shift()}`, { token })
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  })()
  // Whoever waits is told.
  ended.catch(() => {})
  return {
    wait: async () => {
      const from = round
      while (round < from + 6) await Promise.race([ended, new Promise(resolve => setTimeout(resolve, 10))])
    },
    stop: async () => {
      isOver = true
      await ended
      close()
    },
  }
}

/** Small and large objects, and a picture with its thumbnails. @returns its media */
async function fill(t: ExecutionContext, dataDir: string): Promise<readonly string[]> {
  const server = startServer({ dataDir })
  const ready = await server.ready
  if (ready === undefined) throw new Error(server.said())
  const { send, close } = makeSend()
  const token = users.me.token
  const contents = [
    ...[1, 2, 3].map(number => ({
      body: Buffer.alloc(60_000 * number, `large ${number} `),
      contentType: 'text/plain',
    })),
    ...[1, 2].map(number => ({ body: Buffer.alloc(500 * number, `small ${number} `), contentType: 'text/plain' })),
    { body: readSample('photo-turned-p3.jpg'), contentType: 'image/jpeg' },
  ]
  for (const content of contents) {
    const answer = await send('POST', `${ready.api}/_matrix/media/v3/upload`, { token, ...content })
    t.is(answer?.status, 200)
  }
  close()
  server.kill('SIGTERM')
  await server.ended
  return mediaIn(dataDir)
}

/** Everything that a repair moves or takes. @returns the digests of what must not be lost by it */
function damage(dataDir: string): Readonly<Record<string, string>> {
  const sql = new BetterSqlite3(join(dataDir, 'sluice.db'))
  const stray = (name: string) => {
    const bytes = Buffer.alloc(50_000, `stray ${name} `)
    const sha256 = hash('sha256', bytes)
    place(join(dataDir, 'objects', sha256.slice(0, 2), sha256), bytes)
    return sha256
  }
  const row = Buffer.from('a row that nothing points at')
  const insertRow = sql.prepare('INSERT INTO small_object (sha256, bytes) VALUES (?, ?)')
  insertRow.run(hash('sha256', row, 'buffer'), row)
  const half = Buffer.from('half an upload')
  place(join(dataDir, 'incoming', `receiving-both-${'0'.repeat(32)}`), half)
  const thumbnail = stray('thumbnail')
  const insertThumbnail = sql.prepare(
    `INSERT INTO thumbnail (source, width, height, method, actual_width, actual_height, content_type, sha256, size)
     VALUES (?, 32, 32, 'crop', 32, 32, 'image/png', ?, 50000)`,
  )
  insertThumbnail.run(hash('sha256', 'no picture', 'buffer'), Buffer.from(thumbnail, 'hex'))
  sql.close()
  return {
    one: stray('one'),
    two: stray('two'),
    three: stray('three'),
    thumbnail,
    row: hash('sha256', row),
    half: hash('sha256', half),
  }
}

function place(path: string, bytes: Buffer): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}

function problemsIn(dataDir: string): string[] {
  const sql = new BetterSqlite3(join(dataDir, 'sluice.db'), { readonly: true })
  try {
    return deepInventory(dataDir, sql).filter(problem => problem !== 'lost+found is not ours')
  } finally {
    sql.close()
  }
}

/** What `me` has, with its bytes. */
function mediaIn(dataDir: string): readonly string[] {
  const sql = new BetterSqlite3(join(dataDir, 'sluice.db'), { readonly: true })
  try {
    return sql
      .prepare<[string], string>(
        `SELECT media_id || ' ' || state || ' ' || hex(sha256) FROM media WHERE owner = ? ORDER BY media_id`,
      )
      .pluck()
      .all(users.me.id)
  } finally {
    sql.close()
  }
}

function hashesBelow(dir: string): ReadonlySet<string> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return new Set(files.map(({ parentPath, name }) => hash('sha256', readFileSync(join(parentPath, name)))))
}

function freshDir(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-command-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
