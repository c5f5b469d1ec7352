/**
 * The few calls of the operating system that the disk store makes, so that a test can let any one of them fail, stall or fall short.
 */
import nodeFs from 'node:fs'
import type { Readable } from 'node:stream'
import type { ByteRange } from '../domain/objects.ts'

/** Every call rejects or throws with the `code` of the operating system, such as `ENOSPC`. */
export interface FileSystem {
  /** `wx` makes a new file that only this user may read, and fails where there is one. @returns a file descriptor */
  open(path: string, flags: 'r' | 'wx' | 'directory'): Promise<number>
  /** @param was `r`: an object that was read, which may have been removed meanwhile; then its space is given back here */
  close(fd: number, was?: 'r'): Promise<void>
  /** @returns how many bytes were taken, which may be fewer than were given */
  writev(fd: number, chunks: readonly Uint8Array[], position: number): Promise<number>
  sync(fd: number): Promise<void>
  /** Like `sync`, without the times of the file. */
  datasync(fd: number): Promise<void>
  /** @returns bytes */
  size(fd: number): Promise<number>
  /** Reads from `position` on. @returns how many bytes that were: fewer than fit only at the end of the file, and 0 behind it */
  read(fd: number, into: Uint8Array, position: number): Promise<number>
  /** A stream over part of an open file; closes the descriptor when it ends or is destroyed. */
  stream(fd: number, range: ByteRange, highWaterMark: number): Readable

  /** @returns bytes */
  sizeOf(path: string): Promise<number>
  /** Kind and permissions as `stat` has them, and bytes. */
  attributes(path: string): Promise<{ readonly mode: number; readonly size: number }>
  chmod(path: string, mode: number): Promise<void>
  link(existing: string, path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  mkdir(path: string): Promise<void>
  list(path: string): Promise<string[]>

  /** For the inside of a transaction, which must not wait. */
  sizeOfSync(path: string): number
  renameSync(from: string, to: string): void
}

/**
 * What only changes a name or a descriptor is done at once: the way to the thread pool and back costs this thread more than the call
 * itself, and a cycle of 128 KiB has seven of them. Such a call may have to wait for the journal of the file system, but so may a
 * commit, which is made on this thread too. What an open file is, the system knows without the disk. Opening an object to read it may wait
 * for the disk, and giving the space of a large file back takes its time: these go to the pool.
 */
export const systemFileSystem: FileSystem = {
  open: async (path, flags) => {
    if (flags === 'r') return settle(done => nodeFs.open(path, flags, done))
    return nodeFs.openSync(path, flags === 'wx' ? 'wx' : 'r', 0o600)
  },
  close: async (fd, was) =>
    was === 'r' && isRemoved(fd) ? settle(done => nodeFs.close(fd, done)) : nodeFs.closeSync(fd),
  writev: (fd, chunks, position) => settle(done => nodeFs.writev(fd, chunks, position, done)),
  sync: fd => settle(done => nodeFs.fsync(fd, done)),
  datasync: fd => settle(done => nodeFs.fdatasync(fd, done)),
  size: async fd => nodeFs.fstatSync(fd).size,
  read: (fd, into, position) => settle(done => nodeFs.read(fd, into, 0, into.byteLength, position, done)),
  stream: (fd, { start, end }, highWaterMark) => nodeFs.createReadStream('', { fd, start, end, highWaterMark }),

  sizeOf: async path => (await nodeFs.promises.stat(path)).size,
  attributes: path => nodeFs.promises.stat(path),
  chmod: (path, mode) => nodeFs.promises.chmod(path, mode),
  link: async (existing, path) => nodeFs.linkSync(existing, path),
  rename: async (from, to) => nodeFs.renameSync(from, to),
  unlink: path => nodeFs.promises.unlink(path),
  mkdir: path => nodeFs.promises.mkdir(path, 0o700),
  list: path => nodeFs.promises.readdir(path),

  sizeOfSync: path => nodeFs.statSync(path).size,
  renameSync: (from, to) => nodeFs.renameSync(from, to),
}

/** Also where that can not be told: then it may take its time. */
function isRemoved(fd: number): boolean {
  try {
    return nodeFs.fstatSync(fd).nlink === 0
  } catch {
    return true
  }
}

/** True for an error of the operating system with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(error.code as string)
}

/** What the work gives, or undefined where there is no such file. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Bare descriptors rather than `FileHandle`: one promise per call on the way of every byte, and nothing that a collector may close. */
function settle<T = void>(call: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => (error === null || error === undefined ? resolve(value as T) : reject(error)))
  })
}
