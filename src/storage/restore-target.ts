/**
 * An empty directory that becomes a store again. Until it is one it has no identity, so no server takes it for one, and a note that says
 * what it is to become, so that a restore that was interrupted can go on.
 */
import { chmod, constants, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { ObjectInfo } from '../domain/objects.ts'
import { DataDirectoryError } from './data-directory.ts'
import { makeSyncDirectory } from './directory-sync.ts'
import { objectIn } from './file-digest.ts'
import { hasCode, systemFileSystem } from './file-system.ts'
import { makeLayout } from './layout.ts'
import type { OtherFile } from './other-files.ts'
import { type DataDirectoryLock, lockDataDirectory } from './serving-lock.ts'
import { makeWholeCopies } from './whole-copy.ts'

export interface RestoreTarget {
  readonly dir: string
  /** Copies an object and reads the copy. @returns false when `from` is not there or holds other bytes */
  addObject(object: ObjectInfo, from: string): Promise<boolean>
  /** Copies a file. @throws DataDirectoryError when the copy is not what `sha256` says */
  addFile(from: string, file: OtherFile & { readonly sha256: string }): Promise<void>
  /** Makes everything durable; from then on it is a store. @param identity the file that says so */
  complete(identity: { readonly from: string } & OtherFile & { readonly sha256: string }): Promise<void>
  /** Harmless to repeat. */
  release(): void
}

const noteFile = 'restore-unfinished.json'

/** @param what which backup of which store; an interrupted restore goes on only with the same @throws DataDirectoryError */
export async function openRestoreTarget(path: string, what: Readonly<Record<string, string>>): Promise<RestoreTarget> {
  const dir = resolve(path)
  const note = `${JSON.stringify(what)}\n`
  await requireFree(dir, note)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const lock = lockDataDirectory(dir, 'both')
  try {
    await writeFile(join(dir, noteFile), note, { mode: 0o600, flush: true })
    for (const name of ['objects', 'incoming']) await mkdir(join(dir, name), { recursive: true, mode: 0o700 })
    return makeRestoreTarget(dir, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

async function requireFree(dir: string, note: string): Promise<void> {
  const names = await readdir(dir).catch((error): string[] => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  if (names.includes('sluice-store.json')) {
    throw new DataDirectoryError(
      `${dir} holds a store already; a restore overwrites nothing. Choose an empty directory.`,
    )
  }
  if (names.includes(noteFile)) {
    if ((await readFile(join(dir, noteFile), 'utf8')) === note) return
    throw new DataDirectoryError(
      `${dir} holds the unfinished restore of another backup; empty it, or choose another one.`,
    )
  }
  if (names.some(name => name !== 'lost+found' && !/^lock-(?:api|edge|members)\.db$/.test(name))) {
    throw new DataDirectoryError(`${dir} is not empty; a restore overwrites nothing. Choose an empty directory.`)
  }
}

function makeRestoreTarget(dir: string, lock: DataDirectoryLock): RestoreTarget {
  const layout = makeLayout({ dir, role: 'both', random: Buffer.alloc })
  const syncDirectory = makeSyncDirectory(systemFileSystem)
  // No second names: a backup that shares its files with a store is damaged with it.
  const makeCopy = makeWholeCopies({ ways: ['clone'] })
  const touched = new Set<string>()
  let copies = 0

  async function holds(path: string, { key, size }: ObjectInfo): Promise<boolean> {
    const found = await objectIn(path)
    return found.key === key && found.size === size
  }

  async function addFile(from: string, { path, mode, sha256 }: OtherFile & { sha256: string }): Promise<void> {
    const to = join(dir, path)
    await mkdir(dirname(to), { recursive: true, mode: 0o700 })
    // Whole or not there: half an identity would stop both the server and the next restore.
    const fresh = `${to}.new-0`
    await copyFile(join(from, path), fresh, constants.COPYFILE_FICLONE)
    await chmod(fresh, mode)
    if ((await objectIn(fresh)).key !== sha256)
      throw new DataDirectoryError(`${join(from, path)} is not what its manifest says: this backup is damaged.`)
    await syncDirectory(fresh)
    await rename(fresh, to)
    for (let parent = dirname(to); parent !== dirname(dir); parent = dirname(parent)) await syncDirectory(parent)
  }

  return {
    dir,

    addObject: async (object, from) => {
      const to = layout.pathOf(object.key)
      if (await holds(to, object).catch(() => false)) return true
      await mkdir(layout.shardOf(object.key), { recursive: true, mode: 0o700 })
      touched.add(layout.shardOf(object.key))
      copies += 1
      // A name that the first start clears away, should this be interrupted just here.
      const temporary = join(layout.incoming, `receiving-both-${String(copies).padStart(32, '0')}`)
      try {
        await makeCopy({
          from,
          to,
          temporary,
          inspect: async copy => {
            if (!(await holds(copy, object))) throw new OtherBytes()
          },
        })
        return true
      } catch (error) {
        if (error instanceof OtherBytes || hasCode(error, 'ENOENT')) return false
        throw error
      }
    },

    addFile,

    complete: async identity => {
      for (const path of [...touched, layout.objects, layout.incoming, dir]) await syncDirectory(path)
      await addFile(identity.from, identity)
      await rm(join(dir, noteFile))
      await syncDirectory(dir)
      await syncDirectory(dirname(dir))
    },

    release: lock.release,
  }
}

class OtherBytes extends Error {
  override readonly name = 'OtherBytes'
}
