/** After a start: does the server still say what the ledger says? Where the ledger did not know, it does now. */
import type { Database } from 'better-sqlite3'
import type { Offer } from './contents.ts'
import { completeOnce, reopen } from './deeds/ending.ts'
import { download, requireContent } from './deeds/reading.ts'
import { expiryOf, type Media, mayStillCome, possibleAfter } from './ledger.ts'
import { ask, complain, type Session } from './session.ts'

type Eye = Pick<Session, 'api' | 'apiLife' | 'send' | 'now'>

/** @throws BrokenPromise */
export async function lookAt(eye: Eye, media: Media): Promise<void> {
  const { now } = eye
  const askedAt = now()
  const answer = await download(eye, media)
  if (answer === undefined) return complain(media, 'there was no answer although the server runs')
  const { status } = answer
  media.isFresh = false
  media.history.push(`looked at, ${media.state}: ${status}`)
  if (media.state === 'ready') return requireContent(media, answer)
  if (media.state === 'expired' || media.state === 'deleted') return requireGone(media, status)
  if (media.state === 'rejected') {
    requireGone(media, status)
    await completeOnce(eye, media)
    return
  }
  if (media.state === 'deleting') {
    // Either it is gone, or it is what it was.
    if (status === 404 && (media.before !== 'rejected' || (await isDeleted(eye, media)))) {
      media.state = 'deleted'
      return
    }
    media.state = media.before
    return lookAt(eye, media)
  }
  const isExpired = status === 404 && now() >= expiryOf(media).earliest
  if (isExpired) {
    // A rejection would say the same; both are for good.
    media.state = 'expired'
    return
  }
  if (status === 504 && askedAt >= expiryOf(media).latest)
    complain(media, 'its time is over, and it is still waited for')
  if (media.state === 'open') {
    if (status !== 504) complain(media, `nobody has completed it, and a download is answered ${status}`)
    return
  }
  if (status === 200) {
    requireContent(media, answer)
    media.state = 'ready'
  } else if (status === 404) {
    // There was no answer to a complete that refused it.
    if (!media.possible.some(offer => offer?.isAcceptable === false)) complain(media, 'it is gone')
    await completeOnce(eye, media)
    if ((media.state as Media['state']) !== 'rejected') complain(media, 'it is neither there nor rejected')
  } else if (status === 504) {
    reopen(media)
  } else {
    complain(media, `a download is answered ${status}: ${answer.body}`)
  }
}

function requireGone(media: Media, status: number): void {
  if (status !== 404) complain(media, `it is ${media.state}, and a download is answered ${status}`)
}

async function isDeleted(eye: Eye, media: Media): Promise<boolean> {
  const answer = await ask(eye, media.owner, 'POST', `/_matrix/media/v1/upload/${media.id}/complete`)
  return answer?.status === 404
}

interface PendingRow {
  readonly sha256: Buffer | null
  readonly content_type: string | null
}

/** An upload that was answered with 200 and not completed yet can only be seen from inside. @throws BrokenPromise */
export function lookInside(sql: Database, media: Media, now: number): void {
  if (media.state !== 'open') return
  const row = sql
    .prepare<[string], PendingRow>('SELECT sha256, content_type FROM pending WHERE media_id = ?')
    .get(media.id.split('/')[1] ?? '')
  if (row === undefined) {
    if (now < expiryOf(media).earliest) complain(media, 'its reservation is gone before its time')
    return
  }
  const isTheRow = (offer: Offer | undefined): boolean =>
    offer === undefined
      ? row.sha256 === null
      : row.sha256?.toString('hex') === offer.content.sha256 && row.content_type === offer.contentType
  const found = media.possible.filter(isTheRow)
  if (found.length === 0)
    complain(media, `its row has ${row.sha256?.toString('hex') ?? 'no content'} as ${row.content_type}`)
  // Of a process that lives, an unanswered one may still come.
  const underWay = mayStillCome(media.puts).filter(({ isWhole }) => isWhole)
  for (const put of media.puts) {
    if (underWay.includes(put) || (put.outcome !== 'unknown' && put.outcome !== 'acknowledged')) continue
    const isLast = media.possible.includes(put.offer)
    if (isLast) put.outcome = isTheRow(put.offer) ? 'acknowledged' : 'refused'
  }
  media.possible = [...new Set([...found, ...underWay.map(({ offer }) => offer)])]
  if (possibleAfter(media.puts).length !== media.possible.length) media.history.push('(the ledger was put right)')
}
