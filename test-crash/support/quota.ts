/** Whether the quota refuses whom it must, and nobody else, as far as clients can tell. */
import { contentsOf, type Ledger, type Media } from './ledger.ts'
import type { Answer } from './requests.ts'
import { BrokenPromise, type Session } from './session.ts'

/** Bytes that `you` may have stored; `me` has no quota. Met after a dozen deaths. */
export const quotaBytes = 12 * 1024 * 1024

/** A page, because its error can not be taken for any other. */
export const quotaSettings = {
  SLUICE_LIMITS__QUOTA: JSON.stringify({ max_bytes: quotaBytes, info_uri: 'https://limits.test/' }),
  SLUICE_LIMITS__QUOTA_EXEMPT: '["@me:*"]',
}

/**
 * To be called before the request is sent, because what was stored then and still is when the answer comes counted all the time.
 * @param replaced what an upload replaces does not count beside it
 * @returns to be called with the answer, and the bytes that were asked for
 */
export function quotaOf(
  { ledger }: Pick<Session, 'ledger'>,
  owner: Media['owner'],
  replaced: Media | undefined,
): (answer: Answer, bytes: number) => 'taken' | 'refused' {
  const own = ledger.media.filter(media => media.owner === owner && media !== replaced)
  const certain = own.filter(({ state }) => state === 'ready')

  return ({ status, body }, bytes) => {
    const isRefused = status === 403 && errcodeOf(body) === 'M_USER_LIMIT_EXCEEDED'
    if (isRefused && (owner === 'me' || mostOf(ledger, owner, replaced) + bytes <= quotaBytes))
      throw new BrokenPromise(`${owner} was refused ${bytes} bytes, and there is room: ${body}`)
    const kept = certain.filter(({ state }) => state === 'ready')
    const least = kept.reduce((sum, media) => sum + sizes(media, Math.min), 0)
    if (status === 200 && owner === 'you' && least + bytes > quotaBytes)
      throw new BrokenPromise(`${owner} was given ${bytes} bytes, and had ${least} before`)
    return isRefused ? 'refused' : 'taken'
  }
}

/** Whatever may count, also what is still to go and what may be under way. */
function mostOf(ledger: Ledger, owner: Media['owner'], replaced: Media | undefined): number {
  const own = ledger.media.filter(media => media.owner === owner && media !== replaced)
  const stored = own.reduce((sum, media) => sum + mostIn(media), 0)
  // A PUT that is given up holds its room until the server has noticed.
  const replacing = replaced === undefined ? 0 : mostIn(replaced)
  const underWay = [...ledger.underWay].filter(request => request.owner === owner)
  return underWay.reduce((sum, { bytes }) => sum + bytes, stored + replacing)
}

function mostIn(media: Media): number {
  if (media.state === 'deleted' || media.state === 'rejected') return 0
  if (media.state === 'ready') return sizes(media, Math.max)
  return Math.max(0, ...media.puts.map(({ offer }) => offer.content.bytes.length))
}

function sizes({ possible }: Media, choose: (...sizes: number[]) => number): number {
  return choose(...contentsOf(possible).map(({ bytes }) => bytes.length))
}

function errcodeOf(body: Buffer | undefined): unknown {
  try {
    return JSON.parse(String(body)).errcode
  } catch {
    return undefined
  }
}
