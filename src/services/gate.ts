/**
 * Lets at most so many pieces of work run at once; the others wait in the order in which they came.
 */
export interface Gate {
  /**
   * Runs `work` when its turn has come and gives back what it gives. The place is free again when `work` has settled.
   * Whoever aborts `signal` while waiting leaves the line at once with the signal's reason; work that has begun is not touched.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>
  /** How many are inside at the moment. */
  inside(): number
}

/** @param places how many may be inside at once, ≥ 1 */
export function makeGate(places: number): Gate {
  const line = new Set<() => void>()
  let free = places

  function enter(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        line.delete(step)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', leave, { once: true })
      line.add(step)
    })
  }

  function next(): void {
    const [first] = line
    if (first === undefined) {
      free += 1
      return
    }
    // The place is handed over rather than freed: nobody who comes at this moment may slip in before those who wait.
    line.delete(first)
    first()
  }

  return {
    inside: () => places - free,
    run: async (work, signal) => {
      signal?.throwIfAborted()
      if (free > 0) free -= 1
      else await enter(signal)
      try {
        return await work()
      } finally {
        next()
      }
    },
  }
}
