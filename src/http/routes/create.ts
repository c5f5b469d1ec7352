/** `POST /_matrix/media/v1/create` (fact sheet §6.1). */
import { contentUri, type UserId } from '../../domain/identifiers.ts'
import { createMedia } from '../../services/create-media.ts'
import type { Sluice } from '../../services/sluice.ts'
import { principalOf } from '../access-token.ts'
import type { Step, Success } from '../context.ts'
import { acceptJsonObject } from '../json-body.ts'
import type { BodyExchange } from '../request-body.ts'

export function create(sluice: Sluice): Step {
  return async function create(ctx) {
    const { body } = await answerCreate(sluice, principalOf(ctx).userId, ctx)
    ctx.body = body
  }
}

export async function answerCreate(sluice: Sluice, owner: UserId, exchange: BodyExchange): Promise<Success> {
  await acceptJsonObject(exchange)
  const { media, uploadUrl } = await createMedia(sluice, owner)
  const body = {
    content_uri: contentUri(sluice.config.serverName, media.mediaId),
    unused_expires_at: media.unusedExpiresAt,
    ...(uploadUrl !== undefined && uploadUrlKeys(uploadUrl)),
  }
  return { body }
}

/** The proposal, what its text literally says, and what clients really read (fact sheet §17.2): all with the same value. */
function uploadUrlKeys(url: string): Record<string, string> {
  return {
    upload_url: url,
    upload_method: 'PUT',
    'com.beeper.msc3870.upload_url': url,
    'com.beeper.msc3870.upload_method': 'PUT',
    'com.beeper.msc3880.upload_url': url,
  }
}
