/**
 * The directory that everything durable lives in: made only when asked to, recognised by an identity file, and tried out before it is
 * relied on. Who may serve it is next door, in `serving-lock.ts`.
 */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Clock, Random } from '../domain/clock.ts'
import { failPoint } from '../domain/fail-point.ts'
import { hasCode } from './file-system.ts'

export interface DataDirectory {
  /** Absolute path. */
  readonly dir: string
  /** Made with the store and never changed. */
  readonly storeId: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

export interface OpenedDataDirectory extends DataDirectory {
  /** Nothing can be written at the moment. What is there can be read, so that is no reason not to start. */
  readonly isFull: boolean
}

/** Why the start stops. The message is for the operator: it names the directory and says what to do. */
export class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError'
}

const identityFile = 'sluice-store.json'
const currentFormat = 1
const subdirectories = ['objects', 'incoming']

/**
 * Opens the store in `dir`. With `init` one is made where the directory is missing or empty; without it that is an error, because an
 * unmounted disk looks exactly like that, and a server that goes on would take all media for deleted.
 * Synchronous: nothing else can happen before it.
 * @throws DataDirectoryError
 */
export function openDataDirectory(
  dir: string,
  { init, random, clock }: { readonly init: boolean; readonly random: Random; readonly clock: Clock },
): OpenedDataDirectory {
  const path = resolve(dir)
  try {
    if (!hasIdentity(path)) {
      requireVacant(path, init)
      createStore(path, { storeId: random(16).toString('hex'), createdAt: clock.now() }, random)
    }
    const identity = readIdentity(path)
    requireSubdirectories(path)
    sweep(path, clock)
    return { dir: path, ...identity, isFull: !hasRoom(path, random) }
  } catch (error) {
    if (error instanceof DataDirectoryError || !hasSystemCode(error)) throw error
    throw new DataDirectoryError(`The data directory ${path} can not be used: ${error.message}`, { cause: error })
  }
}

/**
 * The store in `dir` as it is: nothing is made, mended or tried out, so that it can be looked at while it is served, or after its disk
 * has begun to fail.
 * @throws DataDirectoryError
 */
export function readDataDirectory(dir: string): DataDirectory {
  const path = resolve(dir)
  try {
    if (!hasIdentity(path)) requireVacant(path, false)
    const identity = readIdentity(path)
    requireObjects(path)
    return { dir: path, ...identity }
  } catch (error) {
    if (error instanceof DataDirectoryError || !hasSystemCode(error)) throw error
    throw new DataDirectoryError(`The data directory ${path} can not be read: ${error.message}`, { cause: error })
  }
}

function hasSystemCode(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error
}

function hasIdentity(dir: string): boolean {
  return namesIn(dir)?.includes(identityFile) ?? false
}

/** @returns undefined when there is no such directory */
function namesIn(dir: string): string[] | undefined {
  try {
    return readdirSync(dir)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function requireVacant(dir: string, init: boolean): void {
  // A fresh ext4 volume is not quite empty.
  const names = namesIn(dir)?.filter(name => name !== 'lost+found')
  if (names !== undefined && !names.every(name => isLeftByInit(dir, name))) {
    throw new DataDirectoryError(
      `The directory ${dir} holds other things and no ${identityFile}, so it is not a Sluice store. ` +
        'Check data_dir, or choose an empty directory for a new store.',
    )
  }
  if (init) return
  throw new DataDirectoryError(
    `The data directory ${dir} is ${names === undefined ? 'missing' : 'empty'}. If it should hold media, its disk may not be ` +
      'mounted: mount it and start again. To make a new store there, start once with --init.',
  )
}

/** The identity is written last, so an init that was killed leaves these and can be repeated over them. */
function isLeftByInit(dir: string, name: string): boolean {
  if (name.startsWith(`${identityFile}.new-`)) return true
  return subdirectories.includes(name) && namesIn(join(dir, name))?.length === 0
}

function createStore(dir: string, identity: Omit<DataDirectory, 'dir'>, random: Random): void {
  const first = mkdirSync(dir, { recursive: true, mode: 0o700 })
  for (const name of subdirectories) mkdirSync(join(dir, name), { recursive: true, mode: 0o700 })
  failPoint('init: directories made')
  const fresh = join(dir, `${identityFile}.new-${random(8).toString('hex')}`)
  writeFileSync(fresh, `${JSON.stringify({ format: currentFormat, ...identity })}\n`, {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  })
  failPoint('init: identity written')
  try {
    // A link instead of a rename: of two processes that do this at the same time one wins, and both read its identity.
    linkSync(fresh, join(dir, identityFile))
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
  failPoint('init: identity linked')
  rmSync(fresh)
  syncDirectory(dir)
  if (first === undefined) return
  // The names of the directories that were made on the way, up to the one that was there before.
  for (let made = dir; ; made = dirname(made)) {
    syncDirectory(dirname(made))
    if (made === resolve(first)) return
  }
}

function readIdentity(dir: string): Omit<DataDirectory, 'dir'> {
  const file = join(dir, identityFile)
  const identity = parseJson(readFileSync(file, 'utf8'))
  if (typeof identity.format === 'number' && identity.format > currentFormat) {
    throw new DataDirectoryError(
      `${file} says format ${identity.format}; this version of Sluice knows formats up to ${currentFormat}. Start the newer version again.`,
    )
  }
  const { format, storeId, createdAt } = identity
  if (format !== currentFormat || typeof storeId !== 'string' || typeof createdAt !== 'number') {
    throw new DataDirectoryError(`${file} is damaged; restore it from a backup before anything else.`)
  }
  return { storeId, createdAt }
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

function requireObjects(dir: string): void {
  if (namesIn(join(dir, 'objects')) === undefined) {
    throw new DataDirectoryError(`The store in ${dir} has lost its directory objects/; restore it from a backup.`)
  }
}

function requireSubdirectories(dir: string): void {
  requireObjects(dir)
  // Backups may well leave this one out: there is nothing in it that anybody was promised.
  mkdirSync(join(dir, 'incoming'), { recursive: true, mode: 0o700 })
}

/** Milliseconds after which a file that lives for one moment of a start is not that of another process, which starts just now. */
const sweepAfter = 60_000

/** What starts left behind that were killed: second names of the identity, and probes, which no recovery touches. */
function sweep(dir: string, clock: Clock): void {
  const [objects, incoming] = [join(dir, 'objects'), join(dir, 'incoming')]
  const passing = [
    ...(namesIn(dir) ?? []).filter(name => name.startsWith(`${identityFile}.new-`)).map(name => join(dir, name)),
    ...[objects, incoming].flatMap(place =>
      (namesIn(place) ?? []).filter(name => name.startsWith(probePrefix)).map(name => join(place, name)),
    ),
  ]
  for (const path of passing) {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats !== undefined && clock.now() - stats.mtimeMs > sweepAfter) rmSync(path, { force: true })
  }
}

const probePrefix = 'probe-'

/** @returns false when the volume is full, which may pass */
function hasRoom(dir: string, random: Random): boolean {
  try {
    tryOut(dir, random)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')) return false
    throw error
  }
}

/** Does once everything that an upload will need, so that a bad volume stops the start and not the first user. */
function tryOut(dir: string, random: Random): void {
  const name = `${probePrefix}${random(8).toString('hex')}`
  const incoming = join(dir, 'incoming', name)
  const linked = join(dir, 'objects', name)
  const renamed = `${incoming}-renamed`
  try {
    writeFileSync(incoming, name, { mode: 0o600, flag: 'wx', flush: true })
    linkSync(incoming, linked)
    failPoint('init: probe linked')
    syncDirectory(join(dir, 'objects'))
    renameSync(linked, renamed)
    if (readFileSync(renamed, 'utf8') !== name)
      throw new DataDirectoryError(`The volume of ${dir} gave back other bytes than it took.`)
  } finally {
    for (const path of [incoming, linked, renamed]) rmSync(path, { force: true })
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
