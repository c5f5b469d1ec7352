/** System calls and syncs for one of each: numbers that hardly depend on the machine. One client, so that nothing is shared. */
import { join } from 'node:path'
import type { Entry, Round } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { runLoad } from '../load/client.ts'
import type { Step } from '../load/plan.ts'
import { nginxAbsence, startNginx } from '../peers/nginx.ts'
import { type SluiceServer, startSluice } from '../peers/sluice.ts'
import { countCalls, straceAbsence } from '../peers/strace.ts'
import { family } from '../programs.ts'
import type { Bench, Build } from './bench.ts'
import { bodiesIn, MiB, makeBodies } from './bodies.ts'
import { cycleSteps } from './cycles.ts'
import { completeMedia, createMany, createMedia, downloadPath, putMedia } from './media.ts'
import { present } from './put.ts'

export interface SyscallSettings {
  readonly of: 'cycle of 1 KiB' | 'PUT 64 MiB' | 'download 16 KiB'
}

export async function syscalls({ of }: SyscallSettings, bench: Bench): Promise<readonly Entry[]> {
  const bodies = makeBodies(bodiesIn(bench.dir), { bytes: of === 'PUT 64 MiB' ? 64 * MiB : 1024, count: 1 })
  return [
    ...bench.builds.map(build =>
      present(build.name, straceAbsence(), round => ofSluice(of, round, build, bodies.pattern)),
    ),
    present('nginx', straceAbsence() ?? nginxAbsence(), round => ofNginx(of, round, bodies.pattern)),
  ]
}

const total = { 'cycle of 1 KiB': 300, 'PUT 64 MiB': 4, 'download 16 KiB': 1000 } as const

async function ofSluice(of: SyscallSettings['of'], { dir }: Round, build: Build, body: string): Promise<Figures> {
  const sluice = await startSluice({ dir, build: build.dir })
  try {
    const plan = await planFor(of, sluice, body)
    return await counted(sluice.pid, dir, { ports: [sluice.api, sluice.edge], ...plan }, total[of])
  } finally {
    await sluice.stop()
  }
}

interface Part {
  readonly steps: readonly Step[]
  readonly targets?: readonly string[]
}

async function planFor(of: SyscallSettings['of'], sluice: SluiceServer, body: string): Promise<Part> {
  const headers = { Authorization: sluice.authorization }
  if (of === 'cycle of 1 KiB') return { steps: cycleSteps(sluice.authorization, { unique: 1024 }) }
  if (of === 'PUT 64 MiB') {
    const created = await createMany(sluice, total[of] * 2)
    const targets = created.map(({ upload }) => upload)
    return { targets, steps: [{ method: 'PUT', port: 1, target: '{line}', body: { file: body } }] }
  }
  const created = await createMedia(sluice)
  await putMedia(sluice, created, Buffer.alloc(16 * 1024), 'application/octet-stream')
  await completeMedia(sluice, created)
  return { steps: [{ method: 'GET', port: 0, target: downloadPath(created.media), headers }] }
}

async function ofNginx(of: SyscallSettings['of'], { dir }: Round, body: string): Promise<Figures> {
  const nginx = await startNginx({ dir })
  try {
    const put = (file: string): Step => ({ method: 'PUT', port: 0, target: file, body: { file: body } })
    if (of === 'download 16 KiB') {
      await fetch(`http://127.0.0.1:${nginx.port}/file`, { method: 'PUT', body: new Uint8Array(16 * 1024) })
    }
    const steps: readonly Step[] =
      of === 'download 16 KiB' ? [{ method: 'GET', port: 0, target: '/file' }] : [put('/file-{n}')]
    return await counted(family(nginx.pid).at(-1) ?? nginx.pid, dir, { ports: [nginx.port], steps }, total[of])
  } finally {
    await nginx.stop()
  }
}

async function counted(
  pid: number,
  dir: string,
  plan: Part & { readonly ports: readonly number[] },
  times: number,
): Promise<Figures> {
  await runLoad({ ...plan, clients: 1, warmup: 0, total: times }, dir)
  const work = () => runLoad({ ...plan, clients: 1, warmup: 0, total: times }, dir)
  const { all, syncs } = await countCalls(pid, join(dir, 'strace'), work)
  return { syscalls: all / times, syncs: syncs / times }
}
