/** One death: the servers of a store are started, looked at, used, and killed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Chance } from './chance.ts'
import type { Contents } from './contents.ts'
import { type House, makeHouse, type Part, type Shape, type Start } from './house.ts'
import { describe, type Ledger, type Media, makeLedger, unusedTtl } from './ledger.ts'
import { lookAt, lookInside } from './look.ts'
import { quotaSettings } from './quota.ts'
import { makeSend } from './requests.ts'
import type { Session } from './session.ts'
import { fsck, openIndex, requireNothingLeft, requireSound } from './soundness.ts'
import { runClient } from './traffic.ts'

export interface Store {
  readonly dataDir: string
  readonly house: House
  readonly chance: Chance
  readonly contents: Contents
  readonly ledger: Ledger
  /** Milliseconds by which the servers' clock is ahead of ours. */
  clockAhead: number
  readonly now: () => number
  remove(): void
}

export interface Plan {
  /** A fail point, or any moment. */
  readonly point: string | undefined
  /** Waits for the point until it is met, however slow this machine is. */
  readonly isPatient: boolean
}

const clients = 6
/** Milliseconds. Beyond what any step takes on the slowest machine. */
const longPatience = 60_000

export function openStore({
  shape,
  chance,
  contents,
}: {
  readonly shape: Shape
  readonly chance: Chance
  readonly contents: Contents
}): Store {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-crash-'))
  const dataDir = join(dir, 'data')
  const store: Store = {
    dataDir,
    house: makeHouse(dataDir, shape),
    chance,
    contents,
    ledger: makeLedger(),
    clockAhead: 0,
    now: () => Date.now() + store.clockAhead,
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
  return store
}

/**
 * @returns for each process that died what it died of, a fail point or none
 * @throws BrokenPromise; Error when anything is not in order
 */
export async function killOnce(store: Store, { point, isPatient }: Plan): Promise<string[]> {
  const { chance, house } = store
  // Everything that was begun and not finished ends at once. Servers of one store have one clock.
  if (chance.is(0.08) && house.running().length === 0) store.clockAhead += 11 * 60_000
  const deaths: string[] = []
  let wanted = point
  const killAfter = point === undefined && chance.is(0.13) ? chance.between(50, 350) : undefined
  const time = isPatient ? 1 : chance.pick([1, 1, 2, 3, 5])
  const fresh = house.parts.filter(part => !house.running().includes(part))
  let killed = await house.start(startOf(store, { point, time, killAfter }))
  // Killed before it was ready: that is a crash in the middle of a recovery, and the next one has to cope.
  while (killed.length > 0 || house.running().length < house.parts.length) {
    for (const _ of killed) deaths.push(wanted ?? 'while starting')
    for (const _ of house.running()) deaths.push('at any moment')
    // Those that are ready still wait for the point.
    await house.kill(house.running())
    killed = await house.start(startOf(store, {}))
    wanted = undefined
  }

  const { session, close } = openSession(store, wanted)
  const over = house.oneEnded().then(() => {
    session.isOver = true
  })
  await look(store, session, media => media.isFresh || chance.is(0.02))
  if (chance.is(0.04)) await fsck(store.dataDir)

  if (wanted !== undefined && !isOfStart(wanted)) for (const { process } of fresh) process?.kill('SIGUSR2')
  const traffic = Promise.all(Array.from({ length: clients }, () => runClient(session)))
  // An error of a client must end the round; it is thrown below.
  let isBroken = false
  traffic.catch(() => {
    isBroken = true
    session.isOver = true
  })
  await Promise.race([
    over,
    traffic.catch(() => {}),
    sleep(patienceFor(wanted, isPatient, chance), undefined, { ref: false }),
  ])
  const dead = house.parts.filter(part => !house.running().includes(part))
  const doomed = wanted === undefined && !isBroken ? anyOf(house.parts, chance) : house.parts
  await house.kill(doomed)
  await traffic
  close()
  return [...deaths, ...doomed.map(part => (dead.includes(part) && wanted !== undefined ? wanted : 'at any moment'))]
}

/** Milliseconds until a server that was not met by its fail point is killed all the same. */
function patienceFor(point: string | undefined, isPatient: boolean, chance: Chance): number {
  if (point === undefined || isOfStart(point)) return chance.between(20, 300)
  return isPatient ? longPatience : 1500
}

/** One of them, or all. */
function anyOf(parts: readonly Part[], chance: Chance): readonly Part[] {
  const [first, ...others] = parts
  return first === undefined || chance.is(0.5) ? parts : [chance.pick([first, ...others])]
}

function isOfStart(point: string | undefined): boolean {
  return point?.startsWith('recover:') === true
}

function startOf(
  { clockAhead }: Store,
  { point, time = 1, killAfter }: { readonly point?: string | undefined; readonly time?: number } & Partial<Start>,
): Start {
  const env = {
    SLUICE_LIMITS__UNUSED_TTL: `${unusedTtl / 1000}s`,
    // However slow the machine is, no picture is given up.
    SLUICE_THUMBNAILS__TIMEOUT: '10m',
    ...quotaSettings,
    CRASH_UPKEEP_EVERY: '60',
    CRASH_CLOCK_AHEAD: String(clockAhead),
    ...(point !== undefined && { CRASH_AT: point, CRASH_AT_TIME: String(time) }),
    // The steps of recovery come before anybody can send a signal; with all others we want to have looked first.
    ...(!isOfStart(point) && { CRASH_ARMED_BY: 'SIGUSR2' }),
  }
  return { env, killAfter }
}

function openSession(store: Store, point: string | undefined): { session: Session; close: () => void } {
  const { house, chance, contents, ledger, now } = store
  const { send, close } = makeSend()
  const at = (listener: 'api' | 'edge') => {
    const part = house.parts.find(({ addresses }) => addresses[listener] !== undefined)
    return { url: part?.addresses[listener] ?? '', life: part?.life ?? { isOver: true } }
  }
  const [api, edge] = [at('api'), at('edge')]
  const session: Session = {
    ...{ api: api.url, apiLife: api.life, edge: edge.url, edgeLife: edge.life },
    ...{ send, chance, contents, ledger, now },
    focus: point?.split(':')[0] ?? '',
    isOver: false,
  }
  return { session, close }
}

async function look(store: Store, session: Session, isWorthIt: (media: Media) => boolean): Promise<void> {
  const { dataDir, ledger } = store
  const sql = openIndex(dataDir)
  try {
    await requireSound(dataDir, sql, ledger)
    for (const media of ledger.media.filter(isWorthIt)) {
      await lookAt(session, media)
      lookInside(sql, media, session.now())
    }
  } finally {
    sql.close()
  }
}

/** Everything is looked at once more, and after the end of all that was not finished nothing of it is there. */
export async function lastLook(store: Store): Promise<void> {
  const { dataDir, ledger, house } = store
  // All of them, because servers of one store have one clock.
  await house.kill(house.running())
  store.clockAhead += 11 * 60_000
  const killed = await house.start(startOf(store, {}))
  if (killed.length > 0) throw new Error('somebody else killed it')
  const { session, close } = openSession(store, undefined)
  await look(store, session, () => true)
  close()
  const sql = openIndex(dataDir)
  await requireNothingLeft(dataDir, sql)
  sql.close()
  await house.stop()
  const open = ledger.media.filter(({ state }) => state === 'open' || state === 'asked')
  if (open.length > 0) throw new Error(`these should have ended:\n${open.map(describe).join('\n')}`)
}
