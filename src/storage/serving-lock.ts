/**
 * Each side of a store, API and edge, is served by one Sluice at a time. The edge may have several members, which end with the process that
 * started them, but perhaps a moment later: the next one has to wait for them as well.
 */
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import BetterSqlite3 from 'better-sqlite3'
import type { ServingRole } from '../domain/member.ts'
import { DataDirectoryError } from './data-directory.ts'
import { type HeldLock, takeExclusiveLock, takeSharedLock } from './file-lock.ts'

/** Somebody else holds the lock. */
export class DataDirectoryInUse extends DataDirectoryError {}

export interface DataDirectoryLock {
  /** Harmless to repeat. The end of the process does it too, however it ends. */
  release(): void
}

/**
 * Makes this process the only one that serves this side of the store; `both` excludes everybody else. Take it after
 * `openDataDirectory`.
 * @throws DataDirectoryInUse, DataDirectoryError
 */
export function lockDataDirectory(dir: string, role: ServingRole): DataDirectoryLock {
  const sides = role === 'both' ? (['api', 'edge'] as const) : [role]
  const path = resolve(dir)
  const locks: HeldLock[] = []
  const release = (): void => {
    for (const lock of locks.splice(0)) lock.release()
  }
  try {
    for (const side of sides) locks.push(lock(path, side, takeExclusiveLock))
    // Those of a predecessor; its own will come later.
    if (role !== 'api') lock(path, members, takeExclusiveLock).release()
  } catch (error) {
    release()
    throw error
  }
  return { release }
}

const members = 'members'

/** For a member of an edge whose lock somebody else holds: whoever wants to serve the edge next waits for this one. @throws as above */
export function lockAsMember(dir: string): DataDirectoryLock {
  return lock(resolve(dir), members, takeSharedLock)
}

export interface Patience {
  /** How long a predecessor may take to finish what it is doing, in milliseconds; 0: not at all. */
  readonly waitMs: number
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined
  /** Called once, when there is somebody to wait for. */
  readonly onWait?: () => void
}

/** Milliseconds between two looks. */
const pollEvery = 50

/**
 * Like `lockDataDirectory`, but waits for a predecessor that is shutting down: it lets go when its last request has ended and its
 * database is closed. A predecessor that was killed has let go already.
 * @throws DataDirectoryInUse when it still serves after `waitMs`; DataDirectoryError; the signal's reason
 */
export async function takeOverDataDirectory(
  dir: string,
  role: ServingRole,
  { waitMs, signal, onWait }: Patience,
): Promise<DataDirectoryLock> {
  const deadline = performance.now() + waitMs
  for (let tries = 1; ; tries += 1) {
    signal?.throwIfAborted()
    try {
      return lockDataDirectory(dir, role)
    } catch (error) {
      if (!(error instanceof DataDirectoryInUse) || performance.now() >= deadline) throw error
    }
    if (tries === 1) onWait?.()
    // The signal's own reason is thrown above.
    await setTimeout(pollEvery, undefined, { signal }).catch(() => {})
  }
}

function lock(dir: string, name: string, take: (file: string) => HeldLock | undefined): HeldLock {
  const held = takeIn(dir, () => take(join(dir, `lock-${name}.db`)))
  if (held !== undefined) return held
  throw new DataDirectoryInUse(
    `Another Sluice serves ${dir} already (${name}); stop it, or give this one its own data_dir.`,
  )
}

function takeIn(dir: string, take: () => HeldLock | undefined): HeldLock | undefined {
  try {
    return take()
  } catch (cause) {
    if (!(cause instanceof BetterSqlite3.SqliteError)) throw cause
    throw new DataDirectoryError(`The data directory ${dir} can not be locked: ${cause.message}`, { cause })
  }
}
