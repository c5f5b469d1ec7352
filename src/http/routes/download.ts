/** `GET|HEAD /_matrix/client/v1/media/download/{serverName}/{mediaId}[/{fileName}]` (fact sheet §6.6, §7). */
import { findOurs } from '../../services/find-ours.ts'
import { readMedia } from '../../services/read-media.ts'
import type { Sluice } from '../../services/sluice.ts'
import type { Context, Step } from '../context.ts'
import type { Elsewhere } from '../elsewhere.ts'
import { mediaIdOf, pathFileNameOf, serverNameOf } from '../parameters.ts'
import { patienceOf } from '../patience.ts'
import { sendOriginal } from '../send-media.ts'
import type { Sends } from '../send-object.ts'

export function download(sluice: Sluice & Sends, elsewhere: Elsewhere): Step {
  return async function download(ctx: Context) {
    const serverName = serverNameOf(ctx)
    const mediaId = mediaIdOf(ctx)
    const seen = await findOurs(sluice, serverName, mediaId)
    if (seen === undefined) return elsewhere(ctx)
    const ready = await readMedia(sluice, mediaId, { ...patienceOf(ctx, sluice.config), seen })
    const fileName = pathFileNameOf(ctx)
    const mayRedirect = sluice.config.downloads.redirect
    await sendOriginal(ctx, sluice, ready, { fileName, mayRedirect, caching: { kind: 'private' } })
  }
}
