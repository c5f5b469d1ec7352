/**
 * A store with a single object in it, which remembers what was read, and a gate.
 */
import { type ByteRange, type ObjectInfo, objectKey } from '../../src/domain/objects.ts'
import { type Gate, makeGate } from '../../src/services/gate.ts'
import { headReach } from '../../src/services/inspect-media.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'

export interface OneObject {
  readonly object: ObjectInfo
  /** Its first bytes. */
  readonly head: Buffer
  readonly store: Pick<ObjectStore, 'read'>
  readonly decoding: Gate
  /** The ranges asked for. */
  readonly reads: readonly ByteRange[]
}

/** @param size if the object is to look larger than its bytes */
export function oneObject(bytes: Uint8Array, size = bytes.length): OneObject {
  const reads: ByteRange[] = []
  return {
    object: { key: objectKey(new Uint8Array(32)), size },
    head: Buffer.from(bytes.subarray(0, headReach)),
    store: {
      read: async (_key, range) => {
        reads.push(range)
        return Buffer.from(bytes.subarray(range.start, range.end + 1))
      },
    },
    decoding: makeGate(2),
    reads,
  }
}
