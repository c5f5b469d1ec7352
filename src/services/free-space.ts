/**
 * The watermark: uploads never fill the disk to its last byte, because the database has to go on writing, if only to delete. What the
 * uploads under way still have to write counts as taken, so that a hundred of them can not all be promised the same room.
 *
 * Each process counts its own; where API and edge are two, the watermark is what keeps them apart.
 */
import type { Clock } from '../domain/clock.ts'
import { refuse } from '../domain/errors.ts'

export interface FreeSpace {
  /** Whether anything may be begun at all. @throws MediaError `out_of_space` */
  requireSome(minFree: number): Promise<void>
  /** Room for one upload, for as long as it takes. @throws MediaError `out_of_space` */
  reserve(upload: ExpectedUpload, minFree: number): Promise<Room>
}

export interface ExpectedUpload {
  /** undefined: nobody knows. */
  readonly declaredBytes: number | undefined
  readonly maxBytes: number
}

export interface Room {
  /** @param bytes that the disk has taken of it, in all, so far */
  written(bytes: number): void
  /** Must be called at the end, however the upload went. */
  release(): void
}

interface Reservation {
  readonly upload: ExpectedUpload
  written: number
  /** How much of it is in the books: taken of the disk when it was looked at, or promised. */
  promised: number
}

/** Milliseconds for which a look at the disk is believed. */
const believed = 1000

/** Bytes kept ahead of an upload of unknown length. Its limit would be too much to keep for what is mostly small. */
const aheadOfUnknown = 16 * 1024 * 1024

/** @param look asks the disk how many bytes an unprivileged process may still write */
export function makeFreeSpace({
  clock,
  look,
}: {
  readonly clock: Clock
  readonly look: () => Promise<number>
}): FreeSpace {
  const underWay = new Set<Reservation>()
  /** As of the last look; what was written since is still in `promised`. */
  let free = Number.POSITIVE_INFINITY
  /** What may be missing from `free` by now, or will be. Never too little, also while the disk is being looked at. */
  let promised = 0
  let promisedSinceLook = 0
  let lookedAt = Number.NEGATIVE_INFINITY
  let looking: Promise<void> | undefined

  async function lookAgain(): Promise<void> {
    // As it is before the look: of what is written during it nobody knows whether the disk counts it, and whoever ends during it may have
    // written the rest after it.
    const outstanding = [...underWay].reduce((sum, reservation) => sum + countAnew(reservation), 0)
    promisedSinceLook = 0
    // A disk that can not say is no reason to refuse; whether it takes the bytes will show.
    free = await look().catch(() => Number.POSITIVE_INFINITY)
    promised = outstanding + promisedSinceLook
    lookedAt = clock.elapsed()
  }

  function promise(bytes: number): void {
    promised += bytes
    promisedSinceLook += bytes
  }

  async function lookIfDue(): Promise<void> {
    if (clock.elapsed() - lookedAt < believed) return
    looking ??= lookAgain().finally(() => {
      looking = undefined
    })
    await looking
  }

  function requireRoom(bytes: number, minFree: number): void {
    if (free - promised - bytes >= minFree) return
    refuse('out_of_space', 'This server has too little space left for this; try again later', { retryAfterMs: 60_000 })
  }

  return {
    requireSome: async minFree => {
      await lookIfDue()
      requireRoom(0, minFree)
    },

    reserve: async (upload, minFree) => {
      const bytes = expected(upload, 0)
      await lookIfDue()
      // Nothing may wait from here on, or two would be promised the same room.
      requireRoom(bytes, minFree)
      promise(bytes)
      const reservation = { upload, written: 0, promised: bytes }
      underWay.add(reservation)
      return {
        written: bytesSoFar => {
          reservation.written = bytesSoFar
          const more = expected(upload, bytesSoFar) - reservation.promised
          if (more <= 0) return
          // Of unknown length, and longer than was thought.
          reservation.promised += more
          promise(more)
        },
        // Its bytes stay in the sum until the next look, which sees them on the disk, or sees that they are not.
        release: () => void underWay.delete(reservation),
      }
    },
  }
}

/** What is still to be written, as of now. */
function countAnew(reservation: Reservation): number {
  const { upload, written } = reservation
  reservation.promised = expected(upload, written)
  return Math.max(0, reservation.promised - written)
}

/** Bytes in all. */
function expected({ declaredBytes, maxBytes }: ExpectedUpload, written: number): number {
  return declaredBytes ?? Math.min(maxBytes, written + aheadOfUnknown)
}
