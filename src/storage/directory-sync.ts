/**
 * Making the names in a directory durable. A synced file whose name was never synced is gone after a power cut.
 */
import type { FileSystem } from './file-system.ts'

/** Resolves when every name that was in the directory at the time of the call is on the disk. */
export type SyncDirectory = (path: string) => Promise<void>

/**
 * Many may wait for the same directory at the same time: they share one sync. Who comes while one is under way needs the next,
 * because the running one may have passed its name by.
 */
export function makeSyncDirectory(fs: FileSystem): SyncDirectory {
  const running = new Map<string, Promise<void>>()
  const next = new Map<string, Promise<void>>()

  function start(path: string): Promise<void> {
    const sync = syncOnce(fs, path).finally(() => running.delete(path))
    running.set(path, sync)
    return sync
  }

  return path => {
    const current = running.get(path)
    const queued = next.get(path)
    if (queued !== undefined) return queued
    if (current === undefined) return start(path)
    const turn = (): Promise<void> => {
      next.delete(path)
      return start(path)
    }
    const promise = current.then(turn, turn)
    next.set(path, promise)
    return promise
  }
}

async function syncOnce(fs: FileSystem, path: string): Promise<void> {
  const fd = await fs.open(path, 'directory')
  try {
    await fs.sync(fd)
  } finally {
    await fs.close(fd)
  }
}
