/**
 * The thumbnails that are published together with a picture. Whatever goes wrong here, the upload does not fail: the picture is
 * published without them, and a reader who asks for one later is told why there is none.
 */
import type { StoredThumbnail } from '../catalog/media-catalog.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { ObjectInfo } from '../domain/objects.ts'
import { standardThumbnails, type ThumbnailSpec } from '../domain/thumbnails.ts'
import type { StagedObject } from '../storage/object-store.ts'
import type { RenderedThumbnail } from './render-thumbnails.ts'
import type { Sluice } from './sluice.ts'

type Needs = Pick<Sluice, 'log' | 'catalog' | 'store' | 'render' | 'renderFailures'>

export interface PreparedThumbnails {
  /** To be kept in the transaction that publishes. */
  readonly staged: readonly StagedObject[]
  readonly thumbnails: readonly StoredThumbnail[]
}

export const noThumbnails: PreparedThumbnails = { staged: [], thumbnails: [] }

/** The standard ones that these bytes do not have yet; equal bytes may have been published before. Never rejects. */
export async function prepareThumbnails(needs: Needs, object: ObjectInfo): Promise<PreparedThumbnails> {
  try {
    const existing = await needs.catalog.thumbnailsOf(object.key)
    if (existing.length > 0) return noThumbnails
    return await prepare(needs, object, standardThumbnails)
  } catch (error) {
    needs.log.warn({ event: 'thumbnails', key: object.key, err: error }, 'published without thumbnails')
    return noThumbnails
  }
}

async function prepare(needs: Needs, object: ObjectInfo, specs: readonly ThumbnailSpec[]): Promise<PreparedThumbnails> {
  const rendering = await needs.render(object, specs)
  if (rendering.outcome === 'failed') {
    needs.renderFailures.remember(object.key, rendering.reason)
    const { reason, detail } = rendering
    needs.log.info({ event: 'thumbnails', key: object.key, reason, detail }, 'published without thumbnails')
    return noThumbnails
  }
  failPoint('complete: rendered')
  return stageThumbnails(needs, rendering.thumbnails)
}

/** @throws MediaError of the store; what was staged before is discarded then */
export async function stageThumbnails(
  { store }: Pick<Sluice, 'store'>,
  rendered: readonly RenderedThumbnail[],
): Promise<PreparedThumbnails> {
  // All at once: each of the larger ones waits for the disk.
  const outcomes = await Promise.allSettled(rendered.map(({ bytes }) => store.stage(bytes, { maxBytes: bytes.length })))
  const staged = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failure = outcomes.find(outcome => outcome.status === 'rejected')
  if (failure !== undefined) {
    await store.discard(staged)
    throw failure.reason
  }
  const thumbnails = rendered.flatMap(({ spec, actual, contentType }, index) => {
    const object = staged[index]?.object
    return object === undefined ? [] : [{ spec, actual, contentType, object }]
  })
  return { staged, thumbnails }
}
