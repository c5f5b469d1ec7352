import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { MediaError } from '../../src/domain/errors.ts'
import { type FileSystem, systemFileSystem } from '../../src/storage/file-system.ts'
import { createIncomingFile } from '../../src/storage/incoming-file.ts'
import { makeLeavings } from '../../src/storage/leavings.ts'
import { systemError } from '../support/faulty-file-system.ts'
import { tempDir } from '../support/temp-dir.ts'
import { gate } from './object-store-contract.ts'

const mebibyte = Buffer.alloc(1024 * 1024)

/** Takes every byte and stores none, so that large files cost nothing. */
function bottomless(datasync: FileSystem['datasync']): FileSystem {
  return {
    ...systemFileSystem,
    writev: async (_, chunks) => chunks.reduce((sum, { byteLength }) => sum + byteLength, 0),
    datasync,
  }
}

test('a large file begins to reach the disk while it is still received, one sync at a time', async t => {
  const first = gate()
  let syncs = 0
  const dir = tempDir(t)
  const fs = bottomless(async () => {
    syncs += 1
    if (syncs === 1) await first.opened
  })
  const file = await createIncomingFile(fs, join(dir, 'receiving'), makeLeavings(fs))
  for (let written = 0; written < 7; written += 1) await file.write([mebibyte])
  t.is(syncs, 0)
  for (let written = 0; written < 20; written += 1) await file.write([mebibyte])
  t.is(syncs, 1)
  first.open()
  await new Promise(resolve => setImmediate(resolve))
  await file.write([mebibyte])
  t.is(syncs, 2)
  for (let written = 0; written < 16; written += 1) await file.write([mebibyte])
  t.is(syncs, 4)
  await file.finish(join(dir, 'received'))
  t.deepEqual(readdirSync(dir), ['received'])
})

test('towards the end as much is synced at a time as is still to come, but not next to nothing', async t => {
  const dir = tempDir(t)
  const syncedAt: number[] = []
  let written = 0
  const fs = bottomless(async () => void syncedAt.push(written))
  const file = await createIncomingFile(fs, join(dir, 'receiving'), makeLeavings(fs), 64 * mebibyte.length)
  while (written < 64) {
    written += 1
    await file.write([mebibyte])
    // Each sync takes as long as it takes to be noticed.
    await new Promise(resolve => setImmediate(resolve))
  }
  t.deepEqual(syncedAt, [8, 16, 24, 32, 40, 48, 56, 60, 62, 64])
  await file.finish(join(dir, 'received'))
})

test('what came while the last early sync was under way is synced before the file has its name', async t => {
  const dir = tempDir(t)
  const first = gate()
  const events: string[] = []
  const fs = {
    ...bottomless(async () => {
      events.push('sync')
      if (events.length === 1) await first.opened
    }),
    rename: async (from: string, to: string) => {
      events.push('rename')
      await systemFileSystem.rename(from, to)
    },
  }
  const file = await createIncomingFile(fs, join(dir, 'receiving'), makeLeavings(fs), 12 * mebibyte.length)
  for (let written = 0; written < 12; written += 1) await file.write([mebibyte])
  const finished = file.finish(join(dir, 'received'))
  first.open()
  await finished
  t.deepEqual(events, ['sync', 'sync', 'rename'])
})

test('after a sync that failed none is begun', async t => {
  const dir = tempDir(t)
  let syncs = 0
  const first = gate()
  const fs = bottomless(async () => {
    syncs += 1
    await first.opened
    throw systemError('EIO')
  })
  const file = await createIncomingFile(fs, join(dir, 'receiving'), makeLeavings(fs), 20 * mebibyte.length)
  for (let written = 0; written < 20; written += 1) await file.write([mebibyte])
  first.open()
  await t.throwsAsync(file.finish(join(dir, 'received')), { instanceOf: MediaError })
  await file.abandon()
  t.is(syncs, 1)
})

test('a sync that failed early is not forgotten when the last one succeeds', async t => {
  const dir = tempDir(t)
  const fs = bottomless(async () => {
    throw systemError('EIO')
  })
  const file = await createIncomingFile(fs, join(dir, 'receiving'), makeLeavings(fs))
  for (let written = 0; written < 8; written += 1) await file.write([mebibyte])
  const error = await t.throwsAsync(file.finish(join(dir, 'received')), { instanceOf: MediaError })
  t.is(error?.code, 'storage_failed')
  await file.abandon()
  t.deepEqual(readdirSync(dir), [])
})

test('an abandoned file waits for the sync that is under way before it is closed', async t => {
  const sync = gate()
  const events: string[] = []
  const dir = tempDir(t)
  const fs = {
    ...bottomless(async () => {
      await sync.opened
      events.push('synced')
    }),
    close: async (fd: number) => {
      events.push('closed')
      await systemFileSystem.close(fd)
    },
  }
  const file = await createIncomingFile(fs, join(dir, 'receiving'), makeLeavings(fs))
  for (let written = 0; written < 8; written += 1) await file.write([mebibyte])
  const abandoned = file.abandon()
  sync.open()
  await abandoned
  t.deepEqual(events, ['synced', 'closed'])
})

test('a name that is taken is never written over', async t => {
  const path = join(tempDir(t), 'receiving')
  const first = await createIncomingFile(systemFileSystem, path, makeLeavings(systemFileSystem))
  await t.throwsAsync(createIncomingFile(systemFileSystem, path, makeLeavings(systemFileSystem)), {
    instanceOf: MediaError,
  })
  await first.abandon()
})
