/** `GET|HEAD /media-repo/download/{mediaId}[/{fileName}]?signed=…` on the edge: public and cacheable until the grant ends. */
import { readMedia } from '../../services/read-media.ts'
import type { Sluice } from '../../services/sluice.ts'
import type { VerifyGrant } from '../../tokens/grant.ts'
import type { Step } from '../context.ts'
import { originalHeaders } from '../describe-media.ts'
import { mediaIdOf, pathFileNameOf } from '../parameters.ts'
import { impatient } from '../patience.ts'
import type { Sends } from '../send-object.ts'
import { signedOf } from '../signed-query.ts'

type Needs = Pick<Sluice, 'config' | 'clock' | 'catalog' | 'arrivals' | 'store'> &
  Sends & { readonly verify: VerifyGrant }

export function getObject(sluice: Needs): Step {
  return async function getObject(ctx) {
    const mediaId = mediaIdOf(ctx)
    const grant = await sluice.verify(signedOf(ctx), { purpose: 'download', mediaId })
    // Looked up again, however good the signature: what was deleted or hidden since must not be served.
    const ready = await readMedia(sluice, mediaId, impatient)
    ctx.set(
      originalHeaders(ready, pathFileNameOf(ctx), { kind: 'public', lifetimeMs: grant.expiresAt - sluice.clock.now() }),
    )
    await sluice.sendObject(ctx, ready.object)
  }
}
