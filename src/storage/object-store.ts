/**
 * The contract of an object store. It knows bytes and keys; it has never heard of media.
 * `test/storage/object-store-contract.ts` holds every implementation to each sentence below.
 */
import type { Readable } from 'node:stream'
import type { RemovalPart, TransactionPart } from '../database/transaction-part.ts'
import type { ByteRange, ObjectInfo, ObjectKey } from '../domain/objects.ts'

export interface StageLimits {
  /** More bytes than this end the staging with MediaError `too_large`. 0 ≤ maxBytes ≤ 2^53-1. */
  readonly maxBytes: number
  /** What Content-Length promised. A body that ends with another count is MediaError `body_too_short`. */
  readonly declaredBytes?: number | undefined
  /** Aborting ends the staging with the signal's reason and leaves nothing. */
  readonly signal?: AbortSignal | undefined
  /** Nobody else ever looks at the chunks of the stream: the store may take their memory away when it has written them. */
  readonly ownsChunks?: boolean | undefined
  /** Told how many bytes the disk has taken so far; not of those that are still in memory. */
  readonly onWritten?: ((bytes: number) => void) | undefined
}

/** Bytes received whole and hashed, which nobody can read yet. Each one must end in `keep` or `discard`. */
export interface StagedObject {
  readonly object: ObjectInfo
}

/** The bytes are only lent: they must not be changed, and are other ones after what this returns has settled. */
export type TakePiece = (piece: Uint8Array) => Promise<void> | void

export interface ObjectStore {
  /**
   * Reads the body to its end, once, hashing as it passes; the bytes are written where they will stay.
   * On any failure (limit, short body, cut stream, full disk) nothing is left behind, and a stream that has not ended is left
   * paused: its owner drains or destroys it. Listening begins before this returns. An array must not change until it is settled.
   * @throws MediaError `too_large`, `body_too_short`, `out_of_space`, `storage_failed`; the stream's own error if it broke
   */
  stage(body: Readable | Uint8Array, limits: StageLimits): Promise<StagedObject>

  /**
   * Makes the staged bytes durable, then calls `record`, which must commit a row that points at each of them and must run the
   * given part inside that transaction. When `record` resolves the objects are readable for good; when it throws, bytes that no
   * recorded object shares are gone. `record` may be called again if the bytes were removed under its feet; it must let what the
   * part throws pass. Equal bytes are kept once: keeping what is already there is a success and heals a damaged copy.
   * Either way the staged objects are settled.
   * @throws what `record` threw; MediaError `out_of_space`, `storage_failed`; TypeError for what was settled before
   */
  keep<T>(staged: readonly StagedObject[], record: (alongside: TransactionPart) => Promise<T>): Promise<T>

  /** Forgets staged bytes. Harmless to repeat, and harmless after `keep`. Never throws. */
  discard(staged: readonly StagedObject[]): Promise<void>

  /** Size of an object and its first bytes, at most `reach`, as they are there now; undefined when the store does not have it. */
  head(key: ObjectKey, reach: number): Promise<ObjectHead | undefined>

  /**
   * A stream over the object or a part of it; undefined when the store does not have it. The object is open when this resolves,
   * so a deletion that follows does not cut the stream. The caller reads it to its end or destroys it.
   * @throws MediaError `storage_failed`, also when the object ends before the range does: it has lost bytes
   */
  get(key: ObjectKey, range?: ByteRange): Promise<Readable | undefined>

  /**
   * Hands over an object or a part of it, piece by piece, each after the one before has been taken; the quickest way to read. Nothing
   * is handed over unless all of it is there, and nothing at all of an empty object.
   * @returns false when the store does not have it
   * @throws MediaError `storage_failed`, also when the object ends before the range does: it has lost bytes; what `take` throws
   */
  pour(key: ObjectKey, range: ByteRange | undefined, take: TakePiece): Promise<boolean>

  /**
   * All of an object, or a part of it, in memory of its own, or in that of the caller; undefined when the store does not have it.
   * @param into large enough for the range
   * @throws MediaError `storage_failed`, also when the object ends before the range does: it has lost bytes
   */
  read(key: ObjectKey, range: ByteRange, into?: Buffer): Promise<Buffer | undefined>

  /**
   * Where the object lies as a file that the group of the store may read: a path of plain characters below `objects/`. undefined when
   * it does not lie in a file of its own, or others can not be let in.
   * @throws MediaError `storage_failed` when the file is missing or has another size
   */
  fileOf(object: ObjectInfo): Promise<string | undefined>

  /**
   * The part that takes an object away, for the transaction in which the catalog has just made sure that no row points at it.
   * Removing what is not there is a success. What is leaving is gone when the part is run again after `tidy`.
   */
  removal(key: ObjectKey): RemovalPart

  /**
   * Makes removals durable, and finishes what a disk in trouble did not let happen. For upkeep, after every round of removals.
   * @throws MediaError `out_of_space`, `storage_failed` while the trouble lasts
   */
  tidy(): Promise<void>

  /** Every object, in no order; one that comes or goes meanwhile may or may not be listed. For the contract test; nothing that serves asks it. */
  list(): AsyncIterable<ObjectInfo>

  /**
   * Run once before the first request: finishes or undoes what a crash interrupted. `isReferenced` answers whether any row
   * points at a key. Repeatable. Returns what it did.
   */
  recover(isReferenced: (key: ObjectKey) => boolean): Promise<StoreRecovery>

  /** Ends background work (emptying of removed objects). */
  close(): Promise<void>
}

export interface ObjectHead {
  readonly size: number
  readonly bytes: Buffer
}

export interface StoreRecovery {
  /** Uploads, half or whole, that had not become objects and were thrown away. */
  readonly abandonedUploads: number
  /** Objects that had become durable, but whose row was never committed; thrown away too. */
  readonly unrecordedObjects: number
  /** Removed objects whose space was given back now. */
  readonly emptiedTrash: number
  /** Names of what lay where uploads lie and is none; it was left alone. */
  readonly oddities: readonly string[]
}
