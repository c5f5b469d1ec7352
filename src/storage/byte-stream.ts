/**
 * Streams from and into memory, and the one rule for ranges.
 */
import { Readable } from 'node:stream'
import { MediaError, refuse } from '../domain/errors.ts'
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
 * All the bytes of a stream. Node's own consumers go through a Blob, which for a small object costs more than everything else about it.
 * @throws the stream's own error, or MediaError `storage_failed` when it is destroyed before its end
 */
export function readAll(stream: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    stream
      .on('data', chunk => chunks.push(chunk))
      .once('end', () => resolve(chunks[0] !== undefined && chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
      .once('error', reject)
      .once('close', () => {
        if (!stream.readableEnded) reject(new MediaError('storage_failed', 'The content could not be read to its end'))
      })
  })
}

/**
 * The caller took the range from what its row says of the object, so an object that ends before the range does has lost bytes.
 * @throws MediaError `storage_failed`
 */
export function requireRange({ end }: ByteRange, size: number): void {
  if (end >= size) refuse('storage_failed', 'This content is damaged on the server: a part of it is missing')
}
