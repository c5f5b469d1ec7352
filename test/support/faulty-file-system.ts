/**
 * The real file system, except for the calls that a test interferes with.
 */
import { type FileSystem, systemFileSystem } from '../../src/storage/file-system.ts'

export interface Call {
  readonly name: keyof FileSystem
  /** Of all calls, counted from 1. */
  readonly number: number
  /** Paths and descriptors, as they were given. */
  readonly args: readonly unknown[]
}

export interface FaultyFileSystem extends FileSystem {
  /** Names of the calls made so far, in order. */
  readonly calls: readonly (keyof FileSystem)[]
  /** Descriptors that were opened here and not closed. Those that a stream has taken over are not counted. */
  openDescriptors(): number
}

/** @param interfere sees each call before it happens; what it throws is how the call fails, what it waits for delays the call */
export function faultyFileSystem(interfere: (call: Call) => void | Promise<void>): FaultyFileSystem {
  const calls: (keyof FileSystem)[] = []
  const open = new Set<number>()

  function announce(name: keyof FileSystem, ...args: readonly unknown[]): void | Promise<void> {
    calls.push(name)
    return interfere({ name, number: calls.length, args })
  }

  return {
    calls,
    openDescriptors: () => open.size,
    open: async (path, flags) => {
      await announce('open', path, flags)
      const fd = await systemFileSystem.open(path, flags)
      open.add(fd)
      return fd
    },
    close: async fd => {
      // A close that fails has closed the descriptor all the same (Linux).
      await systemFileSystem.close(fd)
      open.delete(fd)
      await announce('close', fd)
    },
    writev: async (fd, chunks, position) => {
      await announce('writev', fd)
      return systemFileSystem.writev(fd, chunks, position)
    },
    sync: async fd => {
      await announce('sync', fd)
      return systemFileSystem.sync(fd)
    },
    datasync: async fd => {
      await announce('datasync', fd)
      return systemFileSystem.datasync(fd)
    },
    size: async fd => {
      await announce('size', fd)
      return systemFileSystem.size(fd)
    },
    read: async (fd, into, position) => {
      await announce('read', fd)
      return systemFileSystem.read(fd, into, position)
    },
    stream: (fd, range, highWaterMark) => {
      void announce('stream', fd)
      open.delete(fd)
      return systemFileSystem.stream(fd, range, highWaterMark)
    },
    sizeOf: async path => {
      await announce('sizeOf', path)
      return systemFileSystem.sizeOf(path)
    },
    attributes: async path => {
      await announce('attributes', path)
      return systemFileSystem.attributes(path)
    },
    chmod: async (path, mode) => {
      await announce('chmod', path)
      return systemFileSystem.chmod(path, mode)
    },
    link: async (existing, path) => {
      await announce('link', existing, path)
      return systemFileSystem.link(existing, path)
    },
    rename: async (from, to) => {
      await announce('rename', from, to)
      return systemFileSystem.rename(from, to)
    },
    unlink: async path => {
      await announce('unlink', path)
      return systemFileSystem.unlink(path)
    },
    mkdir: async path => {
      await announce('mkdir', path)
      return systemFileSystem.mkdir(path)
    },
    list: async path => {
      await announce('list', path)
      return systemFileSystem.list(path)
    },
    sizeOfSync: path => {
      void announce('sizeOfSync', path)
      return systemFileSystem.sizeOfSync(path)
    },
    renameSync: (from, to) => {
      void announce('renameSync', from, to)
      return systemFileSystem.renameSync(from, to)
    },
  }
}

/** An error as the operating system gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code, syscall: 'injected' })
}
