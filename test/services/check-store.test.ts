import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { systemClock } from '../../src/domain/clock.ts'
import { type CheckReport, checkStore } from '../../src/services/check-store.ts'
import type { Finding } from '../../src/services/findings.ts'
import {
  type RepairOptions,
  type RepairRefused,
  type RepairReport,
  repairStore,
} from '../../src/services/repair-store.ts'
import { openInspection } from '../../src/start/inspection.ts'
import { objectIn } from '../../src/storage/file-digest.ts'
import { makeObjectSurvey } from '../../src/storage/object-survey.ts'
import { DataDirectoryInUse } from '../../src/storage/serving-lock.ts'
import { systemError } from '../support/faulty-file-system.ts'
import { readSample } from '../support/samples.ts'
import { filled, flipByte, keyOf, stoppedStore } from '../support/stopped-store.ts'
import { tempDir } from '../support/temp-dir.ts'
import { withSluice } from '../support/with-sluice.ts'

const hour = 3_600_000
const later: RepairOptions = { now: Date.now() + 2 * hour, minAge: hour, force: false }

interface CheckSettings {
  readonly deep?: boolean
  readonly readObject?: typeof objectIn
  readonly settle?: () => Promise<void>
}

async function check(dataDir: string, { deep = false, readObject, settle = async () => {} }: CheckSettings = {}) {
  const { checked, close } = openInspection(dataDir, { forRepair: false, clock: systemClock })
  const sql = new BetterSqlite3(join(dataDir, 'sluice.db'), { readonly: true })
  try {
    const survey = makeObjectSurvey({ dir: dataDir, sql, ...(readObject !== undefined && { readObject }) })
    return withoutTimes(await checkStore({ ...checked, survey }, { deep, settle }))
  } finally {
    sql.close()
    close()
  }
}

/** Times are the only part of a report that no test knows beforehand. */
function withoutTimes({ looked, findings }: CheckReport) {
  return {
    looked,
    findings: findings.map(({ changedAt: _, ...finding }: Finding & { changedAt?: unknown }) => finding),
  }
}

function sorted({ looked, findings }: ReturnType<typeof withoutTimes>) {
  return { looked, findings: inOrder(findings) }
}

interface Named {
  readonly problem: string
  readonly path?: string | undefined
  readonly key?: string | undefined
  readonly [fact: string]: unknown
}

function inOrder(findings: readonly Named[]): readonly unknown[] {
  const nameOf = ({ problem, path, key }: Named) => `${problem} ${path} ${key}`
  return findings.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

async function repair(dataDir: string, options = later): Promise<RepairReport> {
  const report = await tryRepair(dataDir, options)
  if ('refused' in report) throw new Error(JSON.stringify(report))
  return report
}

async function tryRepair(dataDir: string, options = later, deep = true): Promise<RepairReport | RepairRefused> {
  const { checked, repaired, close } = openInspection(dataDir, { forRepair: true, clock: systemClock })
  try {
    if (repaired === undefined) throw new Error('it may not be repaired')
    return await repairStore(repaired, await checkStore(checked, { deep, settle: async () => {} }), options)
  } finally {
    close()
  }
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .flatMap(entry => (entry.isFile() ? [join(entry.parentPath, entry.name).slice(dir.length + 1)] : []))
    .sort()
}

const wholeDatabase = { pages: 1, catalog: 1 }

test('a store that nobody has damaged is found to be well, also when every byte is read', async t => {
  const contents = { large: filled('a'), twin: filled('a'), small: Buffer.from('a few words'), empty: Buffer.alloc(0) }
  const { dataDir } = await stoppedStore(t, contents, async ({ publish, create, put }) => {
    await publish(new Uint8Array(readSample('photo-turned-p3.jpg')), 'image/jpeg')
    t.is((await put((await create()).uploadUrl, new Uint8Array(filled('u')))).status, 200)
    await create()
  })
  const { looked, findings } = await check(dataDir, { deep: true })
  t.deepEqual(findings, [])
  t.is(looked.rows, looked.files + looked.smallObjects)
  t.true(looked.rows > 5)
})

test('what time and people do to a disk is found, each thing once, and nothing else', async t => {
  const names = ['truncated', 'emptied', 'grown', 'gone', 'rotten', 'fine', 'rottenRow'] as const
  const contents = Object.fromEntries(names.map((name, index) => [name, filled('abcdef'[index] ?? 'x')]))
  const small = Buffer.from('a few words')
  const waiting = filled('w')
  let upload = ''
  const store = await stoppedStore(t, { ...contents, rottenRow: small }, async ({ create, put }) => {
    const { uploadUrl, mediaId } = await create()
    t.is((await put(uploadUrl, new Uint8Array(waiting))).status, 200)
    upload = mediaId
  })
  const { dataDir, media } = store
  const key = Object.fromEntries(
    Object.entries({ ...contents, rottenRow: small }).map(([name, bytes]) => [name, keyOf(bytes)]),
  )
  const path = (name: string) => store.path(keyOf(contents[name] ?? ''))
  const outside = join(tempDir(t), 'keep-me')
  writeFileSync(outside, 'keep me')

  truncateSync(path('truncated'), 39_999)
  truncateSync(path('emptied'), 0)
  await appendFile(path('grown'), 'more')
  rmSync(path('gone'))
  rmSync(store.path(keyOf(waiting)))
  flipByte(path('rotten'))
  store.sql(sql => {
    sql.prepare('UPDATE small_object SET bytes = ?').run(Buffer.from('A few words'))
    sql.prepare('INSERT INTO small_object VALUES (?, ?)').run(Buffer.from(keyOf('row'), 'hex'), Buffer.from('row'))
    sql
      .prepare("INSERT INTO thumbnail VALUES (?, 32, 32, 'crop', 32, 32, 'image/png', ?, 3)")
      .run(Buffer.from(keyOf('no picture'), 'hex'), Buffer.from(keyOf('row'), 'hex'))
  })
  const stray = filled('s')
  const shard = (of: string) => `objects/${of.slice(0, 2)}`
  const strayPath = `${shard(keyOf(stray))}/${keyOf(stray)}`
  store.write(strayPath, stray)
  const fine = keyOf(contents.fine ?? '')
  store.write(`objects/00/${fine}`, 'in the wrong place')
  store.write(`objects/${fine}`, 'in no place')
  store.write(`${shard(fine)}/${fine.toUpperCase()}`, 'loud')
  store.write(`${shard(fine)}/${fine}.tmp`, 'half')
  store.write(`${shard(fine)}/.${fine}`, 'hidden')
  store.write(`objects/AB/${fine}`, 'a foreign directory is not entered')
  store.write('objects/notes.txt', 'buy milk')
  const linked = `ffff${fine.slice(4)}`
  mkdirSync(join(dataDir, 'objects/ff'), { recursive: true })
  symlinkSync(outside, join(dataDir, 'objects/ff', linked))
  symlinkSync(tempDir(t), join(dataDir, 'objects/00', 'elsewhere'))
  mkdirSync(join(dataDir, `objects/00/00${fine.slice(2)}`))
  const half = `incoming/receiving-both-${'0'.repeat(32)}`
  const whole = `incoming/received-edge-${'0'.repeat(32)}-${keyOf(stray)}`
  const trash = `incoming/trash-${'0'.repeat(32)}`
  for (const name of [half, whole, trash, 'incoming/holiday.jpg']) store.write(name, '12345')

  const wanted = (name: string, size = 40_000) => ({
    key: key[name],
    size,
    media: [media[name]],
    uploads: [],
    thumbnails: [],
  })
  const ofUpload = { key: keyOf(waiting), size: 40_000, media: [], uploads: [upload], thumbnails: [] }
  const thumbnail = {
    source: keyOf('no picture'),
    spec: { width: 32, height: 32, method: 'crop' },
    object: { key: keyOf('row'), size: 3 },
  }

  const report = await check(dataDir, { deep: true })
  t.deepEqual(sorted(report), {
    looked: { rows: 9, files: 6 + 10, smallObjects: 2, thumbnails: 1, incoming: 4, ...wholeDatabase },
    findings: inOrder([
      { problem: 'wrong_size', foundSize: 39_999, place: 'file', ...wanted('truncated') },
      { problem: 'wrong_size', foundSize: 0, place: 'file', ...wanted('emptied') },
      { problem: 'wrong_size', foundSize: 40_004, place: 'file', ...wanted('grown') },
      { problem: 'missing_object', ...wanted('gone') },
      { problem: 'missing_object', ...ofUpload },
      { problem: 'rotten_object', place: 'file', ...wanted('rotten') },
      { problem: 'rotten_object', place: 'row', ...wanted('rottenRow', 11) },
      { problem: 'stray_object', key: keyOf(stray), size: 40_000, place: 'file', path: strayPath },
      { problem: 'stranger', path: `objects/00/${fine}`, what: 'wrong_directory' },
      { problem: 'stranger', path: `objects/${fine}`, what: 'wrong_directory' },
      { problem: 'stranger', path: `${shard(fine)}/${fine.toUpperCase()}`, what: 'not_a_key' },
      { problem: 'stranger', path: `${shard(fine)}/${fine}.tmp`, what: 'not_a_key' },
      { problem: 'stranger', path: `${shard(fine)}/.${fine}`, what: 'not_a_key' },
      { problem: 'stranger', path: 'objects/AB', what: 'directory' },
      { problem: 'stranger', path: 'objects/notes.txt', what: 'not_a_key' },
      { problem: 'stranger', path: `objects/ff/${linked}`, what: 'symbolic_link' },
      { problem: 'stranger', path: 'objects/00/elsewhere', what: 'symbolic_link' },
      { problem: 'stranger', path: `objects/00/00${fine.slice(2)}`, what: 'directory' },
      { problem: 'thumbnails_of_nothing', source: keyOf('no picture'), thumbnails: [thumbnail] },
      { problem: 'leftover', path: 'incoming/holiday.jpg', purpose: undefined, size: 5 },
      { problem: 'leftover', path: whole, purpose: 'received', size: 5 },
      { problem: 'leftover', path: half, purpose: 'receiving', size: 5 },
      { problem: 'leftover', path: trash, purpose: 'trash', size: 5 },
    ]),
  })
  t.is(readFileSync(outside, 'utf8'), 'keep me')
})

test('a repair moves what no row wants, says so in a manifest, and leaves rows of media and foreign names alone', async t => {
  const small = Buffer.from('a few words')
  const store = await stoppedStore(t, { gone: filled('g'), rotten: filled('r'), fine: filled('f'), small })
  const { dataDir } = store
  const [stray, row] = [filled('s'), Buffer.from('row')]
  rmSync(store.path(keyOf(filled('g'))))
  flipByte(store.path(keyOf(filled('r'))))
  store.sql(sql => sql.prepare('INSERT INTO small_object VALUES (?, ?)').run(Buffer.from(keyOf(row), 'hex'), row))
  const strayPath = `objects/${keyOf(stray).slice(0, 2)}/${keyOf(stray)}`
  const half = `incoming/receiving-both-${'0'.repeat(32)}`
  const trash = `incoming/trash-${'0'.repeat(32)}`
  store.write(strayPath, stray)
  for (const path of [half, trash, 'incoming/holiday.jpg', 'objects/notes.txt']) store.write(path, '12345')

  const before = await check(dataDir, { deep: true })
  t.is(before.findings.length, 8)
  const report = await repair(dataDir)
  const lost = join(dataDir, report.lostAndFound ?? '')
  t.regex(report.lostAndFound ?? '', /^lost\+found\/\d{4}-\d\d-\d\dT/)
  t.deepEqual(
    filesBelow(lost),
    [half, strayPath, `small_object/${keyOf(row)}`, 'incoming/holiday.jpg', 'manifest.jsonl'].sort(),
  )
  t.deepEqual(readFileSync(join(lost, strayPath)), stray)
  t.deepEqual(readFileSync(join(lost, 'small_object', keyOf(row))), row)
  const manifest = readFileSync(join(lost, 'manifest.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const at = new Date(later.now).toISOString()
  t.deepEqual(
    manifest.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    [
      { at, problem: 'leftover', path: 'incoming/holiday.jpg' },
      { at, problem: 'leftover', path: half },
      { at, problem: 'stray_object', key: keyOf(stray), size: 40_000, path: strayPath },
      { at, problem: 'stray_object', key: keyOf(row), size: 3, path: `small_object/${keyOf(row)}` },
    ],
  )

  const after = await check(dataDir, { deep: true })
  t.deepEqual(after.findings.map(({ problem }) => problem).toSorted(), [
    'leftover',
    'missing_object',
    'rotten_object',
    'stranger',
  ])
  t.deepEqual(await repair(dataDir), { lostAndFound: undefined, actions: ['left', 'left', 'left', 'left'] })
})

test('thumbnails that are lost, damaged or without a picture go with their rows, and are made again', async t => {
  const photo = readSample('photo-turned-p3.jpg')
  const store = await stoppedStore(t, { gone: photo, other: filled('o') })
  const { dataDir } = store
  const thumbnails = () => {
    const rows: { sha256: string; width: number; isFile: boolean }[] = []
    store.sql(sql => {
      for (const row of sql.prepare('SELECT lower(hex(sha256)) AS sha256, width FROM thumbnail ORDER BY width').all()) {
        const { sha256, width } = row as { sha256: string; width: number }
        rows.push({ sha256, width, isFile: existsSync(join(dataDir, 'objects', sha256.slice(0, 2), sha256)) })
      }
    })
    return rows
  }
  t.true(thumbnails().length >= 3)
  const [lost, rotten] = [...new Set(thumbnails().map(({ sha256 }) => sha256))]
  store.sql(sql => {
    sql.prepare('DELETE FROM small_object WHERE sha256 = unhex(?)').run(lost)
    sql.prepare('UPDATE small_object SET bytes = zeroblob(length(bytes)) WHERE sha256 = unhex(?)').run(rotten)
  })
  const damaged = await check(dataDir, { deep: true })
  t.deepEqual(damaged.findings.map(({ problem }) => problem).toSorted(), ['missing_object', 'rotten_object'])
  const { lostAndFound, actions } = await repair(dataDir)
  t.deepEqual(actions, ['rows_taken', 'rows_taken'])
  t.deepEqual(filesBelow(join(dataDir, lostAndFound ?? '')), ['manifest.jsonl', `small_object/${rotten}`])
  t.deepEqual((await check(dataDir, { deep: true })).findings, [])

  store.sql(sql => sql.exec(`DELETE FROM media WHERE media_id = '${store.media.gone}'`))
  const orphaned = await check(dataDir)
  t.deepEqual(orphaned.findings.map(({ problem }) => problem).toSorted(), ['stray_object', 'thumbnails_of_nothing'])
  t.deepEqual((await repair(dataDir, { ...later, force: true })).actions.toSorted(), ['moved', 'rows_taken'])
  t.deepEqual(thumbnails(), [])
  t.deepEqual((await check(dataDir, { deep: true })).findings, [])
})

test('nothing younger than the given age is moved', async t => {
  const store = await stoppedStore(t, { fine: filled('f') })
  const stray = filled('s')
  store.write(`objects/${keyOf(stray).slice(0, 2)}/${keyOf(stray)}`, stray)
  store.write(`incoming/receiving-both-${'0'.repeat(32)}`, 'half')
  const soon = { ...later, now: Date.now() + hour / 2 }
  t.deepEqual(await repair(store.dataDir, soon), { lostAndFound: undefined, actions: ['too_young', 'too_young'] })
  t.false(existsSync(join(store.dataDir, 'lost+found')))
  t.deepEqual((await repair(store.dataDir, { ...soon, minAge: 0 })).actions, ['moved', 'moved'])
})

test('a repair that would empty much of the store is refused, because the database may be the wrong one', async t => {
  const store = await stoppedStore(t, Object.fromEntries([...'abcdefghijkl'].map(letter => [letter, filled(letter)])))
  store.sql(sql => sql.exec('DELETE FROM media WHERE media_id <> (SELECT min(media_id) FROM media)'))
  const before = filesBelow(join(store.dataDir, 'objects'))
  t.deepEqual(await tryRepair(store.dataDir), { refused: 'too_much', wouldTake: 11, of: 12 })
  t.deepEqual(filesBelow(join(store.dataDir, 'objects')), before)
  t.false(existsSync(join(store.dataDir, 'lost+found')))
  t.is((await repair(store.dataDir, { ...later, force: true })).actions.length, 11)
  t.is(filesBelow(join(store.dataDir, 'objects')).length, 1)
})

test('an object that the disk does not give back is a finding, and the rest is still looked at', async t => {
  const { dataDir, path } = await stoppedStore(t, { bad: filled('b'), rotten: filled('r') })
  flipByte(path(keyOf(filled('r'))))
  const readObject = async (path: string) => {
    if (basename(path) === keyOf(filled('b'))) throw Object.assign(systemError('EIO'), { errno: -5 })
    return objectIn(path)
  }
  const { findings } = await check(dataDir, { deep: true, readObject })
  const key = keyOf(filled('b'))
  t.like(
    findings.find(({ problem }) => problem === 'unreadable'),
    { key, path: `objects/${key.slice(0, 2)}/${key}`, message: 'EIO: injected' },
  )
  t.deepEqual(findings.map(({ problem }) => problem).toSorted(), ['rotten_object', 'unreadable'])
})

test('a damaged database and rows that make no sense are found by a deep check', async t => {
  const odd = await stoppedStore(t, { fine: filled('f') })
  odd.sql(sql =>
    sql.exec(`INSERT INTO media (media_id, owner, state, created_at, ended_at, frozen) VALUES ('odd', '@a:b', 'ready', 1, 1, 1);
      INSERT INTO pending (media_id, owner, created_at, frozen, expires_at) VALUES ('odd', '@a:b', 1, 1, 1)`),
  )
  t.deepEqual((await check(odd.dataDir)).findings, [], 'which a quick one does not look for')
  t.deepEqual((await check(odd.dataDir, { deep: true })).findings, [
    { problem: 'catalog', kind: 'inconsistent_row', message: 'table media, row odd: the columns fit no state' },
    { problem: 'catalog', kind: 'id_twice', message: 'media id odd is pending and finished' },
  ])

  const torn = await stoppedStore(t, { fine: filled('f'), small: Buffer.alloc(30_000, 'x') })
  const file = join(torn.dataDir, 'sluice.db')
  const bytes = readFileSync(file)
  bytes.fill(0xff, 4096, 4096 * 3)
  writeFileSync(file, bytes)
  const { findings } = await check(torn.dataDir, { deep: true })
  t.true(findings.length > 0)
  for (const finding of findings) t.like(finding, { problem: 'catalog', kind: 'damaged' })
  t.like(await tryRepair(torn.dataDir, { ...later, force: true }), { refused: 'database_damaged' })
})

test('totals that are not the sum of their media are found, and counted anew by a repair', async t => {
  const store = await stoppedStore(
    t,
    { fine: filled('f'), small: Buffer.from('a few words') },
    async ({ create }) => void (await create()),
    { SLUICE_LIMITS__QUOTA: '{ "max_bytes": "1GB" }' },
  )
  t.deepEqual((await check(store.dataDir, { deep: true })).findings, [])
  store.sql(sql =>
    sql.exec("UPDATE usage SET ready_bytes = 7; INSERT INTO usage (owner, pending_count) VALUES ('@b:c', 1)"),
  )
  t.deepEqual<unknown, unknown>((await check(store.dataDir, { deep: true })).findings, [
    { problem: 'wrong_total', owner: '@b:c' },
    { problem: 'wrong_total', owner: '@me:example.com' },
  ])
  t.deepEqual((await repair(store.dataDir)).actions, ['counted_anew', 'counted_anew'])
  t.deepEqual((await check(store.dataDir, { deep: true })).findings, [])
  store.sql(sql => t.is(sql.prepare('SELECT ready_bytes FROM usage').pluck().get(), 40_011))
})

test('a store is checked beside its server without a word about what is under way, and repaired only without it', async t => {
  const { dataDir, create, put, complete, publish } = await withSluice(t)
  t.throws(() => openInspection(dataDir, { forRepair: true, clock: systemClock }), { instanceOf: DataDirectoryInUse })
  let isDone = false
  const traffic = async (letter: string) => {
    for (let count = 0; !isDone; count += 1) {
      const { media, uploadUrl } = await create()
      await put(uploadUrl, new Uint8Array(filled(letter, 40_000 + count)))
      await put(uploadUrl, new Uint8Array(filled(letter, 50_000 + count)))
      await complete(media)
    }
  }
  const running = [traffic('a'), traffic('b')]
  for (let round = 0; round < 10; round += 1) t.deepEqual((await check(dataDir, { deep: true })).findings, [])
  isDone = true
  await Promise.all(running)

  await publish(new Uint8Array(filled('z')), 'application/octet-stream')
  const key = keyOf(filled('z'))
  rmSync(join(dataDir, 'objects', key.slice(0, 2), key))
  writeFileSync(join(dataDir, 'incoming/holiday.jpg'), '12345')
  t.deepEqual(
    (await check(dataDir)).findings.map(({ problem }) => problem),
    ['missing_object', 'leftover'],
  )
})

test('beside a server, what is put right within a moment was on its way and no finding', async t => {
  const { dataDir, publish } = await withSluice(t)
  const media = async (letter: string) =>
    (await publish(new Uint8Array(filled(letter)), 'application/octet-stream')).split('/')[1] ?? ''
  const path = (letter: string) => join(dataDir, 'objects', keyOf(filled(letter)).slice(0, 2), keyOf(filled(letter)))
  const put = (letter: string) => {
    mkdirSync(dirname(path(letter)), { recursive: true })
    writeFileSync(path(letter), filled(letter))
  }
  const [deleted] = [await media('d'), await media('h'), await media('r'), await media('m')]
  for (const letter of 'dm') rmSync(path(letter))
  truncateSync(path('h'), 5)
  flipByte(path('r'))
  for (const letter of 'skt') put(letter)
  writeFileSync(join(dataDir, `incoming/received-both-${'0'.repeat(32)}-${keyOf(filled('k'))}`), filled('k'))

  const { findings } = await check(dataDir, {
    deep: true,
    settle: async () => {
      const sql = new BetterSqlite3(join(dataDir, 'sluice.db'))
      sql.prepare('DELETE FROM media WHERE media_id = ?').run(deleted)
      sql.prepare('INSERT INTO unwanted_object VALUES (unhex(?))').run(keyOf(filled('s')))
      sql.close()
      for (const letter of 'hr') put(letter)
    },
  })
  t.deepEqual(findings.map(({ problem, key }: Named) => [problem, key]).toSorted(), [
    ['missing_object', keyOf(filled('m'))],
    ['stray_object', keyOf(filled('t'))],
  ])
})
