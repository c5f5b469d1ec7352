/** What the suite found, on disk: each trial as it was held last. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import type { TrialResult } from './contest.ts'
import { type LoadClient, loadClient } from './load/client.ts'
import { projectRoot } from './paths.ts'
import { peerVersions } from './peers/versions.ts'

export interface Results {
  readonly machine: Machine
  /** Of those that Sluice was held against; nobody that was absent. */
  readonly peers: Readonly<Record<string, string>>
  readonly trials: readonly DatedResult[]
}

export interface DatedResult extends TrialResult {
  /** ISO 8601, and the commit that was checked out. */
  readonly at: string
  readonly commit: string
}

export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGib: number
  readonly system: string
  readonly node: string
  readonly loadClient: LoadClient['kind']
}

export function thisMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `Linux ${release().split('-')[0]}`,
    node: process.version,
    loadClient: loadClient().kind,
  }
}

export function readResults(file: string): Results | undefined {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

/** Puts these in the place of earlier ones of the same name. Results of another machine are not kept: they do not go together. */
export function addResults(file: string, added: readonly TrialResult[], order: readonly string[]): Results {
  const machine = thisMachine()
  const before = readResults(file)
  const kept = isSame(before?.machine, machine) ? (before?.trials ?? []) : []
  const dated = added.map(result => ({ ...result, at: new Date().toISOString(), commit: currentCommit() }))
  const byName = new Map([...kept, ...dated].map(result => [result.name, result]))
  const results = { machine, peers: peerVersions(), trials: order.flatMap(name => byName.get(name) ?? []) }
  writeFileSync(`${file}.new`, `${JSON.stringify(results, roundedNumbers, 1)}\n`)
  renameSync(`${file}.new`, file)
  return results
}

function isSame(one: Machine | undefined, other: Machine): boolean {
  return one?.processor === other.processor && one.cores === other.cores
}

/** Four significant digits: none of these is known better, and a file that is kept should be readable. */
function roundedNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
}

export function currentCommit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: projectRoot, encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
