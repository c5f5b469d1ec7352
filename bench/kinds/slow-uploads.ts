/** Many uploads that take their time: how much memory they need above what an idle server has. */
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { runLoad } from '../load/client.ts'
import { startSluice } from '../peers/sluice.ts'
import { cpuSeconds, memoryOf } from '../programs.ts'
import { percentile } from '../statistics.ts'
import type { Bench, Build } from './bench.ts'
import { cycleSteps } from './cycles.ts'
import { createMany } from './media.ts'

export interface SlowUploadSettings {
  readonly clients: number
  /** Each is compared with the others: the size of a body must not matter. */
  readonly sizes: readonly { readonly name: string; readonly bytes: number }[]
  readonly bytesPerSecond: number
}

export async function slowUploads(settings: SlowUploadSettings, bench: Bench): Promise<readonly Entry[]> {
  return settings.sizes.flatMap(({ name, bytes }) => {
    const file = join(bench.dir, `body-${bytes}`)
    // Without content on the disk: nobody gets far into it.
    writeFileSync(file, '')
    truncateSync(file, bytes)
    return bench.builds.map(
      (build): Entry => ({
        name: name === '' ? build.name : `${build.name}, ${name}`,
        run: ({ dir }) => slowly(dir, build, { ...settings, file, seconds: bench.quick ? 3 : 10 }),
      }),
    )
  })
}

interface Task extends Omit<SlowUploadSettings, 'sizes'> {
  readonly file: string
  readonly seconds: number
}

async function slowly(dir: string, build: Build, { clients, bytesPerSecond, file, seconds }: Task): Promise<Figures> {
  const sluice = await startSluice({ dir, build: build.dir })
  try {
    // Idle is what it is after some work, not what it is before any.
    const small = cycleSteps(sluice.authorization, { unique: 1024 })
    await runLoad({ ports: [sluice.api, sluice.edge], clients: 16, warmup: 0, total: 500, steps: small }, dir)
    const created = await createMany(sluice, clients)
    await sleep(1000)
    const pids = [sluice.pid]
    const idle = memoryOf(pids).now
    const before = cpuSeconds(pids)
    const seen: number[] = []
    const looking = setInterval(() => seen.push(memoryOf(pids).now), 250)
    await runLoad(
      {
        ports: [sluice.edge],
        clients,
        warmup: 0,
        seconds,
        targets: created.map(({ upload }) => upload),
        steps: [{ method: 'PUT', port: 0, target: '{line}', body: { file, bytesPerSecond } }],
      },
      dir,
    )
    clearInterval(looking)
    const cpu = cpuSeconds(pids) - before
    const late = seen.slice(Math.floor(seen.length / 2))
    return { aboveIdleMib: percentile(late, 0.5) - idle, cpuMs: (cpu / seconds) * 1000, peakMib: memoryOf(pids).peak }
  } finally {
    await sluice.stop()
  }
}
