/**
 * Rows, read strictly: a row that fits no state is an error that names it, never a guess.
 */
import type { MediaId, UserId } from '../domain/identifiers.ts'
import type { Deleted, Pending, Ready, Rejected, Uploaded } from '../domain/media.ts'
import { type ObjectInfo, type ObjectKey, objectKey } from '../domain/objects.ts'
import type { Picture, ThumbnailMethod } from '../domain/thumbnails.ts'
import type { StoredThumbnail } from './media-catalog.ts'

export interface PendingRow {
  media_id: string
  owner: string
  created_at: number
  expires_at: number
  frozen: number
  sha256: Buffer | null
  size: number | null
  content_type: string | null
  uploaded_at: number | null
  upload_began: number | null
  held_bytes: number | null
  held_by: string | null
}

export interface MediaRow {
  media_id: string
  owner: string
  state: string
  created_at: number
  ended_at: number
  frozen: number
  sha256: Buffer | null
  size: number | null
  content_type: string | null
  file_name: string | null
  width: number | null
  height: number | null
  needs_rendering: number | null
  code: string | null
  reason: string | null
  deleted_at: number | null
}

export interface ThumbnailRow {
  width: number
  height: number
  method: string
  actual_width: number
  actual_height: number
  content_type: string
  sha256: Buffer
  size: number
}

/** A row that no transition could have written: the database was damaged or edited. */
export class InconsistentRow extends Error {
  override readonly name = 'InconsistentRow'

  constructor(table: string, id: string) {
    super(`table ${table}, row ${id}: the columns fit no state`)
  }
}

export function toPendingOrUploaded(row: PendingRow): Pending | Uploaded {
  const reserved = {
    mediaId: row.media_id as MediaId,
    owner: row.owner as UserId,
    createdAt: row.created_at,
    frozen: row.frozen === 1,
    unusedExpiresAt: row.expires_at,
  }
  const { sha256, size, content_type: contentType, uploaded_at: uploadedAt } = row
  if (sha256 === null && size === null && contentType === null && uploadedAt === null) {
    return { state: 'pending', ...reserved }
  }
  if (sha256 !== null && size !== null && contentType !== null && uploadedAt !== null) {
    return { state: 'uploaded', ...reserved, object: toObject(sha256, size), contentType, uploadedAt }
  }
  throw new InconsistentRow('pending', row.media_id)
}

function toPicture({ width, height, needs_rendering: needsRendering }: MediaRow): Picture | undefined {
  if (width === null || height === null) return undefined
  return needsRendering === null ? { width, height } : { width, height, needsRendering: true }
}

export function toEnded(row: MediaRow): Ready | Rejected | Deleted {
  const reserved = {
    mediaId: row.media_id as MediaId,
    owner: row.owner as UserId,
    createdAt: row.created_at,
    frozen: row.frozen === 1,
  }
  const { sha256, size, content_type: contentType, code, reason } = row
  if (row.state === 'ready' && sha256 !== null && size !== null && contentType !== null) {
    const fileName = row.file_name ?? undefined
    const picture = toPicture(row)
    return {
      state: 'ready',
      ...reserved,
      object: toObject(sha256, size),
      contentType,
      fileName,
      picture,
      readyAt: row.ended_at,
    }
  }
  if (
    row.state === 'rejected' &&
    sha256 === null &&
    reason !== null &&
    (code === 'type_refused' || code === 'too_large')
  ) {
    return { state: 'rejected', ...reserved, rejectedAt: row.ended_at, code, reason }
  }
  if (row.state === 'deleted' && sha256 === null && contentType === null && row.deleted_at !== null) {
    return { state: 'deleted', ...reserved, deletedAt: row.deleted_at }
  }
  throw new InconsistentRow('media', row.media_id)
}

export function toThumbnail(row: ThumbnailRow): StoredThumbnail {
  return {
    spec: { width: row.width, height: row.height, method: row.method as ThumbnailMethod },
    actual: { width: row.actual_width, height: row.actual_height },
    contentType: row.content_type,
    object: toObject(row.sha256, row.size),
  }
}

export function toObject(sha256: Buffer, size: number): ObjectInfo {
  return { key: objectKey(sha256), size }
}

/** The form in which keys are stored: half the size of hexadecimal, in every index. */
export function keyBytes(key: ObjectKey): Buffer {
  return Buffer.from(key, 'hex')
}
