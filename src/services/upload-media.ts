/**
 * The classic ways of uploading, in terms of the same three steps: reserve, receive, complete.
 */
import type { MediaId, UserId } from '../domain/identifiers.ts'
import { type Ready, requireOwner, requireReceptive } from '../domain/media.ts'
import { completeMedia } from './complete-media.ts'
import { reserveMedia } from './create-media.ts'
import type { IncomingBody } from './incoming-body.ts'
import { receiveObject } from './receive-object.ts'
import type { Sluice } from './sluice.ts'

/**
 * `POST /upload`. A failure leaves no reservation behind: the client never learned its id.
 * @throws MediaError as receiving and completing do, and `limit_exceeded`
 */
export async function uploadMedia(
  needs: Sluice,
  owner: UserId,
  body: IncomingBody,
  fileName: string | undefined,
): Promise<Ready> {
  needs.createRate(owner)
  await needs.freeSpace.requireSome(needs.config.limits.minFreeBytes)
  // This id is pending for as long as the request lasts, so it is not counted against the pending ids a user may hold.
  const { mediaId } = await reserveMedia(needs, owner)
  try {
    await receiveObject(needs, { mediaId, owner }, body)
    return await completeMedia(needs, owner, mediaId, fileName)
  } catch (error) {
    // The reservation ends by itself one day: no reason to hide what really happened.
    await needs.catalog
      .abandon(mediaId)
      .catch(cause => needs.log.warn({ mediaId, err: cause }, 'an upload that failed left its reservation'))
    throw error
  }
}

/**
 * What `PUT /upload/{serverName}/{mediaId}` can be refused for before its body is read (fact sheet §6.4: owner before content).
 * @throws MediaError `not_found`, `not_owner`, `already_uploaded`
 */
export async function expectUpload(
  { clock, catalog }: Pick<Sluice, 'clock' | 'catalog'>,
  user: UserId,
  mediaId: MediaId,
): Promise<void> {
  const media = await catalog.find(mediaId, 'unfinished')
  // A deleted one is nobody's any more, and answers like one that never was.
  if (media !== undefined && media.state !== 'deleted') requireOwner(media, user)
  requireReceptive(media, clock.now())
}

/** `PUT /upload/{serverName}/{mediaId}`. @throws MediaError as receiving and completing do */
export async function uploadReserved(
  needs: Sluice,
  owner: UserId,
  mediaId: MediaId,
  body: IncomingBody,
  fileName: string | undefined,
): Promise<Ready> {
  await receiveObject(needs, { mediaId, owner }, body)
  return completeMedia(needs, owner, mediaId, fileName)
}
