/** What clients read: media and thumbnails. */
import { hash } from 'node:crypto'
import { contentsOf, type Media } from '../ledger.ts'
import type { Answer } from '../requests.ts'
import { ask, complain, holding, type Session, take } from '../session.ts'

export async function read(session: Session): Promise<void> {
  await holding(
    take(session, ({ state }) => state === 'ready'),
    async media => {
      const answer = await download(session, media)
      if (answer?.body !== undefined) requireContent(media, answer)
    },
  )
}

export function download(session: Pick<Session, 'api' | 'send'>, { id, owner }: Media): Promise<Answer | undefined> {
  return ask(session, owner, 'GET', `/_matrix/client/v1/media/download/${id}?timeout_ms=0`)
}

/** Bit for bit, with type and name; whatever was unclear is clear afterwards. */
export function requireContent(media: Media, { status, headers, body = Buffer.alloc(0) }: Answer): void {
  if (status !== 200) complain(media, `a download was answered ${status}: ${body}`)
  const sha256 = hash('sha256', body)
  const found = media.possible.filter(offer => offer?.isAcceptable && offer.content.sha256 === sha256)
  if (found.length === 0) {
    const others = contentsOf(media.possible).map(({ bytes }) => bytes.length)
    complain(media, `a download has other content: ${body.length} bytes instead of ${others.join(' or ')}`)
  }
  const typed = found.filter(offer => offer?.contentType === headers['content-type'])
  if (typed.length === 0) complain(media, `a download says that it is ${headers['content-type']}`)
  const disposition = decodeURIComponent(String(headers['content-disposition']))
  const named = [...media.names].filter(name => disposition.includes(name))
  if (media.names.size > 0 && named.length === 0) complain(media, `a download is called ${disposition}`)
  media.possible = typed
  media.names.clear()
  for (const name of named) media.names.add(name)
}

const boxes = [
  [20, 20, 'crop'],
  [90, 90, 'crop'],
  [300, 200, 'scale'],
  [300, 200, 'crop'],
  [600, 400, 'scale'],
  [640, 640, 'crop'],
  [700, 700, 'scale'],
  [90, 60, 'scale'],
] as const

export async function thumbnail(session: Session): Promise<void> {
  const { chance, ledger } = session
  // Of two uploads at once that were both taken, only a download tells which of them it is.
  const isPicture = ({ state, possible: [offer, ...others] }: Media): boolean =>
    state === 'ready' && offer?.content.isPicture === true && others.length === 0
  await holding(take(session, isPicture), async media => {
    const [width, height, method] = chance.pick(boxes)
    const query = `width=${width}&height=${height}&method=${method}`
    const answer = await ask(session, media.owner, 'GET', `/_matrix/client/v1/media/thumbnail/${media.id}?${query}`)
    if (answer?.body === undefined) return
    if (answer.status !== 200) complain(media, `a thumbnail (${query}) was answered ${answer.status}: ${answer.body}`)
    const name = `${media.possible[0]?.content.name} ${query}`
    const sha256 = hash('sha256', answer.body)
    const before = ledger.thumbnails.get(name)
    if (before !== undefined && before !== sha256) complain(media, `the thumbnail ${query} is another one than before`)
    ledger.thumbnails.set(name, sha256)
  })
}
