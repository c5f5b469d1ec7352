import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { systemRandom } from '../../src/domain/clock.ts'
import { type DataDirectory, DataDirectoryError, openDataDirectory } from '../../src/storage/data-directory.ts'
import { movableClock } from '../support/movable-clock.ts'
import { tempDir } from '../support/temp-dir.ts'

const now = Date.UTC(2026, 10, 22)

function open(dir: string, init: boolean): DataDirectory {
  return openDataDirectory(dir, { init, random: systemRandom, clock: movableClock(now) })
}

function refuses(t: ExecutionContext, work: () => unknown, message: RegExp): void {
  const error = t.throws(work, { instanceOf: DataDirectoryError })
  t.regex(error?.message ?? '', message)
}

test('init makes a store in a missing directory, readable by its owner only', t => {
  const dir = join(tempDir(t), 'var', 'media')
  const made = open(dir, true)
  t.is(made.dir, dir)
  t.is(made.createdAt, now)
  t.regex(made.storeId, /^[0-9a-f]{32}$/)
  t.deepEqual(readdirSync(dir).sort(), ['incoming', 'objects', 'sluice-store.json'])
  for (const path of [dir, join(dir, 'objects'), join(dir, 'incoming')]) t.is(statSync(path).mode & 0o777, 0o700)
  t.deepEqual(JSON.parse(readFileSync(join(dir, 'sluice-store.json'), 'utf8')), {
    format: 1,
    storeId: made.storeId,
    createdAt: now,
  })
})

test('a store is the same one at every start, with init or without', t => {
  const dir = tempDir(t)
  const made = open(dir, true)
  t.deepEqual(open(dir, false), made)
  t.deepEqual(open(dir, true), made)
  t.deepEqual(readdirSync(join(dir, 'objects')), [])
  t.deepEqual(readdirSync(join(dir, 'incoming')), [])
})

test('a missing or empty directory stops the start without init, because its disk may not be mounted', t => {
  const dir = tempDir(t)
  refuses(t, () => open(join(dir, 'missing'), false), /is missing.*mounted.*--init/)
  t.false(existsSync(join(dir, 'missing')))
  mkdirSync(join(dir, 'lost+found'))
  refuses(t, () => open(dir, false), /is empty.*mounted.*--init/)
  t.deepEqual(readdirSync(dir), ['lost+found'])
})

test('a fresh volume with its lost+found counts as empty', t => {
  const dir = tempDir(t)
  mkdirSync(join(dir, 'lost+found'))
  t.notThrows(() => open(dir, true))
})

test('a directory with other things in it is never made a store', t => {
  const dir = tempDir(t)
  writeFileSync(join(dir, 'homeserver.yaml'), '')
  for (const init of [false, true]) refuses(t, () => open(dir, init), /is not a Sluice store/)
  t.deepEqual(readdirSync(dir), ['homeserver.yaml'])
})

test('objects without an identity are not taken over', t => {
  const dir = tempDir(t)
  open(dir, true)
  rmSync(join(dir, 'sluice-store.json'))
  mkdirSync(join(dir, 'objects', 'ab'))
  refuses(t, () => open(dir, true), /is not a Sluice store/)
})

test('an init that was killed before its end can be repeated', t => {
  const dir = tempDir(t)
  mkdirSync(join(dir, 'objects'))
  mkdirSync(join(dir, 'incoming'))
  writeFileSync(join(dir, 'sluice-store.json.new-0011223344556677'), '{"for')
  refuses(t, () => open(dir, false), /is empty/)
  t.notThrows(() => open(dir, true))
})

test('what a killed start left for a moment is swept, but not what another one may need now', t => {
  const dir = tempDir(t)
  open(dir, true)
  const left = (name: string, age: number): string => {
    const path = join(dir, name)
    writeFileSync(path, '')
    utimesSync(path, (now - age) / 1000, (now - age) / 1000)
    return path
  }
  const old = [
    left('sluice-store.json.new-1', 70_000),
    left('objects/probe-1', 70_000),
    left('incoming/probe-1', 70_000),
  ]
  const young = [
    left('sluice-store.json.new-2', 50_000),
    left('objects/probe-2', 50_000),
    left('incoming/probe-2', 50_000),
  ]
  open(dir, false)
  t.deepEqual(old.filter(existsSync), [])
  t.deepEqual(young.filter(existsSync), young)
})

test('a store of a later format is left to the later version', t => {
  const dir = tempDir(t)
  open(dir, true)
  writeFileSync(join(dir, 'sluice-store.json'), '{"format":2,"stores":[]}')
  for (const init of [false, true]) refuses(t, () => open(dir, init), /format 2.*up to 1/)
})

test('a damaged identity is not made up for', t => {
  const dir = tempDir(t)
  open(dir, true)
  for (const damaged of ['', 'null', '{"format":1}', '{"format":0,"storeId":"a","createdAt":1}']) {
    writeFileSync(join(dir, 'sluice-store.json'), damaged)
    for (const init of [false, true]) refuses(t, () => open(dir, init), /damaged.*backup/)
  }
})

test('a store that has lost its objects is not taken for an empty one, but incoming/ may be missing', t => {
  const dir = tempDir(t)
  open(dir, true)
  rmSync(join(dir, 'incoming'), { recursive: true })
  t.notThrows(() => open(dir, false))
  rmSync(join(dir, 'objects'), { recursive: true })
  for (const init of [false, true]) refuses(t, () => open(dir, init), /lost its directory objects/)
})

test('a path that is no directory, or that can not be written, stops the start in plain words', t => {
  const dir = tempDir(t)
  const file = join(dir, 'file')
  writeFileSync(file, '')
  refuses(t, () => open(file, true), /can not be used.*ENOTDIR/)

  const store = join(dir, 'store')
  open(store, true)
  rmSync(join(store, 'incoming'), { recursive: true })
  writeFileSync(join(store, 'incoming'), 'not a directory')
  refuses(t, () => open(store, false), /can not be used/)
})

test('a volume that does not do what an upload needs is found out by the trial', t => {
  const dir = tempDir(t)
  open(dir, true)
  rmSync(join(dir, 'objects'), { recursive: true })
  // Another file system, in which nobody can link anything, not even root.
  symlinkSync('/proc/self', join(dir, 'objects'))
  refuses(t, () => open(dir, false), /can not be used.*link/)
  t.deepEqual(readdirSync(join(dir, 'incoming')), [])
})
