/** How an unfinished media ends: by complete, or by deletion. */
import { expiryOf, giveUpUnknown, type Media, possibleAfter } from '../ledger.ts'
import type { Answer } from '../requests.ts'
import { ask, complain, holding, type Session, stamp, take, takeOpen } from '../session.ts'

export async function complete(session: Session): Promise<void> {
  const hasBytes = ({ state, possible }: Media): boolean =>
    (state === 'open' || state === 'asked') && possible.some(offer => offer !== undefined)
  // Now and then one that has none.
  const media = session.chance.is(0.05) ? takeOpen(session) : take(session, hasBytes)
  await holding(media, async held => void (await completeOnce(session, held)))
}

export async function completeAgain(session: Session): Promise<void> {
  await holding(
    take(session, ({ state }) => state === 'ready' || state === 'rejected'),
    async media => void (await completeOnce(session, media)),
  )
}

/** @returns false when there was no answer */
export async function completeOnce(
  session: Pick<Session, 'api' | 'apiLife' | 'send' | 'now'>,
  media: Media,
): Promise<boolean> {
  const { now } = session
  const { id, owner, state } = media
  const name = `${media.history.length}-ünï.bin`
  const path = `/_matrix/media/unstable/com.beeper.msc3870/upload/${id}/complete?filename=${encodeURIComponent(name)}`
  const line = `${stamp(now)} complete as ${name}`
  const mayTakeEffect = state === 'open' || state === 'asked'
  if (mayTakeEffect) {
    media.state = 'asked'
    media.names.add(name)
  }
  const answer = await ask(session, owner, 'POST', path)
  media.history.push(`${line}: ${answer?.status ?? 'no answer'}`)
  if (answer === undefined) {
    media.asked.push(session.apiLife)
    return false
  }
  if (!mayTakeEffect) {
    if (answer.status !== (state === 'rejected' ? 403 : 200)) {
      complain(media, `what was ${state} before is now answered ${answer.status}: ${answer.body}`)
    }
    return true
  }
  settle(media, answer, now())
  return true
}

/** Not completed so far, as somebody has seen; unless one of the completes may still come. */
export function reopen(media: Media): void {
  if (media.asked.some(({ isOver }) => !isOver)) return
  media.state = 'open'
  media.names.clear()
}

/** What the answer to a complete says about the content. */
export function settle(media: Media, answer: Answer, at: number): void {
  const { possible } = media
  const wanted = possible.filter(offer => offer !== undefined && offer.isAcceptable === (answer.status === 200))
  if (answer.status === 200 || answer.status === 403) {
    if (wanted.length === 0) complain(media, `complete was answered ${answer.status}: ${answer.body}`)
    media.possible = wanted
    media.state = answer.status === 200 ? 'ready' : 'rejected'
  } else if (answer.status === 400 && possible.includes(undefined)) {
    giveUpUnknown(media.puts)
    media.possible = possibleAfter(media.puts)
    reopen(media)
  } else if (answer.status === 404 && at >= expiryOf(media).earliest) {
    media.state = 'expired'
  } else {
    complain(media, `complete was answered ${answer.status}: ${answer.body}`)
  }
}

export async function remove(session: Session): Promise<void> {
  const { now } = session
  const fits = ({ state }: Media): boolean => state === 'ready' || state === 'open' || state === 'rejected'
  await holding(take(session, fits), async media => {
    if (media.state === 'ready' || media.state === 'open' || media.state === 'rejected') media.before = media.state
    media.state = 'deleting'
    const answer = await ask(session, media.owner, 'POST', `/_matrix/client/v1/media/redact/${media.id}`)
    media.history.push(`${stamp(now)} delete: ${answer?.status ?? 'no answer'}`)
    if (answer === undefined) return
    if (answer.status === 200) media.state = 'deleted'
    else if (answer.status === 404 && media.before === 'open' && now() >= expiryOf(media).earliest)
      media.state = 'expired'
    else complain(media, `a deletion was answered ${answer.status}: ${answer.body}`)
  })
}
