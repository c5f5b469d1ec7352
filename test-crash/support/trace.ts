/**
 * System calls of a server, as strace writes them down: what it did to its files, in which order, with which bytes, and when it answered.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** What ran between two lines of the trace was under way at once; so each call has a beginning and an end. */
export interface Moment {
  /** Of the trace. */
  readonly line: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

export interface SystemCall {
  readonly name: string
  readonly begin: Moment
  readonly end: Moment
  /** As strace prints them. */
  readonly text: string
  readonly result: number
}

const traced = [
  ...['openat', 'close', 'write', 'writev', 'pwrite64', 'pwritev', 'ftruncate', 'fallocate', 'fsync', 'fdatasync'],
  ...['link', 'linkat', 'rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir'],
  ...['copy_file_range', 'sendfile', 'io_uring_enter', 'io_uring_setup', 'msync'],
]

/** Goes before `node`. The tracer steps aside (`-D`), so that the process that we start is the server itself. */
export function tracing(file: string): readonly string[] {
  const options = ['-D', '-f', '-y', '-ttt', '-xx', '-s', String(8 * 1024 * 1024), '--seccomp-bpf', '-q', '-o', file]
  return ['strace', ...options, '-e', `trace=${traced.join(',')}`]
}

/** The whole trace of a process that has ended; the tracer may need a moment longer than it. */
export async function readTrace(file: string, pid: number): Promise<string> {
  const deadline = performance.now() + 120_000
  for (;;) {
    const text = readFileSync(file, 'utf8')
    if (new RegExp(`^${pid} .*\\+\\+\\+ (?:killed|exited) .*\n`, 'm').test(text)) return text
    if (performance.now() > deadline) throw new Error('the trace has no end')
    await sleep(50)
  }
}

/** @throws Error that says what is missing */
export function requireStrace(): void {
  try {
    execFileSync('strace', ['-qq', '-e', 'trace=none', 'true'], { stdio: 'ignore' })
  } catch (cause) {
    throw new Error('strace is needed here, and it must be allowed to trace: apt-get install strace', { cause })
  }
}

const lineForm = /^(?<pid>\d+) +(?<at>\d+\.\d+) (?<rest>.*)$/
const resumedForm = /^<\.\.\. (?<name>\w+) resumed>(?<tail>.*)$/
const wholeForm = /^(?<name>\w+)\((?<text>.*)\) += (?<result>-?\d+)/s

export function parseTrace(text: string): readonly SystemCall[] {
  const calls: SystemCall[] = []
  const unfinished = new Map<string, { readonly begin: Moment; readonly head: string }>()
  for (const [line, content] of text.split('\n').entries()) {
    const { pid = '', at: seconds = '', rest = '' } = lineForm.exec(content)?.groups ?? {}
    const moment = { line, at: Number(seconds) * 1000 }
    const resumed = resumedForm.exec(rest)?.groups
    if (rest.endsWith('<unfinished ...>')) {
      unfinished.set(pid, { begin: moment, head: rest.slice(0, -'<unfinished ...>'.length).trimEnd() })
      continue
    }
    const before = resumed === undefined ? undefined : unfinished.get(pid)
    const whole = resumed === undefined ? rest : `${before?.head ?? ''}${resumed.tail}`
    const { name, text: args = '', result } = wholeForm.exec(whole)?.groups ?? {}
    if (name === undefined) continue
    calls.push({ name, begin: before?.begin ?? moment, end: moment, text: args, result: Number(result) })
  }
  return calls
}

/** The bytes between the quotes that strace has written in hexadecimal, all of them in one. */
export function bytesIn(text: string): Buffer {
  const quoted = [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) => hex.replaceAll('\\x', ''))
  return Buffer.from(quoted.join(''), 'hex')
}

/** Texts between quotes: paths. */
export function pathsIn(text: string): string[] {
  return [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) =>
    Buffer.from(hex.replaceAll('\\x', ''), 'hex').toString(),
  )
}

/** The descriptor that a call is about. */
export function descriptorOf(text: string): number {
  return Number.parseInt(text, 10)
}

/** What `-y` says of the first descriptor: a path as it is now, or a socket. */
export function targetOf(text: string): string {
  const shown = /^-?\w+<((?:\\x[0-9a-f]{2}|[^>])*)>/.exec(text)?.[1] ?? ''
  return shown.includes('\\x') ? Buffer.from(shown.replaceAll('\\x', ''), 'hex').toString() : shown
}
