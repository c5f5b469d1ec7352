import test from 'ava'
import { MediaError } from '../../src/domain/errors.ts'
import { makeFreeSpace } from '../../src/services/free-space.ts'
import { movableClock } from '../support/movable-clock.ts'

const minFree = 100

function disk(free: number) {
  const clock = movableClock()
  const world = { free, looks: 0, isMute: false }
  const space = makeFreeSpace({
    clock,
    look: async () => {
      world.looks += 1
      if (world.isMute) throw new Error('EIO')
      return world.free
    },
  })
  return { clock, world, space }
}

const upload = (declaredBytes: number | undefined, maxBytes = 1_000_000_000) => ({ declaredBytes, maxBytes })

async function refuses(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return false
  } catch (error) {
    return error instanceof MediaError && error.code === 'out_of_space' && error.extras.retryAfterMs === 60_000
  }
}

test('down to the watermark something may be begun, below it nothing, and when there is room again it may', async t => {
  const { clock, world, space } = disk(100)
  t.false(await refuses(space.requireSome(minFree)))
  t.true(await refuses(space.reserve(upload(1), minFree)))
  world.free = 99
  clock.advance(1000)
  t.true(await refuses(space.requireSome(minFree)))
  t.false(await refuses(space.requireSome(0)))
  world.free = 100
  clock.advance(1000)
  t.false(await refuses(space.requireSome(minFree)))
})

test('the disk is asked once a second, however many ask, and also when the clock was set back', async t => {
  const { clock, world, space } = disk(1000)
  await Promise.all(Array.from({ length: 20 }, () => space.requireSome(minFree)))
  clock.advance(999)
  await space.requireSome(minFree)
  t.is(world.looks, 1)
  clock.advance(1)
  await space.requireSome(minFree)
  t.is(world.looks, 2)
  clock.jump(-5000)
  clock.advance(1000)
  await space.requireSome(minFree)
  t.is(world.looks, 3)
})

test('what uploads under way still have to write is taken, and no room is promised twice', async t => {
  const { space } = disk(1000)
  const asked = await Promise.all(Array.from({ length: 10 }, () => refuses(space.reserve(upload(200), minFree))))
  t.is(asked.filter(isRefused => !isRefused).length, 4)
  t.true(await refuses(space.reserve(upload(101), minFree)))
  t.false(await refuses(space.reserve(upload(100), minFree)))
  t.true(await refuses(space.reserve(upload(1), minFree)))
})

test('bytes that have arrived are counted once, by the disk or by the reservation', async t => {
  const { clock, world, space } = disk(1000)
  const room = await space.reserve(upload(600), minFree)
  const atMost300 = async (when: string): Promise<void> => {
    t.true(await refuses(space.reserve(upload(301), minFree)), when)
    const fitting = await space.reserve(upload(300), minFree)
    fitting.release()
    clock.advance(1000)
  }
  await atMost300('nothing has come')
  room.written(400)
  world.free = 600
  await atMost300('a part has come')
  room.written(600)
  world.free = 400
  await atMost300('all has come')
})

test('the room of an upload that has ended is free with the next look, not before the disk shows its bytes', async t => {
  const { clock, world, space } = disk(1000)
  const room = await space.reserve(upload(800), minFree)
  room.written(800)
  room.release()
  t.true(await refuses(space.reserve(upload(200), minFree)), 'the last look was before the bytes came')
  world.free = 200
  clock.advance(1000)
  t.true(await refuses(space.reserve(upload(200), minFree)))
  world.free = 1000
  clock.advance(1000)
  t.false(await refuses(space.reserve(upload(900), minFree)))
})

test('of an upload of unknown length 16 MiB are kept ahead, but not more than its limit', async t => {
  const mebibyte = 2 ** 20
  const { clock, world, space } = disk(100 * mebibyte)
  const endless = await space.reserve(upload(undefined), 0)
  t.false(await refuses(space.reserve(upload(84 * mebibyte - 1000), 0)))
  t.false(await refuses(space.reserve(upload(undefined, 1000), 0)))
  t.true(await refuses(space.reserve(upload(1), 0)))
  endless.written(50 * mebibyte)
  world.free = 50 * mebibyte
  clock.advance(1000)
  t.true(await refuses(space.reserve(upload(undefined), 0)))
})

test('a disk that can not be asked refuses nobody; writing will show', async t => {
  const { clock, world, space } = disk(0)
  world.isMute = true
  t.false(await refuses(space.reserve(upload(1000), minFree)))
  world.isMute = false
  clock.advance(1000)
  t.true(await refuses(space.requireSome(minFree)))
})

test('what is written while the disk is looked at is not taken for free, whenever the disk counted it', async t => {
  for (const counted of [0, 400]) {
    const clock = movableClock()
    const looks: ((free: number) => void)[] = []
    const space = makeFreeSpace({ clock, look: () => new Promise(resolve => looks.push(resolve)) })
    const reserving = space.reserve(upload(600), minFree)
    looks[0]?.(1000)
    const room = await reserving
    clock.advance(1000)
    const asking = refuses(space.reserve(upload(301), minFree))
    // During the look 400 bytes are written, which it sees or not; and the upload ends.
    room.written(400)
    room.release()
    looks[1]?.(1000 - counted)
    t.true(await asking, `${counted} were counted`)
  }
})

test('an upload of unknown length that grows faster than the disk is looked at is counted as it grows', async t => {
  const mebibyte = 2 ** 20
  const { space } = disk(100 * mebibyte)
  const endless = await space.reserve(upload(undefined), 0)
  endless.written(60 * mebibyte)
  t.true(await refuses(space.reserve(upload(25 * mebibyte), 0)))
  t.false(await refuses(space.reserve(upload(24 * mebibyte), 0)))
})

test('an upload that was refused holds nothing', async t => {
  const { clock, world, space } = disk(1000)
  t.true(await refuses(space.reserve(upload(901), minFree)))
  t.false(await refuses(space.reserve(upload(900), minFree)))
  world.free = 2000
  clock.advance(1000)
  t.true(await refuses(space.reserve(upload(1001), minFree)))
  t.false(await refuses(space.reserve(upload(1000), minFree)))
})
