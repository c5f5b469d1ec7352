/**
 * The object store on a local disk: small objects are rows, larger ones are files (see `layout.ts`), and no final name ever shows
 * half an object. A file gets its final name as a second link, so that its first one, which bears the key, stays until the row is
 * committed: what a crash leaves there tells recovery which objects may be without a row, without a look at all the others.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type BetterSqlite3 from 'better-sqlite3'
import type { WriteAlone } from '../database/group-commit.ts'
import type { TransactionPart } from '../database/transaction-part.ts'
import type { Random } from '../domain/clock.ts'
import { refuse } from '../domain/errors.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { Member } from '../domain/member.ts'
import { type ObjectInfo, type ObjectKey, toObjectKey } from '../domain/objects.ts'
import { makeDigests } from './digests.ts'
import { makeSyncDirectory } from './directory-sync.ts'
import { makeDiskReads } from './disk-reads.ts'
import { type FileSystem, ifThere, systemFileSystem } from './file-system.ts'
import { batchesOf, joined } from './gather.ts'
import { createIncomingFile, type IncomingFile } from './incoming-file.ts'
import { makeKeepsUnderWay } from './keeps-under-way.ts'
import { makeLayout } from './layout.ts'
import { makeLeavings } from './leavings.ts'
import { makeMeter } from './meter.ts'
import type { ObjectStore, StagedObject, StageLimits } from './object-store.ts'
import { makePlacement, type ReceivedFile } from './placement.ts'
import { recoverIncoming } from './recover-incoming.ts'
import { openShards } from './shards.ts'
import { makeSmallObjects, smallObjectLimit } from './small-objects.ts'
import { onDisk } from './storage-error.ts'
import { makeTrash } from './trash.ts'
import { makeWriteBehind, type WriteBehind } from './write-behind.ts'

export interface DiskStoreOptions {
  /** The data directory. */
  readonly dir: string
  /** The open database with the table `small_object`, whose transactions run the parts. */
  readonly sql: BetterSqlite3.Database
  /** On the same database. */
  readonly writeAlone: WriteAlone
  /** Whether any row points at a key, asked on the same connection. */
  readonly isReferenced: (key: ObjectKey) => boolean
  readonly random: Random
  readonly role?: Member
  readonly fs?: FileSystem
}

/** Bytes that a large upload writes at a time: each costs three threads a wake-up. It may hold a few times as many in memory. */
const batchBytes = 1024 * 1024
/** Batches of one upload that are written at the same time. */
const writesAtOnce = 2
/** From this many uploads at once, each makes do with an eighth, and writes one batch after the other. */
const manyUploads = 16
const smallBatchBytes = batchBytes / 8
/** How often bytes may be removed between link and commit before something is wrong with this disk. */
const maxPlacings = 5

type Held = ReceivedFile | HeldBytes

interface HeldBytes {
  readonly object: ObjectInfo
  readonly bytes: Uint8Array
}

/** Thrown inside the transaction, to undo it: the bytes were removed after they had been linked. */
class ObjectVanished extends Error {
  override readonly name = 'ObjectVanished'
}

/**
 * Makes the directories that are missing. Whether this is a directory to store anything in at all is for `openDataDirectory` to say.
 * @throws MediaError `out_of_space`, `storage_failed`
 */
export async function openDiskStore(options: DiskStoreOptions): Promise<ObjectStore> {
  const { dir, sql, writeAlone, isReferenced, random, role = 'both', fs = systemFileSystem } = options
  const layout = makeLayout({ dir, role, random })
  const small = makeSmallObjects(sql)
  const syncDirectory = makeSyncDirectory(fs)
  const leavings = makeLeavings(fs)
  const trash = makeTrash({ fs, layout, leavings, syncDirectory })
  const shards = await onDisk(openShards(fs, dir, layout, syncDirectory))
  const placement = makePlacement({ fs, writeAlone, layout, shards, trash, leavings, syncDirectory })
  const held = new WeakMap<StagedObject, Held>()
  const keeps = makeKeepsUnderWay()
  const digests = makeDigests()
  /** Objects that may have no row, and are known of by their names in `incoming/` only. */
  const unsettled = new Set<ReceivedFile>()
  let uploads = 0

  const bytesAtATime = (): number => (uploads < manyUploads ? batchBytes : smallBatchBytes)

  async function receive(body: Readable | Uint8Array, limits: StageLimits): Promise<Held> {
    if (body instanceof Uint8Array && body.byteLength <= smallObjectLimit) return inMemory(body, limits)
    const meter = makeMeter(limits)
    const isOurs = limits.ownsChunks === true && !(body instanceof Uint8Array)
    const digest = digests.begin(limits.declaredBytes, isOurs)
    let bytes: Uint8Array = Buffer.alloc(0)
    let file: IncomingFile | undefined
    let writes: WriteBehind | undefined
    let written = 0
    const done = (batch: readonly Uint8Array[]): Promise<void> | void => {
      written += batch.reduce((sum, { byteLength }) => sum + byteLength, 0)
      limits.onWritten?.(written)
      return digest.release(batch)
    }
    try {
      const batches = batchesOf(body, {
        take: chunk => {
          meter.take(chunk)
          digest.see(chunk)
        },
        firstBatchBytes: firstBatchOf(limits.declaredBytes),
        batchBytes: bytesAtATime,
        signal: limits.signal,
      })
      for await (const batch of batches) {
        failPoint('stage: first bytes')
        if (meter.size() <= smallObjectLimit) {
          bytes = joined(batch)
        } else {
          file ??= await createIncomingFile(fs, layout.receiving(), leavings, limits.declaredBytes)
          writes ??= makeWriteBehind(file.write, done, () => (uploads < manyUploads ? writesAtOnce : 1))
          await writes.add(batch)
        }
      }
      await writes?.finish()
      const object = meter.finish(await digest.finish())
      if (file === undefined) return { object, bytes }
      const path = layout.received(object.key)
      await file.finish(path)
      return { object, path }
    } catch (error) {
      digest.abandon()
      await file?.abandon()
      throw error
    }
  }

  /** What is handed in here is settled: nobody can keep or discard it again. */
  function release(staged: readonly StagedObject[]): Held[] {
    const released = new Set(staged.map(object => held.get(object)).filter(object => object !== undefined))
    for (const object of staged) held.delete(object)
    return [...released]
  }

  async function removeReceived(files: readonly ReceivedFile[]): Promise<void> {
    await Promise.all(files.map(({ path }) => leavings.remove(path)))
  }

  async function placeAndRecord<T>(
    objects: readonly Held[],
    record: (alongside: TransactionPart) => Promise<T>,
  ): Promise<T> {
    const files = objects.filter(isFile)
    for (let placings = 1; ; placings += 1) {
      if (files.length > 0) await everyOne(files.map(placement.place))
      const part = { isDone: false, hasVanished: false }
      const alongside = (): void => {
        // Before this transaction a reaper may have found no row and removed the bytes; after it, it would find one.
        const vanished = objects.find(held => isFile(held) && !placement.isInPlace(held.object))
        part.hasVanished = vanished !== undefined
        if (vanished !== undefined)
          throw new ObjectVanished(`${vanished.object.key} was removed before its row was there`)
        for (const held of objects) if (!isFile(held)) small.put(held.object.key, held.bytes)
        part.isDone = true
      }
      try {
        const result = await record(alongside)
        if (!part.isDone) throw new TypeError('record() must run the part inside its transaction')
        return result
      } catch (error) {
        if (!part.hasVanished) throw error
        if (placings === maxPlacings) {
          refuse('storage_failed', 'The content was removed while it was being stored; try again', { cause: error })
        }
      }
    }
  }

  /**
   * The last failing keep of these bytes takes them away, unless they have a row: another one's, or their own, if only the news of
   * the commit was lost. Never throws: when that can not be found out now, the received file stays, for `tidy` or recovery to read.
   */
  async function giveUp(file: ReceivedFile): Promise<void> {
    if (!keeps.end(file.object.key)) return removeReceived([file])
    unsettled.add(file)
    await settleReceived(file).catch(() => {})
  }

  async function settleReceived(file: ReceivedFile): Promise<void> {
    await placement.takeBack(file.object.key, isReferenced)
    unsettled.delete(file)
    await removeReceived([file])
  }

  async function tidy(): Promise<void> {
    for (const file of unsettled) await settleReceived(file)
    await leavings.retry()
    await trash.settle()
    // Whoever removes much is kept waiting, so that what is to be deleted does not pile up here.
    await trash.emptied()
  }

  return {
    ...makeDiskReads({ fs, layout, small }),

    async stage(body, limits) {
      uploads += 1
      try {
        const received = await receive(body, limits)
        const staged = { object: received.object }
        held.set(staged, received)
        return staged
      } finally {
        uploads -= 1
      }
    },

    async keep(staged, record) {
      if (!staged.every(object => held.has(object)))
        throw new TypeError('staged elsewhere, or kept or discarded before')
      const objects = release(staged)
      const files = objects.filter(isFile)
      for (const { object } of files) keeps.begin(object.key)
      const result = await placeAndRecord(objects, record).catch(async error => {
        await Promise.all(files.map(giveUp))
        throw error
      })
      for (const { object } of files) keeps.end(object.key)
      failPoint('keep: recorded')
      if (files.length > 0) await removeReceived(files)
      return result
    },

    discard: staged => removeReceived(release(staged).filter(isFile)),

    removal: key => () => {
      // Its keep ends with a row, or takes the object back itself.
      if (keeps.isUnderWay(key)) return 'busy'
      // Rows go with the transaction.
      const wasRow = small.remove(key)
      // Taken away once and there again: that is another process, which must not be made to begin again and again.
      if (trash.isSettled(key)) return placement.isThere(key) ? 'busy' : 'gone'
      const wasFile = placement.remove(key)
      if (wasRow && !wasFile) return 'gone'
      trash.doubt(key)
      return 'leaving'
    },

    tidy: () => onDisk(tidy()),

    async *list() {
      yield* small.list()
      for (const shard of await onDisk(shards.list())) yield* listShard(fs, shard)
    },

    recover: isReferenced => onDisk(recoverIncoming({ fs, layout, role, placement }, isReferenced)),

    close: async () => {
      await digests.close()
      await trash.emptied()
    },
  }
}

/** For what is all here, and becomes a row: nothing to gather, and nobody to wait for. */
function inMemory(bytes: Uint8Array, limits: StageLimits): HeldBytes {
  if (limits.signal?.aborted) throw limits.signal.reason
  const meter = makeMeter(limits)
  meter.take(bytes)
  return { object: meter.finish(hash('sha256', bytes, 'buffer')), bytes }
}

/** So the first batch is either too much for a row or the whole body; and what fits into a small batch is written once. */
function firstBatchOf(declaredBytes: number | undefined): number {
  const isOne = declaredBytes !== undefined && declaredBytes <= smallBatchBytes
  return Math.max(smallObjectLimit + 1, isOne ? declaredBytes : 0)
}

function isFile(held: Held): held is ReceivedFile {
  return 'path' in held
}

async function* listShard(fs: FileSystem, shard: string): AsyncGenerator<ObjectInfo> {
  for (const name of await onDisk(fs.list(shard))) {
    const key = toObjectKey(name)
    const size = key === undefined ? undefined : await onDisk(ifThere(fs.sizeOf(join(shard, name))))
    if (key !== undefined && size !== undefined) yield { key, size }
  }
}

/** Waits for all, because what still runs would undo the cleaning up after a failure. @throws the first failure */
async function everyOne(work: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason
}
