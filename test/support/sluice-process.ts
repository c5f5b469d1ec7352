/**
 * Sluice as an operator meets it: a process of its own, told by arguments, environment and signals, and read by its two outputs.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { until } from './until.ts'

export const projectRoot = join(import.meta.dirname, '../..')

export interface Invocation {
  /** Working directory, which `./data` is relative to. */
  readonly cwd: string
  /** On top of what every process needs; nothing else of the environment of the tests is handed down. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Outcome {
  /** null when a signal ended the process. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface SluiceProcess {
  /** What was said so far. */
  readonly said: { readonly stdout: string; readonly stderr: string }
  isRunning(): boolean
  kill(signal: NodeJS.Signals): void
  /** Resolves with the first line of standard output, or with undefined when there will be none. */
  readonly firstLine: Promise<string | undefined>
  /** Resolves when the process is gone and both outputs were read to their end. */
  readonly ended: Promise<Outcome>
}

export interface Serving extends SluiceProcess {
  /** As in the ready line; empty for a listener that was not opened. */
  readonly api: string
  readonly edge: string
  /** The lines of the log so far. */
  log(): readonly Record<string, unknown>[]
}

const main = join(projectRoot, 'src/main.ts')

/** `node src/main.ts …`, killed with the test. */
export function startProcess(t: ExecutionContext, args: readonly string[], invocation: Invocation): SluiceProcess {
  return startNode(t, [main, ...args], invocation)
}

function startNode(t: ExecutionContext, args: readonly string[], { cwd, env }: Invocation): SluiceProcess {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  const firstLine = Promise.withResolvers<string | undefined>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text
    if (said.stdout.includes('\n')) firstLine.resolve(said.stdout.split('\n', 1)[0])
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text
  })
  const ended = outcomeOf(child, said)
  void ended.then(() => firstLine.resolve(undefined))
  const isRunning = () => child.exitCode === null && child.signalCode === null
  t.teardown(async () => {
    if (isRunning()) child.kill('SIGKILL')
    await ended
  })
  return { said, isRunning, kill: signal => void child.kill(signal), firstLine: firstLine.promise, ended }
}

/** Runs a command to its end. */
export function runCommand(t: ExecutionContext, args: readonly string[], invocation: Invocation): Promise<Outcome> {
  return startProcess(t, args, invocation).ended
}

/** `sluice serve` on ports that the system chooses. @throws when it stops before it is ready */
export async function serve(t: ExecutionContext, args: readonly string[], invocation: Invocation): Promise<Serving> {
  const env = { ...freePorts, ...invocation.env }
  return whenReady(startProcess(t, ['serve', ...args], { ...invocation, env }))
}

export interface Activated {
  /** Waits until it is ready for the `start`th time. @throws when it will not be */
  serving(start: number): Promise<{ readonly pid: number; readonly api: string; readonly edge: string }>
  readonly said: SluiceProcess['said']
  /** Not to be started again. */
  end(): Promise<Outcome>
}

/**
 * `sluice …` with sockets of its own, as by systemd, and started again whenever it has stopped.
 * @param names as in FileDescriptorName=, joined by colons; empty: none
 */
export function startActivated(
  t: ExecutionContext,
  args: readonly string[],
  { cwd, env }: Invocation,
  names = '',
): Activated {
  const script = join(import.meta.dirname, 'socket-activation.ts')
  const endFile = join(cwd, 'not-again')
  const { said, isRunning, ended } = startNode(t, [script, names, endFile, process.execPath, main, ...args], {
    cwd,
    ...(env && { env }),
  })
  const lines = (event: string) =>
    said.stdout
      .split('\n')
      .slice(0, -1)
      .flatMap(line => (line.startsWith(`{"event":"${event}"`) ? [JSON.parse(line)] : []))
  const kill = (signal: NodeJS.Signals) => {
    const pid = lines('starting').at(-1)?.pid
    if (isRunning() && pid !== undefined) process.kill(pid, signal)
  }
  const end = async (signal: NodeJS.Signals) => {
    writeFileSync(endFile, '')
    kill(signal)
    return ended
  }
  t.teardown(() => end('SIGKILL'))
  return {
    serving: async start => {
      await until(() => lines('ready').length >= start || !isRunning())
      const ready = lines('ready')[start - 1]
      if (ready === undefined) throw new Error(`it did not start: ${said.stderr}`)
      return { pid: lines('starting')[start - 1].pid, api: ready.api_url ?? '', edge: ready.edge_url ?? '' }
    },
    said,
    end: () => end('SIGTERM'),
  }
}

export const freePorts = { SLUICE_API__LISTEN: '127.0.0.1:0', SLUICE_EDGE__LISTEN: '127.0.0.1:0' }

/** @throws when the process stops before it is ready */
export async function whenReady(running: SluiceProcess): Promise<Serving> {
  const line = await running.firstLine
  if (line === undefined) throw new Error(`it did not start: ${(await running.ended).stderr}`)
  const { event, api_url, edge_url } = JSON.parse(line)
  if (event !== 'ready') throw new Error(`not a ready line: ${line}`)
  return { ...running, api: api_url ?? '', edge: edge_url ?? '', log: () => logLines(running.said.stderr) }
}

function logLines(stderr: string): readonly Record<string, unknown>[] {
  const whole = stderr.slice(0, stderr.lastIndexOf('\n') + 1)
  return whole.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line)]))
}

async function outcomeOf(child: ChildProcess, said: { stdout: string; stderr: string }): Promise<Outcome> {
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...said }
}

/** Reading the sources is most of what a start costs, and the tests start many. */
export const compileCache = join(projectRoot, 'node_modules/.cache/compile')
