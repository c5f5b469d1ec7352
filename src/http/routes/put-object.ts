/** `PUT /media-repo/upload/{mediaId}?signed=…` on the edge (fact sheet §6.2): all authority is in the URL. */
import { etagOf } from '../../domain/objects.ts'
import { expectObject, receiveObject } from '../../services/receive-object.ts'
import type { Sluice } from '../../services/sluice.ts'
import type { VerifyGrant } from '../../tokens/grant.ts'
import type { Asked, Step, Success } from '../context.ts'
import { mediaIdOf } from '../parameters.ts'
import { type BodyExchange, openBody } from '../request-body.ts'
import { signedOf } from '../signed-query.ts'

export const putPath = '/media-repo/upload/:mediaId'

type Needs = Pick<Sluice, 'config' | 'clock' | 'log' | 'catalog' | 'store' | 'attempts' | 'quotaOf' | 'freeSpace'> & {
  readonly verify: VerifyGrant
}

export function putObject(sluice: Needs): Step {
  return async function putObject(ctx) {
    const { headers, body } = await answerPut(sluice, ctx, ctx)
    ctx.set(headers)
    ctx.body = body
  }
}

export async function answerPut(sluice: Needs, asked: Asked, exchange: BodyExchange): Promise<Required<Success>> {
  const mediaId = mediaIdOf(asked)
  const grant = await sluice.verify(signedOf(asked), { purpose: 'upload', mediaId })
  const target = await expectObject(sluice, mediaId)
  const uploaded = await receiveObject(sluice, target, openBody(exchange, { maxBytes: grant.maxBytes }))
  return { headers: { ETag: etagOf(uploaded.object.key) }, body: {} }
}
