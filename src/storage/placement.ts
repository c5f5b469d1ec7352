/**
 * Giving a received file its final name, and taking the name back when no row came to point at it.
 */
import type { WriteAlone } from '../database/group-commit.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { ObjectInfo, ObjectKey } from '../domain/objects.ts'
import type { SyncDirectory } from './directory-sync.ts'
import { type FileSystem, hasCode, ifThere } from './file-system.ts'
import type { Layout } from './layout.ts'
import type { Leavings } from './leavings.ts'
import type { Shards } from './shards.ts'
import { onDisk, toStorageError } from './storage-error.ts'
import type { Trash } from './trash.ts'

/** A whole and synced file in `incoming/`. */
export interface ReceivedFile {
  readonly object: ObjectInfo
  readonly path: string
}

export interface Placement {
  /** Links the file to its final name and makes the name durable. The first name stays. @throws MediaError */
  place(file: ReceivedFile): Promise<void>
  /** Synchronous, for the transaction that makes a row point at the object. @throws MediaError */
  isInPlace(object: ObjectInfo): boolean
  /** Whether there is anything of this name. Synchronous. @throws MediaError */
  isThere(key: ObjectKey): boolean
  /**
   * Synchronous, for the transaction that has found that no row points at the object.
   * @returns whether there was something to remove
   * @throws MediaError
   */
  remove(key: ObjectKey): boolean
  /**
   * Removes the object for good unless a row points at it; the removal itself happens before this returns its promise.
   * @returns whether there was something to remove
   * @throws MediaError
   */
  takeBack(key: ObjectKey, isReferenced: (key: ObjectKey) => boolean): Promise<boolean>
}

export function makePlacement({
  fs,
  writeAlone,
  layout,
  shards,
  trash,
  leavings,
  syncDirectory,
}: {
  readonly fs: FileSystem
  readonly writeAlone: WriteAlone
  readonly layout: Layout
  readonly shards: Shards
  readonly trash: Trash
  readonly leavings: Leavings
  readonly syncDirectory: SyncDirectory
}): Placement {
  async function link({ object, path }: ReceivedFile): Promise<void> {
    const final = layout.pathOf(object.key)
    await shards.ready(layout.shardOf(object.key))
    try {
      await fs.link(path, final)
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
      await linkOver(path, final)
    }
    failPoint('keep: linked')
    await syncDirectory(layout.shardOf(object.key))
    failPoint('keep: directory synced')
  }

  /**
   * What is there has the same name and should have the same bytes, but only ours were hashed just now: replacing it mends a damaged
   * copy. A second link is what gets renamed, because the first name has to outlast the commit.
   */
  async function linkOver(path: string, final: string): Promise<void> {
    const healing = layout.healing()
    try {
      await fs.link(path, healing)
      failPoint('keep: healing linked')
      await fs.rename(healing, final)
    } finally {
      // A rename between two links to the same file does nothing and says nothing (POSIX), and then this one would stay.
      await leavings.remove(healing)
    }
  }

  async function takeBack(key: ObjectKey, isReferenced: (key: ObjectKey) => boolean): Promise<boolean> {
    // A transaction, so that no other process on this database can commit a row between the look and the removal; and a rename, not an
    // asynchronous unlink, so that nothing in this process can either.
    const outcome = await writeAlone(() => (isReferenced(key) ? 'wanted' : remove(key) ? 'removed' : 'absent'))
    // Whoever takes it back knows of it by a name in incoming/, and lets that go next: the object must not come back afterwards. Also
    // when there was none: an earlier attempt may have removed it, and failed then.
    if (outcome !== 'wanted') await onDisk(ifThere(syncDirectory(layout.shardOf(key))))
    return outcome === 'removed'
  }

  function remove(key: ObjectKey): boolean {
    try {
      return trash.take(key)
    } catch (error) {
      throw toStorageError(error)
    }
  }

  function sizeOf(key: ObjectKey): number | undefined {
    try {
      return fs.sizeOfSync(layout.pathOf(key))
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw toStorageError(error)
    }
  }

  return {
    place: file => onDisk(link(file)),
    isInPlace: ({ key, size }) => sizeOf(key) === size,
    isThere: key => sizeOf(key) !== undefined,
    remove,
    takeBack,
  }
}
