/**
 * Streams from memory, and the one rule for ranges.
 */
import { Readable } from 'node:stream'
import { refuse } from '../domain/errors.ts'
import type { ByteRange } from '../domain/objects.ts'

/**
 * All of the bytes or a part of them, uncopied; they must not change while the stream is read.
 * @throws MediaError `storage_failed`
 */
export function streamBytes(bytes: Uint8Array, range?: ByteRange): Readable {
  const part = partOf(bytes, range)
  return new Readable({
    read() {
      if (part.byteLength > 0) this.push(part)
      this.push(null)
    },
  })
}

/** All of the bytes or a part of them, uncopied. @throws MediaError `storage_failed` when they end before the range does */
export function partOf(bytes: Uint8Array, range: ByteRange | undefined): Uint8Array {
  if (range === undefined) return bytes
  requireRange(range, bytes.byteLength)
  return bytes.subarray(range.start, range.end + 1)
}

/**
 * The caller took the range from what its row says of the object, so an object that ends before the range does has lost bytes.
 * @throws MediaError `storage_failed`
 */
export function requireRange({ end }: ByteRange, size: number): void {
  if (end >= size) refuse('storage_failed', 'This content is damaged on the server: a part of it is missing')
}
