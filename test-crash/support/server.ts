/** The bundle as a child process that may die at any moment. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { compileCache } from '../../test/support/sluice-process.ts'

export const projectRoot = join(import.meta.dirname, '../..')

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** As in the ready line: each is there when that listener was to be opened. */
export interface Addresses {
  readonly api: string
  readonly edge: string
}

export interface Server {
  readonly pid: number
  /** As in the ready line; undefined when the process ended before it. */
  readonly ready: Promise<Addresses | undefined>
  readonly ended: Promise<Ending>
  isRunning(): boolean
  kill(signal?: NodeJS.Signals): void
  /** Standard error so far. */
  said(): string
  /** Standard output so far. */
  wrote(): string
}

export interface ServerOptions {
  readonly dataDir: string
  readonly env?: Readonly<Record<string, string>>
  /** What runs node, e.g. `['strace', '-f', …]`. */
  readonly under?: readonly string[]
  /** After `node dist/main.js`; by default `serve`. */
  readonly command?: readonly string[]
  /** A file descriptor for standard error in place of a pipe. */
  readonly stderr?: number
}

export const users = {
  me: { token: 'token-of-me', id: '@me:localhost' },
  you: { token: 'token-of-you', id: '@you:localhost' },
}

const settings = {
  SLUICE_API__LISTEN: '127.0.0.1:0',
  SLUICE_EDGE__LISTEN: '127.0.0.1:0',
  SLUICE_LOG__LEVEL: 'warn',
  SLUICE_AUTH__TOKENS: JSON.stringify(
    Object.values(users).map(({ token, id }) => ({ token, user_id: id, admin: false })),
  ),
  SLUICE_LIMITS__EXEMPT_USERS: '["*"]',
}

const killAt = join(import.meta.dirname, 'kill-at.ts')
const program = join(projectRoot, 'dist/main.js')

export function startServer({ dataDir, env, under = [], command = ['serve'], stderr }: ServerOptions): Server {
  const [file = process.execPath, ...args] = [...under, process.execPath, '--import', killAt, program, ...command]
  const child = spawn(file, args, {
    cwd: join(dataDir, '..'),
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, SLUICE_DATA_DIR: dataDir, ...settings, ...env },
    stdio: ['ignore', 'pipe', stderr ?? 'pipe'],
  })
  let out = ''
  let err = ''
  const ready = Promise.withResolvers<Addresses | undefined>()
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text
    const [line, rest] = out.split('\n', 2)
    if (rest === undefined || line === undefined || !line.startsWith('{')) return
    const { api_url, edge_url } = JSON.parse(line)
    ready.resolve({ api: api_url, edge: edge_url })
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    ready.resolve(undefined)
    return { code, signal } as Ending
  })
  return {
    pid: child.pid ?? 0,
    ready: ready.promise,
    ended,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill: (signal = 'SIGKILL') => void child.kill(signal),
    said: () => err,
    wrote: () => out,
  }
}
