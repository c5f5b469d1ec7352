/**
 * What everybody else notices while thumbnails are made: eight completions of large pictures are always waiting, and meanwhile
 * somebody asks for /health, and a file is opened inside the server.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { startSluice } from '../peers/sluice.ts'
import { percentile } from '../statistics.ts'
import type { Bench, Build } from './bench.ts'
import { answerOf, completeMedia, createMedia, putMedia } from './media.ts'
import { another, contentTypes, makePicture, type PictureName } from './pictures.ts'

export interface CrowdSettings {
  readonly picture: PictureName
  readonly jobs: number
}

export async function crowd({ picture, jobs }: CrowdSettings, bench: Bench): Promise<readonly Entry[]> {
  const bytes = await makePicture(picture)
  const seconds = bench.quick ? 2 : 8
  const task = { bytes, jobs, seconds, contentType: contentTypes[picture] }
  return bench.builds.map((build): Entry => ({ name: build.name, run: ({ dir }) => crowded(dir, build, task) }))
}

interface Task {
  readonly bytes: Buffer
  readonly jobs: number
  readonly seconds: number
  readonly contentType: string
}

async function crowded(dir: string, build: Build, { bytes, jobs, seconds, contentType }: Task): Promise<Figures> {
  const probe = join(dir, 'probe')
  writeFileSync(probe, 'opened and closed')
  const sluice = await startSluice({ dir, build: build.dir, probe })
  try {
    const until = performance.now() + seconds * 1000 + 1000
    let number = 0
    let done = 0
    const waiting = Array.from({ length: jobs }, async () => {
      while (performance.now() < until) {
        const created = await createMedia(sluice)
        number += 1
        await putMedia(sluice, created, another(bytes, number), contentType)
        await completeMedia(sluice, created)
        done += 1
      }
    })
    await new Promise(resolve => setTimeout(resolve, 1000))
    await sluice.look()
    const health: number[] = []
    while (performance.now() < until) {
      const from = performance.now()
      await answerOf(`http://127.0.0.1:${sluice.api}/health`)
      health.push(performance.now() - from)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    const { fileOpen, loop } = await sluice.look()
    await Promise.all(waiting)
    return {
      perSecond: done / (seconds + 1),
      healthP99Ms: percentile(health, 0.99),
      openP99Ms: fileOpen.p99Ms,
      loopP99Ms: loop.p99Ms,
    }
  } finally {
    await sluice.stop()
  }
}
