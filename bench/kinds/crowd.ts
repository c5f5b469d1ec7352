/**
 * What everybody else notices while thumbnails are made: eight completions of large pictures are always waiting, and meanwhile
 * somebody asks for /health, and a file is opened inside the server. Who asks does nothing else, or it would be himself that he waits for.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { runLoad } from '../load/client.ts'
import { type SluiceServer, startSluice } from '../peers/sluice.ts'
import { percentile } from '../statistics.ts'
import type { Bench, Build } from './bench.ts'
import { answerOf } from './media.ts'
import { type PictureName, publishSteps } from './pictures.ts'

export interface CrowdSettings {
  readonly picture: PictureName
  readonly jobs: number
}

export async function crowd(settings: CrowdSettings, bench: Bench): Promise<readonly Entry[]> {
  const task = { ...settings, seconds: bench.quick ? 2 : 8 }
  return bench.builds.map((build): Entry => ({ name: build.name, run: ({ dir }) => crowded(dir, build, task) }))
}

interface Task extends CrowdSettings {
  readonly seconds: number
}

async function crowded(dir: string, build: Build, { picture, jobs, seconds }: Task): Promise<Figures> {
  const probe = join(dir, 'probe')
  writeFileSync(probe, 'opened and closed')
  const sluice = await startSluice({ dir, build: build.dir, probe })
  try {
    const steps = await publishSteps(picture, { ...sluice, file: join(dir, 'picture') })
    let noticed: Promise<Figures> | undefined
    const load = await runLoad(
      { ports: [sluice.api, sluice.edge], clients: jobs, warmup: jobs * 2, seconds, steps },
      dir,
      {
        onWarm: async () => {
          await sluice.look()
          noticed = lookOn(sluice, performance.now() + seconds * 1000)
        },
      },
    )
    return { perSecond: load.perSecond, ...(await noticed) }
  } finally {
    await sluice.stop()
  }
}

async function lookOn(sluice: SluiceServer, until: number): Promise<Figures> {
  const health = await askForHealth(sluice, { until, everyMs: 5 })
  const { fileOpen, loop } = await sluice.look()
  return { healthP99Ms: percentile(health, 0.99), openP99Ms: fileOpen.p99Ms, loopP99Ms: loop.p99Ms }
}

/** @returns milliseconds of each answer */
export async function askForHealth(
  { api }: Pick<SluiceServer, 'api'>,
  { until, everyMs }: { readonly until: number; readonly everyMs: number },
): Promise<number[]> {
  const taken: number[] = []
  while (performance.now() < until) {
    const from = performance.now()
    await answerOf(`http://127.0.0.1:${api}/health`)
    taken.push(performance.now() - from)
    await sleep(everyMs)
  }
  return taken
}
