/** The end of every download: a redirect to the edge, or the bytes. */
import type { Ready } from '../domain/media.ts'
import type { ThumbnailSpec } from '../domain/thumbnails.ts'
import { readThumbnail } from '../services/read-thumbnail.ts'
import { signedDownload, signedThumbnail } from '../services/sign-download.ts'
import type { Sluice } from '../services/sluice.ts'
import type { Context } from './context.ts'
import { originalHeaders, thumbnailHeaders } from './describe-media.ts'
import type { Caching } from './media-headers.ts'
import { redirect } from './redirect.ts'
import type { Sends } from './send-object.ts'

export interface Delivery {
  /** Only where the caller must expect it (fact sheet §10). */
  readonly mayRedirect: boolean
  readonly caching: Caching
}

/** @param fileName from the path; it replaces the stored one */
export async function sendOriginal(
  ctx: Context,
  sluice: Sluice & Sends,
  ready: Ready,
  { fileName, mayRedirect, caching }: Delivery & { readonly fileName: string | undefined },
): Promise<void> {
  if (mayRedirect) return redirect(ctx, await signedDownload(sluice, ready.mediaId, fileName))
  ctx.set(originalHeaders(ready, fileName, caching))
  await sluice.sendObject(ctx, ready.object)
}

/** @throws MediaError `cannot_thumbnail`, `too_large`: before any redirect, so that its target is never an error */
export async function sendThumbnail(
  ctx: Context,
  sluice: Sluice & Sends,
  ready: Ready,
  { spec, mayRedirect, caching }: Delivery & { readonly spec: ThumbnailSpec },
): Promise<void> {
  const found = await readThumbnail(sluice, ready, spec)
  if (mayRedirect) return redirect(ctx, await signedThumbnail(sluice, ready.mediaId, found.spec))
  ctx.set(thumbnailHeaders(found, caching))
  await sluice.sendObject(ctx, found.object)
}
