/**
 * Receive: bytes become durable, then a row points at them. Every way of uploading ends here.
 */
import type { Hold } from '../catalog/media-catalog.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { MediaId } from '../domain/identifiers.ts'
import { type Pending, requireReceptive, type Uploaded } from '../domain/media.ts'
import { smallObjectLimit } from '../storage/small-objects.ts'
import type { Room } from './free-space.ts'
import { holdingRoom, type UploadTarget } from './hold-room.ts'
import type { IncomingBody } from './incoming-body.ts'
import type { Sluice } from './sluice.ts'

type Needs = Pick<Sluice, 'config' | 'clock' | 'log' | 'catalog' | 'store' | 'attempts' | 'quotaOf' | 'freeSpace'>

/**
 * Refuses what can be refused before the body is read. The same is looked at again in the transaction that records the upload.
 * @throws MediaError `not_found`, `already_uploaded`
 */
export async function expectObject(
  { clock, catalog }: Pick<Sluice, 'clock' | 'catalog'>,
  mediaId: MediaId,
): Promise<Pending | Uploaded> {
  return requireReceptive(await catalog.find(mediaId, 'unfinished'), clock.now())
}

/**
 * @throws MediaError `out_of_space`, `quota_exceeded`, `user_limit_exceeded` before the body is read; `too_large`, `body_too_short`,
 * `superseded`, `not_found`, `already_uploaded`, `out_of_space`; after any of these nothing is left of the body, and what was uploaded
 * before is untouched
 */
export async function receiveObject(needs: Needs, target: UploadTarget, body: IncomingBody): Promise<Uploaded> {
  // Both before the attempt begins: one that is refused must not end another that was not.
  const room = await needs.freeSpace.reserve(body, needs.config.limits.minFreeBytes)
  try {
    return await holdingRoom(needs, target, body, (fitting, hold) =>
      receive(needs, target.mediaId, fitting, { hold, room }),
    )
  } finally {
    room.release()
  }
}

async function receive(
  needs: Needs,
  mediaId: MediaId,
  body: IncomingBody,
  { hold, room }: { readonly hold: Hold | undefined; readonly room: Room },
): Promise<Uploaded> {
  const { clock, catalog, store } = needs
  const attempt = needs.attempts.begin(mediaId)
  try {
    const { maxBytes, declaredBytes } = body
    const { signal } = attempt
    const limits = { maxBytes, declaredBytes, signal, ownsChunks: true, onWritten: room.written }
    const staged = await store.stage(body.arrived(smallObjectLimit) ?? body.stream(), limits)
    // From here on a vanished client changes nothing: the bytes are whole, and the commit is not cancelled.
    attempt.received()
    const uploaded = await store.keep([staged], alongside =>
      catalog.recordUpload(
        {
          mediaId,
          object: staged.object,
          contentType: declaredType(body.contentType),
          at: clock.now(),
          began: attempt.began,
          hold,
        },
        alongside,
      ),
    )
    failPoint('receive: after commit')
    return uploaded
  } finally {
    attempt.received()
  }
}

/** Fact sheet §6.2.5: trimmed; empty or missing means `application/octet-stream`; anything else is kept verbatim. */
function declaredType(header: string | undefined): string {
  return header?.trim() || 'application/octet-stream'
}
