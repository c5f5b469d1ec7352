/**
 * Create: reserves a media id and says where its bytes go. No byte is involved.
 */
import { failPoint } from '../domain/fail-point.ts'
import type { UserId } from '../domain/identifiers.ts'
import { newMediaId } from '../domain/identifiers.ts'
import type { Pending } from '../domain/media.ts'
import type { Sluice } from './sluice.ts'

type Needs = Pick<
  Sluice,
  'config' | 'clock' | 'random' | 'catalog' | 'sign' | 'createRate' | 'isExempt' | 'quotaOf' | 'freeSpace' | 'edgeUrl'
>

/** For ids that are not held by a client. */
export const unlimited = Number.POSITIVE_INFINITY

export interface Reserved {
  readonly media: Pending
  /** undefined when upload URLs are switched off: the client falls back to PUT /upload/{serverName}/{mediaId}. */
  readonly uploadUrl: string | undefined
}

/**
 * @throws MediaError `limit_exceeded` for too many creates, or too many pending ids; `quota_exceeded`, `user_limit_exceeded` when
 * nothing is left for what would be uploaded; `out_of_space`
 */
export async function createMedia(needs: Needs, owner: UserId): Promise<Reserved> {
  needs.createRate(owner)
  await needs.freeSpace.requireSome(needs.config.limits.minFreeBytes)
  const media = await reserveMedia(
    needs,
    owner,
    needs.isExempt(owner) ? unlimited : needs.config.limits.maxPendingPerUser,
  )
  failPoint('create: after commit')
  return { media, uploadUrl: needs.config.edge.offerUploadUrl ? await uploadUrl(needs, media) : undefined }
}

/** Reserves a media id. @param maxPendingPerUser counted in the transaction that inserts the row */
export async function reserveMedia(
  { config, clock, random, catalog, quotaOf }: Pick<Sluice, 'config' | 'clock' | 'random' | 'catalog' | 'quotaOf'>,
  owner: UserId,
  maxPendingPerUser: number,
): Promise<Pending> {
  const createdAt = clock.now()
  // Whole seconds, rounded up: the URL must work until the very moment that `unused_expires_at` names, and a JWT counts in seconds.
  const unusedExpiresAt = Math.ceil((createdAt + config.limits.unusedTtl) / 1000) * 1000
  const frozen = config.downloads.legacy !== 'open'
  return catalog.reserve(
    { mediaId: newMediaId(random, createdAt), owner, createdAt, frozen, unusedExpiresAt },
    { maxPendingPerUser, quota: quotaOf(owner) },
  )
}

async function uploadUrl({ config, sign, edgeUrl }: Needs, { mediaId, unusedExpiresAt }: Pending): Promise<string> {
  const maxBytes = config.limits.maxUploadBytes
  const token = await sign({ purpose: 'upload', mediaId, maxBytes, expiresAt: unusedExpiresAt })
  return `${edgeUrl}/media-repo/upload/${mediaId}?signed=${token}`
}
