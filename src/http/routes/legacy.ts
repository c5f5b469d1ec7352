/**
 * `GET|HEAD /_matrix/media/v3/{download,thumbnail}/…`: without a token, for media from before the freeze (fact sheet §6.6, §8, §10).
 * A token changes nothing here. What is not ours is the homeserver's to freeze.
 */
import { refuse } from '../../domain/errors.ts'
import type { Ready } from '../../domain/media.ts'
import { findOurs } from '../../services/find-ours.ts'
import { readMedia } from '../../services/read-media.ts'
import type { Sluice } from '../../services/sluice.ts'
import type { Context, Step } from '../context.ts'
import type { Elsewhere } from '../elsewhere.ts'
import { flagOf, mediaIdOf, pathFileNameOf, serverNameOf, thumbnailSpecOf } from '../parameters.ts'
import { patienceOf } from '../patience.ts'
import { type Delivery, sendOriginal, sendThumbnail } from '../send-media.ts'
import type { Sends } from '../send-object.ts'

export function legacyDownload(sluice: Sluice & Sends, elsewhere: Elsewhere): Step {
  return async function legacyDownload(ctx: Context) {
    const serverName = serverNameOf(ctx)
    const mediaId = mediaIdOf(ctx)
    const seen = await findOurs(sluice, serverName, mediaId)
    if (seen === undefined) return elsewhere(ctx)
    const delivery = legacyDelivery(ctx, sluice)
    const ready = thawed(sluice, await readMedia(sluice, mediaId, { ...patienceOf(ctx, sluice.config), seen }))
    await sendOriginal(ctx, sluice, ready, { ...delivery, fileName: pathFileNameOf(ctx) })
  }
}

export function legacyThumbnail(sluice: Sluice & Sends, elsewhere: Elsewhere): Step {
  return async function legacyThumbnail(ctx: Context) {
    const serverName = serverNameOf(ctx)
    const mediaId = mediaIdOf(ctx)
    const seen = await findOurs(sluice, serverName, mediaId)
    if (seen === undefined) return elsewhere(ctx)
    const spec = thumbnailSpecOf(ctx)
    const delivery = legacyDelivery(ctx, sluice)
    const ready = thawed(sluice, await readMedia(sluice, mediaId, { ...patienceOf(ctx, sluice.config), seen }))
    await sendThumbnail(ctx, sluice, ready, { ...delivery, spec })
  }
}

/** Unauthenticated, so anybody on the way may keep it; for a day, because the freeze may come. */
const dayMs = 86_400_000

/** "Only if `allow_redirect=true` was given; otherwise bytes MUST be served" (fact sheet §10). */
function legacyDelivery(ctx: Context, { config }: Sluice): Delivery {
  // Of no consequence for what is ours; but nonsense is refused as the homeserver would refuse it (fact sheet §6.6).
  flagOf(ctx, 'allow_remote')
  const mayRedirect = flagOf(ctx, 'allow_redirect', 'com.beeper.msc3860.allow_redirect') && config.downloads.redirect
  return { mayRedirect, caching: { kind: 'public', lifetimeMs: dayMs } }
}

/** After the wait for pending media, not before it: Complement wants the 504 first (fact sheet §8). @throws MediaError `not_found` */
function thawed({ config }: Sluice, ready: Ready): Ready {
  if (ready.frozen || config.downloads.legacy === 'off') refuse('not_found', 'There is no media with this id')
  return ready
}
