/** What becomes of create, lookup, commit and sweep when there are many media: the catalog by itself, without HTTP. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { makeSqliteCatalog } from '../../src/catalog/sqlite-catalog.ts'
import { openDatabase } from '../../src/database/database.ts'
import { newMediaId, type UserId } from '../../src/domain/identifiers.ts'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { percentile } from '../statistics.ts'
import type { Bench } from './bench.ts'
import { mediaIdOf, prepareCatalog } from './prepared-catalog.ts'

export interface IndexGrowthSettings {
  readonly sizes: readonly Size[]
}

interface Size {
  readonly name: string
  readonly media: number
  /** Only with --large. */
  readonly isLarge?: boolean
}

export async function indexGrowth({ sizes }: IndexGrowthSettings, bench: Bench): Promise<readonly Entry[]> {
  const entries: Entry[] = []
  for (const { name, media, isLarge = false } of sizes) {
    if (isLarge && !bench.large) {
      entries.push({ name, absent: 'only with --large' })
      continue
    }
    const file = join(bench.dir, `${media}.db`)
    await prepareCatalog(file, { media })
    entries.push({ name, run: () => measure(file, media, bench.quick) })
  }
  return entries
}

const owner = '@bench:localhost' as UserId
const groupSize = 16

async function measure(file: string, media: number, quick: boolean): Promise<Figures> {
  const database = openDatabase(file)
  try {
    const catalog = makeSqliteCatalog(database)
    const times = quick ? 200 : 2000
    const lookups = await timesOf(times, index => atTheEnd(() => catalog.find(mediaIdOf((index * 7919) % media))))
    const now = Date.now()
    const reserve = (expiresAt: number) =>
      catalog.reserve(
        {
          mediaId: newMediaId(randomBytes, Date.now()),
          owner,
          createdAt: now,
          frozen: true,
          unusedExpiresAt: expiresAt,
        },
        { maxPendingPerUser: Number.POSITIVE_INFINITY, quota: undefined },
      )
    // As they come in from sixteen clients: one commit for all.
    const group = (expiresAt: number) =>
      timeOf(() => Promise.all(Array.from({ length: groupSize }, () => reserve(expiresAt))))
    const commits = await timesOf(times / 4, () => group(now + 1000))
    const later = now + 86_400_000
    const from = performance.now()
    let swept = 0
    for (let count = -1; count !== 0; ) {
      count = await catalog.expire(later, 2000)
      swept += count
    }
    const sweepMs = performance.now() - from
    return {
      lookupUs: percentile(lookups, 0.5) * 1000,
      createUs: (percentile(commits, 0.5) / groupSize) * 1000,
      commitP99Ms: percentile(commits, 0.99),
      sweepUs: (sweepMs / swept) * 1000,
    }
  } finally {
    await database.close()
  }
}

/** @param timed milliseconds of one */
async function timesOf(times: number, timed: (index: number) => Promise<number>): Promise<number[]> {
  const taken: number[] = []
  for (let index = 0; index < times; index += 1) taken.push(await timed(index))
  return taken
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

/** Of work that is done at the end of the turn: without the rest of it, in which there is nothing to do here. */
async function atTheEnd(work: () => Promise<unknown>): Promise<number> {
  let from = 0
  setImmediate(() => {
    from = performance.now()
  })
  await work()
  return performance.now() - from
}
