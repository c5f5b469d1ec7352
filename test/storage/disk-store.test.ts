import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { MediaError } from '../../src/domain/errors.ts'
import { toObjectKey } from '../../src/domain/objects.ts'
import { systemFileSystem } from '../../src/storage/file-system.ts'
import { faultyFileSystem, systemError } from '../support/faulty-file-system.ts'
import { type DiskWorld, openDiskWorld } from './disk-world.ts'
import {
  bytesOf,
  gate,
  isEqual,
  keyOf,
  read,
  recording,
  remove,
  store,
  streamOf,
  testObjectStore,
  throwsMediaError,
} from './object-store-contract.ts'

testObjectStore(openDiskWorld)

const maxBytes = 2 ** 40
const content = bytesOf(1_200_000)
const key = keyOf(content)
const nothingDone = { abandonedUploads: 0, unrecordedObjects: 0, emptiedTrash: 0, oddities: [] }

test('up to 32 KiB an object is a row, beyond that it is a private file under the first byte of its digest', async t => {
  const world = await openDiskWorld(t)
  const small = await store(world, bytesOf(32 * 1024))
  t.deepEqual(world.files(), [])
  t.is(world.sql.prepare('SELECT count(*) FROM small_object').pluck().get(), 1)

  const large = await store(world, bytesOf(32 * 1024 + 1))
  t.deepEqual(world.files(), [large])
  t.is(world.sql.prepare('SELECT count(*) FROM small_object').pluck().get(), 1)
  t.not(small, large)

  const path = join(world.dir, 'objects', large.slice(0, 2), large)
  t.true(readFileSync(path).equals(bytesOf(32 * 1024 + 1)))
  t.is(statSync(path).mode & 0o777, 0o600)
  t.is(statSync(path).nlink, 1)
  t.deepEqual(world.incoming(), [])
})

for (const [title, bytes, declared] of [
  ['a small one', 200, true],
  ['a middling one', 300_000, true],
  ['a large one', 3_000_000, true],
  ['a large one whose length nobody told', 3_000_000, false],
] as const) {
  test(`a body whose chunks are ours is stored like any other: ${title}`, async t => {
    const world = await openDiskWorld(t)
    const content = randomBytes(bytes)
    // Each in memory of its own, as Node's HTTP parser hands them over.
    const chunks = Array.from({ length: Math.ceil(bytes / 65_536) }, (_, number) =>
      Buffer.from(new Uint8Array(content.subarray(number * 65_536, (number + 1) * 65_536)).buffer),
    )
    const declaredBytes = declared ? bytes : undefined
    const staged = await world.store.stage(Readable.from(chunks), { maxBytes, declaredBytes, ownsChunks: true })
    await world.store.keep([staged], recording(world, [staged]))
    t.is(staged.object.key, keyOf(content))
    t.true(isEqual(await read(world, staged.object.key), content))
    if (bytes > 32 * 1024) t.true(chunks.every(({ byteLength }) => byteLength === 0))
  })
}

test('chunks that were not given away are left as they are', async t => {
  const world = await openDiskWorld(t)
  const chunk = Buffer.from(new Uint8Array(randomBytes(2_000_000)).buffer)
  const copy = Buffer.from(chunk)
  const staged = await world.store.stage(Readable.from([chunk]), { maxBytes, declaredBytes: chunk.length })
  t.is(staged.object.key, keyOf(copy))
  t.true(chunk.equals(copy))
})

test('a staged file lies in incoming/ and nowhere else, and a discarded one is gone', async t => {
  const world = await openDiskWorld(t)
  const staged = await world.store.stage(content, { maxBytes })
  t.is(world.incoming().length, 1)
  t.deepEqual(world.files(), [])
  await world.store.discard([staged])
  t.deepEqual(world.incoming(), [])
})

test('the bytes are on the disk before their name, and the name before the row', async t => {
  const paths = new Map<number, string>()
  const events: string[] = []
  const fs = {
    ...systemFileSystem,
    open: async (path: string, flags: 'r' | 'wx') => {
      const fd = await systemFileSystem.open(path, flags)
      paths.set(fd, path)
      return fd
    },
    sync: async (fd: number) => {
      await systemFileSystem.sync(fd)
      events.push(`sync ${paths.get(fd)}`)
    },
    link: async (existing: string, path: string) => {
      events.push(`link ${path}`)
      await systemFileSystem.link(existing, path)
    },
  }
  const world = await openDiskWorld(t, { fs })
  const objects = join(world.dir, 'objects')
  t.deepEqual(events.splice(0), [`sync ${objects}`, `sync ${world.dir}`])

  const staged = await world.store.stage(streamOf(content), { maxBytes })
  t.regex(events.splice(0).join(), /^sync .*\/incoming\/receiving-[^,]*$/)
  await world.store.keep([staged], async alongside => {
    events.push('record')
    await recording(world, [staged])(alongside)
  })
  const shard = join(objects, key.slice(0, 2))
  t.deepEqual(events, [`sync ${objects}`, `link ${join(shard, key)}`, `sync ${shard}`, 'record'])
})

test('two equal uploads are one file, and the second needs no space when it is done', async t => {
  const world = await openDiskWorld(t)
  await store(world, content)
  await store(world, content)
  t.deepEqual(world.files(), [key])
  t.is(statSync(world.path(key)).nlink, 1)
  t.deepEqual(world.incoming(), [])
})

const failures: Readonly<
  Record<string, { limits: { maxBytes: number; declaredBytes?: number }; body?: (bytes: Buffer) => Readable }>
> = {
  'the limit': { limits: { maxBytes: 1_000_000 } },
  'the limit, with a length that kept it': { limits: { maxBytes: 1_000_000, declaredBytes: 900_000 } },
  'a short body': { limits: { maxBytes, declaredBytes: 1_200_001 } },
  'a stream that breaks': {
    limits: { maxBytes },
    body: bytes => cutOff(bytes, stream => stream.destroy(new Error('reset'))),
  },
  'a stream that closes': { limits: { maxBytes }, body: bytes => cutOff(bytes, stream => stream.destroy()) },
}

for (const [name, { limits, body = streamOf }] of Object.entries(failures)) {
  test(`nothing is left on the disk after ${name}`, async t => {
    const fs = faultyFileSystem(() => {})
    const world = await openDiskWorld(t, { fs })
    await t.throwsAsync(world.store.stage(body(content), limits))
    t.true(fs.calls.includes('writev'))
    t.deepEqual(world.incoming(), [])
    t.is(fs.openDescriptors(), 0)
  })
}

test('nothing is left on the disk after an abort', async t => {
  const abort = new AbortController()
  const fs = faultyFileSystem(({ name }) => {
    if (name === 'writev') abort.abort(new Error('superseded'))
  })
  const world = await openDiskWorld(t, { fs })
  const staging = world.store.stage(streamOf(content), { maxBytes, signal: abort.signal })
  await t.throwsAsync(staging, { message: 'superseded' })
  t.deepEqual(world.incoming(), [])
  t.is(fs.openDescriptors(), 0)
})

/** Sends all the bytes, but instead of the end comes whatever `end` does. */
function cutOff(bytes: Buffer, end: (stream: Readable) => void): Readable {
  const whole = streamOf(bytes)
  const cut = new Readable({ read: () => whole.resume() })
  whole
    .pause()
    .on('data', chunk => cut.push(chunk) || whole.pause())
    .on('end', () => setImmediate(end, cut))
  return cut
}

test('a full disk is told from a broken one, and both say when to try again', async t => {
  for (const [errno, code] of [
    ['ENOSPC', 'out_of_space'],
    ['EDQUOT', 'out_of_space'],
    ['EIO', 'storage_failed'],
    ['EROFS', 'storage_failed'],
  ] as const) {
    const injected = systemError(errno)
    const fs = faultyFileSystem(({ name }) => {
      if (name === 'writev') throw injected
    })
    const world = await openDiskWorld(t, { fs })
    const error = await throwsMediaError(t, code, world.store.stage(streamOf(content), { maxBytes }))
    t.is(error.extras.cause, injected)
    t.true((error.extras.retryAfterMs ?? 0) > 0)
  }
})

/** What an upload does, from the first byte to the row. */
async function upload(world: DiskWorld): Promise<void> {
  const staged = await world.store.stage(streamOf(content), { maxBytes })
  await world.store.keep([staged], recording(world, [staged]))
}

async function uploadInVain(world: DiskWorld): Promise<void> {
  const staged = await world.store.stage(streamOf(content), { maxBytes })
  await world.store.keep([staged], async () => {
    throw new MediaError('not_found', 'the reservation has expired')
  })
}

async function uploadAgain(world: DiskWorld): Promise<void> {
  await upload(world)
}

/** Opens a world whose file system `fail`s at the given call of the scenario; the calls before it are not counted. */
async function openFailing(
  t: ExecutionContext,
  fail: (name: string) => void | Promise<void>,
): Promise<{ world: DiskWorld; fs: ReturnType<typeof faultyFileSystem>; failAt: (call: number) => void }> {
  let until = Number.POSITIVE_INFINITY
  const fs = faultyFileSystem(({ name, number }) => (number >= until ? fail(name) : undefined))
  const world = await openDiskWorld(t, { fs })
  return {
    world,
    fs,
    failAt: call => {
      until = fs.calls.length + call
    },
  }
}

async function callsOf(t: ExecutionContext, scenario: (world: DiskWorld) => Promise<void>, prepared: boolean) {
  const { world, fs } = await openFailing(t, () => {})
  if (prepared) await upload(world)
  const before = fs.calls.length
  await scenario(world).catch(() => {})
  await world.store.close()
  return fs.calls.slice(before)
}

for (const [scenario, prepared, errnos] of [
  [upload, false, ['EIO', 'ENOSPC']],
  [uploadAgain, true, ['EIO']],
] as const) {
  for (const errno of errnos) {
    test(`${errno} at any one call of ${scenario.name} leaves a whole object with a row, or nothing`, async t => {
      const calls = await callsOf(t, scenario, prepared)
      t.true(
        ['open', 'writev', 'sync', 'close', 'rename', 'link', 'sizeOfSync'].every(name =>
          calls.includes(name as never),
        ),
      )
      for (const [index, name] of calls.entries()) {
        let once = true
        const { world, fs, failAt } = await openFailing(t, () => {
          if (!once) return
          once = false
          throw systemError(errno)
        })
        if (prepared) await upload(world)
        failAt(index + 1)
        const outcome = await scenario(world).then(
          () => 'stored',
          error => (error as MediaError).code,
        )
        const failed = errno === 'ENOSPC' ? 'out_of_space' : 'storage_failed'
        const place = `call ${index + 1}, ${name}`
        t.is(outcome, name === 'unlink' ? 'stored' : failed, place)
        t.false(once, place)

        const isStored = prepared || outcome === 'stored'
        t.deepEqual(world.files(), isStored ? [key] : [], place)
        t.is(await read(world, key).then(bytes => bytes?.equals(content)), isStored ? true : undefined, place)
        t.is(fs.openDescriptors(), 0, place)
        if (name !== 'unlink') t.deepEqual(world.incoming(), [], place)
        await world.store.recover(one => world.rows.has(one))
        t.deepEqual(world.incoming(), [], place)
      }
    })
  }
}

for (const [scenario, prepared] of [
  [upload, false],
  [uploadAgain, true],
  [uploadInVain, false],
] as const) {
  test(`a crash at any call of ${scenario.name} is recovered from`, async t => {
    const calls = await callsOf(t, scenario, prepared)
    t.true(calls.length > 10)
    for (const index of calls.keys()) {
      const crashed = gate()
      const { world, failAt } = await openFailing(t, name => {
        crashed.open()
        // A process that is gone does nothing more, not even fail.
        if (name.endsWith('Sync')) throw new Error('killed')
        return new Promise(() => {})
      })
      if (prepared) await upload(world)
      failAt(index + 1)
      await Promise.race([scenario(world).catch(() => {}), crashed.opened])
      await new Promise(resolve => setImmediate(resolve))

      const next = await world.reopen()
      await next.store.recover(one => next.rows.has(one))
      await next.store.close()
      const place = `call ${index + 1}, ${calls[index]}`
      t.deepEqual(next.incoming(), [], place)
      t.deepEqual(next.files(), [...next.rows], place)
      for (const row of next.rows) t.true(isEqual(await read(next, row), content), place)
      t.deepEqual(await next.store.recover(one => next.rows.has(one)), nothingDone, place)
    }
  })
}

test('recovery tells what it found', async t => {
  const before = await openDiskWorld(t)
  await store(before, content)
  const link = gate()
  const crash = new Promise<never>(() => {})

  // One upload between link and commit, one staged, one still coming, one removal that had no time to give back the space.
  const linked = await before.store.stage(bytesOf(50_000, 'linked'), { maxBytes })
  void before.store.keep([linked], () => {
    link.open()
    return crash
  })
  await link.opened
  await before.store.stage(bytesOf(50_000, 'staged'), { maxBytes })
  const arrived = gate()
  const receiving = await before.reopen({
    fs: {
      ...systemFileSystem,
      writev: () => {
        arrived.open()
        return crash
      },
      unlink: () => crash,
    },
  })
  void receiving.store.stage(bytesOf(50_000, 'receiving'), { maxBytes })
  await arrived.opened
  const removed = await store(before, bytesOf(50_000, 'removed'))
  remove(receiving, removed)
  t.is(before.incoming().length, 4)

  const after = await before.reopen()
  t.deepEqual(await after.store.recover(one => after.rows.has(one)), {
    abandonedUploads: 2,
    unrecordedObjects: 1,
    emptiedTrash: 1,
    oddities: [],
  })
  await after.store.close()
  t.deepEqual(after.incoming(), [])
  t.deepEqual(after.files(), [key])
})

test('recovery steps over what no Sluice has put there, and tells of it', async t => {
  const before = await openDiskWorld(t)
  await before.store.stage(content, { maxBytes })
  const incoming = join(before.dir, 'incoming')
  const ours = `receiving-both-${'0'.repeat(32)}`
  mkdirSync(join(incoming, ours))
  mkdirSync(join(incoming, 'a directory'))
  writeFileSync(join(incoming, 'notes.txt'), 'of an operator')

  const after = await before.reopen()
  const { abandonedUploads, oddities } = await after.store.recover(() => false)
  t.is(abandonedUploads, 2)
  t.deepEqual([...oddities].sort(), ['a directory', 'notes.txt', ours].sort())
  t.deepEqual(after.incoming(), ['a directory', 'notes.txt', ours].sort())
  t.is(readFileSync(join(incoming, 'notes.txt'), 'utf8'), 'of an operator')
})

test('recovery of one process leaves the uploads of the other one alone', async t => {
  const edge = await openDiskWorld(t, { role: 'edge' })
  const staged = await edge.store.stage(content, { maxBytes })
  const api = await edge.reopen({ role: 'api' })
  t.deepEqual(await api.store.recover(() => false), nothingDone)
  await edge.store.keep([staged], recording(edge, [staged]))
  t.true(isEqual(await read(api, key), content))

  await edge.store.stage(bytesOf(50_000), { maxBytes })
  const both = await edge.reopen({ role: 'both' })
  await both.store.stage(bytesOf(60_000), { maxBytes })
  // Where `both` has left something, no `both` runs any more: either of the others may sweep it.
  t.is((await api.store.recover(() => false)).abandonedUploads, 1)
  t.is((await edge.store.recover(() => false)).abandonedUploads, 1)
  t.deepEqual(edge.incoming(), [])
})

test('of several processes at one edge each recovers its own, and the one that starts them recovers all', async t => {
  const first = await openDiskWorld(t, { role: 'edge.1' })
  const second = await first.reopen({ role: 'edge.2' })
  const receive = async (world: DiskWorld) => world.store.stage(content, { maxBytes })
  await receive(first)
  await receive(second)
  const abandoned = async (role: 'edge.1' | 'edge.2' | 'edge' | 'api' | 'both') => {
    const { store } = await first.reopen({ role })
    return (await store.recover(() => false)).abandonedUploads
  }
  t.is(await abandoned('api'), 0)
  t.is(await abandoned('edge.2'), 1)
  t.is(await abandoned('edge.2'), 0)
  await receive(second)
  t.is(await abandoned('edge'), 2)
  await receive(first)
  t.is(await abandoned('both'), 1)
  t.deepEqual(first.incoming(), [])
})

test('recovery leaves alone what another process tries the volume out with at this very moment', async t => {
  const world = await openDiskWorld(t, { role: 'edge' })
  const probe = `probe-${'0'.repeat(16)}`
  writeFileSync(join(world.dir, 'incoming', probe), '')
  for (const role of ['api', 'edge', 'edge.1', 'both'] as const)
    await (await world.reopen({ role })).store.recover(() => false)
  t.deepEqual(world.incoming(), [probe])
})

test('what can not be taken back because the database is gone is left for recovery to find', async t => {
  const world = await openDiskWorld(t)
  const staged = await world.store.stage(content, { maxBytes })
  const failing = world.store.keep([staged], async () => {
    world.sql.close()
    throw new Error('the database is gone')
  })
  await t.throwsAsync(failing, { message: 'the database is gone' })
  t.is(world.incoming().length, 1)
  t.deepEqual(world.files(), [key])
})

test('removed objects are deleted a few at a time, and tidying waits for them', async t => {
  const go = gate()
  let atOnce = 0
  let most = 0
  const isTrash = (path: string) => path.includes('/trash-')
  const world = await openDiskWorld(t, {
    fs: {
      ...systemFileSystem,
      unlink: async path => {
        if (!isTrash(path)) return systemFileSystem.unlink(path)
        atOnce += 1
        most = Math.max(most, atOnce)
        await go.opened
        await systemFileSystem.unlink(path)
        atOnce -= 1
      },
    },
  })
  for (let number = 0; number < 10; number += 1) remove(world, await store(world, bytesOf(40_000, `removed ${number}`)))
  t.is(world.incoming().length, 10)
  let isTidy = false
  const tidying = world.store.tidy().then(() => {
    isTidy = true
  })
  await new Promise(resolve => setImmediate(resolve))
  t.false(isTidy)
  t.is(most, 4)
  go.open()
  await tidying
  t.is(most, 4)
  t.deepEqual(world.incoming(), [])
})

test('what an earlier round made durable says nothing of a removal by another process since', async t => {
  const world = await openDiskWorld(t)
  const other = await world.reopen()
  const key = await store(world, content)
  world.rows.clear()
  t.is(world.transaction(world.store.removal(key)), 'leaving')
  await world.store.tidy()
  // The other process forgot the note of the first removal; the next round begins, and the same bytes come and go once more.
  await world.store.tidy()
  await store(other, content)
  other.rows.clear()
  t.is(other.transaction(other.store.removal(key)), 'leaving')
  t.is(world.transaction(world.store.removal(key)), 'leaving')
  await world.store.tidy()
  t.is(world.transaction(world.store.removal(key)), 'gone')
})

test('keeping the same bytes again mends a damaged file', async t => {
  const world = await openDiskWorld(t)
  await store(world, content)
  truncateSync(world.path(key), 100)
  await store(world, content)
  t.true(isEqual(await read(world, key), content))

  writeFileSync(world.path(key), bytesOf(content.length, 'rotten'))
  await store(world, content)
  t.true(isEqual(await read(world, key), content))
  t.deepEqual(world.incoming(), [])
})

test('keeping the same bytes again mends a damaged row', async t => {
  const world = await openDiskWorld(t)
  const small = await store(world, bytesOf(100))
  world.sql.prepare('UPDATE small_object SET bytes = ?').run(Buffer.from('rotten'))
  await store(world, bytesOf(100))
  t.true(isEqual(await read(world, small), bytesOf(100)))
})

test('a file that is removed between link and commit is linked again, and recorded again', async t => {
  const world = await openDiskWorld(t)
  const other = await world.reopen()
  const staged = await world.store.stage(content, { maxBytes })
  let calls = 0
  await world.store.keep([staged], async alongside => {
    calls += 1
    if (calls < 3) t.is(world.transaction(other.store.removal(key)), 'leaving')
    await recording(world, [staged])(alongside)
  })
  t.is(calls, 3)
  t.true(isEqual(await read(world, key), content))
  await Promise.all([world.store.close(), other.store.close()])
  t.deepEqual(world.incoming(), [])
})

test('when one of several files is removed before the commit, the others stay as they are', async t => {
  const world = await openDiskWorld(t)
  const contents = [content, bytesOf(50_000, 'other'), bytesOf(10)]
  const other = await world.reopen()
  const staged = await Promise.all(contents.map(bytes => world.store.stage(bytes, { maxBytes })))
  let calls = 0
  await world.store.keep(staged, async alongside => {
    calls += 1
    if (calls === 1) world.transaction(other.store.removal(key))
    await recording(world, staged)(alongside)
  })
  for (const bytes of contents) t.true(isEqual(await read(world, keyOf(bytes)), bytes))
  await Promise.all([world.store.close(), other.store.close()])
  t.deepEqual(world.incoming(), [])
})

test('a file that is removed each time is given up after some times', async t => {
  const world = await openDiskWorld(t)
  const other = await world.reopen()
  const staged = await world.store.stage(content, { maxBytes })
  let calls = 0
  const keeping = world.store.keep([staged], async alongside => {
    calls += 1
    world.transaction(other.store.removal(key))
    await recording(world, [staged])(alongside)
  })
  await throwsMediaError(t, 'storage_failed', keeping)
  t.is(calls, 5)
  await Promise.all([world.store.close(), other.store.close()])
  t.deepEqual(world.incoming(), [])
})

test('writes that take fewer bytes than given are continued where they stopped', async t => {
  const fs = {
    ...systemFileSystem,
    writev: (fd: number, chunks: readonly Uint8Array[], position: number) => {
      const all = Buffer.concat(chunks)
      return systemFileSystem.writev(fd, [all.subarray(0, Math.min(all.length, 70_001))], position)
    },
  }
  const world = await openDiskWorld(t, { fs })
  await store(world, content)
  await upload(world)
  t.true(isEqual(await read(world, key), content))
})

test('a file that takes no more bytes, but says no error, is an error', async t => {
  const world = await openDiskWorld(t, { fs: { ...systemFileSystem, writev: async () => 0 } })
  await throwsMediaError(t, 'storage_failed', world.store.stage(content, { maxBytes }))
  t.deepEqual(world.incoming(), [])
})

test('while the disk is slow the body waits, and no more of it is held than three batches', async t => {
  const disk = gate()
  const fs = faultyFileSystem(({ name }) => (name === 'writev' ? disk.opened : undefined))
  const world = await openDiskWorld(t, { fs })
  let sent = 0
  const body = new Readable({
    read() {
      sent += 64 * 1024
      this.push(sent > 20_000_000 ? null : Buffer.alloc(64 * 1024))
    },
  })
  const staging = world.store.stage(body, { maxBytes })
  // Once for each batch that finds the one before it unwritten.
  const seen: number[] = []
  while (seen.length < 100 || seen.at(-100) !== sent) {
    await new Promise(resolve => setImmediate(resolve))
    seen.push(sent)
  }
  t.true(body.isPaused())
  t.true(sent < 3_600_000, `${sent} bytes`)
  disk.open()
  t.is((await staging).object.size, 20_000_000 - (20_000_000 % (64 * 1024)))
})

test('when many upload at once each holds smaller batches', async t => {
  const largestBatch = async (uploads: number): Promise<number> => {
    let largest = 0
    const world = await openDiskWorld(t, {
      fs: {
        ...systemFileSystem,
        writev: (fd, chunks, position) => {
          largest = Math.max(
            largest,
            chunks.reduce((sum, { byteLength }) => sum + byteLength, 0),
          )
          return systemFileSystem.writev(fd, chunks, position)
        },
      },
    })
    await Promise.all(Array.from({ length: uploads }, () => world.store.stage(streamOf(content), { maxBytes })))
    return largest
  }
  t.true((await largestBatch(1)) >= 512 * 1024)
  t.true((await largestBatch(16)) < 400 * 1024)
})

test('offsets beyond 32 bits are read where they are', async t => {
  const world = await openDiskWorld(t)
  await store(world, content)
  const beyond = 2 ** 32 + 12_345
  const file = await openFile(world.path(key), 'r+')
  await file.write('here', beyond)
  await file.close()

  t.is((await world.store.head(key, 0))?.size, beyond + 4)
  const stream = await world.store.get(key, { start: beyond, end: beyond + 3 })
  t.is(stream && String(await buffer(stream)), 'here')
})

test('a file that has lost all its bytes is not read as an empty object', async t => {
  const fs = faultyFileSystem(() => {})
  const world = await openDiskWorld(t, { fs })
  await store(world, content)
  truncateSync(world.path(key), 0)
  await throwsMediaError(t, 'storage_failed', world.store.get(key))
  await throwsMediaError(
    t,
    'storage_failed',
    world.store.pour(key, undefined, () => t.fail()),
  )
  t.is(fs.openDescriptors(), 0)
})

test('however a pouring ends, its file is closed', async t => {
  let mayRead = true
  const fs = faultyFileSystem(({ name }) => {
    if (name === 'read' && !mayRead) throw systemError('EIO')
  })
  const world = await openDiskWorld(t, { fs })
  const large = await store(world, bytesOf(2 * 1024 * 1024))

  t.true(await world.store.pour(large, undefined, () => {}))
  t.is(fs.openDescriptors(), 0)

  const gone = new Error('the taker has gone')
  const taking = world.store.pour(large, undefined, async () => {
    throw gone
  })
  t.is(await t.throwsAsync(taking), gone)
  t.is(fs.openDescriptors(), 0)

  const broken = world.store.pour(large, undefined, () => {
    mayRead = false
  })
  await throwsMediaError(t, 'storage_failed', broken)
  t.is(fs.openDescriptors(), 0)
})

test('what a failed taker still holds is not written over by the next pouring', async t => {
  const world = await openDiskWorld(t)
  const bytes = bytesOf(600_000, 'one')
  const one = await store(world, bytes)
  const other = await store(world, bytesOf(600_000, 'other'))
  let held: Uint8Array | undefined
  const failing = world.store.pour(one, undefined, piece => {
    held = piece
    throw new Error('not taken')
  })
  await t.throwsAsync(failing, { message: 'not taken' })
  await world.store.pour(other, undefined, () => {})
  t.true(held !== undefined && isEqual(Buffer.from(held), bytes.subarray(0, held.byteLength)))
})

test('a small object that was read before is gone with its row, and mended when it is kept again', async t => {
  const world = await openDiskWorld(t)
  const bytes = bytesOf(1000)
  const small = await store(world, bytes)
  const poured = async (): Promise<Buffer | undefined> => {
    let found: Buffer | undefined
    await world.store.pour(small, undefined, piece => {
      found = Buffer.from(piece)
    })
    return found
  }
  world.sql.prepare('UPDATE small_object SET bytes = zeroblob(1000)').run()
  t.true(isEqual(await poured(), Buffer.alloc(1000)))
  await store(world, bytes)
  t.true(isEqual(await poured(), bytes))

  remove(world, small)
  t.is(await poured(), undefined)
})

test('a disk that can not be read is an error and not an absence', async t => {
  const fs = faultyFileSystem(({ name }) => {
    if (name === 'size' || name === 'sizeOf' || name === 'list') throw systemError('EIO')
  })
  const world = await openDiskWorld(t)
  await store(world, content)
  await throwsMediaError(t, 'storage_failed', world.reopen({ fs }))

  let isBroken = false
  const later = faultyFileSystem(({ name }) => {
    if (isBroken && (name === 'size' || name === 'sizeOf' || name === 'list')) throw systemError('EIO')
  })
  const reopened = await world.reopen({ fs: later })
  isBroken = true
  await throwsMediaError(t, 'storage_failed', reopened.store.get(key))
  await throwsMediaError(t, 'storage_failed', reopened.store.head(key, 0))
  await throwsMediaError(t, 'storage_failed', reopened.store.list()[Symbol.asyncIterator]().next())
  t.is(later.openDescriptors(), 0)
})

test('a removal that the disk refuses is thrown inside the transaction, and the object stays', async t => {
  let isBroken = false
  const fs = faultyFileSystem(({ name }) => {
    if (isBroken && name === 'renameSync') throw systemError('EROFS')
  })
  const world = await openDiskWorld(t, { fs })
  await store(world, content)
  isBroken = true
  const error = t.throws(() => world.transaction(world.store.removal(key)), { instanceOf: MediaError })
  t.is(error?.code, 'storage_failed')
  t.true(isEqual(await read(world, key), content))
})

test('a removed file is out of sight at once, and its space is back when the store has closed', async t => {
  const disk = gate()
  let unlinked = 0
  const fs = {
    ...systemFileSystem,
    unlink: async (path: string) => {
      await disk.opened
      unlinked += 1
      return systemFileSystem.unlink(path)
    },
  }
  const world = await openDiskWorld(t)
  await store(world, content)
  const slow = await world.reopen({ fs })
  remove(slow, key)
  t.deepEqual(slow.files(), [])
  t.is(slow.incoming().length, 1)
  const closing = slow.store.close()
  t.is(unlinked, 0)
  disk.open()
  await closing
  t.deepEqual(slow.incoming(), [])
})

test('a removal is not for good before the directory is synced that lost the name', async t => {
  let isBroken = true
  const paths = new Map<number, string>()
  const synced: (string | undefined)[] = []
  const fs = {
    ...systemFileSystem,
    open: async (path: string, flags: 'r' | 'wx') => {
      const fd = await systemFileSystem.open(path, flags)
      paths.set(fd, path)
      return fd
    },
    sync: async (fd: number) => {
      if (isBroken) throw systemError('EIO')
      synced.push(paths.get(fd))
    },
  }
  const world = await openDiskWorld(t)
  const removed = await store(world, content)
  const never = keyOf(bytesOf(1_200_001))
  const next = await openDiskWorld(t)
  t.is(next.transaction(next.store.removal(never)), 'leaving', 'a process before this one may have removed it just now')
  isBroken = false
  const again = await world.reopen({ fs })
  synced.length = 0
  isBroken = true
  t.is(world.transaction(again.store.removal(removed)), 'leaving')
  await throwsMediaError(t, 'storage_failed', again.store.tidy())
  t.is(world.transaction(again.store.removal(removed)), 'leaving')
  isBroken = false
  await again.store.tidy()
  t.deepEqual(synced, [join(world.dir, 'objects', removed.slice(0, 2))])
  t.is(world.transaction(again.store.removal(removed)), 'gone')
})

test('bytes that somebody is just bringing anew are left to them', async t => {
  const world = await openDiskWorld(t)
  const other = await world.reopen()
  const staged = await world.store.stage(content, { maxBytes })
  const answers: string[] = []
  await world.store.keep([staged], async alongside => {
    t.is(world.transaction(world.store.removal(key)), 'busy', 'a keep of this process')
    // That there is one in another process can not be known, but it is not made to begin again twice in a row.
    if (answers.length < 2) answers.push(world.transaction(other.store.removal(key)))
    await other.store.tidy()
    await recording(world, [staged])(alongside)
  })
  t.deepEqual(answers, ['leaving', 'busy'])
  t.true(isEqual(await read(world, key), content))
  world.rows.delete(key)
  t.is(world.transaction(other.store.removal(key)), 'leaving')
  await Promise.all([world.store.close(), other.store.close()])
  t.deepEqual([...world.files(), ...world.incoming()], [])
})

test('what a broken disk does not let go of goes when it works again', async t => {
  let isBroken = false
  const fs = faultyFileSystem(({ name }) => {
    if (isBroken && (name === 'unlink' || name === 'writev')) throw systemError('EROFS')
  })
  const world = await openDiskWorld(t, { fs })
  const staged = await world.store.stage(content, { maxBytes })
  isBroken = true
  await throwsMediaError(t, 'storage_failed', world.store.stage(streamOf(content), { maxBytes }))
  await world.store.keep([staged], recording(world, [staged]))
  world.rows.delete(key)
  world.transaction(world.store.removal(key))
  await world.store.close()
  t.is(world.incoming().length, 3, 'half an upload, the first name of the object, and the object')
  await throwsMediaError(t, 'storage_failed', world.store.tidy())
  isBroken = false
  await world.store.tidy()
  t.deepEqual([...world.files(), ...world.incoming()], [])
})

test('what could not be taken back while the database was in trouble is taken back when it is not', async t => {
  const world = await openDiskWorld(t)
  let isBroken = true
  const isReferenced = (): boolean => {
    if (isBroken) throw systemError('EIO')
    return false
  }
  const troubled = await world.reopen({ isReferenced })
  const staged = await troubled.store.stage(content, { maxBytes })
  await t.throwsAsync(
    troubled.store.keep([staged], async () => {
      throw new Error('the catalog refused')
    }),
  )
  t.deepEqual(world.files(), [key])
  await t.throwsAsync(troubled.store.tidy())
  isBroken = false
  await troubled.store.tidy()
  await troubled.store.close()
  t.deepEqual([...world.files(), ...world.incoming()], [])
})

test('names that are not ours are no objects', async t => {
  const world = await openDiskWorld(t)
  await store(world, content)
  writeFileSync(`${world.path(key)}.bak`, 'a copy that somebody made')
  writeFileSync(join(world.dir, 'objects', 'README'), 'a note')
  const found = []
  for await (const object of world.store.list()) found.push(object)
  t.deepEqual(found, [{ key, size: content.length }])
  t.is(toObjectKey(`${key}.bak`), undefined)
})
