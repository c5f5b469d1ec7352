/** `GET|HEAD /_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}` (fact sheet §6.7, §11). */
import { findOurs } from '../../services/find-ours.ts'
import { readMedia } from '../../services/read-media.ts'
import type { Sluice } from '../../services/sluice.ts'
import type { Context, Step } from '../context.ts'
import type { Elsewhere } from '../elsewhere.ts'
import { mediaIdOf, serverNameOf, thumbnailSpecOf } from '../parameters.ts'
import { patienceOf } from '../patience.ts'
import { sendThumbnail } from '../send-media.ts'
import type { Sends } from '../send-object.ts'

export function thumbnail(sluice: Sluice & Sends, elsewhere: Elsewhere): Step {
  return async function thumbnail(ctx: Context) {
    const serverName = serverNameOf(ctx)
    const mediaId = mediaIdOf(ctx)
    const seen = await findOurs(sluice, serverName, mediaId)
    if (seen === undefined) return elsewhere(ctx)
    const spec = thumbnailSpecOf(ctx)
    const ready = await readMedia(sluice, mediaId, { ...patienceOf(ctx, sluice.config), seen })
    const mayRedirect = sluice.config.downloads.redirect
    await sendThumbnail(ctx, sluice, ready, { spec, mayRedirect, caching: { kind: 'private' } })
  }
}
