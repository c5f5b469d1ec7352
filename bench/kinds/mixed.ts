/** Everything at once, as on a busy evening: small cycles, downloads, a large upload after another, and pictures being completed. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { runLoad } from '../load/client.ts'
import type { Plan, Step } from '../load/plan.ts'
import { type SluiceServer, startSluice } from '../peers/sluice.ts'
import { percentile } from '../statistics.ts'
import type { Bench, Build } from './bench.ts'
import { bodiesIn, MiB, makeBodies } from './bodies.ts'
import { askForHealth } from './crowd.ts'
import { cycleSteps } from './cycles.ts'
import { completeMedia, createMany, createMedia, downloadPath, putMedia } from './media.ts'
import { publishSteps } from './pictures.ts'

export interface MixedSettings {
  readonly clients: number
}

export async function mixed({ clients }: MixedSettings, bench: Bench): Promise<readonly Entry[]> {
  const seconds = bench.quick ? 2 : 10
  const bodies = makeBodies(bodiesIn(bench.dir), { bytes: largeBytes, count: 2 })
  const task = { clients, seconds, bodies }
  return bench.builds.map((build): Entry => ({ name: build.name, run: ({ dir }) => everything(dir, build, task) }))
}

/** One of them is uploaded again and again, from the other ranges are read. */
const largeBytes = 64 * MiB

interface Task extends MixedSettings {
  readonly seconds: number
  readonly bodies: ReturnType<typeof makeBodies>
}

async function everything(dir: string, build: Build, { clients, seconds, bodies }: Task): Promise<Figures> {
  const sluice = await startSluice({ dir, build: build.dir })
  try {
    const small = await publish(sluice, Buffer.alloc(16 * 1024, 7))
    const large = await publish(sluice, await readFile(bodies.pattern.replace('{c}', '1')))
    const uploads = (await createMany(sluice, seconds * 20)).map(({ upload }) => upload)
    const [uploaded = ''] = bodies.digests
    const pictureSteps = await publishSteps('JPEG 12 Mpx', { ...sluice, file: join(dir, 'picture') })
    await sluice.look()

    const headers = { Authorization: sluice.authorization }
    const get = (media: string): Step => ({ method: 'GET', port: 0, target: downloadPath(media), headers })
    const load = (name: string, plan: Pick<Plan, 'clients' | 'steps' | 'targets' | 'unlink'>) =>
      runLoad({ ports: [sluice.api, sluice.edge], warmup: 0, seconds, ...plan }, join(dir, name))
    const [cycles, downloads, ranges, puts, pictures, health] = await Promise.all([
      load('cycles', { clients, steps: cycleSteps(sluice.authorization, { unique: 16 * 1024 }) }),
      load('downloads', { clients, steps: [get(small)] }),
      load('ranges', { clients: 1, steps: [{ ...get(large), range: { length: MiB, of: largeBytes } }] }),
      load('uploads', {
        clients: 1,
        targets: uploads,
        unlink: [join(sluice.dataDir, 'objects', uploaded.slice(0, 2), uploaded)],
        steps: [{ method: 'PUT', port: 1, target: '{line}', body: { file: bodies.pattern } }],
      }),
      load('pictures', { clients: 1, steps: pictureSteps }),
      askForHealth(sluice, { until: performance.now() + seconds * 1000, everyMs: 10 }),
    ])
    const { loop } = await sluice.look()
    return {
      createP99Ms: cycles.steps[0]?.p99Ms ?? Number.NaN,
      cycleP99Ms: cycles.cycle.p99Ms,
      downloadP99Ms: downloads.cycle.p99Ms,
      rangeP99Ms: ranges.cycle.p99Ms,
      putP99Ms: puts.cycle.p99Ms,
      completeP99Ms: pictures.steps[2]?.p99Ms ?? Number.NaN,
      healthP99Ms: percentile(health, 0.99),
      loopP99Ms: loop.p99Ms,
    }
  } finally {
    await sluice.stop()
  }
}

async function publish(sluice: SluiceServer, bytes: Buffer): Promise<string> {
  const created = await createMedia(sluice)
  await putMedia(sluice, created, bytes, 'application/octet-stream')
  await completeMedia(sluice, created)
  return created.media
}
