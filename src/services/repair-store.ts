/**
 * fsck --repair: takes out of the store what no row wants, into `lost+found/`, and forgets thumbnails that can be made again. Rows of
 * media are never touched: what a media has lost is for its operator to bring back, or to give up.
 */
import type { MediaReferences, ThumbnailPointer } from '../catalog/media-references.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { ObjectKey } from '../domain/objects.ts'
import type { LostAndFound } from '../storage/lost-and-found.ts'
import type { ObjectSurvey, Place } from '../storage/object-survey.ts'
import type { SmallObjects } from '../storage/small-objects.ts'
import type { CheckReport } from './check-store.ts'
import type { Finding } from './findings.ts'

/** A store that nobody serves. */
export interface RepairedStore {
  readonly survey: ObjectSurvey
  readonly references: MediaReferences
  readonly small: SmallObjects
  readonly countTotals: () => void
  readonly forgetThumbnails: (pointers: readonly ThumbnailPointer[]) => void
  readonly openLostAndFound: () => Promise<LostAndFound>
}

export interface RepairOptions {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Milliseconds. What changed since is left alone: somebody may be at work on it in a way that nobody here thought of. */
  readonly minAge: number
  /** Goes on also when much of the store would be taken out. */
  readonly force: boolean
}

export type Action = 'moved' | 'rows_taken' | 'counted_anew' | 'too_young' | 'left'

export interface RepairReport {
  /** Below the data directory; undefined when there was nothing to move. */
  readonly lostAndFound: string | undefined
  /** One for each finding, in the same order. */
  readonly actions: readonly Action[]
}

/**
 * Nothing was touched. `too_much`: so much of the store is in question that the question is wrong, for the database may be an old one,
 * or another store's.
 */
export interface RepairRefused {
  readonly refused: 'too_much' | 'database_damaged'
  readonly wouldTake: number
  /** All objects. */
  readonly of: number
}

/** More objects than this, and more than this part of all, are not taken out without force. */
const boldCount = 10
const boldPart = 0.1

/** @throws Error of the system; what was not done yet is then found again by the next check */
export async function repairStore(
  store: RepairedStore,
  { looked, findings }: CheckReport,
  options: RepairOptions,
): Promise<RepairReport | RepairRefused> {
  const actions = findings.map(finding => actionOn(finding, options))
  const chosen = findings.filter((_, index) => actions[index] === 'moved' || actions[index] === 'rows_taken')
  const wouldTake = chosen.reduce((count, finding) => count + weightOf(finding), 0)
  const of = looked.files + looked.smallObjects
  if (findings.some(isDamage)) return { refused: 'database_damaged', wouldTake, of }
  if (!options.force && wouldTake > boldCount && wouldTake > of * boldPart)
    return { refused: 'too_much', wouldTake, of }

  const lostAndFound = chosen.length === 0 ? undefined : await takeAllOut(store, chosen, options.now)
  if (actions.includes('counted_anew')) store.countTotals()
  return { lostAndFound, actions }
}

/** A database that has lost rows would have their objects taken for strays. */
function isDamage(finding: Finding): boolean {
  return finding.problem === 'catalog' && finding.kind === 'damaged'
}

/** @returns where to */
async function takeAllOut(store: RepairedStore, findings: readonly Finding[], now: number): Promise<string> {
  const lostAndFound = await store.openLostAndFound()
  await lostAndFound.announce(findings.flatMap(finding => manifestLines(store, finding, now)))
  failPoint('repair: announced')
  for (const finding of findings) {
    await takeOut(store, lostAndFound, finding)
    failPoint('repair: taken out')
  }
  await lostAndFound.settle()
  failPoint('repair: settled')
  return lostAndFound.path
}

function actionOn(finding: Finding, { now, minAge }: RepairOptions): Action {
  switch (finding.problem) {
    case 'stray_object':
      // A row came in the same transaction as the one that pointed at it, so it can not be early.
      return finding.changedAt !== undefined && now - finding.changedAt < minAge ? 'too_young' : 'moved'
    case 'leftover':
      // What was removed on purpose is not kept: the next start gives its space back.
      if (finding.purpose === 'trash') return 'left'
      return now - finding.changedAt < minAge ? 'too_young' : 'moved'
    case 'thumbnails_of_nothing':
      return 'rows_taken'
    case 'wrong_total':
      return 'counted_anew'
    case 'missing_object':
    case 'wrong_size':
    case 'rotten_object':
      // They are made again when somebody asks for them, as long as only thumbnails need these bytes.
      return finding.media.length + finding.uploads.length === 0 ? 'rows_taken' : 'left'
    default:
      return 'left'
  }
}

/** How many objects leave the store with it. */
function weightOf(finding: Finding): number {
  if (finding.problem === 'thumbnails_of_nothing') return finding.thumbnails.length
  return finding.problem === 'missing_object' ? 0 : 1
}

async function takeOut(store: RepairedStore, lostAndFound: LostAndFound, finding: Finding): Promise<void> {
  if (finding.problem === 'leftover') {
    await lostAndFound.takeFile(finding.path)
  } else if (finding.problem === 'stray_object') {
    await takeObject(store, lostAndFound, finding.key, [finding.place])
  } else if ('thumbnails' in finding) {
    store.forgetThumbnails(finding.thumbnails)
    failPoint('repair: thumbnails forgotten')
    for (const key of keysOf(finding)) await takeObject(store, lostAndFound, key, ['file', 'row'])
  }
}

/** Only what no row wants any more, whatever the finding said. */
async function takeObject(
  { survey, references, small }: RepairedStore,
  lostAndFound: LostAndFound,
  key: ObjectKey,
  places: readonly Place[],
): Promise<void> {
  if (references.isReferenced(key)) return
  if (places.includes('file')) await lostAndFound.takeFile(survey.pathOf(key))
  const bytes = places.includes('row') ? small.read(key) : undefined
  if (bytes === undefined) return
  await lostAndFound.takeBytes(rowPath(key), bytes)
  failPoint('repair: row copied')
  small.remove(key)
}

function keysOf(finding: Finding): readonly ObjectKey[] {
  if (finding.problem === 'thumbnails_of_nothing')
    return [...new Set(finding.thumbnails.map(({ object }) => object.key))]
  return finding.problem === 'unreadable' || !('key' in finding) ? [] : [finding.key]
}

function manifestLines({ survey }: RepairedStore, finding: Finding, now: number): Readonly<Record<string, unknown>>[] {
  const at = new Date(now).toISOString()
  const { problem } = finding
  if (finding.problem === 'leftover') return [{ at, problem, path: finding.path }]
  if (finding.problem === 'stray_object') {
    const { key, size, place } = finding
    return [{ at, problem, key, size, path: place === 'file' ? survey.pathOf(key) : rowPath(key) }]
  }
  return 'thumbnails' in finding ? finding.thumbnails.map(thumbnail => ({ at, problem, thumbnail })) : []
}

function rowPath(key: ObjectKey): string {
  return `small_object/${key}`
}
