/**
 * The thumbnails that are published together with a picture. Whatever goes wrong here, the upload does not fail: the picture is
 * published without them, and a reader who asks for one later is told why there is none.
 */
import { failPoint } from '../domain/fail-point.ts'
import type { ObjectInfo } from '../domain/objects.ts'
import { standardThumbnails } from '../domain/thumbnails.ts'
import type { PictureHeader } from './picture-decoder.ts'
import type { Sluice } from './sluice.ts'
import { type PreparedThumbnails, stageThumbnails } from './stage-thumbnails.ts'

type Needs = Pick<Sluice, 'log' | 'catalog' | 'store' | 'render' | 'renderFailures'>

export const noThumbnails: PreparedThumbnails = { staged: [], thumbnails: [] }

/**
 * The standard ones that these bytes do not have yet; equal bytes may have been published before. Never rejects.
 * @param header of the picture, if it was read already
 */
export async function prepareThumbnails(
  needs: Needs,
  object: ObjectInfo,
  header: PictureHeader | undefined,
): Promise<PreparedThumbnails> {
  try {
    const existing = await needs.catalog.thumbnailsOf(object.key)
    if (existing.length > 0) return noThumbnails
    return await prepare(needs, object, header)
  } catch (error) {
    needs.log.warn({ event: 'thumbnails', key: object.key, err: error }, 'published without thumbnails')
    return noThumbnails
  }
}

async function prepare(
  needs: Needs,
  object: ObjectInfo,
  header: PictureHeader | undefined,
): Promise<PreparedThumbnails> {
  const staging = stageThumbnails(needs.store)
  const rendering = await needs.render(object, standardThumbnails, { header, onDrawn: staging.begin })
  if (rendering.outcome === 'failed') {
    await staging.abandon()
    needs.renderFailures.remember(object.key, rendering.reason)
    const { reason, detail } = rendering
    needs.log.info({ event: 'thumbnails', key: object.key, reason, detail }, 'published without thumbnails')
    return noThumbnails
  }
  failPoint('complete: rendered')
  return staging.finish(rendering.thumbnails)
}
