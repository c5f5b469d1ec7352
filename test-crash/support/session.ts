/** What every client has at hand, and how it takes a media for itself. */
import type { Chance } from './chance.ts'
import type { Contents, Offer } from './contents.ts'
import { describe, type Ledger, type Life, type Media } from './ledger.ts'
import type { Answer, RequestOptions, Send } from './requests.ts'
import { users } from './server.ts'

export interface Session {
  readonly api: string
  readonly edge: string
  /** Of the processes that answer there; one and the same where one process does both. */
  readonly apiLife: Life
  readonly edgeLife: Life
  readonly send: Send
  readonly chance: Chance
  readonly contents: Contents
  readonly ledger: Ledger
  /** The server's clock: milliseconds since the epoch. */
  readonly now: () => number
  /** The flow that should be met soon; the first word of a fail point. */
  readonly focus: string
  /** True once a server is gone. */
  isOver: boolean
}

export type Deed = (session: Session) => Promise<void>

/** The server did what it must not. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

export function complain(media: Media, text: string): never {
  throw new BrokenPromise(`${text}\n${describe(media)}`)
}

export function ask(
  { api, send }: Pick<Session, 'api' | 'send'>,
  owner: Media['owner'],
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<Answer | undefined> {
  return send(method, `${api}${path}`, { token: users[owner].token, ...options })
}

export function take({ ledger, chance }: Session, fits: (media: Media) => boolean): Media | undefined {
  // Mostly the newest: what is done with an id is done soon.
  const free = ledger.media.filter(media => !media.isBusy && fits(media))
  const recent = free.slice(-30)
  const [first, ...others] = chance.is(0.8) ? recent : free
  return first === undefined ? undefined : chance.pick([first, ...others])
}

/** One that can be uploaded to; now and then one whose time is over. */
export function takeOpen(session: Session): Media | undefined {
  const isLate = session.chance.is(0.04)
  return take(
    session,
    ({ state, uploadUrl, expiresAt }) =>
      state === 'open' && uploadUrl !== undefined && (isLate || session.now() < expiresAt),
  )
}

/** Nobody else touches it meanwhile; whatever happens to it is looked at after the next start. */
export async function holding(media: Media | undefined, work: (media: Media) => Promise<void>): Promise<void> {
  if (media === undefined) return
  media.isBusy = true
  media.isFresh = true
  try {
    await work(media)
  } finally {
    media.isBusy = false
  }
}

export function anyOffer({ contents, chance, focus }: Session): Offer {
  if (focus === 'reject' || focus === 'abandon') return contents.refused(chance)
  if (focus === 'thumbnail' || (focus === 'complete' && chance.is(0.5))) return contents.picture(chance)
  const kind = chance.next()
  if (kind < 0.35) return contents.small(chance)
  if (kind < 0.75) return contents.large(chance)
  return kind < 0.87 ? contents.picture(chance) : contents.refused(chance)
}

/** Time of day by the server's clock. */
export function stamp(now: () => number): string {
  return new Date(now()).toISOString().slice(11, 23)
}
