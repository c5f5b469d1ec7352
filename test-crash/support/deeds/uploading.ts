/** The upload URL: an id, and the bytes for it. */
import type { Offer } from '../contents.ts'
import { type Media, mayStillCome, type Put, possibleAfter } from '../ledger.ts'
import { quotaOf } from '../quota.ts'
import type { Answer, RequestOptions } from '../requests.ts'
import { anyOffer, ask, BrokenPromise, complain, holding, type Session, stamp, takeOpen } from '../session.ts'

export async function create(session: Session): Promise<void> {
  const { ledger, chance, now } = session
  if (ledger.media.filter(({ state }) => state === 'open').length > 60) return
  const owner = chance.pick(['me', 'you'])
  const judge = quotaOf(session, owner, undefined)
  const answer = await ask(session, owner, 'POST', '/_matrix/media/v1/create')
  if (answer !== undefined && judge(answer, 1) === 'refused') return
  if (answer?.body === undefined) {
    ledger.unansweredCreates += 1
    return
  }
  if (answer.status !== 200) throw new BrokenPromise(`create was answered ${answer.status}: ${answer.body}`)
  const { content_uri, upload_url, unused_expires_at } = JSON.parse(answer.body.toString())
  ledger.media.push({
    id: String(content_uri).slice('mxc://'.length),
    owner,
    uploadUrl: upload_url,
    expiresAt: unused_expires_at,
    puts: [],
    asked: [],
    history: [`${stamp(now)} created`],
    state: 'open',
    before: 'open',
    possible: [undefined],
    names: new Set(),
    isBusy: false,
    isFresh: true,
  })
}

export async function put(session: Session): Promise<void> {
  await holding(takeOpen(session), media => putOnce(session, media, media.puts.length))
}

/** The second one begins while the first is still being sent. */
export async function putInTwo(session: Session): Promise<void> {
  await holding(takeOpen(session), async media => {
    const race = media.puts.length
    const first = putOnce(session, media, race, { pieces: 12 })
    await new Promise(resolve => setTimeout(resolve, session.chance.between(1, 25)))
    await Promise.all([first, putOnce(session, media, race)])
  })
}

async function putOnce(session: Session, media: Media, race: number, options: RequestOptions = {}): Promise<void> {
  const { now, send, chance } = session
  const offer = anyOffer(session)
  const before = mayStillCome(media.puts)
  const put = begin(media, { offer, race, life: session.edgeLife, isWhole: true })
  const line = `${stamp(now)} PUT ${nameOf(offer)}`
  const judge = quotaOf(session, media.owner, media)
  const sentAt = now()
  const answer = await send('PUT', urlFor(session, media), {
    body: offer.content.bytes,
    contentType: offer.contentType,
    pieces: options.pieces ?? (chance.is(0.2) ? 5 : 1),
  })
  put.outcome = outcomeOf(answer)
  media.possible = possibleAfter(media.puts)
  media.history.push(`${line}: ${answer?.status ?? 'no answer'}`)
  if (answer === undefined) return
  if (judge(answer, offer.content.bytes.length) === 'refused') return
  if (answer.status === 200) {
    if (sentAt >= media.expiresAt) complain(media, 'an upload after the end of its reservation was accepted')
    if (answer.headers.etag !== `"${offer.content.sha256}"`) complain(media, `the ETag is ${answer.headers.etag}`)
    return
  }
  // The URL ends with the reservation.
  if ((answer.status === 404 || answer.status === 403) && now() >= media.expiresAt) return
  // A newer one took over, or one that came late.
  const others = media.puts.filter(other => other !== put && other.race === race)
  if (answer.status === 409 && before.length + others.length > 0) return
  complain(media, `an upload was answered ${answer.status}: ${answer.body}`)
}

/** Notes an upload that is about to be sent. */
export function begin(media: Media, request: Pick<Put, 'offer' | 'race' | 'life' | 'isWhole'>): Put {
  const mayFollow = mayStillCome(media.puts).filter(({ race, isWhole }) => race !== request.race && isWhole)
  const put: Put = { ...request, mayFollow, outcome: request.isWhole ? 'sent' : 'refused' }
  media.puts.push(put)
  media.possible = possibleAfter(media.puts)
  return put
}

/** The connection breaks before the body is whole: this must have no effect at all, but for ending another. */
export async function putHalf(session: Session): Promise<void> {
  const { send, chance, now, edgeLife: life } = session
  await holding(takeOpen(session), async media => {
    const offer = anyOffer(session)
    const { content, contentType } = offer
    const giveUpAfter = chance.between(0, content.bytes.length - 1)
    begin(media, { offer, race: media.puts.length, life, isWhole: false })
    media.history.push(`${stamp(now)} PUT ${nameOf(offer)}, given up after ${giveUpAfter} bytes`)
    await send('PUT', urlFor(session, media), { body: content.bytes, contentType, giveUpAfter, pieces: 2 })
  })
}

function nameOf({ content: { name, bytes }, contentType }: Offer): string {
  return `${name} (${bytes.length} bytes) as ${contentType}`
}

/** The edge has another port after every start. */
function urlFor({ edge }: Session, { uploadUrl = '' }: Media): string {
  const { pathname, search } = new URL(uploadUrl)
  return `${edge}${pathname}${search}`
}

function outcomeOf(answer: Answer | undefined): Put['outcome'] {
  if (answer === undefined) return 'unknown'
  return answer.status === 200 ? 'acknowledged' : 'refused'
}
