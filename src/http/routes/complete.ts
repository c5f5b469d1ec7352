/** `POST …/upload/{serverName}/{mediaId}/complete` (MSC3870; fact sheet §6.3). The body is ignored. */
import { contentUri, type UserId } from '../../domain/identifiers.ts'
import { completeMedia } from '../../services/complete-media.ts'
import type { Sluice } from '../../services/sluice.ts'
import { principalOf } from '../access-token.ts'
import type { Asked, Step, Success } from '../context.ts'
import { fileNameOf, mediaIdOf, requireLocal, serverNameOf } from '../parameters.ts'

export function complete(sluice: Sluice): Step {
  return async function complete(ctx) {
    const { body } = await answerComplete(sluice, principalOf(ctx).userId, ctx)
    ctx.body = body
  }
}

export async function answerComplete(sluice: Sluice, user: UserId, asked: Asked): Promise<Success> {
  requireLocal(sluice.config, serverNameOf(asked))
  const ready = await completeMedia(sluice, user, mediaIdOf(asked), fileNameOf(asked))
  return { body: { content_uri: contentUri(sluice.config.serverName, ready.mediaId) } }
}
