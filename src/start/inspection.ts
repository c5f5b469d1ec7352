/**
 * A store opened by somebody who does not serve it: nothing is made, nothing is migrated, nothing is recovered.
 */
import { join } from 'node:path'
import { makeCatalogAudit } from '../catalog/catalog-audit.ts'
import { makeMediaReferences } from '../catalog/media-references.ts'
import { makeForgetThumbnails } from '../catalog/thumbnail-rows.ts'
import { countBooksAnew } from '../catalog/usage-books.ts'
import { databaseName } from '../database/database.ts'
import { damageOf, type ExistingDatabase, openExistingDatabase } from '../database/existing-database.ts'
import { requireStore } from '../database/store-of.ts'
import type { Clock } from '../domain/clock.ts'
import type { CheckedStore } from '../services/check-store.ts'
import type { RepairedStore } from '../services/repair-store.ts'
import { DataDirectoryError, readDataDirectory } from '../storage/data-directory.ts'
import { openLostAndFound } from '../storage/lost-and-found.ts'
import { makeObjectSurvey } from '../storage/object-survey.ts'
import { DataDirectoryInUse, type DataDirectoryLock, lockDataDirectory } from '../storage/serving-lock.ts'
import { makeSmallObjects } from '../storage/small-objects.ts'

export interface Inspection {
  readonly checked: CheckedStore
  /** undefined when it may only be looked at. */
  readonly repaired: RepairedStore | undefined
  /** Closes the store; harmless to repeat. */
  close(): void
}

/** There is a database, and it can not be read. */
export class DatabaseDamaged extends DataDirectoryError {}

/**
 * Keeps servers out as long as it is open, unless one is there already: then the store is only looked at.
 * @throws DataDirectoryInUse when it is to be repaired and is served; DatabaseDamaged, DataDirectoryError
 */
export function openInspection(
  dataDir: string,
  { forRepair, clock }: { readonly forRepair: boolean; readonly clock: Clock },
): Inspection {
  const { dir, storeId } = readDataDirectory(dataDir)
  const lock = lockUnlessServed(dir)
  if (forRepair && lock === undefined) {
    throw new DataDirectoryInUse(`A server is running on ${dir}; stop it before you repair the store.`)
  }
  try {
    return open({ dir, storeId }, { forRepair, clock, lock })
  } catch (error) {
    lock?.release()
    throw error
  }
}

function open(
  { dir, storeId }: { readonly dir: string; readonly storeId: string },
  {
    forRepair,
    clock,
    lock,
  }: { readonly forRepair: boolean; readonly clock: Clock; readonly lock: DataDirectoryLock | undefined },
): Inspection {
  const database = openIndexOf(dir, forRepair ? 'write' : 'read', storeId)
  const { sql, isCurrent } = database
  const survey = makeObjectSurvey({ dir, sql })
  const references = makeMediaReferences(sql)
  return {
    checked: { survey, references, audit: makeCatalogAudit(sql), isCurrent, isServed: lock === undefined },
    repaired: forRepair
      ? {
          survey,
          references,
          small: makeSmallObjects(sql),
          countTotals: () => countBooksAnew(sql),
          forgetThumbnails: makeForgetThumbnails(sql),
          openLostAndFound: () => openLostAndFound(dir, clock.now()),
        }
      : undefined,
    close: () => {
      database.close()
      lock?.release()
    },
  }
}

function lockUnlessServed(dir: string): DataDirectoryLock | undefined {
  try {
    return lockDataDirectory(dir, 'both')
  } catch (error) {
    if (error instanceof DataDirectoryInUse) return undefined
    throw error
  }
}

/** @param storeId the store that it has to be the index of @throws DatabaseDamaged, DataDirectoryError */
export function openIndexOf(dir: string, mode: 'read' | 'write', storeId?: string): ExistingDatabase {
  const file = join(dir, databaseName)
  try {
    const database = openExistingDatabase(file, mode)
    if (storeId !== undefined) requireStore(database.sql, storeId)
    return database
  } catch (cause) {
    const message = `The database ${file} can not be opened: ${(cause as Error).message}`
    throw damageOf(cause) === undefined
      ? new DataDirectoryError(message, { cause })
      : new DatabaseDamaged(message, { cause })
  }
}
