/**
 * Memory for pictures as they are stored, used again by the next one. Fresh memory is dear where a hypervisor takes back what was freed:
 * to read 8 MB into it took 20 ms, of 70 for everything that is then done with them.
 */

/** Runs `work` with so many bytes of memory, which may be used for something else when it has settled. */
export type LendMemory = <T>(bytes: number, work: (memory: Buffer) => Promise<T>) => Promise<T>

/** Bytes. Photographs of most phones and cameras fit; what is larger gets memory of its own. */
const pieceBytes = 16 * 1024 * 1024

/** Milliseconds without a picture after which it is all given back. */
const restAfter = 10_000

/** @param pieces how many are kept at most */
export function makePictureMemory(pieces: number): LendMemory {
  const spare: Buffer[] = []
  let rest: NodeJS.Timeout | undefined

  return async (bytes, work) => {
    if (bytes > pieceBytes) return work(Buffer.allocUnsafeSlow(bytes))
    clearTimeout(rest)
    // Of memory that is never touched there is none.
    const piece = spare.pop() ?? Buffer.allocUnsafeSlow(pieceBytes)
    try {
      return await work(piece.subarray(0, bytes))
    } finally {
      if (spare.length < pieces) spare.push(piece)
      clearTimeout(rest)
      rest = setTimeout(() => spare.splice(0), restAfter).unref()
    }
  }
}
