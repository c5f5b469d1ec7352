/**
 * A whole object, or its beginning, in memory: decoders jump to and fro in a file, so they can not be fed from a stream.
 */
import { refuse } from '../domain/errors.ts'
import type { ObjectInfo } from '../domain/objects.ts'
import type { ObjectStore } from '../storage/object-store.ts'

/**
 * The first bytes of an object, at most `maxBytes`.
 * @param into memory to read them into, if there is some
 * @throws MediaError `storage_failed` when the store has lost the object
 */
export async function readBeginning(
  { store }: { readonly store: Pick<ObjectStore, 'read'> },
  { key, size }: ObjectInfo,
  maxBytes: number,
  into?: Buffer,
): Promise<Buffer> {
  if (size === 0) return Buffer.alloc(0)
  const bytes = await store.read(key, { start: 0, end: Math.min(size, maxBytes) - 1 }, into)
  return bytes ?? refuse('storage_failed', 'This content is missing on the server')
}
