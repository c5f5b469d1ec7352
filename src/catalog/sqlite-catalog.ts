/**
 * The catalog in SQLite: every statement that changes the state of a media on somebody's behalf. A transition changes exactly one row in
 * the state it leaves, or it throws. What counts towards quotas is next door, in `usage-books.ts` and `holds.ts`; what goes when its time is
 * over, in `reaper.ts`.
 */
import type { Database } from '../database/database.ts'
import { refuse } from '../domain/errors.ts'
import { failPoint } from '../domain/fail-point.ts'
import type { MediaId } from '../domain/identifiers.ts'
import { type Deleted, type Media, type Pending, type Ready, requireReceptive, type Uploaded } from '../domain/media.ts'
import type { Member } from '../domain/member.ts'
import { requireRoom, smallestUpload } from '../domain/quota.ts'
import { makeHolds } from './holds.ts'
import { type MediaCatalog, type StoredThumbnail, type Upload, UploadReplaced } from './media-catalog.ts'
import { makeReaper } from './reaper.ts'
import {
  keyBytes,
  type MediaRow,
  type PendingRow,
  type ThumbnailRow,
  toEnded,
  toPendingOrUploaded,
  toThumbnail,
} from './rows.ts'
import { makeUsageBooks } from './usage-books.ts'

/** @param holder what this process serves; it decides whose holds are left behind */
export function makeSqliteCatalog(
  database: Pick<Database, 'sql' | 'read' | 'write' | 'writeAlone'>,
  holder: Member = 'both',
): MediaCatalog {
  const { sql, read, write } = database
  const findMedia = sql.prepare<[string], MediaRow>('SELECT * FROM media WHERE media_id = ?')
  const findPending = sql.prepare<[string], PendingRow>('SELECT * FROM pending WHERE media_id = ?')
  // Counts no further than the limit, so that a bridge with a hundred thousand pending ids costs no more than a person.
  const countPending = sql.prepare<
    { owner: string; now: number; limit: number },
    { count: number; oldest: number | null }
  >(
    `SELECT count(*) AS count, min(expires_at) AS oldest FROM
       (SELECT expires_at FROM pending WHERE owner = @owner AND expires_at > @now ORDER BY expires_at LIMIT @limit)`,
  )
  const insertPending = sql.prepare(
    'INSERT INTO pending (media_id, owner, created_at, frozen, expires_at) VALUES (?, ?, ?, ?, ?)',
  )
  const setUpload = sql.prepare(
    `UPDATE pending SET sha256 = @key, size = @size, content_type = @contentType, uploaded_at = @at, upload_began = @began,
        held_bytes = iif(held_by IS @by, NULL, held_bytes), held_by = iif(held_by IS @by, NULL, held_by)
      WHERE media_id = @mediaId AND expires_at > @at`,
  )
  const takeUpload = sql.prepare(
    'DELETE FROM pending WHERE media_id = @mediaId AND sha256 = @key AND uploaded_at = @uploadedAt',
  )
  const insertReady = sql.prepare(
    `INSERT INTO media (media_id, owner, state, created_at, ended_at, frozen, sha256, size, content_type, file_name, width, height,
        needs_rendering)
     VALUES (@mediaId, @owner, 'ready', @createdAt, @at, @frozen, @key, @size, @contentType, @fileName, @width, @height, @needsRendering)`,
  )
  const insertRejected = sql.prepare(
    `INSERT INTO media (media_id, owner, state, created_at, ended_at, frozen, code, reason)
     VALUES (@mediaId, @owner, 'rejected', @createdAt, @at, @frozen, @code, @reason)`,
  )
  const insertDeleted = sql.prepare(
    `INSERT INTO media (media_id, owner, state, created_at, ended_at, frozen, deleted_at)
     VALUES (@mediaId, @owner, 'deleted', @createdAt, @at, @frozen, @at)`,
  )
  // The size and the time of publication stay: a window of the quota is about what was uploaded.
  const setDeleted = sql.prepare(
    `UPDATE media SET state = 'deleted', deleted_at = @at, sha256 = NULL, content_type = NULL, file_name = NULL,
        width = NULL, height = NULL, needs_rendering = NULL, code = NULL, reason = NULL
      WHERE media_id = @mediaId AND state IN ('ready', 'rejected')`,
  )
  const takePending = sql.prepare<[string], { sha256: Buffer | null }>(
    'DELETE FROM pending WHERE media_id = ? RETURNING sha256',
  )
  const takeRejected = sql.prepare<[string]>("DELETE FROM media WHERE media_id = ? AND state = 'rejected'")
  const findThumbnails = sql.prepare<[Buffer], ThumbnailRow>('SELECT * FROM thumbnail WHERE source = ?')
  const findThumbnail = sql.prepare<[Buffer, number, number, string], ThumbnailRow>(
    'SELECT * FROM thumbnail WHERE source = ? AND width = ? AND height = ? AND method = ?',
  )
  const putThumbnail = sql.prepare(
    `INSERT OR REPLACE INTO thumbnail (source, width, height, method, actual_width, actual_height, content_type, sha256, size)
     VALUES (@source, @width, @height, @method, @actualWidth, @actualHeight, @contentType, @key, @size)`,
  )

  function findEnded(mediaId: MediaId): Media | undefined {
    const row = findMedia.get(mediaId)
    return row === undefined ? undefined : toEnded(row)
  }

  function findUnfinished(mediaId: MediaId): Media | undefined {
    const row = findPending.get(mediaId)
    return row === undefined ? undefined : toPendingOrUploaded(row)
  }

  /** It is in one table or in the other, or in none: the likelier one first. */
  function find(mediaId: MediaId, expected: 'finished' | 'unfinished' = 'finished'): Media | undefined {
    return expected === 'finished'
      ? (findEnded(mediaId) ?? findUnfinished(mediaId))
      : (findUnfinished(mediaId) ?? findEnded(mediaId))
  }

  /** @throws MediaError `superseded`, `not_found`, `already_uploaded` */
  function requireReceptiveTo({ mediaId, at, began }: Pick<Upload, 'mediaId' | 'at' | 'began'>): Pending | Uploaded {
    const row = findPending.get(mediaId)
    const media = requireReceptive(row === undefined ? findEnded(mediaId) : toPendingOrUploaded(row), at)
    if (media.state === 'uploaded' && isNewer(row, { at, began })) {
      refuse('superseded', 'A newer upload to this URL took over')
    }
    return media
  }

  function requireFewPending(owner: string, now: number, limit: number): void {
    const { count, oldest } = countPending.get({ owner, now, limit }) ?? { count: 0, oldest: null }
    if (count < limit) return
    refuse('limit_exceeded', `You have ${count} pending media ids; finish one, or wait until one expires`, {
      // An id may also be freed by completing an upload, so do not send a bridge to sleep for a day.
      retryAfterMs: Math.min((oldest ?? now) - now, 60_000),
      fields: { max_pending: limit },
    })
  }

  /** uploaded → (gone from pending), if these are still the bytes that were looked at. */
  function leaveUploaded({ mediaId, object, uploadedAt }: Uploaded): void {
    if (takeUpload.run({ mediaId, key: keyBytes(object.key), uploadedAt }).changes !== 1) throw new UploadReplaced()
  }

  function saveThumbnail(source: Buffer, { spec, actual, contentType, object }: StoredThumbnail): void {
    const before = findThumbnail.get(source, spec.width, spec.height, spec.method)
    if (before !== undefined) markUnwanted(before.sha256)
    putThumbnail.run({
      source,
      ...spec,
      actualWidth: actual.width,
      actualHeight: actual.height,
      contentType,
      key: keyBytes(object.key),
      size: object.size,
    })
  }

  const books = makeUsageBooks(database)
  const { requireCovered, ...holds } = makeHolds({ database, books, holder, find })
  const { markUnwanted, isOriginal, ...reaper } = makeReaper(database)

  return {
    ...holds,
    ...reaper,

    usageOf: async owner => books.usageOf(owner),

    reserve: async ({ mediaId, owner, createdAt, frozen, unusedExpiresAt }, { maxPendingPerUser, quota }) => {
      if (quota !== undefined) await books.keep()
      return write(() => {
        // Without a limit there is nothing that counting could stop at, and a bridge may have a hundred thousand.
        if (Number.isFinite(maxPendingPerUser)) requireFewPending(owner, createdAt, maxPendingPerUser)
        if (quota !== undefined) {
          requireRoom(quota, books.accountsOf(owner, quota, { bytes: 0, count: 0 }, createdAt), smallestUpload)
        }
        insertPending.run(mediaId, owner, createdAt, Number(frozen), unusedExpiresAt)
        failPoint('create: in transaction')
        return { state: 'pending', mediaId, owner, createdAt, frozen, unusedExpiresAt }
      })
    },

    // What is unfinished is about to be written, and that should not wait for the next turn.
    find: async (mediaId, expected) =>
      expected === 'unfinished' ? find(mediaId, expected) : read(() => find(mediaId, expected)),

    recordUpload: ({ mediaId, object, contentType, at, began, hold }, alongside) =>
      write(() => {
        const before = requireReceptiveTo({ mediaId, at, began })
        if (hold !== undefined) requireCovered(hold, object.size, at)
        alongside()
        if (before.state === 'uploaded') markUnwanted(keyBytes(before.object.key))
        const by = hold?.by ?? null
        const { changes } = setUpload.run({
          mediaId,
          key: keyBytes(object.key),
          size: object.size,
          contentType,
          at,
          began,
          by,
        })
        if (changes !== 1) refuse('not_found', 'There is no media with this id')
        failPoint('receive: in transaction')
        const { owner, createdAt, frozen, unusedExpiresAt } = before
        return {
          state: 'uploaded',
          mediaId,
          owner,
          createdAt,
          frozen,
          unusedExpiresAt,
          object,
          contentType,
          uploadedAt: at,
        }
      }),

    publish: ({ inspected, contentType, fileName, picture, thumbnails, at }, alongside) =>
      write((): Ready => {
        leaveUploaded(inspected)
        alongside()
        const { mediaId, owner, createdAt, frozen, object } = inspected
        const key = keyBytes(object.key)
        insertReady.run({
          mediaId,
          owner,
          createdAt,
          at,
          frozen: Number(frozen),
          key,
          size: object.size,
          contentType,
          fileName: fileName ?? null,
          width: picture?.width ?? null,
          height: picture?.height ?? null,
          needsRendering: picture?.needsRendering === true ? 1 : null,
        })
        for (const thumbnail of thumbnails) saveThumbnail(key, thumbnail)
        failPoint('complete: in transaction')
        return {
          state: 'ready',
          mediaId,
          owner,
          createdAt,
          frozen,
          object,
          contentType,
          fileName,
          picture,
          readyAt: at,
        }
      }),

    reject: (inspected, { code, reason }, at) =>
      write(() => {
        leaveUploaded(inspected)
        const { mediaId, owner, createdAt, frozen, object } = inspected
        insertRejected.run({ mediaId, owner, createdAt, at, frozen: Number(frozen), code, reason })
        markUnwanted(keyBytes(object.key))
        failPoint('reject: in transaction')
        return { state: 'rejected', mediaId, owner, createdAt, frozen, rejectedAt: at, code, reason }
      }),

    delete: (mediaId, at) =>
      write((): Deleted => {
        const media = find(mediaId) ?? refuse('not_found', 'There is no media with this id')
        if (media.state === 'deleted') return media
        const { owner, createdAt, frozen } = media
        if ('object' in media) markUnwanted(keyBytes(media.object.key))
        if (media.state === 'pending' || media.state === 'uploaded') {
          takePending.run(mediaId)
          insertDeleted.run({ mediaId, owner, createdAt, frozen: Number(frozen), at })
        } else {
          setDeleted.run({ mediaId, at })
        }
        failPoint('delete: in transaction')
        return { state: 'deleted', mediaId, owner, createdAt, frozen, deletedAt: at }
      }),

    abandon: mediaId =>
      write(() => {
        for (const { sha256 } of takePending.all(mediaId)) if (sha256 !== null) markUnwanted(sha256)
        takeRejected.run(mediaId)
        failPoint('abandon: in transaction')
      }),

    thumbnailsOf: async source => findThumbnails.all(keyBytes(source)).map(toThumbnail),

    addThumbnail: (source, thumbnail, alongside) =>
      write(() => {
        // The original may have been deleted while its thumbnail was being made; a thumbnail of nothing must not stay.
        if (!isOriginal(keyBytes(source))) refuse('not_found', 'There is no media with this id')
        alongside()
        saveThumbnail(keyBytes(source), thumbnail)
        failPoint('thumbnail: in transaction')
      }),
  }
}

/** Milliseconds by which the clocks of two moments may differ before it is plain that the clock was set back between them. */
const clockWasSetBack = 60_000

function isNewer(row: PendingRow | undefined, { at, began }: Pick<Upload, 'at' | 'began'>): boolean {
  if (row === undefined || row.upload_began === null || row.uploaded_at === null) return false
  const { upload_began: itsBeginning, uploaded_at: itsEnd } = row
  // Recorded in the future, or begun after its own end: since then the clock was set back, and it is older, whatever it says.
  return itsBeginning > began && itsEnd <= at + clockWasSetBack && itsBeginning <= itsEnd + clockWasSetBack
}
