/**
 * A directory with backups of one store:
 *
 *     sluice-backup.json                 which store these are backups of
 *     objects/5f/5fd9…e2                 the objects of all of them
 *     000007_2026-11-23T00-12-05Z/       one backup: manifest.json, sluice.db, and the other files of the data directory
 *     unfinished-000008_…/               one that is being made, or being removed
 *     lock.db                            held by whoever writes here
 *
 * A backup has its name only once everything in it, and every object that it needs, is durable.
 */
import { chmod, constants, copyFile, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { failPoint } from '../domain/fail-point.ts'
import { type ObjectInfo, type ObjectKey, toObjectKey } from '../domain/objects.ts'
import { DataDirectoryError } from './data-directory.ts'
import { makeSyncDirectory } from './directory-sync.ts'
import { type HeldLock, takeExclusiveLock } from './file-lock.ts'
import { hasCode, systemFileSystem } from './file-system.ts'
import { makeLayout } from './layout.ts'
import type { OtherFile } from './other-files.ts'
import { type CopyWay, makeWholeCopies } from './whole-copy.ts'

export interface BackupDirectory {
  readonly dir: string
  /** Names of the backups that are whole, oldest first. */
  list(): Promise<readonly string[]>
  /** Where a backup lies. */
  pathOf(name: string): string
  /** True when the object is here, with this size. */
  has(object: ObjectInfo): Promise<boolean>
  /** Takes an object in. @returns false when `from` is not there, or has another size */
  add(object: ObjectInfo, from: string): Promise<CopyWay | false>
  pathOfObject(key: ObjectKey): string
  /** Takes away an object that is damaged. */
  removeObject(key: ObjectKey): Promise<void>
  begin(at: number): Promise<UnfinishedBackup>
  /** Takes away a whole backup; its objects stay. */
  drop(name: string): Promise<void>
  /** Takes away the objects that are not wanted, and returns how many. */
  prune(isWanted: (key: ObjectKey) => boolean): Promise<number>
  /** Harmless to repeat. */
  release(): void
}

export interface UnfinishedBackup {
  readonly name: string
  /** Where its files go. */
  readonly dir: string
  /** Copies a file of the data directory `from`. @returns false when it is not there any more */
  take(from: string, file: OtherFile): Promise<boolean>
  write(path: string, text: string): Promise<void>
  /** Makes everything durable and gives it its name. */
  complete(): Promise<void>
  /** Gives its space back. Never throws: the next backup does it too. */
  discard(): Promise<void>
}

export interface BackupIdentity {
  readonly storeId: string
}

const identityFile = 'sluice-backup.json'
const currentFormat = 1
const nameForm = /^(\d{6,})_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/
const shardForm = /^[0-9a-f]{2}$/
const unfinished = 'unfinished-'

/**
 * For writing: takes the lock, and clears away what an interrupted backup has left. Made when it is missing or empty.
 * @throws DataDirectoryError when somebody else writes here, or when it is the backup of another store, or none
 */
export async function openBackupDirectory(
  path: string,
  { storeId, ways }: BackupIdentity & { readonly ways: readonly CopyWay[] },
): Promise<BackupDirectory> {
  const dir = resolve(path)
  const found = await readBackupIdentity(dir)
  if (found !== undefined && found.storeId !== storeId) {
    throw new DataDirectoryError(`${dir} holds backups of another store (${found.storeId}); choose another directory.`)
  }
  if (found === undefined) await requireVacant(dir)
  await mkdir(join(dir, 'objects'), { recursive: true, mode: 0o700 })
  const lock = lockBackups(dir)
  try {
    if (found === undefined) await writeIdentity(dir, storeId)
    for (const name of await readdir(dir)) {
      if (name.startsWith(unfinished)) await rm(join(dir, name), { recursive: true, force: true })
    }
    return makeBackupDirectory(dir, { lock, ways })
  } catch (error) {
    lock?.release()
    throw error
  }
}

/**
 * For reading, also where nothing can be written.
 * @throws DataDirectoryError when there is none, or when somebody writes there just now
 */
export async function readBackupDirectory(path: string): Promise<BackupDirectory & BackupIdentity> {
  const dir = resolve(path)
  const found = await readBackupIdentity(dir)
  if (found === undefined) throw new DataDirectoryError(`${dir} holds no backups: it has no ${identityFile}.`)
  return { ...makeBackupDirectory(dir, { lock: lockBackups(dir), ways: [] }), ...found }
}

/** @returns undefined where no lock can be had at all: nobody else can write there either */
function lockBackups(dir: string): HeldLock | undefined {
  let lock: HeldLock | undefined
  try {
    lock = takeExclusiveLock(join(dir, 'lock.db'))
  } catch {
    return undefined
  }
  if (lock === undefined) throw new DataDirectoryError(`Another backup or restore is at work on ${dir}.`)
  return lock
}

async function readBackupIdentity(dir: string): Promise<BackupIdentity | undefined> {
  const file = join(dir, identityFile)
  try {
    const { format, storeId } = JSON.parse(await readFile(file, 'utf8'))
    if (format === currentFormat && typeof storeId === 'string') return { storeId }
    throw new DataDirectoryError(`${file} is of another format (${format}); use the version of Sluice that made it.`)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    if (error instanceof SyntaxError) throw new DataDirectoryError(`${file} is damaged.`)
    throw error
  }
}

async function requireVacant(dir: string): Promise<void> {
  const names = await readdir(dir).catch(error => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  const others = names.filter(name => !['lost+found', 'objects', 'lock.db'].includes(name))
  if (others.length > 0) {
    throw new DataDirectoryError(`${dir} holds other things and no ${identityFile}; choose an empty directory.`)
  }
}

async function writeIdentity(dir: string, storeId: string): Promise<void> {
  const fresh = join(dir, `${unfinished}identity`)
  await writeFile(fresh, `${JSON.stringify({ format: currentFormat, storeId })}\n`, { mode: 0o600, flush: true })
  await rename(fresh, join(dir, identityFile))
  const sync = makeSyncDirectory(systemFileSystem)
  await sync(dir)
  await sync(dirname(dir))
}

function makeBackupDirectory(
  dir: string,
  { lock, ways }: { readonly lock: HeldLock | undefined; readonly ways: readonly CopyWay[] },
): BackupDirectory {
  // The names in here are the store's own, so that an object can be found by hand in either.
  const layout = makeLayout({ dir, role: 'both', random: Buffer.alloc })
  const syncDirectory = makeSyncDirectory(systemFileSystem)
  const makeCopy = makeWholeCopies({ ways })
  const touched = new Set<string>()
  let copies = 0

  async function numbered(): Promise<readonly { readonly number: number; readonly name: string }[]> {
    const found = (await readdir(dir)).flatMap(name => {
      const number = nameForm.exec(name)?.[1]
      return number === undefined ? [] : [{ number: Number(number), name }]
    })
    return found.sort((a, b) => a.number - b.number)
  }

  return {
    dir,
    list: async () => (await numbered()).map(({ name }) => name),
    pathOf: name => join(dir, name),
    pathOfObject: layout.pathOf,
    has: async ({ key, size }) => (await sizeOf(layout.pathOf(key))) === size,

    add: async ({ key, size }, from) => {
      const shard = layout.shardOf(key)
      await mkdir(shard, { recursive: true, mode: 0o700 })
      copies += 1
      try {
        const inspect = async (temporary: string): Promise<void> => {
          if ((await sizeOf(temporary)) !== size) throw new OtherSize()
        }
        const temporary = join(dir, `${unfinished}object-${copies}`)
        const way = await makeCopy({ from, to: layout.pathOf(key), temporary, inspect })
        touched.add(shard)
        return way
      } catch (error) {
        if (error instanceof OtherSize || hasCode(error, 'ENOENT')) return false
        throw error
      }
    },

    removeObject: key => rm(layout.pathOf(key), { force: true }),

    begin: async at => {
      const number = ((await numbered()).at(-1)?.number ?? 0) + 1
      // A number of its own, because a clock may have been set back since the last one.
      const time = new Date(at).toISOString().replace(/\.\d+/, '').replaceAll(':', '-')
      const name = `${String(number).padStart(6, '0')}_${time}`
      const own = join(dir, `${unfinished}${name}`)
      await mkdir(own, { mode: 0o700 })
      const made = new Set([own])

      async function place(path: string): Promise<string> {
        const target = join(own, path)
        await mkdir(dirname(target), { recursive: true, mode: 0o700 })
        for (let parent = dirname(target); parent !== own; parent = dirname(parent)) made.add(parent)
        made.add(target)
        return target
      }

      return {
        name,
        dir: own,
        take: async (from, { path, mode }) => {
          try {
            const target = await place(path)
            await copyFile(join(from, path), target, constants.COPYFILE_EXCL)
            await chmod(target, mode)
            return true
          } catch (error) {
            if (!hasCode(error, 'ENOENT')) throw error
            made.delete(join(own, path))
            return false
          }
        },
        write: async (path, text) => writeFile(await place(path), text, { mode: 0o600, flag: 'wx' }),
        complete: async () => {
          const files = (await readdir(own)).map(file => join(own, file))
          // A file is synced like a directory. Those that hold others come after them.
          for (const path of [...files, ...[...made].reverse(), ...touched, layout.objects, dir])
            await syncDirectory(path)
          failPoint('backup: before name')
          await rename(own, join(dir, name))
          await syncDirectory(dir)
        },
        discard: () => rm(own, { recursive: true, force: true }).catch(() => {}),
      }
    },

    drop: async name => {
      // Renamed first: half removed it must not look whole.
      await rename(join(dir, name), join(dir, `${unfinished}${name}`))
      failPoint('backup: name dropped')
      await syncDirectory(dir)
      await rm(join(dir, `${unfinished}${name}`), { recursive: true, force: true })
    },

    prune: async isWanted => {
      let pruned = 0
      for (const shard of (await readdir(layout.objects)).filter(name => shardForm.test(name))) {
        for (const name of await readdir(join(layout.objects, shard))) {
          const key = toObjectKey(name)
          if (key === undefined || isWanted(key)) continue
          await rm(layout.pathOf(key), { force: true })
          failPoint('backup: object pruned')
          pruned += 1
        }
      }
      return pruned
    },

    release: () => lock?.release(),
  }
}

class OtherSize extends Error {
  override readonly name = 'OtherSize'
}

/** @returns undefined for what is no regular file */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const stats = await lstat(path)
    return stats.isFile() ? stats.size : undefined
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
