/**
 * Keeps the disk at work: the next batch is handed to it before the last one is done. With one at a time, five sixths of a large upload
 * went into waiting for writes, most of that for the way to the thread pool and back.
 */

export interface WriteBehind {
  /** Resolves when another batch may come. @throws what an earlier batch failed with */
  add(batch: readonly Uint8Array[]): Promise<void>
  /** Resolves when every batch is written and done with. @throws what one of them failed with */
  finish(): Promise<void>
}

/**
 * @param write may be called again before it has resolved
 * @param done is called with each batch that is written, in order and one at a time
 * @param mostAtOnce asked with each batch: how many may be under way
 */
export function makeWriteBehind(
  write: (batch: readonly Uint8Array[]) => Promise<void>,
  done: (batch: readonly Uint8Array[]) => Promise<void> | void,
  mostAtOnce: () => number,
): WriteBehind {
  const underWay: Promise<void>[] = []
  let last = Promise.resolve()

  async function pass(batch: readonly Uint8Array[], before: Promise<void>): Promise<void> {
    await Promise.all([write(batch), before])
    await done(batch)
  }

  return {
    async add(batch) {
      last = pass(batch, last)
      // Each failure is that of all that follow, and whoever adds or finishes hears of it.
      last.catch(() => {})
      underWay.push(last)
      while (underWay.length >= mostAtOnce()) await underWay.shift()
    },
    finish: () => last,
  }
}
