/**
 * What stays the same for the life of the process, however often the configuration is read again: the data directory, the database,
 * the store, and what is under way.
 */
import { existsSync, readdirSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { MediaCatalog, StoredThumbnail } from '../catalog/media-catalog.ts'
import { type MediaReferences, makeMediaReferences } from '../catalog/media-references.ts'
import { makeSqliteCatalog } from '../catalog/sqlite-catalog.ts'
import type { Config } from '../config/config.ts'
import { type Database, databaseName, EmptyDatabase, openDatabase } from '../database/database.ts'
import { ForeignDatabase } from '../database/store-of.ts'
import type { Clock, Random } from '../domain/clock.ts'
import { MediaError } from '../domain/errors.ts'
import type { MediaId } from '../domain/identifiers.ts'
import type { Ready } from '../domain/media.ts'
import type { Member, ServingRole } from '../domain/member.ts'
import { type Attempts, makeAttempts } from '../services/attempts.ts'
import { type FreeSpace, makeFreeSpace } from '../services/free-space.ts'
import { makeRenderFailures, type RenderFailures } from '../services/render-failures.ts'
import { makeSingleFlight, type SingleFlight } from '../services/single-flight.ts'
import { DataDirectoryError, type OpenedDataDirectory, openDataDirectory } from '../storage/data-directory.ts'
import { openDiskStore } from '../storage/disk-store.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { lockAsMember, type Patience, takeOverDataDirectory } from '../storage/serving-lock.ts'
import { isShardName } from '../storage/shards.ts'

export interface Surroundings {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface Foundation extends Surroundings {
  readonly dataDir: string
  readonly keysDir: string
  readonly catalog: MediaCatalog
  readonly store: ObjectStore
  readonly attempts: Attempts
  readonly freeSpace: FreeSpace
  readonly completions: SingleFlight<MediaId, Ready>
  readonly renderings: SingleFlight<string, StoredThumbnail>
  readonly renderFailures: RenderFailures
}

/** With what no request needs. */
export interface OpenedFoundation extends Foundation {
  readonly references: MediaReferences
}

export interface FoundationOptions extends Surroundings {
  readonly config: Pick<Config, 'dataDir'>
  readonly init: boolean
  readonly role: ServingRole
  /**
   * Which of several processes that serve the edge together this is, counted from 1. Such a one recovers what an earlier
   * one of the same number left; whoever starts them holds the lock of the edge, and has recovered for all of them before.
   */
  readonly member?: number
  /** For a predecessor that is shutting down; without it, nobody is waited for. */
  readonly patience?: Patience
  /** Takes the steps that undo what was opened; they are to be run in reverse. */
  readonly onClose: (step: () => unknown) => void
}

/** Opens everything durable, and finishes or undoes what a crash interrupted. @throws DataDirectoryError */
export async function openFoundation(options: FoundationOptions): Promise<OpenedFoundation> {
  const { config, init, onClose, clock, random, log } = options
  const role: Member = options.member === undefined ? options.role : `edge.${options.member}`
  const { dir, storeId, isFull } = openDataDirectory(config.dataDir, { init, random, clock })
  if (isFull) log.warn({ event: 'disk full', dir }, 'the disk is full: media is served, and uploads are refused')
  const lock =
    options.member === undefined
      ? await takeOverDataDirectory(dir, options.role, options.patience ?? { waitMs: 0 })
      : lockAsMember(dir)
  onClose(() => lock.release())

  const database = openIndex({ dir, storeId, log })
  onClose(() => database.close())
  const catalog = makeSqliteCatalog(database, role)
  const store = await openDiskStore({ dir, ...database, isReferenced: catalog.isReferenced, random, role })
  onClose(() => store.close())
  await recover({ dir, store, catalog, log })

  return {
    dataDir: dir,
    keysDir: join(dir, 'keys'),
    clock,
    random,
    log,
    catalog,
    references: makeMediaReferences(database.sql),
    store,
    attempts: makeAttempts({ clock }),
    freeSpace: makeFreeSpace({ clock, look: () => freeBytes(dir) }),
    completions: makeSingleFlight(),
    renderings: makeSingleFlight(),
    renderFailures: makeRenderFailures({ clock }),
  }
}

/** Finishes or undoes what a crash interrupted. @throws DataDirectoryError */
async function recover({
  dir,
  store,
  catalog,
  log,
}: Pick<Foundation, 'store' | 'catalog' | 'log'> & { readonly dir: string }): Promise<void> {
  try {
    const { oddities, ...recovered } = await store.recover(catalog.isReferenced)
    const recovery = { ...recovered, leftHolds: await catalog.dropLeftHolds() }
    if (Object.values(recovery).some(count => count > 0)) log.warn({ event: 'recovered', ...recovery })
    if (oddities.length === 0) return
    log.warn({ event: 'oddities', dir, names: oddities }, 'incoming/ holds what is not ours; it is left alone')
  } catch (error) {
    if (!(error instanceof MediaError)) throw error
    const cause = error.extras.cause instanceof Error ? error.extras.cause : error
    throw new DataDirectoryError(`What a crash left in ${dir} can not be cleared away: ${cause.message}`, { cause })
  }
}

/** What is kept for the administrator does not count. */
async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir)
  return bavail * bsize
}

/**
 * A store whose index is gone must not get an empty one: every media would be unknown, and its bytes strays. Whatever the reason, the
 * operator is told which file it is.
 * @throws DataDirectoryError
 */
function openIndex({
  dir,
  storeId,
  log,
}: Pick<OpenedDataDirectory, 'dir' | 'storeId'> & Pick<Surroundings, 'log'>): Database {
  const file = join(dir, databaseName)
  try {
    const onLogKept = (reason: string) =>
      log.error(
        { event: 'log kept', file, reason },
        'the log of the database could not be folded; restart to try again',
      )
    return openDatabase(file, { mayBeNew: isNewStore(dir), storeId, onLogKept })
  } catch (cause) {
    if (cause instanceof ForeignDatabase) {
      throw new DataDirectoryError(
        `${file} is not the index of this store: ${cause.message}. Put the right one back, or restore it from a backup.`,
        { cause },
      )
    }
    if (cause instanceof EmptyDatabase) {
      throw new DataDirectoryError(
        `The store in ${dir} has lost its index, ${file}: ${cause.message}. Restore it from a backup; without it nobody knows what ` +
          'the objects are.',
        { cause },
      )
    }
    throw new DataDirectoryError(`The database ${file} can not be opened: ${(cause as Error).message}`, { cause })
  }
}

/** Keys and objects are made after the index, so where there are any there was an index. */
function isNewStore(dir: string): boolean {
  return !existsSync(join(dir, 'keys')) && !readdirSync(join(dir, 'objects')).some(isShardName)
}
