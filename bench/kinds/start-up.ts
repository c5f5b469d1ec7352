/** From the start of the process to its ready line, with many media and with none. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { startSluice } from '../peers/sluice.ts'
import { percentile } from '../statistics.ts'
import type { Bench, Build } from './bench.ts'
import { prepareCatalog } from './prepared-catalog.ts'

export interface StartUpSettings {
  readonly media: number
}

export async function startUp({ media }: StartUpSettings, bench: Bench): Promise<readonly Entry[]> {
  const times = bench.quick ? 1 : 5
  const full = join(bench.dir, 'full')
  const filled = join(bench.dir, 'filled.db')
  await prepareCatalog(filled, { media })
  return bench.builds.flatMap((build, index): Entry[] => {
    const [many, empty] = [`${full}-${index}`, `${bench.dir}/empty-${index}`]
    return [
      { name: build.name, run: ({ dir }) => starts(dir, build, { dataDir: many, times, filled }) },
      {
        name: `${build.name}, empty`,
        run: ({ dir }) => starts(dir, build, { dataDir: empty, times, filled: undefined }),
      },
    ]
  })
}

interface Task {
  readonly dataDir: string
  readonly times: number
  readonly filled: string | undefined
}

const prepared = new Set<string>()

async function starts(dir: string, build: Build, { dataDir, times, filled }: Task): Promise<Figures> {
  if (!prepared.has(dataDir)) {
    await (await startSluice({ dir, build: build.dir, dataDir })).stop()
    if (filled !== undefined) cpSync(filled, join(dataDir, 'sluice.db'))
    prepared.add(dataDir)
  }
  const taken: number[] = []
  for (let index = 0; index < times; index += 1) {
    const sluice = await startSluice({ dir: join(dir, String(index)), build: build.dir, dataDir })
    taken.push(sluice.readyMs)
    await sluice.stop()
  }
  return { ms: percentile(taken, 0.5) }
}
