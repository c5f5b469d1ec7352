/**
 * Objects small enough to be rows: one commit covers the row and the bytes it points at, instead of three syncs of their own.
 * The table `small_object` belongs to this file alone; `database/migrations.ts` makes it.
 */
import type BetterSqlite3 from 'better-sqlite3'
import { LRUCache } from 'lru-cache'
import { type ObjectInfo, type ObjectKey, objectKey } from '../domain/objects.ts'

/** Bytes. Measured: rows win 1.3 to 1.9 × up to 16 KiB and lose from about 100 KiB; larger ones swell log and memory as well. */
export const smallObjectLimit = 32 * 1024

export interface SmallObjects {
  /** Mends a damaged row, and writes nothing when the bytes are there already. */
  put(key: ObjectKey, bytes: Uint8Array): void
  /** @returns whether there was such a row */
  remove(key: ObjectKey): boolean
  /** @returns bytes */
  sizeOf(key: ObjectKey): number | undefined
  read(key: ObjectKey): Buffer | undefined
  /** Like `read`, but what was read lately comes from memory, and says nothing about whether the row still has it. Not to be changed. */
  recall(key: ObjectKey): Buffer | undefined
  list(): Generator<ObjectInfo>
}

/**
 * Bytes. Reading a row of 16 KiB takes five times as long as all the rest of looking for it. The bytes of a key never change, and whether
 * they may be served is for the catalog to say, so nothing here can be out of date.
 */
const recalledBytes = 32 * 1024 * 1024

interface Listed {
  readonly sha256: Buffer
  readonly size: number
}

export function makeSmallObjects(sql: BetterSqlite3.Database): SmallObjects {
  const upsert = sql.prepare<[Buffer, Uint8Array]>(
    `INSERT INTO small_object (sha256, bytes) VALUES (?, ?)
     ON CONFLICT (sha256) DO UPDATE SET bytes = excluded.bytes WHERE bytes <> excluded.bytes`,
  )
  const remove = sql.prepare<[Buffer]>('DELETE FROM small_object WHERE sha256 = ?')
  const sizeOf = sql.prepare<[Buffer], number>('SELECT length(bytes) FROM small_object WHERE sha256 = ?').pluck()
  const read = sql.prepare<[Buffer], Buffer>('SELECT bytes FROM small_object WHERE sha256 = ?').pluck()
  const page = sql.prepare<[Buffer], Listed>(
    'SELECT sha256, length(bytes) AS size FROM small_object WHERE sha256 > ? ORDER BY sha256 LIMIT 500',
  )

  // An entry is more than its bytes, and an empty one must count too.
  const recalled = new LRUCache<ObjectKey, Buffer>({
    maxSize: recalledBytes,
    sizeCalculation: bytes => bytes.length + 512,
  })

  return {
    put: (key, bytes) => {
      // What is remembered may be the damaged copy that is mended now.
      recalled.delete(key)
      upsert.run(toBytes(key), bytes)
    },
    remove: key => {
      recalled.delete(key)
      return remove.run(toBytes(key)).changes > 0
    },
    sizeOf: key => sizeOf.get(toBytes(key)),
    read: key => read.get(toBytes(key)),
    recall: key => {
      const known = recalled.get(key)
      if (known !== undefined) return known
      const bytes = read.get(toBytes(key))
      if (bytes !== undefined) recalled.set(key, bytes)
      return bytes
    },
    *list() {
      // Page by page, because a statement that is being stepped through would block every other one on this connection.
      let after: Buffer = Buffer.alloc(0)
      for (;;) {
        const rows = page.all(after)
        for (const { sha256, size } of rows) yield { key: objectKey(sha256), size }
        const last = rows.at(-1)
        if (last === undefined) return
        after = last.sha256
      }
    },
  }
}

function toBytes(key: ObjectKey): Buffer {
  return Buffer.from(key, 'hex')
}
