/**
 * Backup: a copy of a store that may be at work meanwhile, in which every row has its bytes. First the objects and a moment of the
 * database that needs no others (`gather-objects.ts`), then that moment itself, then the other files; and only then its name.
 */
import { join } from 'node:path'
import { allReferences } from '../catalog/media-references.ts'
import { databaseName } from '../database/database.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { BackupDirectory, UnfinishedBackup } from '../storage/backup-directory.ts'
import { objectIn } from '../storage/file-digest.ts'
import { otherFilesIn } from '../storage/other-files.ts'
import { type ManifestFile, manifestText } from './backup-manifest.ts'
import type { BackupSource, StoreView } from './backup-source.ts'
import { type Gathered, gatherObjects } from './gather-objects.ts'
import { verifyBackup } from './verify-backup.ts'

/** Opens the database of a backup. */
export type OpenBackup = (dir: string) => StoreView & { readonly close: () => void }

export interface BackupNeeds {
  readonly source: BackupSource
  readonly target: BackupDirectory
  readonly open: OpenBackup
}

export interface BackupOptions {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Reads every object in the backup, and replaces those that have gone bad. */
  readonly verify: boolean
  /** How many backups stay, this one included; 1 or more. */
  readonly keep: number
  /** Resolves when it makes sense to look again for bytes that a row still points at. */
  readonly settle: () => Promise<void>
  /** Called, and waited for, as each step begins. `round`: how many moments have been held. */
  readonly onStep?: (step: BackupStep, round: number) => unknown
  /** @param part from 0 to 1 */
  readonly onProgress?: (step: BackupStep, part: number) => void
}

export type BackupStep = 'gathering' | 'holding' | 'held' | 'copying' | 'verifying' | 'completing' | 'pruning'

export interface BackupReport extends Gathered {
  readonly name: string
  readonly objects: number
  readonly bytes: number
  /** Earlier backups that went. */
  readonly dropped: readonly string[]
  /** Why none could go, although there are more than are to be kept. */
  readonly notDropped: string | undefined
}

/** @throws BackupOvertaken; Error of the system, SqliteError. No backup has appeared then, and no earlier one has gone */
export async function backupStore(needs: BackupNeeds, options: BackupOptions): Promise<BackupReport> {
  const { source, target } = needs
  const { settle, onStep, onProgress } = options
  try {
    const gathered = await gatherObjects(source, target, {
      settle,
      onRound: (step, round) => onStep?.(step, round),
      onProgress: part => onProgress?.('gathering', part),
    })
    failPoint('backup: gathered')
    const backup = await target.begin(options.now)
    failPoint('backup: begun')
    try {
      const contents = await fill(needs, backup, gathered, options)
      await backup.complete()
      failPoint('backup: named')
      await onStep?.('pruning', gathered.rounds)
      const old = await dropOld(needs, options.keep)
      return { ...gathered, ...contents, name: backup.name, ...old }
    } catch (error) {
      await backup.discard()
      throw error
    }
  } finally {
    source.moment.letGo()
  }
}

/** Everything but the name. */
async function fill(
  { source, target, open }: BackupNeeds,
  backup: UnfinishedBackup,
  { lost, rounds }: Gathered,
  { now, verify, onStep, onProgress }: BackupOptions,
): Promise<Pick<BackupReport, 'objects' | 'bytes' | 'lost'>> {
  await onStep?.('copying', rounds)
  await source.moment.copyTo(join(backup.dir, databaseName))
  failPoint('backup: database copied')
  // The log of a server that is at work can be shortened again.
  source.moment.letGo()
  const view = open(backup.dir)
  let contents: Pick<BackupReport, 'objects' | 'bytes' | 'lost'>
  try {
    if (verify) await onStep?.('verifying', rounds)
    const bad = verify ? await verifyBackup(source, target, view, part => onProgress?.('verifying', part)) : []
    contents = { ...total(view), lost: [...lost, ...bad] }
  } finally {
    view.close()
  }
  await onStep?.('completing', rounds)
  const files = await copyFiles(source.dir, backup)
  await backup.write('manifest.json', manifestText({ storeId: source.storeId, madeAt: now, files, ...contents }))
  failPoint('backup: manifest written')
  return contents
}

function total({ references }: StoreView): { readonly objects: number; readonly bytes: number } {
  let [objects, bytes] = [0, 0]
  for (const { size } of allReferences(references)) {
    objects += 1
    bytes += size
  }
  return { objects, bytes }
}

/** The database included, which is there already. */
async function copyFiles(dir: string, backup: UnfinishedBackup): Promise<readonly ManifestFile[]> {
  const taken = [{ path: databaseName, mode: 0o600 }]
  for (const file of await otherFilesIn(dir)) if (await backup.take(dir, file)) taken.push(file)
  const files: ManifestFile[] = []
  for (const file of taken) files.push({ ...file, sha256: (await objectIn(join(backup.dir, file.path))).key })
  return files
}

/** Only once the new backup is whole. Objects go when no backup that stays needs them. */
async function dropOld(
  { target, open }: Pick<BackupNeeds, 'target' | 'open'>,
  keep: number,
): Promise<Pick<BackupReport, 'dropped' | 'notDropped'>> {
  const all = await target.list()
  const dropped = all.slice(0, Math.max(0, all.length - keep))
  if (dropped.length === 0) return { dropped, notDropped: undefined }
  const kept: ReturnType<OpenBackup>[] = []
  try {
    // All of them, or nothing goes: what a backup needs that can not be read would be taken for unwanted.
    for (const name of all.slice(dropped.length)) kept.push(open(target.pathOf(name)))
    for (const name of dropped) await target.drop(name)
    failPoint('backup: dropped')
    await target.prune(key => kept.some(({ references }) => references.isReferenced(key)))
    return { dropped, notDropped: undefined }
  } catch (error) {
    return { dropped: [], notDropped: (error as Error).message }
  } finally {
    for (const view of kept) view.close()
  }
}
