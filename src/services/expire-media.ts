/**
 * Upkeep: unfinished media ids end when their time is over, and bytes that no row points at any more go.
 * In small batches with a breath in between, because a transaction holds up every request of this process.
 */
import { setImmediate } from 'node:timers/promises'
import { failPoint } from '../domain/fail-point.ts'
import type { ObjectKey } from '../domain/objects.ts'
import type { Sluice } from './sluice.ts'

type Needs = Pick<Sluice, 'clock' | 'catalog' | 'store'>

/**
 * Rows in one transaction: some 15 ms, in which nobody is served, when a thousand users have left such a backlog. With fewer, each row has
 * a page of the index of owners to itself, and writing those is most of the work: 2000 take 1.3 × as long for each row.
 */
const batch = 3000

/** Objects in one transaction: each costs a rename, which this thread waits for. */
const reapBatch = 50

/**
 * Objects that are renamed before the directories they were in are synced, each once for all of them: there are 256 directories, and a sync
 * for each object is what would let upkeep fall behind.
 */
const reapRound = 10_000

export interface UpkeepReport {
  readonly expired: number
  readonly reaped: number
}

/**
 * Repeatable; what a crash interrupts is found again by the next run. Stops between batches when the signal aborts.
 * @param options.clockIsDoubtful nothing expires in this run
 */
export async function upkeep(
  { clock, catalog, store }: Needs,
  signal: AbortSignal,
  { clockIsDoubtful = false }: { readonly clockIsDoubtful?: boolean } = {},
): Promise<UpkeepReport> {
  // Read once: a clock that jumps in the middle of a long run must not decide the rest of it.
  const now = clock.now()
  const expired = clockIsDoubtful ? 0 : await inBatches(() => catalog.expire(now, batch), signal)
  failPoint('expire: after commit')
  const reaped = await inBatches(async () => {
    const count = await reapOnce({ catalog, store }, signal)
    await store.tidy()
    return count
  }, signal)
  failPoint('reap: after commit')
  return { expired, reaped }
}

/** @returns how many objects it could do something about */
async function reapOnce({ catalog, store }: Pick<Sluice, 'catalog' | 'store'>, signal: AbortSignal): Promise<number> {
  let count = 0
  let seen = 0
  let after: ObjectKey | undefined
  do {
    const { handled, last } = await catalog.reap(store.removal, reapBatch, after)
    count += handled
    seen += reapBatch
    after = last
    // A reaping waits for nothing, and would keep everybody else waiting.
    await setImmediate()
  } while (after !== undefined && seen < reapRound && !signal.aborted)
  return count
}

async function inBatches(step: () => Promise<number>, signal: AbortSignal): Promise<number> {
  let total = 0
  while (!signal.aborted) {
    const count = await step()
    total += count
    if (count === 0) break
  }
  return total
}
