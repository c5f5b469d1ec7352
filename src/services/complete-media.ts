/**
 * Complete: looks at what was uploaded, and either publishes it with its thumbnails or refuses it for good.
 * Idempotent, because clients repeat it when an answer is lost; single-flight, because they repeat it while the first one runs.
 */
import { UploadReplaced } from '../catalog/media-catalog.ts'
import { judgeContentType, mindsDetection } from '../domain/content-type-policy.ts'
import { refuse } from '../domain/errors.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { MediaId, UserId } from '../domain/identifiers.ts'
import { type Living, type Ready, rejection, requireLiving, requireOwner, type Uploaded } from '../domain/media.ts'
import { headReach, inspectMedia } from './inspect-media.ts'
import { noThumbnails, prepareThumbnails } from './prepare-thumbnails.ts'
import type { Sluice } from './sluice.ts'

type Needs = Pick<
  Sluice,
  | 'config'
  | 'clock'
  | 'log'
  | 'catalog'
  | 'store'
  | 'arrivals'
  | 'completions'
  | 'render'
  | 'renderFailures'
  | 'decoding'
>

/** How often to begin anew: whoever keeps uploading must not keep the server looking, and everybody else waiting, for ever. */
const mostRounds = 3

/**
 * @throws MediaError `not_found`, `not_owner`, `no_bytes_yet`, `busy`; `type_refused` or `too_large` when the content was rejected, now or
 * at an earlier call
 */
export async function completeMedia(
  needs: Needs,
  user: UserId,
  mediaId: MediaId,
  fileName: string | undefined,
): Promise<Ready> {
  const media = await look(needs, mediaId)
  requireOwner(media, user)
  return needs.completions(mediaId, () => finish(needs, media, fileName))
}

async function look({ catalog, clock }: Needs, mediaId: MediaId): Promise<Living> {
  return requireLiving(await catalog.find(mediaId, 'unfinished'), clock.now())
}

async function finish(needs: Needs, found: Living, fileName: string | undefined): Promise<Ready> {
  for (let round = 1; round <= mostRounds; round += 1) {
    const media = round === 1 ? found : await look(needs, found.mediaId)
    if (media.state === 'ready') return media
    if (media.state === 'rejected') throw rejection(media)
    if (media.state === 'pending') refuse('no_bytes_yet', 'Nothing has been uploaded for this media id yet')
    try {
      return await judge(needs, media, fileName)
    } catch (error) {
      // A PUT came between the look at the bytes and the publication: look again, at the new ones.
      if (!(error instanceof UploadReplaced)) throw error
    }
  }
  return refuse('busy', 'The content is being replaced all the time; please complete it when all uploads have ended', {
    retryAfterMs: 1000,
  })
}

/** The order is part of the design (§4): size, digest, content type, picture bounds, scanner, publish. */
async function judge(needs: Needs, uploaded: Uploaded, fileName: string | undefined): Promise<Ready> {
  const { config, clock, catalog, store, arrivals } = needs
  const { object, contentType: declared } = uploaded

  const head = await readWhole(needs, uploaded)
  if (object.size > config.limits.maxUploadBytes) {
    return reject(
      needs,
      uploaded,
      'too_large',
      `The content has ${object.size} bytes; the limit is ${config.limits.maxUploadBytes}`,
    )
  }

  const policy = config.contentTypes
  const facts = await inspectMedia(needs, object, head, { picturesOnly: !mindsDetection({ declared, policy }) })
  failPoint('complete: inspected')
  const judgement = judgeContentType({ declared, detected: facts.detected, policy })
  if (judgement.verdict === 'reject') return reject(needs, uploaded, 'type_refused', judgement.reason)

  const { staged, thumbnails } =
    facts.picture === undefined ? noThumbnails : await prepareThumbnails(needs, object, facts.header)
  failPoint('complete: staged')
  const ready = await store.keep(staged, alongside =>
    catalog.publish(
      {
        inspected: uploaded,
        contentType: judgement.contentType,
        fileName,
        picture: facts.picture,
        thumbnails,
        at: clock.now(),
      },
      alongside,
    ),
  )
  failPoint('complete: after commit')
  arrivals.announce(ready.mediaId)
  return ready
}

async function reject(
  { catalog, clock, arrivals }: Needs,
  uploaded: Uploaded,
  code: 'type_refused' | 'too_large',
  reason: string,
): Promise<never> {
  const rejected = await catalog.reject(uploaded, { code, reason }, clock.now())
  failPoint('reject: after commit')
  arrivals.announce(rejected.mediaId)
  throw rejection(rejected)
}

/**
 * The digest was taken while the bytes were written; here it remains to see that the store still has them all.
 * @returns the first of them
 */
async function readWhole({ store, log }: Needs, { mediaId, object }: Uploaded): Promise<Buffer> {
  const stored = await store.head(object.key, headReach)
  if (stored?.size === object.size) return stored.bytes
  log.error(
    { mediaId, key: object.key, expected: object.size, found: stored?.size },
    'uploaded object is missing or damaged',
  )
  return refuse('storage_failed', 'The uploaded content can not be read back; please upload it again', {
    retryAfterMs: 0,
  })
}
