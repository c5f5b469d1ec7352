import test from 'ava'
import { makePictureMemory } from '../../src/services/picture-memory.ts'

const MiB = 1024 * 1024

test('what has been given back is lent again, and never to two at once', async t => {
  const lend = makePictureMemory(2)
  const places = new Set<ArrayBufferLike>()
  const use = (bytes: number) =>
    lend(bytes, async memory => {
      t.is(memory.length, bytes)
      places.add(memory.buffer)
    })
  await use(1000)
  await use(8 * MiB)
  t.is(places.size, 1)

  const first = Promise.withResolvers<void>()
  const together = lend(10, async one => {
    await lend(10, async other => t.not(one.buffer, other.buffer))
    await first.promise
  })
  first.resolve()
  await together
})

test('a failure gives the memory back too', async t => {
  const lend = makePictureMemory(1)
  let place: unknown
  const failing = lend(10, async memory => {
    place = memory.buffer
    throw new Error('no picture')
  })
  await t.throwsAsync(failing, { message: 'no picture' })
  await lend(10, async memory => t.true(memory.buffer === place))
})

test('a picture that is larger than most has memory of its own, which is not kept', async t => {
  const lend = makePictureMemory(1)
  const own = await lend(17 * MiB, async memory => memory.buffer)
  t.is(own.byteLength, 17 * MiB)
  await lend(10, async memory => t.not(memory.buffer, own))
})
