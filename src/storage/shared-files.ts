/**
 * Lets the group of the store read an object, for a web server on the same machine that sends files itself. Done when such a file is
 * asked for, so that old ones need no visit; and for objects only: the database and the keys stay their owner's.
 */
import { dirname } from 'node:path'
import type { ObjectKey } from '../domain/objects.ts'
import { type FileSystem, hasCode } from './file-system.ts'
import type { Layout } from './layout.ts'

export interface SharedFile {
  /** Below `objects/`. */
  readonly path: string
  /** Bytes. */
  readonly size: number
}

const mayRead = 0o040
const mayEnter = 0o010

/** @returns undefined when the mode can not be changed @throws errors of the system, also when there is no such file */
export type ShareFile = (key: ObjectKey) => Promise<SharedFile | undefined>

export function makeShareFile(fs: Pick<FileSystem, 'attributes' | 'chmod'>, layout: Layout): ShareFile {
  const entered = new Map<string, Promise<void>>()

  async function allow(path: string, bits: number): Promise<number> {
    const { mode, size } = await fs.attributes(path)
    if ((mode & bits) !== bits) await fs.chmod(path, (mode & 0o7777) | bits)
    return size
  }

  /** Nobody takes this back, so each directory is looked at once. */
  function enter(directory: string): Promise<void> {
    const known = entered.get(directory)
    if (known !== undefined) return known
    const entering = allow(directory, mayEnter).then(() => {})
    entered.set(directory, entering)
    entering.catch(() => entered.delete(directory))
    return entering
  }

  return async key => {
    try {
      const size = await allow(layout.pathOf(key), mayRead)
      await Promise.all([dirname(layout.objects), layout.objects, layout.shardOf(key)].map(enter))
      return { path: `${key.slice(0, 2)}/${key}`, size }
    } catch (error) {
      // The data directory belongs to somebody else, or is read-only: the bytes have to be sent from here.
      if (hasCode(error, 'EPERM', 'EROFS')) return undefined
      throw error
    }
  }
}
