/** Bodies to send: files of random bytes, one for each client, so that equal bytes are never on their way twice at once. */
import { createHash, randomFillSync } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export const MiB = 2 ** 20
export const GiB = 2 ** 30

export interface Bodies {
  /** With `{c}` for the number of the client. */
  readonly pattern: string
  /** SHA-256 of each, in hexadecimal. */
  readonly digests: readonly string[]
}

/** Where a trial has them. */
export function bodiesIn(dir: string): string {
  return join(dir, 'bodies')
}

/** Kept in memory by the system, because they were just written: reading them back costs next to nothing. */
export function makeBodies(dir: string, { bytes, count }: { readonly bytes: number; readonly count: number }): Bodies {
  mkdirSync(dir, { recursive: true })
  const digests = Array.from({ length: count }, (_, number) => makeBody(join(dir, `body-${number}`), bytes))
  return { pattern: join(dir, 'body-{c}'), digests }
}

function makeBody(path: string, bytes: number): string {
  const block = randomFillSync(Buffer.alloc(Math.min(bytes, 4 * MiB)))
  const hash = createHash('sha256')
  const file = openSync(path, 'w')
  for (let written = 0; written < bytes; ) {
    // Each block another one, for anything that might look for repetition.
    block.writeDoubleLE(Math.random(), 0)
    const part = block.subarray(0, bytes - written)
    hash.update(part)
    written += writeSync(file, part)
  }
  closeSync(file)
  return hash.digest('hex')
}

/** The SHA-256 of a file, read as fast as a program can that has nothing else to do. */
export function hashFile(descriptor: number): string {
  const block = Buffer.allocUnsafe(MiB)
  const hash = createHash('sha256')
  for (let at = 0; ; ) {
    const got = readSync(descriptor, block, 0, block.length, at)
    if (got === 0) return hash.digest('hex')
    hash.update(block.subarray(0, got))
    at += got
  }
}
