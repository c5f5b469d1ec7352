/**
 * Small uploads from beginning to end: create, PUT and complete, each answered before the next one is sent. nginx does a single PUT
 * into its page cache for each of our three requests, of which all three are durable; Synapse does create and PUT.
 */
import type { Contestant, Entry, Round } from '../contest.ts'
import type { Figures } from '../figures.ts'
import type { Plan, Step } from '../load/plan.ts'
import { type Observation, observe } from '../observe.ts'
import { startBare } from '../peers/bare.ts'
import { nginxAbsence, startNginx } from '../peers/nginx.ts'
import { startSink } from '../peers/sink.ts'
import { startSluice } from '../peers/sluice.ts'
import { startSynapse, synapseAbsence } from '../peers/synapse.ts'
import type { Bench, Build } from './bench.ts'
import { completePath, createPath } from './media.ts'
import { present } from './put.ts'

export interface CycleSettings {
  readonly bytes: number
  readonly clients: number
  /** The same again with so many `edge.workers`. */
  readonly workers?: number
  readonly against: readonly ('nginx' | 'Synapse' | 'bare Node' | 'load client alone')[]
}

export async function cycles(settings: CycleSettings, bench: Bench): Promise<readonly Entry[]> {
  const task = { ...settings, seconds: bench.quick ? 1 : 4 }
  return [
    ...bench.builds.map(build => sluiceCycles(task, build)),
    ...(settings.workers === undefined ? [] : bench.builds.map(build => sluiceCycles(task, build, settings.workers))),
    ...settings.against.map((peer): Entry => {
      if (peer === 'nginx') return present(peer, nginxAbsence(), round => nginxPuts(task, round))
      if (peer === 'Synapse') return present(peer, synapseAbsence(), round => synapseCycles(task, round))
      if (peer === 'bare Node') return { name: peer, run: round => bareCycles(task, round) }
      return { name: peer, run: round => sinkCycles(task, round) }
    }),
  ]
}

interface Task extends CycleSettings {
  readonly seconds: number
}

/** Rounds until compilers and caches have seen everything: about a second. */
const warmupOf = ({ bytes, clients }: CycleSettings) => (clients === 1 ? 300 : bytes > 32 * 1024 ? 1000 : 3000)

/** As long, for what has no compiler. */
const synapseWarmup = 400

/** At most; beyond this the files of a run are in memory that an earlier one has used. */
const mostFreshBytes = 2 ** 30

export function cycleSteps(
  authorization: string,
  body: NonNullable<Step['body']>,
  contentType = 'application/octet-stream',
): readonly Step[] {
  const headers = { Authorization: authorization }
  return [
    { method: 'POST', port: 0, target: createPath, headers, captures: true },
    { method: 'PUT', port: 1, target: '{upload}', headers: { 'Content-Type': contentType }, body },
    { method: 'POST', port: 0, target: completePath('{media}'), headers },
  ]
}

function planOf(task: Task, ports: readonly number[], steps: readonly Step[]): Plan {
  const { clients, seconds } = task
  return { ports, clients, warmup: warmupOf(task), seconds, steps }
}

function figuresOf({ load, cpu, figures }: Observation): Figures {
  return {
    perSecond: load.perSecond,
    p50Ms: load.cycle.p50Ms,
    p99Ms: load.cycle.p99Ms,
    cpuMs: (cpu / load.cycles) * 1000,
    ...figures,
  }
}

function sluiceCycles(task: Task, build: Build, workers = 0): Contestant {
  return {
    name: workers === 0 ? build.name : `${build.name}, ${workers} edge workers`,
    async run({ dir }) {
      const env: Record<string, string> = workers === 0 ? {} : { SLUICE_EDGE__WORKERS: String(workers) }
      const sluice = await startSluice({ dir, build: build.dir, env })
      try {
        const plan = planOf(task, [sluice.api, sluice.edge], cycleSteps(sluice.authorization, { unique: task.bytes }))
        const onWarm = async () => void (await sluice.look())
        const observation = await observe(sluice, plan, dir, { onWarm, freshBytes: freshBytes(task, 3000) })
        const { loop } = await sluice.look()
        return { ...figuresOf(observation), loopP99Ms: loop.p99Ms }
      } finally {
        await sluice.stop()
      }
    },
  }
}

/** What may be written in a run, with as much again for the index and its log. */
function freshBytes({ bytes, seconds }: Task, perSecond: number): number {
  return Math.min(mostFreshBytes, (bytes + 4096) * seconds * perSecond * 2)
}

async function nginxPuts(task: Task, { dir }: Round): Promise<Figures> {
  const nginx = await startNginx({ dir })
  try {
    const put: Step = { method: 'PUT', port: 0, target: '/file-{n}', body: { unique: task.bytes } }
    const plan = planOf(task, [nginx.port], [put])
    return figuresOf(await observe(nginx, plan, dir, { freshBytes: freshBytes(task, 8000) }))
  } finally {
    await nginx.stop()
  }
}

async function synapseCycles(task: Task, { dir }: Round): Promise<Figures> {
  const synapse = await startSynapse(dir)
  try {
    const headers = { Authorization: synapse.authorization }
    const steps: readonly Step[] = [
      { method: 'POST', port: 0, target: createPath, headers, captures: true },
      {
        method: 'PUT',
        port: 0,
        target: '/_matrix/media/v3/upload/{media}',
        headers: { ...headers, 'Content-Type': 'application/octet-stream' },
        body: { unique: task.bytes },
      },
    ]
    return figuresOf(await observe(synapse, { ...planOf(task, [synapse.port], steps), warmup: synapseWarmup }, dir))
  } finally {
    await synapse.stop()
  }
}

async function bareCycles(task: Task, { dir }: Round): Promise<Figures> {
  const bare = await startBare({ program: 'cycles', args: [dir], dir })
  try {
    const plan = planOf(task, bare.ports, cycleSteps('Bearer nobody', { unique: task.bytes }))
    return figuresOf(await observe(bare, plan, dir, { freshBytes: freshBytes(task, 5000) }))
  } finally {
    await bare.stop()
  }
}

async function sinkCycles(task: Task, { dir }: Round): Promise<Figures> {
  const sink = await startSink(dir)
  try {
    const steps = cycleSteps('Bearer nobody', { unique: task.bytes })
    return figuresOf(await observe(sink, planOf(task, [sink.port, sink.port], steps), dir))
  } finally {
    await sink.stop()
  }
}
