/**
 * Room in a user's quota for uploads under way, kept in the row of the media id: two uploads at once can not both take the last of it,
 * in whichever process they arrive, and an id that expires or is deleted gives its room back by going.
 */
import type { Database } from '../database/database.ts'
import type { MediaId } from '../domain/identifiers.ts'
import { type Media, requireReceptive } from '../domain/media.ts'
import type { Member } from '../domain/member.ts'
import { bytesLeft, requireRoom, smallestUpload, type Tally } from '../domain/quota.ts'
import type { Hold, MediaCatalog } from './media-catalog.ts'
import type { UsageBooks } from './usage-books.ts'

/** Whose holds nobody will end any more when this one starts, as patterns of SQLite's GLOB. */
function leftBefore(holder: Member): readonly string[] {
  if (holder === 'both') return ['*']
  // Those of "both" too: no such process can run beside this one.
  if (holder === 'edge') return ['edge:*', 'edge.*', 'both:*']
  return holder === 'api' ? ['api:*', 'both:*'] : [`${holder}:*`]
}

export interface Holds extends Pick<MediaCatalog, 'hold' | 'release' | 'dropLeftHolds'> {
  /**
   * For the transaction that records `bytes` for this id. Usually they are what was held; they are not when a newer upload took the
   * hold over with less, and failed.
   * @throws MediaError `quota_exceeded`, `user_limit_exceeded`
   */
  requireCovered(hold: Hold, bytes: number, at: number): void
}

export function makeHolds(needs: {
  readonly database: Pick<Database, 'sql' | 'write'>
  readonly books: UsageBooks
  readonly holder: Member
  readonly find: (mediaId: MediaId) => Media | undefined
}): Holds {
  const { books, holder, find } = needs
  const { sql, write } = needs.database
  const setHold = sql.prepare('UPDATE pending SET held_bytes = @bytes, held_by = @by WHERE media_id = @mediaId')
  const clearHold = sql.prepare(
    'UPDATE pending SET held_bytes = NULL, held_by = NULL WHERE media_id = @mediaId AND held_by = @by',
  )
  const clearHoldsOf = sql.prepare<[string]>(
    'UPDATE pending SET held_bytes = NULL, held_by = NULL WHERE held_by GLOB ?',
  )
  let holds = 0

  return {
    hold: async ({ mediaId, declaredBytes, maxBytes, quota, at }) => {
      await books.keep()
      return write(() => {
        const { owner } = requireReceptive(find(mediaId), at)
        const own = books.chargeOf(mediaId)
        const accounts = books.accountsOf(owner, quota, own, at)
        const bytes = declaredBytes ?? Math.min(maxBytes, Math.max(own.bytes, bytesLeft(accounts)))
        const isFull = declaredBytes === undefined && bytes === 0
        if (!covers(own, bytes)) requireRoom(quota, accounts, isFull ? smallestUpload : { bytes, count: 1 })
        holds += 1
        const by = `${holder}:${holds}`
        setHold.run({ mediaId, bytes, by })
        return { mediaId, owner, bytes, by, quota }
      })
    },

    release: ({ mediaId, by }) => write(() => void clearHold.run({ mediaId, by })),

    dropLeftHolds: () =>
      write(() => {
        return leftBefore(holder).reduce((count, pattern) => count + clearHoldsOf.run(pattern).changes, 0)
      }),

    requireCovered: ({ mediaId, owner, quota }, bytes, at) => {
      const own = books.chargeOf(mediaId)
      if (!covers(own, bytes)) requireRoom(quota, books.accountsOf(owner, quota, own, at), { bytes, count: 1 })
    },
  }
}

/** What an id counts for already may be used for it again, even if the quota has become smaller since. */
function covers(own: Tally, bytes: number): boolean {
  return own.count > 0 && bytes <= own.bytes
}
