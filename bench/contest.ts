/**
 * A trial as a contest: everybody runs once in each round, in turn, and what is compared are the figures of one round. Speeds of
 * different minutes are not comparable on a machine that others use too; their ratios within a round are.
 */
import { loadavg } from 'node:os'
import type { Figures } from './figures.ts'
import type { Runs } from './goal.ts'
import { spreadOf } from './statistics.ts'

export interface Round {
  readonly number: number
  /** Fresh, and nobody else's. What is left in it goes at the end of the suite. */
  readonly dir: string
  /** Fewer repetitions, to see whether it works at all. */
  readonly quick: boolean
}

export interface Contestant {
  readonly name: string
  run(round: Round): Promise<Figures>
}

export interface Absent {
  readonly name: string
  readonly absent: string
}

export type Entry = Contestant | Absent

export interface TrialResult {
  readonly name: string
  readonly title: string
  readonly rounds: number
  readonly quick: boolean
  readonly seconds: number
  /** Load average of the machine before and after, and processor time that went elsewhere during the runs, in percent. */
  readonly load: { readonly before: number; readonly after: number; readonly others: number | undefined }
  /** Who could not take part, and why. */
  readonly absent: Readonly<Record<string, string>>
  /** Who broke down in one of the rounds, after which it ran no more. */
  readonly failed: Readonly<Record<string, string>>
  readonly runs: Runs
}

export interface Contest {
  readonly name: string
  readonly title: string
  readonly entries: readonly Entry[]
  readonly rounds: number
  readonly quick: boolean
  /** A fresh directory for each run. */
  readonly place: (round: number, contestant: string) => string
  readonly onRun: (round: number, contestant: string, figures: Figures) => void
}

export async function hold({ name, title, entries, rounds, quick, place, onRun }: Contest): Promise<TrialResult> {
  const before = loadavg()[0] ?? 0
  const from = performance.now()
  const contestants = entries.filter(entry => 'run' in entry)
  const failed: Record<string, string> = {}
  const runs: Record<string, Figures[]> = Object.fromEntries(contestants.map(contestant => [contestant.name, []]))
  for (let round = 1; round <= rounds; round += 1) {
    for (const contestant of contestants) {
      if (contestant.name in failed) continue
      try {
        const figures = await contestant.run({ number: round, dir: place(round, contestant.name), quick })
        runs[contestant.name]?.push(figures)
        onRun(round, contestant.name, figures)
      } catch (error) {
        // The others are worth holding all the same; whoever reads the result sees who is missing.
        console.error(`  ${round}  ${contestant.name} failed:`, error)
        failed[contestant.name] = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
      }
    }
  }
  const others = Object.values(runs)
    .flat()
    .flatMap(figures => figures.othersShare ?? [])
  return {
    name,
    title,
    rounds,
    quick,
    seconds: Math.round((performance.now() - from) / 1000),
    load: { before, after: loadavg()[0] ?? 0, others: spreadOf(others)?.median },
    failed,
    absent: Object.fromEntries(entries.flatMap(entry => ('absent' in entry ? [[entry.name, entry.absent]] : []))),
    runs,
  }
}
