import test from 'ava'
import { makeGate } from '../../src/services/gate.ts'

/** Work that ends when it is told to. */
function held() {
  return Promise.withResolvers<string>()
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
}

test('no more work runs at once than there are places', async t => {
  const gate = makeGate(2)
  let inside = 0
  let most = 0
  const work = async (): Promise<void> => {
    inside += 1
    most = Math.max(most, inside)
    t.true(gate.inside() >= inside)
    await new Promise(resolve => setImmediate(resolve))
    inside -= 1
  }
  await Promise.all(Array.from({ length: 20 }, () => gate.run(work)))
  t.is(most, 2)
  t.is(inside, 0)
  t.is(gate.inside(), 0)
})

test('those who wait get in by the order in which they came', async t => {
  const gate = makeGate(1)
  const order: number[] = []
  const work = async (number: number): Promise<void> => {
    order.push(number)
    await new Promise(resolve => setImmediate(resolve))
    // Whoever comes at the moment when a place is handed on still comes last.
    if (number === 0) void gate.run(() => work(9))
  }
  await Promise.all([0, 1, 2, 3].map(number => gate.run(() => work(number))))
  await gate.run(async () => {})
  t.deepEqual(order, [0, 1, 2, 3, 9])
})

test('what the work gives or throws comes through, and the place is free again', async t => {
  const gate = makeGate(1)
  t.is(await gate.run(async () => 'given'), 'given')
  await t.throwsAsync(
    gate.run(async () => {
      throw new Error('broken')
    }),
    { message: 'broken' },
  )
  await t.throwsAsync(
    gate.run(() => {
      throw new Error('broken before it began')
    }),
    { message: 'broken before it began' },
  )
  t.is(await gate.run(async () => 'again'), 'again')
})

test('whoever stops waiting leaves the line, and nobody else loses a place', async t => {
  const gate = makeGate(1)
  const first = held()
  const running = gate.run(() => first.promise)
  const leaving = new AbortController()
  let hasRun = false
  const left = gate.run(async () => {
    hasRun = true
  }, leaving.signal)
  const patient = gate.run(async () => 'patient')
  leaving.abort(new Error('gone'))
  await t.throwsAsync(left, { message: 'gone' })
  first.resolve('done')
  t.is(await running, 'done')
  t.is(await patient, 'patient')
  t.false(hasRun)
  t.is(await gate.run(async () => 'free'), 'free')
})

test('who has gone before asking does not get in', async t => {
  const gate = makeGate(1)
  await t.throwsAsync(
    gate.run(async () => 'never', AbortSignal.abort(new Error('gone'))),
    { message: 'gone' },
  )
  t.is(await gate.run(async () => 'free'), 'free')
})

test('aborting does not touch work that has begun', async t => {
  const gate = makeGate(1)
  const first = held()
  const leaving = new AbortController()
  const running = gate.run(() => first.promise, leaving.signal)
  let hasEntered = false
  const next = gate.run(async () => {
    hasEntered = true
  })
  leaving.abort()
  await settled()
  t.false(hasEntered, 'the place is still taken')
  first.resolve('done')
  t.is(await running, 'done')
  await next
})
