/** The classic ways of uploading: bytes and complete in one request. */
import { mayStillCome, possibleAfter, unusedTtl } from '../ledger.ts'
import { quotaOf } from '../quota.ts'
import { anyOffer, ask, BrokenPromise, holding, type Session, stamp, takeOpen } from '../session.ts'
import { settle } from './ending.ts'
import { begin } from './uploading.ts'

/** `POST /upload`: all three steps in one. */
export async function upload(session: Session): Promise<void> {
  const { ledger, chance, now } = session
  const offer = anyOffer(session)
  const { content, contentType, isAcceptable } = offer
  const owner = chance.pick(['me', 'you'])
  const name = `upload-${ledger.media.length}.bin`
  const judge = quotaOf(session, owner, undefined)
  // Room is held for it before anybody knows the id.
  const underWay = { owner, bytes: content.bytes.length }
  ledger.underWay.add(underWay)
  const startedAt = now()
  const answer = await ask(session, owner, 'POST', `/_matrix/media/v3/upload?filename=${name}`, {
    body: content.bytes,
    contentType,
  })
  if (answer?.body === undefined) {
    ledger.unansweredUploads.push(offer)
    return
  }
  ledger.underWay.delete(underWay)
  if (judge(answer, content.bytes.length) === 'refused') return
  // On a machine that slow its reservation has ended meanwhile.
  if (answer.status === 404 && now() - startedAt >= unusedTtl) return
  if (answer.status !== (isAcceptable ? 200 : 403)) {
    throw new BrokenPromise(
      `an upload of ${content.name} as ${contentType} was answered ${answer.status}: ${answer.body}`,
    )
  }
  if (!isAcceptable) return
  ledger.media.push({
    id: String(JSON.parse(answer.body.toString()).content_uri).slice('mxc://'.length),
    owner,
    uploadUrl: undefined,
    expiresAt: Number.POSITIVE_INFINITY,
    puts: [{ offer, race: 0, life: session.apiLife, isWhole: true, mayFollow: [], outcome: 'acknowledged' }],
    asked: [],
    history: [`${stamp(now)} uploaded ${content.name} as ${contentType}, ${name}`],
    state: 'ready',
    before: 'ready',
    possible: [offer],
    names: new Set([name]),
    isBusy: false,
    isFresh: true,
  })
}

/** `PUT /upload/{serverName}/{mediaId}`: upload and complete in one. */
export async function uploadToId(session: Session): Promise<void> {
  const { now, apiLife: life } = session
  await holding(takeOpen(session), async media => {
    const offer = anyOffer(session)
    const before = mayStillCome(media.puts)
    const put = begin(media, { offer, race: media.puts.length, life, isWhole: true })
    const name = `${media.history.length}.bin`
    const judge = quotaOf(session, media.owner, media)
    media.state = 'asked'
    media.names.add(name)
    const answer = await ask(session, media.owner, 'PUT', `/_matrix/media/v3/upload/${media.id}?filename=${name}`, {
      body: offer.content.bytes,
      contentType: offer.contentType,
    })
    media.history.push(
      `${stamp(now)} PUT and complete ${offer.content.name} as ${offer.contentType}, ${name}: ${answer?.status ?? 'no answer'}`,
    )
    const isTooMuch = answer !== undefined && judge(answer, offer.content.bytes.length) === 'refused'
    const isOutrun = answer?.status === 409 && before.length > 0
    const isRefused = isTooMuch || isOutrun || answer?.status === 404
    put.outcome = answer === undefined ? 'unknown' : isRefused ? 'refused' : 'acknowledged'
    media.possible = possibleAfter(media.puts)
    if (answer === undefined) media.asked.push(life)
    // Its time to be uploaded to is over, or there is no room, which says nothing about what was uploaded before.
    else if (isTooMuch || isOutrun || (answer.status === 404 && now() >= media.expiresAt)) media.state = 'open'
    else settle(media, answer, now())
  })
}
