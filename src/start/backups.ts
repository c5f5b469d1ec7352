/** The two ends of a backup, opened: a store that may be serving, and a directory of backups. */
import { makeCatalogAudit } from '../catalog/catalog-audit.ts'
import { makeMediaReferences } from '../catalog/media-references.ts'
import type { ExistingDatabase } from '../database/existing-database.ts'
import type { BackupSource, StoreView } from '../services/backup-source.ts'
import type { RestoreNeeds } from '../services/restore-store.ts'
import { readDataDirectory } from '../storage/data-directory.ts'
import { makeLayout } from '../storage/layout.ts'
import { makeObjectSurvey } from '../storage/object-survey.ts'
import { openIndexOf } from './inspection.ts'

/**
 * Takes no lock: a server may run, start and stop meanwhile.
 * @throws DatabaseDamaged, DataDirectoryError
 */
export function openBackupSource(dataDir: string): BackupSource & { readonly close: () => void } {
  const { dir, storeId } = readDataDirectory(dataDir)
  const now = openIndexOf(dir, 'read', storeId)
  const moment = openIndexOf(dir, 'read', storeId)
  return {
    dir,
    storeId,
    now: viewOf(dir, now),
    moment: { ...viewOf(dir, moment), hold: moment.hold, letGo: moment.letGo, copyTo: moment.copyTo },
    pathOf: makeLayout({ dir, role: 'both', random: Buffer.alloc }).pathOf,
    close: () => {
      moment.letGo()
      moment.close()
      now.close()
    },
  }
}

/** One backup. @throws DatabaseDamaged, DataDirectoryError */
export function openBackup(dir: string): ReturnType<RestoreNeeds['open']> {
  const database = openIndexOf(dir, 'read')
  return { ...viewOf(dir, database), audit: makeCatalogAudit(database.sql), close: database.close }
}

function viewOf(dir: string, { sql }: ExistingDatabase): StoreView {
  return { references: makeMediaReferences(sql), survey: makeObjectSurvey({ dir, sql }) }
}
