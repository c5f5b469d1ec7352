/**
 * A disk as far as a power cut is concerned. What a process wrote is in the cache of the system; `fsync` brings it to the platter; what
 * else is there after the cut is a matter of luck. The model is fed with a trace and asked what could be found at any of its moments.
 *
 * Three kinds of file systems. `ordered`: names are kept in a journal, in order, and whoever syncs anything syncs the journal up to there
 * (ext4, XFS). `named`: a synced file has the names that it was given before, and nothing else is promised (Btrfs, F2FS). `strict`: as
 * little as POSIX promises; a name is there only when its directory was synced, whatever else was.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Chance } from './chance.ts'
import { bytesIn, descriptorOf, pathsIn, type SystemCall } from './trace.ts'

export type Kind = 'ordered' | 'named' | 'strict'

/** `least`: nothing but what was synced · `torn`: of the rest some, in pieces and out of order */
export type Luck = 'least' | 'torn'

interface Write {
  readonly offset: number
  /** undefined: the file ends at the offset. */
  readonly bytes: Buffer | undefined
}

interface File {
  readonly kind: 'file'
  /** On the platter. */
  durable: Buffer
  /** In the cache only, in order. */
  pending: Write[]
  size: number
}

interface Directory {
  readonly kind: 'directory'
  /** On the platter. */
  readonly durable: Map<string, Node>
}

type Node = File | Directory

/** One change of names: nothing of it is there, or all. */
interface Renaming {
  readonly removals: readonly Entry[]
  readonly additions: readonly (Entry & { readonly node: Node })[]
}

interface Entry {
  readonly directory: Directory
  readonly name: string
}

interface Open {
  readonly file: File
  position: number
}

export interface DiskModel {
  /** A sync covers what was done before it began, and the number of a descriptor is free as soon as its closing begins. */
  begin(call: SystemCall): void
  /** Everything else counts from when it has ended. */
  end(call: SystemCall): void
  /** Writes what a power cut at this moment could leave. */
  materialise(dir: string, luck: Luck, chance: Chance): void
}

function isSync({ name }: SystemCall): boolean {
  return name === 'fsync' || name === 'fdatasync'
}

/** What SQLite makes anew at every start, and locks. */
const isEphemeral = (name: string): boolean => name.endsWith('-shm') || name.startsWith('lock-')

/**
 * @param base all that is there is taken to be on the platter
 * @param dataDir where it was when the trace was made
 */
export function makeDiskModel(base: string, kind: Kind, dataDir: string): DiskModel {
  const root = load(base)
  /** Names as the process sees them. */
  const seen = new Map<string, Node>([[dataDir, root], ...walk(root, dataDir)])
  const open = new Map<number, Open | Directory>()
  let renamings: Renaming[] = []

  function entryOf(path: string): Entry | undefined {
    const directory = seen.get(dirname(path))
    return directory?.kind === 'directory' ? { directory, name: basename(path) } : undefined
  }

  function rename(
    removed: readonly string[],
    added: readonly (readonly [path: string, node: Node | undefined])[],
  ): void {
    const removals = removed.map(entryOf).filter(entry => entry !== undefined)
    const additions = added.flatMap(([path, node]) => {
      const entry = entryOf(path)
      return entry === undefined || node === undefined ? [] : [{ ...entry, node }]
    })
    for (const path of removed) seen.delete(path)
    for (const [path, node] of added) if (node !== undefined) seen.set(path, node)
    if (removals.length + additions.length > 0) renamings.push({ removals, additions })
  }

  /** @returns what has to be done when the sync has succeeded */
  function sync(node: Open | Directory): () => void {
    const writes = 'file' in node ? [...node.file.pending] : []
    const isCarried = ({ removals, additions }: Renaming): boolean => {
      if (kind === 'ordered') return true
      if ('file' in node) return kind === 'named' && additions.some(added => added.node === node.file)
      return [...removals, ...additions].some(({ directory }) => directory === node)
    }
    const concerned = new Set(renamings.filter(isCarried))
    return () => {
      if ('file' in node) {
        const { file } = node
        // Another sync may have been quicker.
        file.durable = contentOf(
          file.durable,
          writes.filter(write => file.pending.includes(write)),
        )
        file.pending = file.pending.filter(write => !writes.includes(write))
      }
      for (const renaming of renamings) if (concerned.has(renaming)) perform(renaming)
      renamings = renamings.filter(renaming => !concerned.has(renaming))
    }
  }

  function write({ file }: Open, offset: number, bytes: Buffer | undefined): void {
    file.pending.push({ offset, bytes })
    file.size = bytes === undefined ? offset : Math.max(file.size, offset + bytes.length)
  }

  function openFile(path: string, flags: string, descriptor: number): void {
    let node = seen.get(path)
    if (node === undefined && flags.includes('O_CREAT') && entryOf(path) !== undefined) {
      node = { kind: 'file', durable: Buffer.alloc(0), pending: [], size: 0 }
      rename([], [[path, node]])
    }
    if (node === undefined) return void open.delete(descriptor)
    if (node.kind === 'directory') return void open.set(descriptor, node)
    open.set(descriptor, { file: node, position: 0 })
    if (flags.includes('O_TRUNC') && node.size > 0) write({ file: node, position: 0 }, 0, undefined)
  }

  const syncs = new Map<SystemCall, () => void>()

  return {
    begin: call => {
      const descriptor = descriptorOf(call.text)
      const target = open.get(descriptor)
      if (call.name === 'close') open.delete(descriptor)
      else if (isSync(call) && target !== undefined) syncs.set(call, sync(target))
    },

    end: call => {
      const { name, text, result } = call
      if (result < 0) return
      const target = open.get(descriptorOf(text))
      const [first = '', second = ''] = pathsIn(text.replaceAll(/<[^>]*>/g, ''))
      switch (name) {
        // The number was free when it began, and may be another file's by now.
        case 'close':
          return
        case 'openat':
          return openFile(first, text, result)
        case 'link':
        case 'linkat':
          return rename([], [[second, seen.get(first)]])
        case 'rename':
        case 'renameat':
        case 'renameat2': {
          const node = seen.get(first)
          // Two names of one file: nothing happens (POSIX).
          return node !== undefined && node === seen.get(second) ? undefined : rename([first], [[second, node]])
        }
        case 'unlink':
        case 'unlinkat':
        case 'rmdir':
          return rename([first], [])
        case 'mkdir':
        case 'mkdirat':
          return rename([], [[first, { kind: 'directory', durable: new Map() }]])
        case 'fsync':
        case 'fdatasync':
          return syncs.get(call)?.()
      }
      if (target === undefined || !('file' in target)) return
      if (name === 'ftruncate') write(target, Number(lastArgument(text)), undefined)
      else if (name === 'pwrite64' || name === 'pwritev') write(target, Number(lastArgument(text)), bytesIn(text))
      else if (name === 'write' || name === 'writev') {
        write(target, target.position, bytesIn(text).subarray(0, result))
        target.position += result
      } else throw new Error(`the model does not know ${name}`)
    },

    materialise: (dir, luck, chance) => {
      const names = new Map<Directory, Map<string, Node>>()
      const namesOf = (directory: Directory): Map<string, Node> => {
        const known = names.get(directory) ?? new Map(directory.durable)
        names.set(directory, known)
        return known
      }
      // A journal ends somewhere; without one each change is there or is not.
      const kept =
        luck === 'least'
          ? []
          : kind === 'ordered'
            ? renamings.slice(0, chance.between(0, renamings.length))
            : renamings.filter(() => chance.is(0.5))
      for (const renaming of kept) perform(renaming, namesOf)
      print(root, dir, namesOf, luck, chance)
    },
  }
}

function perform(
  { removals, additions }: Renaming,
  namesOf: (directory: Directory) => Map<string, Node> = ({ durable }) => durable,
): void {
  for (const { directory, name } of removals) namesOf(directory).delete(name)
  for (const { directory, name, node } of additions) namesOf(directory).set(name, node)
}

function print(
  directory: Directory,
  path: string,
  namesOf: (directory: Directory) => Map<string, Node>,
  luck: Luck,
  chance: Chance,
): void {
  mkdirSync(path, { recursive: true })
  for (const [name, node] of namesOf(directory)) {
    if (isEphemeral(name)) continue
    if (node.kind === 'directory') print(node, join(path, name), namesOf, luck, chance)
    else writeFileSync(join(path, name), contentOf(node.durable, luck === 'least' ? [] : torn(node.pending, chance)))
  }
}

/** What a disk writes at once. */
const sector = 512

/** Some of the writes, some of them in part, in any order. */
function torn(writes: readonly Write[], chance: Chance): Write[] {
  return writes.flatMap(write => {
    if (chance.is(0.4)) return []
    const { bytes, offset } = write
    if (bytes === undefined || chance.is(0.5)) return [write]
    // From one border between sectors to another.
    const sectors = Math.ceil(bytes.length / sector)
    const [from, to] = [chance.between(0, sectors), chance.between(0, sectors)].sort((a, b) => a - b)
    const begin = Math.max(0, (from ?? 0) * sector - (offset % sector))
    return [{ offset: offset + begin, bytes: bytes.subarray(begin, (to ?? 0) * sector) }]
  })
}

function contentOf(durable: Buffer, writes: readonly Write[]): Buffer {
  if (writes.length === 0) return durable
  let size = durable.length
  let most = size
  for (const { offset, bytes } of writes) {
    size = bytes === undefined ? offset : Math.max(size, offset + bytes.length)
    most = Math.max(most, size)
  }
  const content = Buffer.alloc(most)
  durable.copy(content)
  for (const { offset, bytes } of writes) {
    if (bytes === undefined) content.fill(0, offset)
    else bytes.copy(content, offset)
  }
  return content.subarray(0, size)
}

function lastArgument(text: string): string {
  return text.slice(text.lastIndexOf(',') + 1).trim()
}

function load(path: string): Directory {
  const directory: Directory = { kind: 'directory', durable: new Map() }
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name)
    if (entry.isDirectory()) directory.durable.set(entry.name, load(inner))
    else {
      const durable = readFileSync(inner)
      directory.durable.set(entry.name, { kind: 'file', durable, pending: [], size: durable.length })
    }
  }
  return directory
}

function* walk(directory: Directory, path: string): Generator<[string, Node]> {
  for (const [name, node] of directory.durable) {
    yield [join(path, name), node]
    if (node.kind === 'directory') yield* walk(node, join(path, name))
  }
}
