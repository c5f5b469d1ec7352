/** `GET|HEAD /media-repo/thumbnail/{mediaId}/{width}x{height}-{method}?signed=…` on the edge. */
import { refuse } from '../../domain/errors.ts'
import { readMedia } from '../../services/read-media.ts'
import { readThumbnail } from '../../services/read-thumbnail.ts'
import type { Sluice } from '../../services/sluice.ts'
import type { VerifyGrant } from '../../tokens/grant.ts'
import type { Step } from '../context.ts'
import { thumbnailHeaders } from '../describe-media.ts'
import { mediaIdOf } from '../parameters.ts'
import { impatient } from '../patience.ts'
import type { Sends } from '../send-object.ts'
import { signedOf } from '../signed-query.ts'

type Needs = Pick<
  Sluice,
  'config' | 'clock' | 'catalog' | 'arrivals' | 'store' | 'render' | 'renderings' | 'renderFailures'
> &
  Sends & { readonly verify: VerifyGrant }

export function getThumbnailObject(sluice: Needs): Step {
  return async function getThumbnailObject(ctx) {
    const mediaId = mediaIdOf(ctx)
    const grant = await sluice.verify(signedOf(ctx), { purpose: 'thumbnail', mediaId })
    const { width, height, method } = grant.spec
    if (ctx.params.variant !== `${width}x${height}-${method}`)
      refuse('grant_refused', 'This URL was signed for another thumbnail')
    const ready = await readMedia(sluice, mediaId, impatient)
    const found = await readThumbnail(sluice, ready, grant.spec)
    ctx.set(thumbnailHeaders(found, { kind: 'public', lifetimeMs: grant.expiresAt - sluice.clock.now() }))
    await sluice.sendObject(ctx, found.object)
  }
}
