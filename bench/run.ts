/**
 * `npm run bench [-- NAME...]`: holds the trials whose names begin with one of these, or all of them.
 *
 *     --list             name the trials and stop
 *     --rounds N         instead of what the trial says, which is 5 for short ones and 3 for long ones
 *     --quick            one round of a second or so, to see whether everything works; what it measures means nothing
 *     --large            also what takes gigabytes for a database of 10⁷ media
 *     --against OTHER    the build in a directory or of a commit runs in each round too, as `old`, and the peers do not
 *     --profile          CPU profiles of the measured parts go to .tmp/bench/profiles, for `node bench/profile.ts`
 *     --record           with everything large, kept in bench/recorded.json, and docs/performance.md is made from it
 *     --resume           with --record: leave out what was recorded at this commit already
 */
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { TrialResult } from './contest.ts'
import { judge } from './goal.ts'
import type { Build } from './kinds/bench.ts'
import { loadClient } from './load/client.ts'
import type { News, Task } from './one-trial.ts'
import { otherBuild } from './other-build.ts'
import { benchDir, projectRoot, publishedFile, resultsFile } from './paths.ts'
import { builtSluice } from './peers/sluice.ts'
import { comparison } from './report/comparison.ts'
import { runLine, trialTable } from './report/table.ts'
import { addResults, currentCommit, readResults, thisMachine } from './results.ts'
import type { Trial } from './trial.ts'
import { trials } from './trials.ts'

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    large: { type: 'boolean', default: false },
    against: { type: 'string' },
    profile: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
  },
})

/** Longer than any trial takes; one that hangs must not keep the others from being held. */
const trialTimeout = 15 * 60_000

process.exitCode = await main()

async function main(): Promise<number> {
  const chosen = trials.filter(({ name }) => names.length === 0 || names.some(wanted => name.startsWith(wanted)))
  if (chosen.length === 0) return refuse('There is no such trial; --list names them')
  if (options.rounds !== undefined && !(Number(options.rounds) >= 1)) return refuse('--rounds takes a number from 1')
  if (options.record && (options.quick || options.against !== undefined))
    return refuse('--record keeps what holds for the build as it is: neither --quick nor --against goes with it')
  if (options.list) {
    for (const { name, title } of chosen) console.log(`${name.padEnd(24)} ${title}`)
    return 0
  }
  return holdAll(options.resume ? chosen.filter(isDue) : chosen)
}

function refuse(why: string): number {
  console.error(why)
  return 2
}

function isDue(trial: Trial): boolean {
  const earlier = readResults(publishedFile)?.trials.find(({ name }) => name === trial.name)
  if (earlier === undefined || earlier.commit !== currentCommit()) return true
  return earlier.rounds < roundsOf(trial) || Object.keys(earlier.failed).length > 0
}

function roundsOf(trial: Trial): number {
  return options.quick ? 1 : Number(options.rounds ?? trial.rounds ?? 5)
}

async function holdAll(chosen: readonly Trial[]): Promise<number> {
  execFileSync(process.execPath, [join(projectRoot, 'tools/build.ts'), '--if-needed'], { stdio: 'inherit' })
  const { processor, cores, node } = thisMachine()
  console.log(
    `${cores} × ${processor}, Node ${node}, load client in ${loadClient().kind}, load average ${loadavg()[0]}`,
  )
  const builds: readonly Build[] = [
    { name: 'sluice', dir: builtSluice },
    ...(options.against === undefined ? [] : [{ name: 'old', dir: otherBuild(options.against) }]),
  ]

  // Deleted at the very end: creating files soon after many were deleted is slow on some file systems.
  const runDir = join(benchDir, `run-${process.pid}`)
  mkdirSync(runDir, { recursive: true })
  removeLeftovers()
  const from = performance.now()
  const broken: string[] = []
  try {
    for (const trial of chosen) {
      console.log(`\n${trial.name}: ${trial.title}`)
      const result = await holdOne(trial, join(runDir, trial.name), builds)
      if (result === undefined || Object.keys(result.failed).length > 0) broken.push(trial.name)
      if (result !== undefined) keepAndShow(trial, result)
    }
  } finally {
    rmSync(runDir, { recursive: true, force: true })
  }
  console.log(`\n${chosen.length} trials in ${Math.round((performance.now() - from) / 1000)} s`)
  if (options.record) execFileSync(process.execPath, [join(projectRoot, 'tools/docs.ts')], { stdio: 'inherit' })
  if (broken.length > 0) console.error(`These could not be held, or not by all: ${broken.join(', ')}`)
  return broken.length === 0 ? 0 : 1
}

/** Of suites that were killed: gigabytes, maybe. */
function removeLeftovers(): void {
  for (const name of readdirSync(benchDir)) {
    const pid = /^run-(\d+)$/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(benchDir, name), { recursive: true, force: true })
  }
}

function keepAndShow(trial: Trial, result: TrialResult): void {
  if (options.against !== undefined) {
    console.log(comparison(result.runs, 'sluice', 'old'))
    return
  }
  console.log(
    trialTable(
      result,
      trial.goals.map(goal => judge(goal, result.runs)),
    ),
  )
  const order = trials.map(({ name }) => name)
  addResults(resultsFile, [result], order)
  if (options.record) addResults(publishedFile, [result], order)
}

/** @returns undefined when the trial broke; it has said why */
async function holdOne(trial: Trial, dir: string, builds: readonly Build[]): Promise<TrialResult | undefined> {
  const { quick } = options
  const large = options.large || options.record
  const task: Task = { trial: trial.name, rounds: roundsOf(trial), dir, quick, large, builds }
  const profiles = options.profile ? { BENCH_PROFILES: join(benchDir, 'profiles') } : {}
  const child = fork(join(import.meta.dirname, 'one-trial.ts'), {
    stdio: 'inherit',
    env: { ...process.env, ...profiles },
    timeout: trialTimeout,
    killSignal: 'SIGKILL',
  })
  let result: TrialResult | undefined
  child.on('message', (news: News) => {
    if ('result' in news) result = news.result
    else console.log(runLine(news.run.round, news.run.contestant, news.run.figures))
  })
  child.send(task)
  // What it said last may be read after it has ended.
  await Promise.all([once(child, 'exit'), once(child, 'disconnect')])
  return result
}
