/**
 * Removal in two steps: a rename, which is quick whatever the size and can happen inside a transaction; and later, with nobody
 * waiting, the giving back of the space, which for a large file can take long.
 *
 * A rename is for good only once the directory that lost the name is synced. Until then a power cut may bring the file back, and whoever
 * has it removed must not forget it.
 */
import { failPoint } from '../domain/fail-point.ts'
import type { ObjectKey } from '../domain/objects.ts'
import type { SyncDirectory } from './directory-sync.ts'
import { type FileSystem, hasCode } from './file-system.ts'
import type { Layout } from './layout.ts'
import type { Leavings } from './leavings.ts'

export interface Trash {
  /** Takes the file of an object out of sight at once. @returns false when there was none */
  take(key: ObjectKey): boolean
  /** The file is out of sight; the next `settle` makes that durable. */
  doubt(key: ObjectKey): void
  /** True when a `settle` has made the absence durable since it was doubted. Tells it once. */
  isSettled(key: ObjectKey): boolean
  /** @throws what the disk says; then everything stays in doubt */
  settle(): Promise<void>
  /** Resolves when everything that was taken has been deleted, or is left to another attempt. */
  emptied(): Promise<void>
}

/**
 * A deletion waits for the disk, so one at a time they fall behind. Each occupies one of the 16 threads that uploads need as well, so
 * there are not many.
 */
const mostAtOnce = 4

/** One for each process: what it doubts it has taken itself. */
export function makeTrash({
  fs,
  layout,
  leavings,
  syncDirectory,
}: {
  readonly fs: Pick<FileSystem, 'renameSync'>
  readonly layout: Layout
  readonly leavings: Leavings
  readonly syncDirectory: SyncDirectory
}): Trash {
  const full: string[] = []
  const doubtful = new Set<ObjectKey>()
  const settled = new Set<ObjectKey>()
  const emptying = new Set<Promise<void>>()

  async function empty(): Promise<void> {
    for (let path = full.pop(); path !== undefined; path = full.pop()) {
      failPoint('trash: before unlink')
      await leavings.remove(path)
    }
  }

  function beginToEmpty(): void {
    if (emptying.size >= mostAtOnce) return
    const lane = empty().finally(() => emptying.delete(lane))
    emptying.add(lane)
  }

  async function syncIfThere(directory: string): Promise<void> {
    try {
      await syncDirectory(directory)
    } catch (error) {
      // What had no file may belong into a directory that was never made.
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }

  return {
    take: key => {
      const aside = layout.trash()
      try {
        fs.renameSync(layout.pathOf(key), aside)
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return false
        throw error
      }
      full.push(aside)
      beginToEmpty()
      return true
    },
    doubt: key => void doubtful.add(key),
    isSettled: key => settled.delete(key),
    settle: async () => {
      // What nobody has asked for was forgotten by another process. Kept, it would speak for a later file with the same bytes.
      settled.clear()
      const keys = [...doubtful]
      await Promise.all([...new Set(keys.map(layout.shardOf))].map(syncIfThere))
      for (const key of keys) {
        doubtful.delete(key)
        settled.add(key)
      }
    },
    emptied: async () => {
      while (emptying.size > 0) await Promise.all(emptying)
    },
  }
}
