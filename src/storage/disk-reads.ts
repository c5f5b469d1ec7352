/**
 * The reading half of the store on a disk: an object is a row or a file, and its readers need not know which.
 */
import type { Readable } from 'node:stream'
import type { ByteRange, ObjectInfo, ObjectKey } from '../domain/objects.ts'
import { partOf, requireRange, streamBytes } from './byte-stream.ts'
import { type FileSystem, ifThere } from './file-system.ts'
import type { Layout } from './layout.ts'
import type { ObjectHead, ObjectStore, TakePiece } from './object-store.ts'
import { leastPieceBytes, makePourFile } from './pour.ts'
import { makeShareFile } from './shared-files.ts'
import { type SmallObjects, smallObjectLimit } from './small-objects.ts'
import { onDisk } from './storage-error.ts'

/** Bytes that a stream reads at a time: 1.9 × the speed of Node's default. */
const readBytes = 1024 * 1024

export function makeDiskReads({
  fs,
  layout,
  small,
}: {
  readonly fs: FileSystem
  readonly layout: Layout
  readonly small: SmallObjects
}): Pick<ObjectStore, 'head' | 'get' | 'pour' | 'read' | 'fileOf'> {
  const pourFile = makePourFile(fs)
  const shareFile = makeShareFile(fs, layout)

  async function head(key: ObjectKey, reach: number): Promise<ObjectHead | undefined> {
    const row = small.read(key)
    if (row !== undefined) return { size: row.length, bytes: row.subarray(0, reach) }
    return reading(key, async fd => {
      const size = await fs.size(fd)
      return { size, bytes: await filled(fd, Buffer.allocUnsafeSlow(Math.min(size, reach)), 0) }
    })
  }

  /** @returns undefined when there is no such file */
  async function reading<T>(key: ObjectKey, read: (fd: number) => Promise<T>): Promise<T | undefined> {
    const fd = await ifThere(fs.open(layout.pathOf(key), 'r'))
    if (fd === undefined) return undefined
    try {
      return await read(fd)
    } finally {
      await fs.close(fd, 'r').catch(() => {})
    }
  }

  /** @returns `whole`, with what the file has from `start` on */
  async function filled(fd: number, whole: Buffer, start: number): Promise<Buffer> {
    for (let done = 0; done < whole.length; ) {
      const taken = await fs.read(fd, whole.subarray(done), start + done)
      if (taken === 0) requireRange({ start, end: start + whole.length - 1 }, 0)
      done += taken
    }
    return whole
  }

  async function get(key: ObjectKey, range: ByteRange | undefined): Promise<Readable | undefined> {
    const bytes = small.read(key)
    if (bytes !== undefined) return streamBytes(bytes, range)
    const fd = await ifThere(fs.open(layout.pathOf(key), 'r'))
    if (fd === undefined) return undefined
    try {
      const { start, end } = await presentRange(fd, range)
      return fs.stream(fd, { start, end }, Math.min(end - start + 1, readBytes))
    } catch (error) {
      await fs.close(fd, 'r').catch(() => {})
      throw error
    }
  }

  /** No row reaches further than its limit, and to look for one takes as long as to look for the media: the likelier one first. */
  async function pour(key: ObjectKey, range: ByteRange | undefined, take: TakePiece): Promise<boolean> {
    return range !== undefined && range.end >= smallObjectLimit
      ? (await pourFileOf(key, range, take)) || (await pourRowOf(key, range, take))
      : (await pourRowOf(key, range, take)) || (await pourFileOf(key, range, take))
  }

  async function pourRowOf(key: ObjectKey, range: ByteRange | undefined, take: TakePiece): Promise<boolean> {
    const bytes = small.recall(key)
    if (bytes === undefined) return false
    const part = partOf(bytes, range)
    if (part.byteLength > 0) await take(part)
    return true
  }

  async function pourFileOf(key: ObjectKey, range: ByteRange | undefined, take: TakePiece): Promise<boolean> {
    const fd = await onDisk(ifThere(fs.open(layout.pathOf(key), 'r')))
    if (fd === undefined) return false
    try {
      // What is one piece need not be measured: that all of it is there is seen before it is handed over.
      const isOnePiece = range !== undefined && range.end - range.start < leastPieceBytes
      await pourFile(fd, isOnePiece ? range : await onDisk(presentRange(fd, range)), take)
    } finally {
      await fs.close(fd, 'r').catch(() => {})
    }
    return true
  }

  async function presentRange(fd: number, range: ByteRange | undefined): Promise<ByteRange> {
    const size = await fs.size(fd)
    // An empty object is a row, so an empty file is a damaged one.
    const present = range ?? { start: 0, end: Math.max(size - 1, 0) }
    requireRange(present, size)
    return present
  }

  async function read(key: ObjectKey, range: ByteRange, into: Buffer | undefined): Promise<Buffer | undefined> {
    const bytes = small.read(key)
    if (bytes !== undefined) {
      requireRange(range, bytes.length)
      return bytes.subarray(range.start, range.end + 1)
    }
    return reading(key, async fd => {
      const { start, end } = await presentRange(fd, range)
      return filled(fd, into?.subarray(0, end + 1 - start) ?? Buffer.allocUnsafeSlow(end + 1 - start), start)
    })
  }

  async function fileOf({ key, size }: ObjectInfo): Promise<string | undefined> {
    if (size <= smallObjectLimit && small.sizeOf(key) !== undefined) return undefined
    const file = await ifThere(shareFile(key))
    if (file !== undefined) requireRange({ start: 0, end: size - 1 }, file.size)
    return file?.path
  }

  return {
    head: (key, reach) => onDisk(head(key, reach)),
    get: (key, range) => onDisk(get(key, range)),
    // Not all of it is work of the disk.
    pour,
    read: (key, range, into) => onDisk(read(key, range, into)),
    fileOf: object => onDisk(fileOf(object)),
  }
}
