/**
 * A file that is being received: written in large batches, synced, closed. Until it is finished, `abandon` makes it never have been.
 */
import { failPoint } from '../domain/fail-point.ts'
import type { FileSystem } from './file-system.ts'
import type { Leavings } from './leavings.ts'
import { onDisk } from './storage-error.ts'

export interface IncomingFile {
  /**
   * Resolves when every byte has been handed to the system; the chunks must not change before that. Batches may be written at the
   * same time: each has its place, behind those before it.
   */
  write(batch: readonly Uint8Array[]): Promise<void>
  /** Resolves when every byte is on the disk and the file is closed and has this name, in the same directory. */
  finish(path: string): Promise<void>
  /** Closes and removes the file. Never throws. */
  abandon(): Promise<void>
}

/**
 * Bytes. The disk works while the body still comes, else it would all be left for the end, when the client waits for its answer:
 * 64 MiB take a quarter less time than with 16 MiB here. Half of it gains no more.
 */
const earlySyncEvery = 8 * 1024 * 1024
/** As much as is still to come, towards the end: then the last bytes reach the disk while their digest is made. Less is not worth a call. */
const leastEarlySync = 2 * 1024 * 1024

/**
 * @param expectedBytes how many will come; Infinity when nobody knows
 * @throws MediaError `out_of_space`, `storage_failed`; so do the functions of the file
 */
export async function createIncomingFile(
  fs: FileSystem,
  receivingPath: string,
  leavings: Pick<Leavings, 'remove'>,
  expectedBytes = Number.POSITIVE_INFINITY,
): Promise<IncomingFile> {
  const fd = await onDisk(fs.open(receivingPath, 'wx'))
  let path = receivingPath
  let isOpen = true
  let taken = 0
  let written = 0
  let synced = 0
  const writing = new Set<Promise<unknown>>()
  let syncing: Promise<void> | undefined
  let syncFailure: { readonly error: unknown } | undefined

  function syncEarly(): void {
    if (!isOpen || syncing !== undefined || syncFailure !== undefined) return
    const enough = Math.min(earlySyncEvery, Math.max(leastEarlySync, expectedBytes - written))
    if (written - synced < enough) return
    synced = written
    syncing = fs
      .datasync(fd)
      // Remembered, because the system reports a failed write-back once only: the next sync would succeed over lost bytes.
      .catch(error => {
        syncFailure = { error }
      })
      .finally(() => {
        syncing = undefined
        syncEarly()
      })
  }

  async function earlySyncs(): Promise<void> {
    while (syncing !== undefined) await syncing
  }

  function requireSynced(): void {
    if (syncFailure !== undefined) throw syncFailure.error
  }

  async function write(batch: readonly Uint8Array[]): Promise<void> {
    requireSynced()
    const position = taken
    const bytes = batch.reduce((sum, { byteLength }) => sum + byteLength, 0)
    taken += bytes
    const work = writeAll(fs, fd, batch, position)
    writing.add(work)
    await work.finally(() => writing.delete(work))
    written += bytes
    failPoint('stage: bytes written')
    syncEarly()
  }

  async function finish(finishedPath: string): Promise<void> {
    await earlySyncs()
    requireSynced()
    // Before the sync, which carries the new name along on every journalling file system of Linux: it is what tells recovery of an
    // object whose row was never committed, so it has to be on the disk before the object is.
    await fs.rename(path, finishedPath)
    path = finishedPath
    failPoint('stage: before sync')
    await fs.sync(fd)
    failPoint('stage: synced')
    isOpen = false
    // Some file systems report a failed write at the closing only.
    await fs.close(fd)
  }

  return {
    write: batch => onDisk(write(batch)),
    finish: finishedPath => onDisk(finish(finishedPath)),
    async abandon() {
      const wasOpen = isOpen
      // The number of a closed descriptor may be another file's the next moment, so nothing is begun any more, and what was is waited for.
      isOpen = false
      await Promise.allSettled(writing)
      await earlySyncs()
      // A failure here is not worth more words: the caller has one to report.
      if (wasOpen) await fs.close(fd).catch(() => {})
      await leavings.remove(path)
    },
  }
}

async function writeAll(fs: FileSystem, fd: number, chunks: readonly Uint8Array[], position: number): Promise<void> {
  let at = position
  let rest = chunks
  while (rest.length > 0) {
    const taken = await fs.writev(fd, rest, at)
    if (taken === 0) throw Object.assign(new Error('the file takes no more bytes'), { code: 'EIO' })
    at += taken
    rest = after(rest, taken)
  }
}

/** What remains of the chunks when `taken` bytes of them are written. Chunks without bytes go too, or they would never be. */
function after(chunks: readonly Uint8Array[], taken: number): readonly Uint8Array[] {
  let skip = taken
  for (const [index, chunk] of chunks.entries()) {
    if (chunk.byteLength > skip) return [chunk.subarray(skip), ...chunks.slice(index + 1)]
    skip -= chunk.byteLength
  }
  return []
}
