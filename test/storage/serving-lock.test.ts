import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { systemRandom } from '../../src/domain/clock.ts'
import { DataDirectoryError, openDataDirectory } from '../../src/storage/data-directory.ts'
import {
  DataDirectoryInUse,
  lockAsMember,
  lockDataDirectory,
  takeOverDataDirectory,
} from '../../src/storage/serving-lock.ts'
import { movableClock } from '../support/movable-clock.ts'
import { tempDir } from '../support/temp-dir.ts'

function storeIn(t: ExecutionContext): string {
  const dir = tempDir(t)
  openDataDirectory(dir, { init: true, random: systemRandom, clock: movableClock() })
  return dir
}

function refuses(t: ExecutionContext, work: () => unknown, message: RegExp): void {
  const error = t.throws(work, { instanceOf: DataDirectoryError })
  t.regex(error?.message ?? '', message)
}

test('one side is served once: both sides by one process, or each by its own', t => {
  const dir = storeIn(t)
  const both = lockDataDirectory(dir, 'both')
  for (const role of ['api', 'edge', 'both'] as const) {
    refuses(t, () => lockDataDirectory(dir, role), /Another Sluice serves/)
  }
  both.release()
  both.release()

  const api = lockDataDirectory(dir, 'api')
  refuses(t, () => lockDataDirectory(dir, 'api'), /Another Sluice serves .*\(api\)/)
  refuses(t, () => lockDataDirectory(dir, 'both'), /Another Sluice serves .*\(api\)/)
  // `both` did not get the one side and must not have kept the other.
  const edge = lockDataDirectory(dir, 'edge')
  refuses(t, () => lockDataDirectory(dir, 'both'), /Another Sluice serves/)
  api.release()
  refuses(t, () => lockDataDirectory(dir, 'both'), /Another Sluice serves .*\(edge\)/)
  edge.release()
  lockDataDirectory(dir, 'both').release()
})

test('the lock of a process that was killed is gone with it', async t => {
  const dir = storeIn(t)
  const module = new URL('../../src/storage/serving-lock.ts', import.meta.url).href
  const script = `
    const { lockDataDirectory } = await import(${JSON.stringify(module)})
    lockDataDirectory(${JSON.stringify(dir)}, 'both')
    // A collector that comes by must not close what nothing but the lock refers to.
    for (let time = 0; time < 5; time += 1) {
      globalThis.gc()
      await new Promise(resolve => setImmediate(resolve))
    }
    console.log('locked')
    setInterval(() => {}, 60_000)`
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  refuses(t, () => lockDataDirectory(dir, 'edge'), /Another Sluice serves/)

  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  const lock = lockDataDirectory(dir, 'both')
  lock.release()
  t.deepEqual(
    readdirSync(dir).filter(name => name.startsWith('lock')),
    ['lock-api.db', 'lock-edge.db', 'lock-members.db'],
  )
})

test('workers serve beside each other and beside their parent; the next one waits for them', t => {
  const dir = storeIn(t)
  for (const role of ['both', 'edge'] as const) {
    const parent = lockDataDirectory(dir, role)
    const workers = [lockAsMember(dir), lockAsMember(dir)]
    parent.release()
    for (const worker of workers) {
      refuses(t, () => lockDataDirectory(dir, role), /Another Sluice serves .*\(members\)/)
      worker.release()
    }
    lockDataDirectory(dir, role).release()
  }
})

test('a lock that can not be taken for another reason says which', t => {
  const dir = tempDir(t)
  mkdirSync(join(dir, 'lock-edge.db'))
  refuses(t, () => lockDataDirectory(dir, 'both'), /can not be locked: .*open/)
  lockDataDirectory(dir, 'api').release()
})

test('a successor waits for a predecessor that is shutting down, and says so once', async t => {
  const dir = storeIn(t)
  const predecessor = lockDataDirectory(dir, 'both')
  const waits: string[] = []
  const taking = takeOverDataDirectory(dir, 'both', { waitMs: 600_000, onWait: () => waits.push('waits') })
  t.deepEqual(waits, ['waits'], 'it has looked at once, and looks again')
  predecessor.release()
  const lock = await taking
  t.deepEqual(waits, ['waits'])
  refuses(t, () => lockDataDirectory(dir, 'api'), /Another Sluice serves/)
  lock.release()
})

test('a successor gives up when its time is over, or when it is told to', async t => {
  const dir = storeIn(t)
  const lock = lockDataDirectory(dir, 'edge')
  await t.throwsAsync(takeOverDataDirectory(dir, 'both', { waitMs: 0 }), { instanceOf: DataDirectoryInUse })
  await t.throwsAsync(takeOverDataDirectory(dir, 'both', { waitMs: 120 }), { instanceOf: DataDirectoryInUse })
  // What it could have meanwhile it has not kept.
  lockDataDirectory(dir, 'api').release()

  const stopping = new AbortController()
  const taking = takeOverDataDirectory(dir, 'both', { waitMs: 600_000, signal: stopping.signal })
  stopping.abort(new Error('SIGTERM'))
  await t.throwsAsync(taking, { message: 'SIGTERM' })
  lock.release()
})

test('with nobody there the lock is had at once', async t => {
  const dir = storeIn(t)
  const lock = await takeOverDataDirectory(dir, 'api', { waitMs: 0 })
  refuses(t, () => lockDataDirectory(dir, 'api'), /Another Sluice serves/)
  lock.release()
})
