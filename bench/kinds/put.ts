/**
 * Large uploads, beside nginx's DAV PUT and a plain copy on the same disk. Each file is unlinked right after its answer, so that every
 * upload finds its memory where the previous one left it, which on some machines makes a difference of two.
 */
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Contestant, Entry, Round } from '../contest.ts'
import type { Figures } from '../figures.ts'
import type { Plan } from '../load/plan.ts'
import type { Observation } from '../observe.ts'
import { observe } from '../observe.ts'
import { startBare } from '../peers/bare.ts'
import { copyWithDd, ddAbsence } from '../peers/dd.ts'
import { nginxAbsence, startNginx } from '../peers/nginx.ts'
import { startSink } from '../peers/sink.ts'
import { startSluice } from '../peers/sluice.ts'
import type { Bench, Build } from './bench.ts'
import { type Bodies, bodiesIn, GiB, hashFile, MiB, makeBodies } from './bodies.ts'
import { createMany } from './media.ts'

export interface PutSettings {
  readonly bytes: number
  readonly clients: number
  /** Uploads to measure in a run, by all clients together. */
  readonly total: number
  /** The same again with so many `edge.workers`. */
  readonly workers?: number
  /** Uploads before those; twice the number of clients unless said otherwise. */
  readonly warmup?: number
  readonly against: readonly (
    | 'nginx'
    | 'nginx, then sha256 and fsync'
    | 'dd with fsync'
    | 'SHA-256 alone'
    | 'bare Node, receives'
    | 'bare Node, receives and writes'
    | 'load client alone'
  )[]
}

export async function put(settings: PutSettings, bench: Bench): Promise<readonly Entry[]> {
  const bodies = makeBodies(bodiesIn(bench.dir), { bytes: settings.bytes, count: settings.clients })
  const total = bench.quick ? Math.min(settings.total, settings.clients * 2) : settings.total
  const task = { ...settings, total, bodies }
  return [
    ...bench.builds.map(build => sluicePut(task, build)),
    ...(settings.workers === undefined ? [] : bench.builds.map(build => sluicePut(task, build, settings.workers))),
    ...settings.against.map((peer): Entry => {
      if (peer === 'load client alone') return { name: peer, run: round => sinkPut(task, round) }
      if (peer === 'bare Node, receives') return { name: peer, run: round => barePut(task, round, []) }
      if (peer === 'bare Node, receives and writes')
        return { name: peer, run: round => barePut(task, round, ['write']) }
      if (peer === 'SHA-256 alone') return { name: peer, run: async () => hashAlone(task) }
      if (peer === 'dd with fsync') return present(peer, ddAbsence(), round => ddCopy(task, round))
      return present(peer, nginxAbsence(), round => nginxPut(task, round, peer !== 'nginx'))
    }),
  ]
}

export function present(name: string, absent: string | undefined, run: Contestant['run']): Entry {
  return absent === undefined ? { name, run } : { name, absent }
}

interface Task extends Omit<PutSettings, 'against'> {
  readonly bodies: Bodies
}

function planOf({ clients, total, warmup = clients * 2, bodies }: Task, port: number, target: string): Plan {
  return {
    ports: [port],
    clients,
    warmup,
    total,
    steps: [
      {
        method: 'PUT',
        port: 0,
        target,
        headers: { 'Content-Type': 'application/octet-stream' },
        body: { file: bodies.pattern },
      },
    ],
  }
}

function figuresOf({ bytes }: Task, { load, cpu, figures }: Observation): Figures {
  return {
    mibPerS: (load.perBusySecond * bytes) / MiB,
    p99Ms: load.cycle.p99Ms,
    cpuPerGib: cpu / (load.bytesOut / GiB),
    ...figures,
  }
}

function sluicePut(task: Task, build: Build, workers = 0): Contestant {
  return {
    name: workers === 0 ? build.name : `${build.name}, ${workers} edge workers`,
    async run({ dir }) {
      const env: Record<string, string> = workers === 0 ? {} : { SLUICE_EDGE__WORKERS: String(workers) }
      const sluice = await startSluice({ dir, build: build.dir, env })
      try {
        const plan = planOf(task, sluice.edge, '{line}')
        const created = await createMany(sluice, plan.warmup + task.total)
        const observation = await observe(
          sluice,
          {
            ...plan,
            targets: created.map(({ upload }) => upload),
            unlink: task.bodies.digests.map(key => join(sluice.dataDir, 'objects', key.slice(0, 2), key)),
          },
          dir,
          { onWarm: async () => void (await sluice.look()) },
        )
        const { loop } = await sluice.look()
        return { ...figuresOf(task, observation), loopP99Ms: loop.p99Ms }
      } finally {
        await sluice.stop()
      }
    },
  }
}

async function nginxPut(task: Task, { dir }: Round, doesEqualWork: boolean): Promise<Figures> {
  const nginx = await startNginx({ dir })
  try {
    const files = task.bodies.digests.map((_, number) => join(nginx.root, `body-${number}`))
    const plan = { ...planOf(task, nginx.port, '/body-{c}'), unlink: files }
    if (!doesEqualWork) return figuresOf(task, await observe(nginx, plan, dir))
    const [file = ''] = files
    const onPause = () => hashAndSync(file)
    return figuresOf(task, await observe(nginx, { ...plan, pause: true }, dir, { onPause }))
  } finally {
    await nginx.stop()
  }
}

function hashAndSync(path: string): void {
  const file = openSync(path, 'r+')
  hashFile(file)
  fsyncSync(file)
  closeSync(file)
}

async function barePut(task: Task, { dir }: Round, what: readonly string[]): Promise<Figures> {
  const bare = await startBare({ program: 'receive', args: [dir, ...what], dir })
  try {
    const [port = 0] = bare.ports
    const unlink = what.length === 0 ? [] : task.bodies.digests.map((_, number) => join(dir, `body-${number}`))
    return figuresOf(task, await observe(bare, { ...planOf(task, port, '/body-{c}'), unlink }, dir))
  } finally {
    await bare.stop()
  }
}

async function sinkPut(task: Task, { dir }: Round): Promise<Figures> {
  const sink = await startSink(dir)
  try {
    return figuresOf(task, await observe(sink, planOf(task, sink.port, '/body-{c}'), dir))
  } finally {
    await sink.stop()
  }
}

/** Of bytes that are in memory already: the least that anybody must spend who hashes on one core. */
function hashAlone({ bytes, total }: Task): Figures {
  const block = Buffer.alloc(MiB, 1)
  const hash = createHash('sha256')
  const cpuBefore = process.cpuUsage()
  const from = performance.now()
  for (let hashed = 0; hashed < bytes * total; hashed += block.length) hash.update(block)
  hash.digest()
  const seconds = (performance.now() - from) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  return { mibPerS: (bytes * total) / MiB / seconds, cpuPerGib: (user + system) / 1e6 / ((bytes * total) / GiB) }
}

async function ddCopy({ bytes, total, bodies }: Task, { dir }: Round): Promise<Figures> {
  const copy = join(dir, 'copy')
  const source = bodies.pattern.replace('{c}', '0')
  const times = Array.from({ length: total + 1 }, () => {
    const ms = copyWithDd(source, copy)
    unlinkSync(copy)
    return ms
  }).slice(1)
  const ms = times.reduce((sum, one) => sum + one, 0)
  return { mibPerS: (bytes * total) / MiB / (ms / 1000) }
}
