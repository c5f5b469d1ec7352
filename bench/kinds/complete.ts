/** `/complete` for a picture, beside nothing but its thumbnail set in a process of its own. */

import { join } from 'node:path'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { runLoad } from '../load/client.ts'
import { startSluice } from '../peers/sluice.ts'
import { percentile } from '../statistics.ts'
import type { Bench, Build } from './bench.ts'
import { makePicture, type PictureName, publishSteps } from './pictures.ts'
import { makeThumbnailSet } from './thumbnail-set.ts'

export interface CompleteSettings {
  readonly picture: PictureName
}

export async function complete({ picture }: CompleteSettings, bench: Bench): Promise<readonly Entry[]> {
  const bytes = await makePicture(picture)
  const times = bench.quick ? 3 : 7
  const set = makeThumbnailSet()
  return [
    ...bench.builds.map(
      (build): Entry => ({
        name: build.name,
        run: ({ dir }) => completions(dir, build, { picture, times }),
      }),
    ),
    {
      name: 'thumbnail set alone',
      run: () => medianOf(times, () => set(bytes)),
    },
  ]
}

async function completions(
  dir: string,
  build: Build,
  { picture, times }: CompleteSettings & { readonly times: number },
): Promise<Figures> {
  const sluice = await startSluice({ dir, build: build.dir })
  try {
    const steps = await publishSteps(picture, { ...sluice, file: join(dir, 'picture') })
    const plan = { ports: [sluice.api, sluice.edge], clients: 1, warmup: unmeasured, total: times, steps }
    const { steps: taken } = await runLoad(plan, dir)
    return { ms: taken[2]?.p50Ms ?? Number.NaN }
  } finally {
    await sluice.stop()
  }
}

/** Until compilers and decoders have seen it. */
const unmeasured = 2

async function medianOf(times: number, work: () => Promise<void>): Promise<Figures> {
  const taken: number[] = []
  for (let index = -unmeasured; index < times; index += 1) {
    const from = performance.now()
    await work()
    if (index >= 0) taken.push(performance.now() - from)
  }
  return { ms: percentile(taken, 0.5) }
}
