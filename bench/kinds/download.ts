/**
 * Downloads with an access token, beside nginx sending the same files by sendfile. Also from the edge, where a redirect would lead, and
 * through an nginx that is told by Sluice which file to send.
 */
import { copyFileSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entry, Round } from '../contest.ts'
import type { Figures } from '../figures.ts'
import type { Plan, Step } from '../load/plan.ts'
import { type Observation, observe } from '../observe.ts'
import { startBare } from '../peers/bare.ts'
import { nginxAbsence, startNginx } from '../peers/nginx.ts'
import { startSink } from '../peers/sink.ts'
import { type SluiceServer, startSluice } from '../peers/sluice.ts'
import type { Bench, Build } from './bench.ts'
import { type Bodies, bodiesIn, GiB, MiB, makeBodies } from './bodies.ts'
import { completeMedia, createMedia, downloadPath, putMedia } from './media.ts'
import { present } from './put.ts'

export interface DownloadSettings {
  readonly bytes: number
  readonly clients: number
  /** How many different files there are. */
  readonly files: number
  /** Random ranges of this length instead of whole files. */
  readonly range?: number
  /** Requests to measure in a run. */
  readonly total: number
  /** Beside a server of nothing but Node that has the bytes in memory. */
  readonly bare?: boolean
}

export async function download(settings: DownloadSettings, bench: Bench): Promise<readonly Entry[]> {
  const bodies = makeBodies(bodiesIn(bench.dir), { bytes: settings.bytes, count: settings.files })
  const task = { ...settings, total: bench.quick ? settings.clients * 2 : settings.total, bodies }
  const [own] = bench.builds
  const entries: readonly Entry[] = [
    ...bench.builds.map((build): Entry => ({ name: build.name, run: round => direct(task, round, build) })),
    ...bench.builds.map(
      (build): Entry => ({ name: `${build.name}, by redirect`, run: round => byRedirect(task, round, build) }),
    ),
    ...bench.builds.map(
      (build): Entry => ({ name: `${build.name}, edge`, run: round => fromEdge(task, round, build) }),
    ),
    present('nginx', nginxAbsence(), round => fromNginx(task, round)),
    ...(own === undefined
      ? []
      : [present('nginx, told by sluice', nginxAbsence(), round => throughNginx(task, round, own))]),
    ...(settings.bare === true ? [{ name: 'bare Node', run: (round: Round) => fromBare(task, round) }] : []),
    { name: 'load client alone', run: round => fromSink(task, round) },
  ]
  return entries.map(tidily)
}

/** What was downloaded goes after each run: it would fill the memory that the next one's files are to be in. */
function tidily(entry: Entry): Entry {
  if ('absent' in entry) return entry
  return {
    name: entry.name,
    run: async round => {
      const figures = await entry.run(round)
      rmSync(round.dir, { recursive: true, force: true })
      return figures
    },
  }
}

interface Task extends DownloadSettings {
  readonly bodies: Bodies
}

function planOf(task: Task, port: number, targets: readonly string[], headers: Record<string, string>): Plan {
  const { bytes, clients, range, total } = task
  return {
    ports: [port],
    clients,
    warmup: warmupOf(task),
    total,
    targets,
    steps: [
      {
        method: 'GET',
        port: 0,
        target: '{line}',
        headers,
        ...(range !== undefined && { range: { length: range, of: bytes } }),
      },
    ],
  }
}

/**
 * Requests until compilers and caches have seen everything: about a second. By what one moves: 32 ranges of 1 MiB leave most of Sluice to be
 * compiled while it is measured, and 10,000 of 16 KiB a third.
 */
function warmupOf({ bytes, clients, range = bytes, total }: Task): number {
  if (range > MiB) return clients * 4
  return Math.min(total, range === MiB ? 10_000 : 30_000)
}

/** Asked for at the API, and fetched from where it leads: two requests, each by a client that keeps both connections. */
function redirectPlan(task: Task, { api, edge, authorization }: SluiceServer, targets: readonly string[]): Plan {
  const plan = planOf(task, api, targets, {})
  const ask: Step = {
    method: 'GET',
    port: 0,
    target: '{line}',
    headers: { Authorization: authorization },
    captures: true,
  }
  return {
    ...plan,
    ports: [api, edge],
    steps: [ask, ...plan.steps.map(step => ({ ...step, port: 1, target: '{upload}' }))],
  }
}

function figuresOf({ load, cpu, figures }: Observation): Figures {
  return {
    mibPerS: load.bytesIn / MiB / load.wallS,
    perSecond: load.perSecond,
    p99Ms: load.cycle.p99Ms,
    cpuPerGib: cpu / (load.bytesIn / GiB),
    ...figures,
  }
}

/** @returns `{serverName}/{mediaId}` of each body */
async function publishAll(sluice: SluiceServer, { bodies }: Task): Promise<string[]> {
  const published: string[] = []
  for (const number of bodies.digests.keys()) {
    const created = await createMedia(sluice)
    const bytes = await readFile(bodies.pattern.replace('{c}', String(number)))
    await putMedia(sluice, created, bytes, 'application/octet-stream')
    await completeMedia(sluice, created)
    published.push(created.media)
  }
  return published
}

async function direct(task: Task, { dir }: Round, build: Build): Promise<Figures> {
  const sluice = await startSluice({ dir, build: build.dir })
  try {
    const targets = (await publishAll(sluice, task)).map(downloadPath)
    return await observed(sluice, planOf(task, sluice.api, targets, { Authorization: sluice.authorization }), dir)
  } finally {
    await sluice.stop()
  }
}

async function observed(sluice: SluiceServer, plan: Plan, dir: string): Promise<Figures> {
  const observation = await observe(sluice, plan, dir, { onWarm: async () => void (await sluice.look()) })
  const { loop } = await sluice.look()
  return { ...figuresOf(observation), loopP99Ms: loop.p99Ms }
}

async function fromEdge(task: Task, { dir }: Round, build: Build): Promise<Figures> {
  const sluice = await startSluice({ dir, build: build.dir, env: { SLUICE_DOWNLOADS__REDIRECT: 'true' } })
  try {
    const published = await publishAll(sluice, task)
    const targets = await Promise.all(published.map(media => redirectedTo(sluice, media)))
    return await observed(sluice, planOf(task, sluice.edge, targets, {}), dir)
  } finally {
    await sluice.stop()
  }
}

async function byRedirect(task: Task, { dir }: Round, build: Build): Promise<Figures> {
  const sluice = await startSluice({ dir, build: build.dir, env: { SLUICE_DOWNLOADS__REDIRECT: 'true' } })
  try {
    const targets = (await publishAll(sluice, task)).map(downloadPath)
    return await observed(sluice, redirectPlan(task, sluice, targets), dir)
  } finally {
    await sluice.stop()
  }
}

async function redirectedTo({ api, authorization }: SluiceServer, media: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${api}${downloadPath(media)}`, {
    headers: { authorization },
    redirect: 'manual',
  })
  const { pathname, search } = new URL(response.headers.get('location') ?? '')
  return pathname + search
}

async function fromNginx(task: Task, { dir }: Round): Promise<Figures> {
  const nginx = await startNginx({ dir })
  try {
    const names = [...task.bodies.digests.keys()].map(number => `body-${number}`)
    for (const [number, name] of names.entries())
      copyFileSync(task.bodies.pattern.replace('{c}', String(number)), join(nginx.root, name))
    const targets = names.map(name => `/${name}`)
    return figuresOf(await observe(nginx, planOf(task, nginx.port, targets, {}), dir))
  } finally {
    await nginx.stop()
  }
}

async function throughNginx(task: Task, { dir }: Round, build: Build): Promise<Figures> {
  const env = { SLUICE_DOWNLOADS__ACCEL_REDIRECT: '/sluice-objects/' }
  const sluice = await startSluice({ dir, build: build.dir, env })
  try {
    const nginx = await startNginx({ dir, before: sluice })
    try {
      const targets = (await publishAll(sluice, task)).map(downloadPath)
      const plan = planOf(task, nginx.port, targets, { Authorization: sluice.authorization })
      return figuresOf(await observe(nginx, plan, dir))
    } finally {
      await nginx.stop()
    }
  } finally {
    await sluice.stop()
  }
}

async function fromBare(task: Task, { dir }: Round): Promise<Figures> {
  const bare = await startBare({ program: 'download', args: [String(task.bytes)], dir })
  try {
    const [port = 0] = bare.ports
    return figuresOf(await observe(bare, planOf(task, port, ['/'], { Authorization: 'Bearer nobody' }), dir))
  } finally {
    await bare.stop()
  }
}

async function fromSink(task: Task, { dir }: Round): Promise<Figures> {
  const sink = await startSink(dir)
  try {
    return figuresOf(await observe(sink, planOf(task, sink.port, [`/bytes/${task.bytes}`], {}), dir))
  } finally {
    await sink.stop()
  }
}
