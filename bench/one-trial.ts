/** A trial in a process of its own: told by its parent what to do, and heard by it. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Entry, hold, type TrialResult } from './contest.ts'
import type { Figures } from './figures.ts'
import type { Bench, Build, Kind } from './kinds/bench.ts'
import { bodiesIn } from './kinds/bodies.ts'
import { kinds } from './trial.ts'
import { trials } from './trials.ts'

export interface Task extends Bench {
  readonly trial: string
  readonly rounds: number
}

export type News =
  | { readonly run: { readonly round: number; readonly contestant: string; readonly figures: Figures } }
  | { readonly result: TrialResult }

async function perform({ trial: name, rounds, ...bench }: Task, tell: (news: News) => void): Promise<void> {
  const trial = trials.find(candidate => candidate.name === name)
  if (trial === undefined) throw new Error(`there is no trial ${name}`)
  mkdirSync(bench.dir, { recursive: true })
  // The settings belong to the kind, which the union says and a lookup forgets.
  const kind = kinds[trial.kind] as Kind<unknown>
  const entries = await kind(trial.settings, bench)
  let places = 0
  const result = await hold({
    name,
    title: trial.title,
    entries: bench.builds.length > 1 ? ofBuilds(entries, bench.builds) : entries,
    rounds,
    quick: bench.quick,
    place: (round, contestant) => {
      places += 1
      const dir = join(bench.dir, `run-${places}-round-${round}-${contestant.replaceAll(/[^\w.]+/g, '-')}`)
      mkdirSync(dir)
      return dir
    },
    onRun: (round, contestant, figures) => tell({ run: { round, contestant, figures } }),
  })
  // Gigabytes, in a few files whose removal slows nobody down.
  rmSync(bodiesIn(bench.dir), { recursive: true, force: true })
  tell({ result })
}

/** Where two builds are compared, peers would only take time. */
function ofBuilds(entries: readonly Entry[], builds: readonly Build[]): readonly Entry[] {
  return entries.filter(entry =>
    builds.some(
      ({ name }) => entry.name === name || entry.name.startsWith(`${name}, `) || entry.name.startsWith(`${name} `),
    ),
  )
}

process.once('message', (task: Task) => {
  perform(task, news => process.send?.(news)).then(
    () => process.disconnect(),
    error => {
      console.error(error)
      process.exit(1)
    },
  )
})
