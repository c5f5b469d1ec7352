/**
 * `npm run soak [-- --minutes N --workers N]`: 500 slow uploads, 200 waiting downloads and 50 fast clients at once, for ten minutes. Fails
 * when an answer is not the expected one, when memory grows, when descriptors do, when an upload stands still, or when something is left at
 * the end.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { benchDir } from './paths.ts'
import { builtSluice, startSluice } from './peers/sluice.ts'
import { cpuSeconds, family, memoryOf } from './programs.ts'
import { startCrowd } from './soak/crowd.ts'
import { percentile } from './statistics.ts'

const crowd = { slow: 500, waiting: 200, fast: 50 }

/** Each client has a connection to either listener, or an upload with its file beside it; and what the server itself has open. */
const mostDescriptors = 2 * (crowd.slow + crowd.waiting + crowd.fast) + crowd.slow + 200

/** Memory after the warm-up, from its first quarter to its last: what a collector leaves lying about now and then, and no leak. */
const mostGrowth = { share: 0.1, mib: 24 }

/** Milliseconds; four times slower than anything that was seen. */
const longestStandstill = 10_000

interface Sample {
  readonly second: number
  readonly mib: number
  readonly descriptors: number
}

const { values: options } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, workers: { type: 'string', default: '0' } },
})
const seconds = Number(options.minutes) * 60
if (!(seconds > 0)) throw new Error('--minutes takes a number')

process.exitCode = await soak()

async function soak(): Promise<number> {
  const dir = join(benchDir, 'soak')
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  const sluice = await startSluice({ dir, env: { SLUICE_EDGE__WORKERS: options.workers } })
  const api = `http://127.0.0.1:${sluice.api}`
  console.log(`${seconds / 60} minutes, ${options.workers} workers, load ${loadNow()} before`)

  const clients = startCrowd({ api, authorization: sluice.authorization, ...crowd })
  const samples: Sample[] = []
  let standstill = 0
  const from = performance.now()
  const cpuBefore = cpuSeconds(family(sluice.pid))
  for (let second = 2; second <= seconds; second += 2) {
    await sleep(Math.max(0, from + second * 1000 - performance.now()))
    const pids = family(sluice.pid)
    samples.push({ second, mib: memoryOf(pids).now, descriptors: descriptorsOf(pids) })
    standstill = Math.max(standstill, clients.longestStandstill())
    if (second % 60 === 0) console.log(`${second / 60} min: ${Math.round(memoryOf(pids).now)} MiB, load ${loadNow()}`)
  }
  const cpu = cpuSeconds(family(sluice.pid)) - cpuBefore
  await clients.stop()

  const config = { SLUICE_DATA_DIR: sluice.dataDir, PATH: process.env.PATH }
  const left = await eventually(() => readdirSync(join(sluice.dataDir, 'incoming')).length + objectsIn(sluice.dataDir))
  await sluice.stop()
  const fsck = spawnSync(process.execPath, [join(builtSluice, 'main.js'), 'fsck', '--deep', '--json'], { env: config })

  const warm = samples.filter(({ second }) => second > Math.min(120, seconds / 3)).map(({ mib }) => mib)
  const quarter = Math.ceil(warm.length / 4)
  const [early, late] = [percentile(warm.slice(0, quarter), 0.5), percentile(warm.slice(-quarter), 0.5)]
  const descriptors = Math.max(...samples.map(sample => sample.descriptors))
  const { fastTimes, slowDelays, wakeTimes, troubles } = clients.report
  const rows: readonly (readonly [what: string, seen: string, isFine?: boolean])[] = [
    ['slow uploads', String(slowDelays.length), slowDelays.length > 0],
    ['… later than their pace, p50 and p99', times(slowDelays)],
    ['… longest standstill', `${Math.round(standstill)} ms`, standstill < longestStandstill],
    ['waiting downloads', String(wakeTimes.length), wakeTimes.length > 0],
    ['… complete to the whole answer, p50 and p99', times(wakeTimes)],
    ['fast cycles (create, PUT, complete, download)', String(fastTimes.length), fastTimes.length > 0],
    ['… p50 and p99', times(fastTimes)],
    ['unexpected answers', String(troubles.length), troubles.length === 0],
    ['memory, early and late', `${mib(early)}, ${mib(late)}`, late < early * (1 + mostGrowth.share) + mostGrowth.mib],
    ['memory at most', mib(Math.max(...samples.map(sample => sample.mib)))],
    ['descriptors at most', String(descriptors), descriptors <= mostDescriptors],
    ['files left at the end', String(left), left === 0],
    [
      'findings of fsck --deep',
      fsck.status === 0 ? 'none' : String(fsck.stdout) + String(fsck.stderr),
      fsck.status === 0,
    ],
    ['processor time of the server', `${cpu.toFixed(0)} s of ${seconds} s`],
    ['load of the machine at the end', loadNow()],
  ]
  for (const [what, seen, isFine] of rows)
    console.log(`${isFine === false ? '✘' : isFine === true ? '✔' : ' '} ${what.padEnd(48)} ${seen}`)
  for (const trouble of new Set(troubles)) console.log(`  ${trouble}`)
  const isFine = rows.every(([, , fine]) => fine !== false)
  if (isFine) rmSync(dir, { recursive: true, force: true })
  return isFine ? 0 : 1
}

function descriptorsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0)
}

function objectsIn(dataDir: string): number {
  const entries = readdirSync(join(dataDir, 'objects'), { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).length
}

/** What was deleted goes by upkeep, every ten seconds. */
async function eventually(count: () => number): Promise<number> {
  for (let tries = 0; tries < 120 && count() > 0; tries += 1) await sleep(500)
  return count()
}

function times(values: readonly number[]): string {
  return [0.5, 0.99].map(share => `${Math.round(percentile(values, share))} ms`).join(', ')
}

function mib(value: number): string {
  return `${Math.round(value)} MiB`
}

function loadNow(): string {
  return (loadavg()[0] ?? 0).toFixed(1)
}
