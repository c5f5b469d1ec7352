/** `/complete` for a picture, beside nothing but its thumbnail set in a process of its own. */
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { startSluice } from '../peers/sluice.ts'
import { percentile } from '../statistics.ts'
import type { Bench, Build } from './bench.ts'
import { completeMedia, createMedia, putMedia } from './media.ts'
import { another, contentTypes, makePicture, type PictureName } from './pictures.ts'
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
        run: ({ dir }) => completions(dir, build, { bytes, times, contentType: contentTypes[picture] }),
      }),
    ),
    {
      name: 'thumbnail set alone',
      run: () =>
        medianOf(
          times,
          async () => {},
          () => set(bytes),
        ),
    },
  ]
}

async function completions(
  dir: string,
  build: Build,
  { bytes, times, contentType }: { readonly bytes: Buffer; readonly times: number; readonly contentType: string },
): Promise<Figures> {
  const sluice = await startSluice({ dir, build: build.dir })
  try {
    let number = 0
    let created = await createMedia(sluice)
    const upload = async () => {
      created = await createMedia(sluice)
      number += 1
      await putMedia(sluice, created, another(bytes, number), contentType)
    }
    return await medianOf(times, upload, () => completeMedia(sluice, created))
  } finally {
    await sluice.stop()
  }
}

/** Milliseconds, after two that do not count. */
async function medianOf(times: number, before: () => Promise<void>, work: () => Promise<void>): Promise<Figures> {
  const taken: number[] = []
  for (let index = -2; index < times; index += 1) {
    await before()
    const from = performance.now()
    await work()
    if (index >= 0) taken.push(performance.now() - from)
  }
  return { ms: percentile(taken, 0.5) }
}
