/**
 * The contract of the catalog: which media there are and in which state. It knows rows; it has never seen a byte.
 * Every write resolves after its transaction is durable. Every transition is guarded by the state it leaves.
 */
import type { RemovalPart, TransactionPart } from '../database/transaction-part.ts'
import type { MediaId, UserId } from '../domain/identifiers.ts'
import type { Deleted, Media, Pending, Ready, Rejected, RejectionCode, Uploaded } from '../domain/media.ts'
import type { ObjectInfo, ObjectKey } from '../domain/objects.ts'
import type { Quota, Tally } from '../domain/quota.ts'
import type { Picture, PictureSize, ThumbnailSpec } from '../domain/thumbnails.ts'

export interface Reservation {
  readonly mediaId: MediaId
  readonly owner: UserId
  readonly createdAt: number
  readonly frozen: boolean
  readonly unusedExpiresAt: number
}

export interface Upload {
  readonly mediaId: MediaId
  readonly object: ObjectInfo
  /** Declared by the uploader, verbatim. */
  readonly contentType: string
  readonly at: number
  /** When it began. Of several uploads to one id the one that began last wins, in whichever order and process they end. */
  readonly began: number
  /** What was held for this upload, if its owner has a quota; recording it ends the hold. */
  readonly hold: Hold | undefined
}

export interface HoldRequest {
  readonly mediaId: MediaId
  /** What the upload says it has; undefined: everything that is left is held, up to `maxBytes`. */
  readonly declaredBytes: number | undefined
  readonly maxBytes: number
  readonly quota: Quota
  readonly at: number
}

/** Room in its owner's quota, kept for one upload from before its first byte until it is recorded or given up. */
export interface Hold {
  readonly mediaId: MediaId
  readonly owner: UserId
  readonly quota: Quota
  /** What the upload may have at most. */
  readonly bytes: number
  /** Tells this hold from a later one for the same id. */
  readonly by: string
}

export interface Publication {
  /** The bytes that were inspected; if others have replaced them meanwhile, nothing is published. */
  readonly inspected: Uploaded
  readonly contentType: string
  readonly fileName: string | undefined
  readonly picture: Picture | undefined
  readonly thumbnails: readonly StoredThumbnail[]
  readonly at: number
}

/** A thumbnail belongs to the bytes it was made from, so that equal uploads share it. */
export interface StoredThumbnail {
  /** The asked-for box; the real size, `actual`, covers it unless the picture is smaller. */
  readonly spec: ThumbnailSpec
  readonly actual: PictureSize
  readonly contentType: string
  readonly object: ObjectInfo
}

export interface Refusal {
  readonly code: RejectionCode
  readonly reason: string
}

export interface PendingLimits {
  /** Infinity: they are not counted. */
  readonly maxPendingPerUser: number
  /** undefined: this user may store without end. */
  readonly quota: Quota | undefined
}

export interface Reaped {
  /** How many it could do something about. */
  readonly handled: number
  /** Where to go on; undefined at the end of a round. */
  readonly last: ObjectKey | undefined
}

/** Thrown by `publish` when the upload was replaced between inspection and publication: inspect again. */
export class UploadReplaced extends Error {
  override readonly name = 'UploadReplaced'
}

export interface MediaCatalog {
  /**
   * Inserts a pending media id; the count of the owner's pending ids is checked in the same transaction, and whether anything is left
   * of the quota.
   * @throws MediaError `limit_exceeded` with the time after which the oldest one expires; `quota_exceeded`, `user_limit_exceeded`
   */
  reserve(reservation: Reservation, limits: PendingLimits): Promise<Pending>

  /**
   * Reads one media; undefined when the id is unknown. Expiry is for the caller to judge. `expected` says where to look first: it costs
   * less to be right, and changes nothing.
   */
  find(mediaId: MediaId, expected?: 'finished' | 'unfinished'): Promise<Media | undefined>

  /**
   * Keeps room for an upload that is about to begin. What the id counts for already, for an earlier upload or hold, may be used again;
   * the new hold takes the place of the earlier one, and the id counts for the larger of hold and upload.
   * @throws MediaError `quota_exceeded`, `user_limit_exceeded`; `not_found`, `already_uploaded`
   */
  hold(request: HoldRequest): Promise<Hold>

  /** Gives up a hold that was not used. Harmless when it has ended, or when a later one has taken its place. */
  release(hold: Hold): Promise<void>

  /** Run once before the first hold: ends those that earlier processes with the same listeners left behind. Returns how many. */
  dropLeftHolds(): Promise<number>

  /** What counts towards the quota of this user: ready media, uploaded ones, and holds. */
  usageOf(owner: UserId): Promise<Tally>

  /**
   * pending | uploaded → uploaded. What was uploaded before stops being pointed at and its bytes go if nobody else has them.
   * @throws MediaError `not_found`, `already_uploaded`: the reservation is looked at again here, however long the body took;
   * `superseded` when one that began later is recorded already; `quota_exceeded`, `user_limit_exceeded` when the hold was taken over by
   * a later one with less room
   */
  recordUpload(upload: Upload, alongside: TransactionPart): Promise<Uploaded>

  /**
   * uploaded → ready, with the thumbnails, in one transaction.
   * @throws UploadReplaced
   */
  publish(publication: Publication, alongside: TransactionPart): Promise<Ready>

  /** uploaded → rejected. The bytes go if nobody else has them. @throws UploadReplaced */
  reject(inspected: Uploaded, refusal: Refusal, at: number): Promise<Rejected>

  /**
   * any state → deleted. The bytes go if nobody else has them; the id is never free again. Harmless to repeat.
   * @throws MediaError `not_found` when there is no such id
   */
  delete(mediaId: MediaId, at: number): Promise<Deleted>

  /**
   * Gives up an id that no client knows: pending, uploaded or rejected → gone; its bytes go if nobody else has them. Harmless when it is
   * gone, or ready.
   */
  abandon(mediaId: MediaId): Promise<void>

  /** The thumbnails that exist of these bytes. */
  thumbnailsOf(source: ObjectKey): Promise<readonly StoredThumbnail[]>

  /** Adds a thumbnail made on demand; a second one of the same spec replaces the first. */
  addThumbnail(source: ObjectKey, thumbnail: StoredThumbnail, alongside: TransactionPart): Promise<void>

  /**
   * Takes expired pending and uploaded ids out of the books, at most `limit` of them, oldest first. Returns how many.
   */
  expire(now: number, limit: number): Promise<number>

  /**
   * Takes away objects that no row points at any more, at most `limit` of those behind `after`: in one transaction each one is looked
   * at again and, if it is still unwanted, removed by the part that `removal` makes for it. What is not gone for good by that stays, to
   * be looked at again in the next round.
   */
  reap(removal: (key: ObjectKey) => RemovalPart, limit: number, after?: ObjectKey): Promise<Reaped>

  /** True when any row points at these bytes. Synchronous, for the store, which asks it at recovery and before it takes an object back. */
  isReferenced(key: ObjectKey): boolean
}
