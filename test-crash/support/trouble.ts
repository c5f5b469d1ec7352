/** Real trouble for a running server: system calls that fail, and a disk that is small. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'

export interface Trouble {
  /** The disk works again. */
  end(): Promise<void>
}

/**
 * Lets system calls of a process fail or take long, by strace's own notation, e.g. `fsync:error=EIO:when=1`.
 * @param paths only calls on these files; all, when there are none
 * @throws Error when strace may not trace the process
 */
export async function inject(pid: number, faults: readonly string[], paths: readonly string[] = []): Promise<Trouble> {
  const calls = faults.map(fault => fault.split(':')[0]).join(',')
  const tracer = spawn(
    'strace',
    [
      ...['-f', '-o', '/dev/null', '-e', `trace=${calls}`, '-p', String(pid)],
      ...faults.flatMap(fault => ['-e', `inject=${fault}`]),
      ...paths.flatMap(path => ['-P', path]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const ended = once(tracer, 'exit')
  let said = ''
  await new Promise<void>((resolve, reject) => {
    tracer.once('error', reject)
    tracer.once('exit', () => reject(new Error(`strace may not trace the server (as root it may): ${said}`)))
    tracer.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (/attached/.test(said)) resolve()
    })
  })
  return {
    end: async () => {
      tracer.kill('SIGINT')
      await ended
    },
  }
}

/** How many descriptors a process may have, as of now. @returns what ends the limit */
export function limitFiles(pid: number, most: number): Trouble {
  const before = execFileSync('prlimit', [
    '--pid',
    String(pid),
    '--nofile',
    '--output=SOFT,HARD',
    '--noheadings',
    '--raw',
  ])
  const [soft = '', hard = ''] = before.toString().trim().split(/\s+/)
  const set = (limit: string): void => void execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}`])
  set(`${most}:${hard}`)
  return { end: async () => set(`${soft}:${hard}`) }
}

/**
 * Goes before `node`: a small file system of its own, mounted where nobody else sees it, gone with the process.
 * @param log a file for standard error; it may lie on the small disk
 */
export function onSmallDisk(dir: string, mebibytes: number, log: string): readonly string[] {
  const script = `mount -t tmpfs -o size=${mebibytes}m,mode=755 tmpfs "$0" && cd "$0" && log="$1" && shift && exec "$@" 2>>"$log"`
  return [...namespace(), 'sh', '-c', script, dir, log]
}

/**
 * A read-only mount laid over a directory that such a process uses. The system refuses to make a disk read-only as long as somebody has a
 * file open for writing, as SQLite has; but what goes by a path meets the new mount.
 */
export function mountReadOnly(pid: number, dir: string): Trouble {
  const inside = (...command: string[]): void => {
    const users = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials']
    execFileSync('nsenter', ['--target', String(pid), '--mount', ...users, ...command], { stdio: 'pipe' })
  }
  inside('mount', '--bind', dir, dir)
  inside('mount', '-o', 'remount,bind,ro', dir)
  // Lazily, because a download may still have something open.
  return { end: async () => inside('umount', '--lazy', dir) }
}

/** How the files of such a process look from here. */
export function seenFrom(pid: number, path: string): string {
  return `/proc/${pid}/root${path}`
}

/** @throws Error in plain words: a test that needs this must not look as if it had passed */
export function requireMount(): void {
  try {
    const [file = '', ...args] = [...namespace(), 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', '/mnt']
    execFileSync(file, args, { stdio: 'pipe' })
  } catch (cause) {
    throw new Error('a small disk can not be mounted here: run this as root, or allow user namespaces', { cause })
  }
}

function namespace(): readonly string[] {
  if (!existsSync('/usr/bin/unshare')) throw new Error('unshare is needed here: apt-get install util-linux')
  return ['unshare', '--mount', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])]
}
