/**
 * Servers are killed again and again, at random moments and at every fail point, while clients use them; and each time they are started
 * again, the clients' ledger is held against them.
 *
 *     KILLS=500 SEED=… npx ava --config test-crash/ava.config.js test-crash/crash.test.ts
 *
 * The seed repeats the decisions, of the clients and of the killer. It does not repeat the timing; run it a few times.
 */
import test, { type ExecutionContext } from 'ava'
import { failPoints } from '../test/support/fail-points.ts'
import { makeChance } from './support/chance.ts'
import { makeContents } from './support/contents.ts'
import { apart, type Shape, together, withWorkers } from './support/house.ts'
import { killOnce, lastLook, openStore, type Plan, type Store } from './support/kill.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const kills = Number(process.env.KILLS ?? 500)
const lanes = 2
/** A fresh directory now and then: some steps only happen while a store is young. */
const killsPerStore = 50
/** Every fourth store is served by two processes. */
const mixture: readonly Shape[] = [together, together, apart, together]
/** `SHAPE=…` takes those whose name has this word, for all stores. */
const chosen = [together, apart, withWorkers].filter(({ name }) => name.includes(process.env.SHAPE ?? '\0'))
const shapes = chosen.length === 0 ? mixture : chosen

/** Those that `start.test.ts` and `commands.test.ts` come by. */
const elsewhere = /^(?:init|migrate|keys|repair|backup):/
const points = failPoints()
  .map(({ name }) => name)
  .filter(name => !elsewhere.test(name))

/** Milliseconds. What is too long is for whoever runs it to say; no kill may fail because others took their time. */
const aLongTime = 3_600_000

/** How often each ended a process, and how often that was tried. */
const killed = new Map<string, number>()
const tried = new Map<string, number>()
const contents = makeContents(90)
let isBroken = false

test.serial(`nothing acknowledged is lost, and nothing refused is left, over ${kills} kills`, async t => {
  t.timeout(aLongTime)
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(t, lane)))
  t.log(`seed ${seed}, ${Math.round((performance.now() - startedAt) / 1000)} s`)
  t.true(sum(killed) >= kills)
})

// Nobody can say how long it takes to come by a step by chance; so those that were not met are waited for here.
test.serial('every fail point was met', async t => {
  t.timeout(aLongTime)
  if (isBroken) return t.fail('the run before was broken off')
  // Fewer kills are for people who look for something else.
  const missing = () => (kills < 300 ? [] : points.filter(name => !killed.has(name)))
  const rounds = 25
  for (let round = 1; missing().length > 0 && round <= rounds; round += 1) {
    const wanted = missing()
    t.log(`round ${round} for ${wanted.join(', ')}`)
    for (const [index, point] of wanted.entries()) {
      const name = seed * 1000 + 500 + round * 20 + index
      await runStore(t, together, name, async store => {
        // What recovery has to do is the work of an earlier crash.
        if (point.startsWith('recover:')) await die(store, { point: 'keep: linked', isPatient: true })
        await die(store, { point, isPatient: true })
      })
    }
  }
  t.log(`${sum(killed)} kills: ${[...killed].map(([name, count]) => `${count} × ${name}`).join(', ')}`)
  t.deepEqual(missing(), [])
})

async function runLane(t: ExecutionContext, lane: number): Promise<void> {
  let left = Math.ceil(kills / lanes)
  for (let number = 0; left > 0 && !isBroken; number += 1) {
    const shape = shapes[(number + lane) % shapes.length] ?? together
    await runStore(t, shape, seed * 1000 + lane * 100 + number, async store => {
      for (let deaths = 0; deaths < Math.min(killsPerStore, left) && !isBroken; )
        deaths += await die(store, { point: nextPoint(store.chance), isPatient: false })
    })
    left -= killsPerStore
  }
}

/** @param number repeats its decisions */
async function runStore(
  t: ExecutionContext,
  shape: Shape,
  number: number,
  work: (store: Store) => Promise<void>,
): Promise<void> {
  const store = openStore({ shape, chance: makeChance(number), contents: await contents })
  try {
    await work(store)
    if (!isBroken) await lastLook(store)
    store.remove()
  } catch (error) {
    isBroken = true
    t.log(`SEED=${seed} (store ${number}, ${shape.name}); the directory is kept in ${store.dataDir}`)
    t.log(store.house.said())
    throw error
  } finally {
    await store.house.kill(store.house.running())
  }
}

/** @returns how many processes died */
async function die(store: Store, plan: Plan): Promise<number> {
  const deaths = await killOnce(store, plan)
  for (const name of deaths) killed.set(name, (killed.get(name) ?? 0) + 1)
  return deaths.length
}

/** The least met one, or none. */
function nextPoint(chance: Store['chance']): string | undefined {
  if (chance.is(0.4)) return undefined
  const times = (name: string): number => (killed.get(name) ?? 0) + (tried.get(name) ?? 0)
  const least = Math.min(...points.map(times))
  const [first = '', ...others] = points.filter(name => times(name) === least)
  const point = chance.pick([first, ...others])
  tried.set(point, (tried.get(point) ?? 0) + 1)
  return point
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0)
}
