/**
 * The object store in memory: the second implementation of the contract, for tests and demonstrations. Gone with the process.
 */
import { hash } from 'node:crypto'
import type { ObjectKey } from '../domain/objects.ts'
import { partOf, streamBytes } from './byte-stream.ts'
import { batchesOf, joined } from './gather.ts'
import { makeMeter } from './meter.ts'
import type { ObjectStore, StagedObject } from './object-store.ts'

/** @param options.isReferenced whether any row points at a key */
export function openMemoryStore({ isReferenced }: { readonly isReferenced: (key: ObjectKey) => boolean }): ObjectStore {
  const objects = new Map<ObjectKey, Uint8Array>()
  const held = new WeakMap<StagedObject, Uint8Array>()

  function release(staged: readonly StagedObject[]): Map<ObjectKey, Uint8Array> {
    const released = new Map<ObjectKey, Uint8Array>()
    for (const { object, bytes } of staged.map(one => ({ object: one.object, bytes: held.get(one) }))) {
      if (bytes === undefined) throw new TypeError('staged elsewhere, or kept or discarded before')
      released.set(object.key, bytes)
    }
    for (const one of staged) held.delete(one)
    return released
  }

  return {
    async stage(body, limits) {
      const meter = makeMeter(limits)
      const chunks: Uint8Array[] = []
      const singly = { take: meter.take, firstBatchBytes: 1, batchBytes: () => 1, signal: limits.signal }
      for await (const batch of batchesOf(body, singly)) chunks.push(...batch)
      const bytes = joined(chunks)
      const staged = { object: meter.finish(hash('sha256', bytes, 'buffer')) }
      held.set(staged, bytes)
      return staged
    },

    async keep(staged, record) {
      const kept = release(staged)
      let runs = 0
      const alongside = (): void => {
        runs += 1
        for (const [key, bytes] of kept) objects.set(key, bytes)
      }
      try {
        const result = await record(alongside)
        if (runs === 0) throw new TypeError('record() must run the part inside its transaction')
        return result
      } catch (error) {
        // Others that keep the same bytes and have not committed yet bring them again in their own part.
        for (const key of kept.keys()) if (!isReferenced(key)) objects.delete(key)
        throw error
      }
    },

    async discard(staged) {
      for (const one of staged) held.delete(one)
    },

    async head(key, reach) {
      const bytes = objects.get(key)
      return bytes && { size: bytes.byteLength, bytes: Buffer.from(bytes.subarray(0, reach)) }
    },

    async get(key, range) {
      const bytes = objects.get(key)
      return bytes === undefined ? undefined : streamBytes(bytes, range)
    },

    async pour(key, range, take) {
      const bytes = objects.get(key)
      if (bytes === undefined) return false
      const part = partOf(bytes, range)
      if (part.byteLength > 0) await take(part)
      return true
    },

    async read(key, range) {
      const bytes = objects.get(key)
      return bytes === undefined ? undefined : Buffer.from(partOf(bytes, range))
    },

    fileOf: async () => undefined,

    removal: key => () => {
      objects.delete(key)
      return 'gone'
    },

    tidy: async () => {},

    async *list() {
      // A copy: a walk over the map itself would also meet what is added on the way, and might never end.
      for (const [key, bytes] of [...objects]) yield { key, size: bytes.byteLength }
    },

    // Nothing outlives a crash of this process.
    recover: async () => ({ abandonedUploads: 0, unrecordedObjects: 0, emptiedTrash: 0, oddities: [] }),

    close: async () => {},
  }
}
