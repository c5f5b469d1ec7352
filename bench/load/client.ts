/**
 * Runs a plan with the C client, compiled here when there is a compiler, or else with the one in Node.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { benchDir, findProgram } from '../paths.ts'
import { type Plan, writePlan } from './plan.ts'

export interface LoadResult {
  readonly wallS: number
  /** Rounds through all steps. */
  readonly cycles: number
  readonly requests: number
  readonly perSecond: number
  /** Without the time that clients spent between rounds; the sum over all clients. */
  readonly perBusySecond: number
  readonly bytesOut: number
  readonly bytesIn: number
  /** Of the client itself. */
  readonly cpuS: number
  readonly errors: number
  readonly reconnects: number
  readonly firstError: string
  readonly cycle: Times
  readonly steps: readonly Times[]
}

export interface Times {
  readonly count: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface Moments {
  /** Between warm-up and measurement. */
  readonly onWarm?: () => Promise<void> | void
  /** After each round of a plan that pauses. */
  readonly onPause?: () => Promise<void> | void
}

/** @param dir for the plan @throws when a request failed: a figure with failures in it means nothing */
export async function runLoad(plan: Plan, dir: string, { onWarm, onPause }: Moments = {}): Promise<LoadResult> {
  mkdirSync(dir, { recursive: true })
  const [command, ...args] = loadClient().command
  const child = spawn(command, [...args, writePlan(plan, dir)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  let result: (LoadResult & { readonly error?: string }) | undefined
  for await (const line of createInterface(child.stdout)) {
    const message = JSON.parse(line)
    if (message.warm === true) await goOn(child, onWarm)
    else if (message.pause !== undefined) await goOn(child, onPause)
    else result = message
  }
  await ended
  if (result === undefined || result.error !== undefined) throw new Error(`the load client: ${result?.error ?? 'died'}`)
  if (result.errors > 0) throw new Error(`${result.errors} requests failed; the first: ${result.firstError}`)
  return result
}

async function goOn(child: ChildProcess, before: Moments[keyof Moments]): Promise<void> {
  await before?.()
  child.stdin?.write('\n')
}

export interface LoadClient {
  readonly kind: 'C' | 'Node'
  readonly command: readonly [string, ...string[]]
  /** A server that does nothing, for finding out what the client can do. */
  readonly sink: readonly [string, ...string[]]
}

let found: LoadClient | undefined

export function loadClient(): LoadClient {
  found ??= compiled() ?? {
    kind: 'Node',
    command: [process.execPath, join(import.meta.dirname, 'node-client.ts')],
    sink: [process.execPath, join(import.meta.dirname, 'node-sink.ts')],
  }
  return found
}

function compiled(): LoadClient | undefined {
  const compiler = process.env.BENCH_LOAD === 'node' ? undefined : (findProgram('gcc') ?? findProgram('cc'))
  if (compiler === undefined) return undefined
  mkdirSync(benchDir, { recursive: true })
  const [load, sink] = ['load', 'sink'].map(name => {
    const source = join(import.meta.dirname, `${name}.c`)
    const program = join(benchDir, name)
    if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs)
      execFileSync(compiler, ['-O2', '-pthread', '-o', program, source], { stdio: 'inherit' })
    return program
  }) as [string, string]
  return { kind: 'C', command: [load], sink: [sink] }
}
