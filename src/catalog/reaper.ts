/**
 * What goes without being asked for: ids whose time is over, and the objects that no row points at any more.
 */
import type { Database } from '../database/database.ts'
import { failPoint } from '../domain/fail-point.ts'
import { completionGrace } from '../domain/media.ts'
import type { MediaCatalog } from './media-catalog.ts'
import { keyBytes, toObject } from './rows.ts'

export interface Reaper extends Pick<MediaCatalog, 'expire' | 'reap' | 'isReferenced'> {
  /** In the transaction that takes away a row that points at the object. */
  markUnwanted(sha256: Buffer): void
  /** Whether these are the bytes of a media or of an upload, and not only of a thumbnail. */
  isOriginal(sha256: Buffer): boolean
}

export function makeReaper({ sql, write, writeAlone }: Pick<Database, 'sql' | 'write' | 'writeAlone'>): Reaper {
  // From the index alone.
  const findExpiry = sql
    .prepare<{ now: number; limit: number }, number>(
      'SELECT expires_at FROM pending WHERE expires_at <= @now ORDER BY expires_at LIMIT 1 OFFSET @limit',
    )
    .pluck()
  // Nearly all that expire never had bytes, and those need not be looked at one by one: a quarter less of the processor.
  const dropUntil = sql.prepare<{ until: number }>('DELETE FROM pending WHERE expires_at <= @until AND sha256 IS NULL')
  const dropExpired = sql.prepare<{ now: number; limit: number }>(
    'DELETE FROM pending WHERE expires_at <= @now AND sha256 IS NULL ORDER BY expires_at LIMIT @limit',
  )
  // The + keeps SQLite from reading all uploads to find those few.
  const takeExpired = sql.prepare<{ until: number; limit: number }, { sha256: Buffer }>(
    `DELETE FROM pending WHERE media_id IN (
       SELECT media_id FROM pending WHERE expires_at <= @until AND +sha256 IS NOT NULL ORDER BY expires_at LIMIT @limit)
     RETURNING sha256`,
  )
  const takeThumbnails = sql.prepare<[Buffer], { sha256: Buffer }>(
    'DELETE FROM thumbnail WHERE source = ? RETURNING sha256',
  )
  const markUnwanted = sql.prepare<[Buffer]>('INSERT OR IGNORE INTO unwanted_object (sha256) VALUES (?)')
  const nextUnwanted = sql.prepare<[Buffer, number], { sha256: Buffer }>(
    'SELECT sha256 FROM unwanted_object WHERE sha256 > ? ORDER BY sha256 LIMIT ?',
  )
  const forgetUnwanted = sql.prepare<[Buffer]>('DELETE FROM unwanted_object WHERE sha256 = ?')
  const findOriginal = sql.prepare<{ key: Buffer }>(
    'SELECT 1 WHERE EXISTS (SELECT 1 FROM media WHERE sha256 = @key) OR EXISTS (SELECT 1 FROM pending WHERE sha256 = @key)',
  )
  const findThumbnail = sql.prepare<[Buffer]>('SELECT 1 FROM thumbnail WHERE sha256 = ? LIMIT 1')

  const isOriginal = (sha256: Buffer): boolean => findOriginal.get({ key: sha256 }) !== undefined
  const isReferenced = (sha256: Buffer): boolean => isOriginal(sha256) || findThumbnail.get(sha256) !== undefined

  /**
   * All up to a moment go in one pass. To delete so and so many, SQLite lists them first and then looks for each again, which takes half
   * as long again; that is for when there are too many of one moment, or uploads among them that have to stay.
   * @returns how many; less than `limit` even if there are more, but not none
   */
  function dropUnused(now: number, limit: number): number {
    const next = findExpiry.get({ now, limit })
    if (next === undefined) return dropUntil.run({ until: now }).changes
    const { changes } = dropUntil.run({ until: next - 1 })
    return changes > 0 ? changes : dropExpired.run({ now, limit }).changes
  }

  return {
    expire: (now, limit) =>
      write(() => {
        const dropped = dropUnused(now, limit)
        // Bytes that arrived in time may wait a little longer for their /complete than an empty reservation waits for bytes.
        const expired = takeExpired.all({ until: now - completionGrace, limit: limit - dropped })
        for (const { sha256 } of expired) markUnwanted.run(sha256)
        failPoint('expire: in transaction')
        return dropped + expired.length
      }),

    reap: (removal, limit, after) =>
      // Alone: were it to share a transaction with the write that takes the last row away, a failed commit would bring the row
      // back, but not the file.
      writeAlone(() => {
        const unwanted = nextUnwanted.all(after === undefined ? Buffer.alloc(0) : keyBytes(after), limit)
        const orphaned = new Set<string>()
        let handled = 0
        for (const { sha256 } of unwanted) {
          // Thumbnails live as long as their original; their own bytes come up in the next round, when it is certain that they may go.
          if (!isOriginal(sha256)) {
            for (const thumbnail of takeThumbnails.all(sha256)) {
              markUnwanted.run(thumbnail.sha256)
              orphaned.add(thumbnail.sha256.toString('hex'))
            }
          }
          if (orphaned.has(sha256.toString('hex'))) continue
          const outcome = isReferenced(sha256) ? 'gone' : removal(toObject(sha256, 0).key)()
          if (outcome === 'gone') forgetUnwanted.run(sha256)
          if (outcome !== 'busy') handled += 1
          failPoint('reap: in transaction')
        }
        const last = unwanted.length < limit ? undefined : unwanted.at(-1)
        return { handled, last: last && toObject(last.sha256, 0).key }
      }),

    isReferenced: key => isReferenced(keyBytes(key)),

    markUnwanted: sha256 => void markUnwanted.run(sha256),
    isOriginal,
  }
}
