/**
 * Counts bytes as they pass, and stops them at the limit; every store receives through one of these.
 */
import { refuse, refuseTooLarge } from '../domain/errors.ts'
import { type ObjectInfo, objectKey } from '../domain/objects.ts'
import type { StageLimits } from './object-store.ts'

export interface Meter {
  /** Bytes so far. */
  size(): number
  /** @throws MediaError `too_large` */
  take(chunk: Uint8Array): void
  /** The object that these bytes are, when all have come. @throws MediaError `body_too_short` */
  finish(sha256: Uint8Array): ObjectInfo
}

/** @throws MediaError `too_large` at once when more is promised than allowed */
export function makeMeter({ maxBytes, declaredBytes }: StageLimits): Meter {
  let size = 0
  requireWithin(declaredBytes ?? 0, maxBytes)

  return {
    size: () => size,
    take: chunk => {
      size += chunk.byteLength
      requireWithin(size, maxBytes)
    },
    finish: sha256 => {
      if (declaredBytes !== undefined && size !== declaredBytes) {
        refuse('body_too_short', `The body ended after ${size} of ${declaredBytes} bytes`)
      }
      return { key: objectKey(sha256), size }
    },
  }
}

function requireWithin(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) refuseTooLarge(maxBytes)
}
