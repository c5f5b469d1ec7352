/**
 * The successor's side of a restart. What a stopping Sluice still holds, its ports and its data directory, is waited for: it lets
 * requests in flight finish, and refusing to start meanwhile would leave nobody to serve.
 */
import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Patience } from '../storage/serving-lock.ts'

/** Told to stop before there was anything to stop. */
export class StartCancelled extends Error {
  override readonly name = 'StartCancelled'
}

/** Milliseconds between two attempts: how long a port that is free may be refused. */
const pause = 50

/**
 * @param waitMs for each thing that is waited for
 * @param signal ends all waiting, with its reason
 */
export function makePatience(needs: {
  readonly waitMs: number
  readonly log: Logger
  readonly signal: AbortSignal | undefined
}): (what: string) => Patience {
  const { waitMs, log, signal } = needs
  return what => ({
    waitMs,
    signal,
    onWait: () =>
      log.warn({ event: 'waiting', what, upToMs: waitMs }, 'it is in use; another Sluice may be about to stop'),
  })
}

/** @throws what `open` throws; EADDRINUSE only when the port is still taken after `waitMs`; the signal's reason */
export async function takeOverPort<T>(open: () => Promise<T>, { waitMs, signal, onWait }: Patience): Promise<T> {
  const deadline = performance.now() + waitMs
  for (let tries = 1; ; tries += 1) {
    signal?.throwIfAborted()
    try {
      return await open()
    } catch (error) {
      if (!isTaken(error) || performance.now() >= deadline) throw error
    }
    if (tries === 1) onWait?.()
    // The signal's own reason is thrown above.
    await setTimeout(pause, undefined, { signal }).catch(() => {})
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}
