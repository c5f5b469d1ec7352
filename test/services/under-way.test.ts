import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { makeUnderWay } from '../../src/services/under-way.ts'

test('where nothing is under way, nobody waits', async t => {
  const { settled } = makeUnderWay()
  t.true(await settled(60_000))
})

test('whoever waits is told when the last one has ended, however it ended', async t => {
  const { during, settled } = makeUnderWay()
  const [first, second, third] = [0, 1, 2].map(() => Promise.withResolvers<string>()) as [Task, Task, Task]
  const works = [during(() => first.promise), during(() => second.promise)]
  let told = 0
  const waiting = [settled(60_000), settled(60_000)].map(each => each.then(isSettled => (told += Number(isSettled))))
  first.resolve('done')
  t.is(await works[0], 'done')
  // One that begins meanwhile counts as well.
  works.push(during(() => third.promise))
  second.reject(new Error('failed'))
  await t.throwsAsync(works[1] as Promise<string>, { message: 'failed' })
  await sleep(5)
  t.is(told, 0)
  third.resolve('done')
  await Promise.all(waiting)
  t.is(told, 2)
  t.true(await settled(60_000))
})

test('what takes too long is said to be under way, and still counts', async t => {
  const { during, settled } = makeUnderWay()
  const task = Promise.withResolvers<void>()
  const work = during(() => task.promise)
  t.false(await settled(5))
  const waiting = settled(60_000)
  task.resolve()
  t.true(await waiting)
  await work
})

test('what throws before it has begun is not under way', async t => {
  const { during, settled } = makeUnderWay()
  t.throws(() =>
    during(() => {
      throw new Error('at once')
    }),
  )
  t.true(await settled(60_000))
})

type Task = PromiseWithResolvers<string>
