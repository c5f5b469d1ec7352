/**
 * Read a thumbnail: one that was published with the picture, one that somebody asked for before, or one made now.
 */
import type { StoredThumbnail } from '../catalog/media-catalog.ts'
import { refuse } from '../domain/errors.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { Ready } from '../domain/media.ts'
import { canonicalType } from '../domain/media-formats.ts'
import { essenceOf } from '../domain/media-type.ts'
import type { ObjectInfo } from '../domain/objects.ts'
import { answerThumbnail, type ThumbnailSpec } from '../domain/thumbnails.ts'
import type { RenderFailure } from './render-thumbnails.ts'
import type { Sluice } from './sluice.ts'
import { stageThumbnails } from './stage-thumbnails.ts'

type Needs = Pick<Sluice, 'catalog' | 'store' | 'render' | 'renderings' | 'renderFailures'>

export interface FoundThumbnail {
  readonly object: ObjectInfo
  readonly contentType: string
  /** Asking for this gives the same answer again. The same for all requests that are answered with the same bytes. */
  readonly spec: ThumbnailSpec
}

/**
 * A picture that is no larger than what was asked for, and nothing but a picture, is its own thumbnail (fact sheet §11).
 * @throws MediaError `cannot_thumbnail`, `too_large`, `storage_failed`, `busy`
 */
export async function readThumbnail(needs: Needs, ready: Ready, asked: ThumbnailSpec): Promise<FoundThumbnail> {
  const { object, contentType, picture } = ready
  if (picture === undefined) refuse('cannot_thumbnail', 'This content is no picture that thumbnails can be made of')
  const essence = essenceOf(contentType)
  const answer = answerThumbnail(picture, essence, asked)
  if (answer.kind === 'original') {
    const { width, height } = picture
    // Under its first name: the specification has five types for thumbnails, and `image/jpg` is none of them.
    return { object, contentType: canonicalType(essence), spec: { width, height, method: 'scale' } }
  }
  const { spec } = answer
  const existing = (await needs.catalog.thumbnailsOf(object.key)).find(thumbnail => isSame(thumbnail.spec, spec))
  if (existing !== undefined) return existing
  const flight = `${object.key} ${spec.method} ${spec.width}x${spec.height}`
  return needs.renderings(flight, () => makeThumbnail(needs, object, spec))
}

async function makeThumbnail(needs: Needs, object: ObjectInfo, spec: ThumbnailSpec): Promise<StoredThumbnail> {
  const known = needs.renderFailures.recall(object.key)
  if (known !== undefined) refuseFor(known)
  const rendering = await needs.render(object, [spec], { evenAtOriginalSize: true })
  if (rendering.outcome === 'failed') {
    needs.renderFailures.remember(object.key, rendering.reason)
    refuseFor(rendering.reason)
  }
  failPoint('thumbnail: rendered')
  const { staged, thumbnails } = await stageThumbnails(needs.store).finish(rendering.thumbnails)
  failPoint('thumbnail: staged')
  const [thumbnail] = thumbnails
  if (thumbnail === undefined) refuseFor('timeout')
  await needs.store.keep(staged, alongside => needs.catalog.addThumbnail(object.key, thumbnail, alongside))
  failPoint('thumbnail: after commit')
  return thumbnail
}

/** A bad picture is the picture's fault, so never a 5xx; a store that failed is ours. */
function refuseFor(reason: RenderFailure): never {
  if (reason === 'too_large') refuse('too_large', 'This picture has too many pixels to make thumbnails of')
  if (reason === 'busy') refuse('busy', 'Too many pictures are waiting to be drawn', { retryAfterMs: 5000 })
  if (reason === 'unreadable') {
    refuse('storage_failed', 'The picture can not be read at the moment', { retryAfterMs: 5000 })
  }
  refuse('cannot_thumbnail', 'No thumbnail can be made of this content')
}

function isSame(a: ThumbnailSpec, b: ThumbnailSpec): boolean {
  return a.width === b.width && a.height === b.height && a.method === b.method
}
