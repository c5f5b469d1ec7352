/** A day's worth of ids that were created and never used goes at once, by the product's own upkeep. */
import { join } from 'node:path'
import { makeSqliteCatalog } from '../../src/catalog/sqlite-catalog.ts'
import { openDatabase } from '../../src/database/database.ts'
import { systemClock } from '../../src/domain/clock.ts'
import { upkeep } from '../../src/services/expire-media.ts'
import { openMemoryStore } from '../../src/storage/memory-store.ts'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import type { Bench } from './bench.ts'
import { prepareCatalog } from './prepared-catalog.ts'

export interface SweepSettings {
  readonly pending: number
}

/** Media that are there as well. */
const media = 1e4

export async function sweep({ pending }: SweepSettings, bench: Bench): Promise<readonly Entry[]> {
  const rows = { media, pending: bench.quick ? pending / 10 : pending }
  return [{ name: 'sluice', run: ({ dir }) => sweepAll(join(dir, 'sluice.db'), rows) }]
}

async function sweepAll(file: string, rows: { readonly media: number; readonly pending: number }): Promise<Figures> {
  await prepareCatalog(file, rows)
  const database = openDatabase(file)
  try {
    const catalog = makeSqliteCatalog(database)
    const from = performance.now()
    const { expired } = await upkeep(
      { clock: systemClock, catalog, store: openMemoryStore({ isReferenced: () => true }) },
      new AbortController().signal,
    )
    if (expired !== rows.pending) throw new Error(`${expired} of ${rows.pending} were swept`)
    return { sweepUs: ((performance.now() - from) / expired) * 1000 }
  } finally {
    await database.close()
  }
}
