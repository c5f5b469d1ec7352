/**
 * Listening sockets that systemd opened for us, by the protocol of sd_listen_fds(3). They outlive this process: connections that come
 * between its end and the start of the next one wait in them, so that a restart refuses nobody.
 */
import type { Surface } from '../http/cors.ts'
import { StartError } from './start-error.ts'

/** Descriptors by what is to be served on them. */
export type PassedSockets = Readonly<Partial<Record<Surface, number>>>

/** What was passed is not what is to be opened. The message is for the operator. */
export class PassedSocketsError extends StartError {
  override readonly name = 'PassedSocketsError'
}

/** By definition the first one; the others follow. */
const firstDescriptor = 3

/** Each of these is for one process, and must not be handed down to another. */
const variables = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const

/**
 * Sockets named `api` and `edge` (FileDescriptorName=) may come in any order, and one of them may be missing. Without these names,
 * there must be one for each listener, first the API's.
 * @param env loses the variables
 * @param surfaces what is to be opened, the API first
 * @throws PassedSocketsError
 */
export function takePassedSockets(env: NodeJS.ProcessEnv, pid: number, surfaces: readonly Surface[]): PassedSockets {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env
  for (const name of variables) delete env[name]
  // Meant for a parent that passed on its environment and not its sockets.
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return {}
  const count = Number(LISTEN_FDS)
  if (!Number.isInteger(count) || count < 0) refuse(surfaces, `LISTEN_FDS is not a number of descriptors`)
  if (count === 0) return {}

  const names = LISTEN_FDNAMES?.split(':') ?? []
  if (!names.some(name => name === 'api' || name === 'edge')) return inOrder(surfaces, count)
  if (names.length !== count) refuse(surfaces, `${count} passed, but ${names.length} named`)
  const sockets = new Map<string, number>()
  for (const [index, name] of names.entries()) {
    if (!surfaces.some(surface => surface === name)) refuse(surfaces, `one is named "${name}"`)
    if (sockets.has(name)) refuse(surfaces, `two are named "${name}"`)
    sockets.set(name, firstDescriptor + index)
  }
  return Object.fromEntries(sockets)
}

function inOrder(surfaces: readonly Surface[], count: number): PassedSockets {
  if (count !== surfaces.length) refuse(surfaces, `${count} passed, without the names api and edge`)
  return Object.fromEntries(surfaces.map((surface, index) => [surface, firstDescriptor + index]))
}

function refuse(surfaces: readonly Surface[], found: string): never {
  const expected =
    surfaces.length === 1 ? `one socket, for the ${surfaces[0]}` : 'one socket for the api, then one for the edge'
  throw new PassedSocketsError(
    `the sockets passed by systemd do not fit: expected ${expected}, or named so by FileDescriptorName=; ${found}`,
  )
}
