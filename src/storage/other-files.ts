/**
 * What a data directory holds besides objects and database: its identity, keys, the token, and what later versions may add. A backup
 * takes all of it but what is known to be of no use elsewhere, so that a new file is not forgotten.
 */
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from './file-system.ts'

export interface OtherFile {
  /** Below the data directory. */
  readonly path: string
  /** Permission bits. */
  readonly mode: number
}

const leftOut =
  /^(?:objects|incoming|lost\+found|sluice\.db(?:-wal|-shm|-journal|-kept)?|lock-(?:api|edge|members)\.db(?:-journal)?|scrub\.json(?:\.new)?)$/
const temporary = /(?:^\..*\.tmp$|\.new-[0-9a-f]+$)/

/** Regular files, by path. */
export async function otherFilesIn(dir: string): Promise<readonly OtherFile[]> {
  const names = (await readdir(dir)).filter(name => !leftOut.test(name))
  return (await Promise.all(names.sort().map(name => filesAt(dir, name)))).flat()
}

async function filesAt(dir: string, path: string): Promise<readonly OtherFile[]> {
  if (temporary.test(path.slice(path.lastIndexOf('/') + 1))) return []
  try {
    const stats = await lstat(join(dir, path))
    if (stats.isFile()) return [{ path, mode: stats.mode & 0o777 }]
    if (!stats.isDirectory()) return []
    const names = (await readdir(join(dir, path))).sort()
    return (await Promise.all(names.map(name => filesAt(dir, `${path}/${name}`)))).flat()
  } catch (error) {
    // A key may go while the directory is read.
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}
