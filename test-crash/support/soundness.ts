/** Whether a store is in order, by three means: our own eyes on files and tables, what the clients know, and Sluice's own check. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import BetterSqlite3, { type Database } from 'better-sqlite3'
import { systemClock } from '../../src/domain/clock.ts'
import { checkStore } from '../../src/services/check-store.ts'
import { openInspection } from '../../src/start/inspection.ts'
import { deepInventory, inventory } from '../../test/support/inventory.ts'
import type { Ledger } from './ledger.ts'
import { startServer } from './server.ts'
import { strangers } from './strangers.ts'

/** Milliseconds. What is wrong for a moment, because upkeep runs meanwhile, is not wrong; what is wrong for so long is. */
const settlingTime = 30_000

export function openIndex(dataDir: string): Database {
  return new BetterSqlite3(join(dataDir, 'sluice.db'), { readonly: true })
}

/** For a store that is served and that nobody uses. @throws Error that says what is wrong */
export async function requireSound(dataDir: string, sql: Database, ledger: Ledger): Promise<void> {
  await settled(async () => [
    ...inventory(dataDir, sql),
    ...strangers(sql, ledger),
    ...leftHolds(sql),
    ...(await findingsIn(dataDir)),
  ])
}

/** And every byte of it is what it was; nothing unfinished is left, because its time is over. @throws Error that says what is wrong */
export async function requireNothingLeft(dataDir: string, sql: Database): Promise<void> {
  await settled(() => {
    const unfinished = sql.prepare('SELECT count(*) FROM pending').pluck().get()
    const unwanted = sql.prepare('SELECT count(*) FROM unwanted_object').pluck().get()
    return unfinished === 0 && unwanted === 0 ? [] : [`${unfinished} unfinished and ${unwanted} unwanted are left`]
  })
  await settled(() => deepInventory(dataDir, sql))
  await fsck(dataDir)
}

/** The command, as an operator runs it. @throws Error when it finds something */
export async function fsck(dataDir: string): Promise<void> {
  const process = startServer({ dataDir, command: ['fsck', '--deep', '--json'] })
  const { code } = await process.ended
  if (code !== 0) throw new Error(`fsck ended with ${code}: ${process.wrote()} ${process.said()}`)
}

/** The same without a process of its own, which is quick enough to be done after every start. */
async function findingsIn(dataDir: string): Promise<string[]> {
  const inspection = openInspection(dataDir, { forRepair: false, clock: systemClock })
  try {
    const { findings } = await checkStore(inspection.checked, { deep: false, settle: () => sleep(20) })
    return findings.map(finding => `fsck: ${JSON.stringify(finding)}`)
  } finally {
    inspection.close()
  }
}

/** Room in a quota that is kept for an upload must go with it. */
function leftHolds(sql: Database): string[] {
  const ids = sql.prepare<[], string>('SELECT media_id FROM pending WHERE held_bytes IS NOT NULL').pluck().all()
  return ids.map(id => `room is held for ${id}, which nobody uploads`)
}

async function settled(take: () => string[] | Promise<string[]>): Promise<void> {
  const deadline = performance.now() + settlingTime
  for (;;) {
    const problems = await take()
    if (problems.length === 0) return
    if (performance.now() > deadline) throw new Error(`the store is not in order:\n${problems.slice(0, 20).join('\n')}`)
    await sleep(20)
  }
}
