/**
 * Which of several uploads to one media id counts: the one that began last. The catalog decides it when they are recorded, because they
 * may come in by several processes; here an older one that is still receiving is spared the rest, where both are in this process.
 *
 * A client whose connection stalled sends the same PUT again long before this side notices that the first one is dead (mautrix
 * retries after any failure), so a newer attempt ends an older one that is still receiving, instead of being refused. An attempt
 * whose body is whole can no longer be ended, only outrun: half an upload never costs a whole one.
 */
import type { Clock } from '../domain/clock.ts'
import { MediaError } from '../domain/errors.ts'
import type { MediaId } from '../domain/identifiers.ts'

export interface Attempt {
  /** Milliseconds since the epoch; of two attempts in this process the newer one has the larger number. */
  readonly began: number
  /** Aborted with MediaError `superseded` when a newer attempt begins while this one is still receiving. */
  readonly signal: AbortSignal
  /** Must be called when the body is whole, and at the end whatever happened: from then on it is not ended by a newer one. */
  received(): void
}

export interface Attempts {
  begin(mediaId: MediaId): Attempt
}

/** Milliseconds by which numbers may run ahead of the clock; beyond that, the clock was set back. */
const mostAhead = 60_000

export function makeAttempts({ clock }: { readonly clock: Clock }): Attempts {
  const receiving = new Map<MediaId, AbortController>()
  let newest = 0

  function next(): number {
    const now = clock.now()
    newest = newest - now > mostAhead ? now : Math.max(now, newest + 1)
    return newest
  }

  return {
    begin(mediaId) {
      receiving.get(mediaId)?.abort(superseded())
      const controller = new AbortController()
      receiving.set(mediaId, controller)
      return {
        began: next(),
        signal: controller.signal,
        received: () => {
          if (receiving.get(mediaId) === controller) receiving.delete(mediaId)
        },
      }
    },
  }
}

function superseded(): MediaError {
  return new MediaError('superseded', 'A newer upload to this URL took over')
}
