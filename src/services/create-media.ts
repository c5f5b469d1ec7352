/**
 * Create: reserves a media id and says where its bytes go. No byte is involved.
 */
import type { Reservation } from '../catalog/media-catalog.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { UserId } from '../domain/identifiers.ts'
import { newMediaId } from '../domain/identifiers.ts'
import type { Pending } from '../domain/media.ts'
import type { Sluice } from './sluice.ts'

type Needs = Pick<
  Sluice,
  'config' | 'clock' | 'random' | 'catalog' | 'sign' | 'createRate' | 'isExempt' | 'quotaOf' | 'freeSpace' | 'edgeUrl'
>

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
  const reservation = newReservation(needs, owner)
  const maxPendingPerUser = needs.isExempt(owner) ? Number.POSITIVE_INFINITY : needs.config.limits.maxPendingPerUser
  // The signature is made while the row is being committed; nobody gets to see it before.
  const [media, url] = await Promise.all([
    needs.catalog.reserve(reservation, { maxPendingPerUser, quota: needs.quotaOf(owner) }),
    needs.config.edge.offerUploadUrl ? uploadUrl(needs, reservation) : undefined,
  ])
  failPoint('create: after commit')
  return { media, uploadUrl: url }
}

/** Reserves a media id that no client holds. */
export async function reserveMedia(
  needs: Pick<Sluice, 'config' | 'clock' | 'random' | 'catalog' | 'quotaOf'>,
  owner: UserId,
): Promise<Pending> {
  return needs.catalog.reserve(newReservation(needs, owner), {
    maxPendingPerUser: Number.POSITIVE_INFINITY,
    quota: needs.quotaOf(owner),
  })
}

function newReservation(
  { config, clock, random }: Pick<Sluice, 'config' | 'clock' | 'random'>,
  owner: UserId,
): Reservation {
  const createdAt = clock.now()
  // Whole seconds, rounded up: the URL must work until the very moment that `unused_expires_at` names, and a JWT counts in seconds.
  const unusedExpiresAt = Math.ceil((createdAt + config.limits.unusedTtl) / 1000) * 1000
  const frozen = config.downloads.legacy !== 'open'
  return { mediaId: newMediaId(random, createdAt), owner, createdAt, frozen, unusedExpiresAt }
}

async function uploadUrl({ config, sign, edgeUrl }: Needs, { mediaId, unusedExpiresAt }: Reservation): Promise<string> {
  const maxBytes = config.limits.maxUploadBytes
  const token = await sign({ purpose: 'upload', mediaId, maxBytes, expiresAt: unusedExpiresAt })
  return `${edgeUrl}/media-repo/upload/${mediaId}?signed=${token}`
}
