/**
 * What the clients know. An answer is a promise of the server; no answer means that both is possible, and stays so until somebody looks.
 * Everything that the server may and may not do follows from this.
 */
import type { Content, Offer } from './contents.ts'

export type Outcome = 'sent' | 'acknowledged' | 'unknown' | 'refused'

/** A process, from its start to its death. */
export interface Life {
  isOver: boolean
}

export interface Put {
  readonly offer: Offer
  /** Those of one race were under way at the same time. */
  readonly race: number
  /** Of whoever it was sent to. */
  readonly life: Life
  /** False when the client broke it off: it must have no effect, but for ending another that is still being received. */
  readonly isWhole: boolean
  /**
   * Those before it that had no answer and were sent to a process that lives. The system may keep a request, body and all, for a server
   * that has not come to read it, though its client is long gone; so they may begin later than this one, and outrun it.
   */
  readonly mayFollow: readonly Put[]
  outcome: Outcome
}

export interface Media {
  /** `{serverName}/{mediaId}` */
  readonly id: string
  readonly owner: 'me' | 'you'
  readonly uploadUrl: string | undefined
  /** Milliseconds since the epoch, by the server's clock. */
  readonly expiresAt: number
  readonly puts: Put[]
  /** Where completes were sent that had no answer; until the end of that life they may still come. */
  readonly asked: Life[]
  readonly history: string[]
  /**
   * `open`: not completed, as far as is known · `asked`: it was, without an answer · `ready`, `rejected`, `deleted`: for good ·
   * `deleting`: without an answer · `expired`: seen to be gone
   */
  state: 'open' | 'asked' | 'ready' | 'rejected' | 'deleting' | 'deleted' | 'expired'
  /** What it was before somebody asked for its deletion. */
  before: 'open' | 'asked' | 'ready' | 'rejected'
  /** One of these; undefined stands for nothing at all. After `ready` the one. */
  possible: readonly (Offer | undefined)[]
  /** Names that were given with complete. */
  readonly names: Set<string>
  /** Used by one client at a time. */
  isBusy: boolean
  /** Something happened that has not been looked at since the last start. */
  isFresh: boolean
}

export interface Ledger {
  readonly media: Media[]
  /** Creates and uploads that were sent and never answered: the server may have an id that nobody knows. */
  unansweredCreates: number
  readonly unansweredUploads: Offer[]
  /** `POST /upload`, as long as it may be holding room. */
  readonly underWay: Set<{ readonly owner: 'me' | 'you'; readonly bytes: number }>
  /** SHA-256 of thumbnails, by what was asked for. */
  readonly thumbnails: Map<string, string>
}

/** Milliseconds that a reservation lasts in these tests. */
export const unusedTtl = 5000

/** Time that bytes may wait for complete after their reservation has ended; ten minutes, as `src/domain/media.ts` has it. */
export const grace = 600_000

export function makeLedger(): Ledger {
  return { media: [], unansweredCreates: 0, unansweredUploads: [], underWay: new Set(), thumbnails: new Map() }
}

/** What the row may point at, after all the uploads so far. */
export function possibleAfter(puts: readonly Put[]): readonly (Offer | undefined)[] {
  let possible: (Offer | undefined)[] = [undefined]
  for (const race of new Set(puts.map(put => put.race))) {
    const all = puts.filter(put => put.race === race)
    const stored = all.filter(({ outcome }) => outcome === 'acknowledged').map(({ offer }) => offer)
    const unclear = all.filter(({ outcome }) => outcome === 'unknown' || outcome === 'sent').map(({ offer }) => offer)
    const late = all.flatMap(({ mayFollow }) => mayFollow).filter(({ outcome }) => outcome === 'unknown')
    const unsure = [...unclear, ...late.map(({ offer }) => offer)]
    possible = stored.length > 0 ? [...stored, ...unsure] : [...possible, ...unsure]
  }
  return [...new Set(possible)]
}

/** Uploads without an answer whose server may still come to them. */
export function mayStillCome(puts: readonly Put[]): readonly Put[] {
  return puts.filter(({ life, outcome, isWhole }) => !life.isOver && (outcome === 'unknown' || !isWhole))
}

/** No answer came, and now the server is gone: the row showed that they had no effect. */
export function giveUpUnknown(puts: readonly Put[]): void {
  for (const put of puts) if (put.outcome === 'unknown' && put.life.isOver) put.outcome = 'refused'
}

/** When an id that was not completed is certainly gone, and when it certainly is not; both in the server's time. */
export function expiryOf({ possible, expiresAt }: Media): { readonly earliest: number; readonly latest: number } {
  const mayBeEmpty = possible.includes(undefined)
  const mayBeFilled = possible.some(offer => offer !== undefined)
  return { earliest: mayBeEmpty ? expiresAt : expiresAt + grace, latest: mayBeFilled ? expiresAt + grace : expiresAt }
}

export function contentsOf(possible: readonly (Offer | undefined)[]): Content[] {
  return possible.flatMap(offer => (offer === undefined ? [] : [offer.content]))
}

/** For people who look for the reason of a failure. */
export function describe(media: Media): string {
  const { id, owner, expiresAt, state, possible, names, history } = media
  return [
    `${id} of ${owner}, ${state}, until ${new Date(expiresAt).toISOString()}, names ${[...names].join(', ') || 'none'}`,
    `  may be: ${possible.map(offer => (offer === undefined ? 'nothing' : `${offer.content.name} as ${offer.contentType}`)).join(' | ')}`,
    ...history.map(line => `  ${line}`),
  ].join('\n')
}
