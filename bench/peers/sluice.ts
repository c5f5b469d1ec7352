/** Sluice as an operator runs it: the bundle, its defaults, its log into a file. Only what would refuse so many requests is lifted. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { benchDir, projectRoot } from '../paths.ts'
import { launch, whenReady } from '../programs.ts'
import type { Server } from './server.ts'

export interface SluiceServer extends Server {
  readonly api: number
  readonly edge: number
  readonly dataDir: string
  /** For the header Authorization. */
  readonly authorization: string
  /** Milliseconds from the start of the process to its ready line. */
  readonly readyMs: number
  /** What the preloaded watcher saw since the last look. */
  look(): Promise<Watch>
}

export interface Watch {
  readonly report: number
  readonly loop: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number }
  readonly fileOpen: { readonly count: number; readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number }
}

export interface SluiceOptions {
  readonly dir: string
  /** Instead of a fresh one in `dir`. */
  readonly dataDir?: string
  /** The directory of the bundle. */
  readonly build?: string
  readonly env?: Readonly<Record<string, string>>
  /** Opened and closed again and again from inside, and timed. */
  readonly probe?: string
}

export const builtSluice = join(projectRoot, 'dist')

const token = 'a-token-for-measuring'

export async function startSluice(options: SluiceOptions): Promise<SluiceServer> {
  const { dir, build = builtSluice, env = {}, probe } = options
  const dataDir = options.dataDir ?? join(dir, 'data')
  mkdirSync(dir, { recursive: true })
  const watchFile = join(dir, 'watch.json')
  const from = performance.now()
  const program = launch({
    name: 'sluice',
    command: process.execPath,
    args: ['--require', join(import.meta.dirname, '../preload/watch.ts'), join(build, 'main.js'), 'serve', '--init'],
    dir,
    env: {
      BENCH_WATCH: watchFile,
      ...(probe !== undefined && { BENCH_PROBE: probe }),
      ...(process.env.BENCH_PROFILES !== undefined && { BENCH_PROFILE: profileFile(process.env.BENCH_PROFILES, dir) }),
      SLUICE_DATA_DIR: dataDir,
      SLUICE_API__LISTEN: '127.0.0.1:0',
      SLUICE_EDGE__LISTEN: '127.0.0.1:0',
      SLUICE_AUTH__TOKENS: JSON.stringify([{ token, user_id: '@bench:localhost' }]),
      SLUICE_LIMITS__MAX_UPLOAD_BYTES: '1GiB',
      SLUICE_LIMITS__EXEMPT_USERS: '["*"]',
      ...env,
    },
  })
  const { api_url, edge_url } = await whenReady(program, () => {
    const [line, ...rest] = program.output().split('\n')
    return rest.length > 0 ? (JSON.parse(line ?? '') as { api_url: string; edge_url: string }) : undefined
  })
  const readyMs = performance.now() - from

  let looks = 0
  async function look(): Promise<Watch> {
    looks += 1
    program.signal('SIGUSR2')
    for (;;) {
      await sleep(5)
      const seen = readWatch(watchFile)
      if (seen?.report === looks) return seen
      if (!program.isRunning()) throw new Error(`sluice ended:\n${program.lastWords()}`)
    }
  }

  return {
    name: 'sluice',
    pid: program.pid,
    api: Number(new URL(api_url).port),
    edge: Number(new URL(edge_url).port),
    dataDir,
    authorization: `Bearer ${token}`,
    readyMs,
    look,
    stop: async () => {
      await program.stop()
      rmSync(watchFile, { force: true })
    },
  }
}

/** Named after the trial and the run, which the directory is named after. */
function profileFile(profiles: string, dir: string): string {
  mkdirSync(profiles, { recursive: true })
  const [, ...names] = relative(benchDir, dir).split(sep)
  return join(profiles, `${names.join('-')}.cpuprofile`)
}

function readWatch(file: string): Watch | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
