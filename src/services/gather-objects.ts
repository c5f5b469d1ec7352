/**
 * Gathers the objects of a store that may be at work meanwhile, and holds a moment of its database in which every row has its bytes.
 *
 * Rows and bytes can not be copied at the same moment, and the reaper may take bytes away at any. So the objects come first, as rows
 * stand while that lasts; then one moment of the database is held, and what it needs beyond them is fetched. Should something of that be
 * gone by then, its row has gone too, and a later moment is taken. Each round has less to fetch and so less time to be overtaken; and
 * what has been fetched can not be taken away any more, for a copy or a second name of a file stays. No lease, no lock: the server needs
 * to know nothing of this, and a backup that dies leaves nothing that anybody waits for.
 */
import { allReferences } from '../catalog/media-references.ts'
import { failPoint } from '../domain/fail-point.ts'
import { partOfKeySpace } from '../domain/key-space.ts'
import type { ObjectInfo, ObjectKey } from '../domain/objects.ts'
import type { BackupDirectory } from '../storage/backup-directory.ts'
import type { CopyWay } from '../storage/whole-copy.ts'
import type { BackupSource, StoreView } from './backup-source.ts'
import { inParallel } from './in-parallel.ts'

export interface GatherOptions {
  /** Resolves when it makes sense to look again for bytes that a row still points at. */
  readonly settle: () => Promise<void>
  /** Called, and waited for. `round`: how many moments have been held, this one included; 0: none yet. */
  readonly onRound: (step: 'gathering' | 'holding' | 'held', round: number) => unknown
  /** @param part from 0 to 1 */
  readonly onProgress: (part: number) => void
}

export interface Gathered {
  /** What was not there from earlier backups. */
  readonly added: Readonly<Record<CopyWay, number>>
  readonly addedBytes: number
  /** Objects that rows of this moment point at and that the store does not have, or not whole. */
  readonly lost: readonly ObjectInfo[]
  readonly rounds: number
}

/** Rows still point at these after so many rounds, so their bytes are not just going: they are lost. */
const lostAfter = 3
/** A store that outruns so many rounds, each shorter than the one before, is no store. */
const mostRounds = 20
const copiesAtOnce = 8

/** Thrown when no moment could be held in which every row had its bytes. */
export class BackupOvertaken extends Error {
  override readonly name = 'BackupOvertaken'
}

/** When it resolves the moment is held, and everything that it needs is in the target. @throws BackupOvertaken; Error of the system */
export async function gatherObjects(
  source: BackupSource,
  target: Pick<BackupDirectory, 'has' | 'add'>,
  { settle, onRound, onProgress }: GatherOptions,
): Promise<Gathered> {
  const added = { clone: 0, link: 0, copy: 0 }
  let addedBytes = 0

  /** @returns whether these bytes are in the backup: among its objects, or in its database */
  async function secure({ survey }: StoreView, object: ObjectInfo): Promise<boolean> {
    if (await target.has(object)) return true
    const found = await survey.find(object.key)
    if (found === undefined || found.place === 'row') return found?.size === object.size
    const way = await target.add(object, source.pathOf(object.key))
    if (way === false) return false
    failPoint('backup: object added')
    added[way] += 1
    addedBytes += object.size
    return true
  }

  /** @returns what could not be secured */
  async function gather(view: StoreView): Promise<readonly ObjectInfo[]> {
    const missed: ObjectInfo[] = []
    await inParallel(copiesAtOnce, allReferences(view.references), async object => {
      onProgress(partOfKeySpace(object.key))
      if (!(await secure(view, object))) missed.push(object)
    })
    return missed
  }

  await onRound('gathering', 0)
  await gather(source.now)
  const timesMissed = new Map<ObjectKey, number>()
  for (let rounds = 1; rounds <= mostRounds; rounds += 1) {
    await onRound('holding', rounds)
    source.moment.hold()
    await onRound('held', rounds)
    const missed = await gather(source.moment)
    for (const { key } of missed) timesMissed.set(key, (timesMissed.get(key) ?? 0) + 1)
    if (missed.every(({ key }) => (timesMissed.get(key) ?? 0) >= lostAfter)) {
      return { added, addedBytes, lost: missed, rounds }
    }
    source.moment.letGo()
    await settle()
  }
  throw new BackupOvertaken('the store changes faster than it can be copied; try again when there is less traffic')
}
