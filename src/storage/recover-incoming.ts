/**
 * What a crash leaves in `incoming/`, and what becomes of it. Each step may be repeated, and be cut short by the next crash.
 */
import { join } from 'node:path'
import { failPoint } from '../domain/fail-point.ts'
import type { Member } from '../domain/member.ts'
import type { ObjectKey } from '../domain/objects.ts'
import { type FileSystem, hasCode } from './file-system.ts'
import { type Layout, readIncomingName } from './layout.ts'
import type { StoreRecovery } from './object-store.ts'
import type { Placement } from './placement.ts'

export async function recoverIncoming(
  {
    fs,
    layout,
    role,
    placement,
  }: {
    readonly fs: FileSystem
    readonly layout: Layout
    readonly role: Member
    readonly placement: Placement
  },
  isReferenced: (key: ObjectKey) => boolean,
): Promise<StoreRecovery> {
  let abandonedUploads = 0
  let unrecordedObjects = 0
  let emptiedTrash = 0
  const oddities: string[] = []

  for (const name of await fs.list(layout.incoming)) {
    const entry = readIncomingName(name, role)
    if (entry.kind === 'foreign') continue
    if (entry.kind === 'odd') {
      oddities.push(name)
      continue
    }
    if (entry.kind === 'trash') {
      emptiedTrash += 1
    } else if (entry.kind === 'debris') {
      if (entry.isUpload) abandonedUploads += 1
    } else if (await placement.takeBack(entry.key, isReferenced)) {
      unrecordedObjects += 1
      failPoint('recover: taken back')
    } else if (!isReferenced(entry.key)) {
      abandonedUploads += 1
    }
    failPoint('recover: before unlink')
    if (!(await removeIfThere(fs, join(layout.incoming, name)))) oddities.push(name)
  }
  return { abandonedUploads, unrecordedObjects, emptiedTrash, oddities }
}

/**
 * Two processes that start together may sweep the same leavings of a third.
 * @returns false when it is a directory, which nobody here has made
 */
async function removeIfThere(fs: FileSystem, path: string): Promise<boolean> {
  try {
    await fs.unlink(path)
  } catch (error) {
    // EPERM is what POSIX has for a directory; Linux says EISDIR.
    if (hasCode(error, 'EISDIR', 'EPERM')) return false
    if (!hasCode(error, 'ENOENT')) throw error
  }
  return true
}
