/** Everything at once, as on a busy evening: small cycles, downloads, a large upload after another, and pictures being completed. */
import { join } from 'node:path'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { runLoad } from '../load/client.ts'
import { startSluice } from '../peers/sluice.ts'
import { percentile } from '../statistics.ts'
import type { Bench, Build } from './bench.ts'
import { MiB, makeBodies } from './bodies.ts'
import { cycleSteps } from './cycles.ts'
import { answerOf, completeMedia, createMany, createMedia, downloadPath, putMedia } from './media.ts'
import { another, makePicture } from './pictures.ts'

export interface MixedSettings {
  readonly clients: number
}

export async function mixed({ clients }: MixedSettings, bench: Bench): Promise<readonly Entry[]> {
  const seconds = bench.quick ? 2 : 10
  const bodies = makeBodies(join(bench.dir, 'bodies'), { bytes: 64 * MiB, count: 1 })
  const picture = await makePicture('JPEG 12 Mpx')
  const task = { clients, seconds, bodies, picture }
  return bench.builds.map((build): Entry => ({ name: build.name, run: ({ dir }) => everything(dir, build, task) }))
}

interface Task extends MixedSettings {
  readonly seconds: number
  readonly bodies: ReturnType<typeof makeBodies>
  readonly picture: Buffer
}

async function everything(dir: string, build: Build, { clients, seconds, bodies, picture }: Task): Promise<Figures> {
  const sluice = await startSluice({ dir, build: build.dir })
  try {
    const headers = { Authorization: sluice.authorization }
    const shown = await createMedia(sluice)
    await putMedia(sluice, shown, Buffer.alloc(16 * 1024, 7), 'application/octet-stream')
    await completeMedia(sluice, shown)
    const large = await createMany(sluice, seconds * 20)
    const until = performance.now() + seconds * 1000
    await sluice.look()

    const pictures: number[] = []
    async function completePictures(): Promise<void> {
      for (let number = 0; performance.now() < until; number += 1) {
        const created = await createMedia(sluice)
        await putMedia(sluice, created, another(picture, number), 'image/jpeg')
        const from = performance.now()
        await completeMedia(sluice, created)
        pictures.push(performance.now() - from)
      }
    }
    const health: number[] = []
    async function askForHealth(): Promise<void> {
      while (performance.now() < until) {
        const from = performance.now()
        await answerOf(`http://127.0.0.1:${sluice.api}/health`)
        health.push(performance.now() - from)
        await new Promise(resolve => setTimeout(resolve, 10))
      }
    }
    const common = { warmup: 0, seconds }
    const [cycles, downloads, uploads] = await Promise.all([
      runLoad(
        {
          ...common,
          ports: [sluice.api, sluice.edge],
          clients,
          steps: cycleSteps(sluice.authorization, { unique: 16 * 1024 }),
        },
        join(dir, 'cycles'),
      ),
      runLoad(
        {
          ...common,
          ports: [sluice.api],
          clients,
          steps: [{ method: 'GET', port: 0, target: downloadPath(shown.media), headers }],
        },
        join(dir, 'downloads'),
      ),
      runLoad(
        {
          ...common,
          ports: [sluice.edge],
          clients: 1,
          targets: large.map(({ upload }) => upload),
          unlink: bodies.digests.map(key => join(sluice.dataDir, 'objects', key.slice(0, 2), key)),
          steps: [{ method: 'PUT', port: 0, target: '{line}', body: { file: bodies.pattern } }],
        },
        join(dir, 'uploads'),
      ),
      completePictures(),
      askForHealth(),
    ])
    const { loop } = await sluice.look()
    return {
      cycleP99Ms: cycles.cycle.p99Ms,
      downloadP99Ms: downloads.cycle.p99Ms,
      putP99Ms: uploads.cycle.p99Ms,
      completeP99Ms: percentile(pictures, 0.99),
      healthP99Ms: percentile(health, 0.99),
      loopP99Ms: loop.p99Ms,
    }
  } finally {
    await sluice.stop()
  }
}
