/**
 * The directories below `objects/`: made when the first object comes that belongs there, and remembered, because after the first 256
 * every object finds its own.
 */
import { join } from 'node:path'
import { failPoint } from '../domain/fail-point.ts'
import type { SyncDirectory } from './directory-sync.ts'
import { type FileSystem, hasCode } from './file-system.ts'
import type { Layout } from './layout.ts'

export interface Shards {
  /** Resolves when the directory is there and its name is on the disk. */
  ready(path: string): Promise<void>
  /** Paths of those that exist. */
  list(): Promise<string[]>
}

const shardForm = /^[0-9a-f]{2}$/

/** Whether a name in `objects/` is that of a directory with objects in it. */
export function isShardName(name: string): boolean {
  return shardForm.test(name)
}

/** Makes `objects/` and `incoming/` in `dir` where they are missing. */
export async function openShards(
  fs: FileSystem,
  dir: string,
  layout: Layout,
  syncDirectory: SyncDirectory,
): Promise<Shards> {
  await makeMissing(fs, layout.incoming)
  await makeMissing(fs, layout.objects)
  const durable = new Map((await list()).map(path => [path, Promise.resolve()]))
  // Also when nothing was missing: the process that made them may have been killed before it had synced them.
  await syncDirectory(layout.objects)
  await syncDirectory(dir)

  async function list(): Promise<string[]> {
    const names = await fs.list(layout.objects)
    return names.filter(isShardName).map(name => join(layout.objects, name))
  }

  async function make(path: string): Promise<void> {
    await makeMissing(fs, path)
    failPoint('shard: made')
    await syncDirectory(layout.objects)
  }

  return {
    list,
    ready: path => {
      const known = durable.get(path)
      if (known !== undefined) return known
      // Remembered before it is done: whoever comes second finds the directory, but must wait for its sync all the same.
      const making = make(path)
      durable.set(path, making)
      making.catch(() => durable.delete(path))
      return making
    },
  }
}

async function makeMissing(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.mkdir(path)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
}
