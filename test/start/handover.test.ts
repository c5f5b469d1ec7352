import { Socket } from 'node:net'
import test from 'ava'
import { makeHandover, type Taker } from '../../src/start/handover.ts'

interface Stub extends Taker {
  readonly given: Socket[]
  /** What becomes of the oldest one that is not decided yet. */
  answer(wasTaken: boolean): Promise<void>
}

function taker(): Stub {
  const given: Socket[] = []
  const waiting: ((wasTaken: boolean) => void)[] = []
  return {
    given,
    give: socket => {
      given.push(socket)
      return new Promise(resolve => waiting.push(resolve))
    },
    answer: async wasTaken => {
      waiting.shift()?.(wasTaken)
      await new Promise(resolve => setImmediate(resolve))
    },
  }
}

test('who comes while there is nobody to take connections waits, up to a number', t => {
  const handover = makeHandover(2)
  const sockets = [new Socket(), new Socket(), new Socket()]
  for (const socket of sockets) handover.add(socket)
  t.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [false, false, true],
  )
  const one = taker()
  handover.join(one)
  t.deepEqual(one.given, sockets.slice(0, 1), 'one at a time')
})

test('each connection goes to whoever has taken its last one, and is closed here when it is taken', async t => {
  const handover = makeHandover(10)
  const [quick, hung] = [taker(), taker()]
  handover.join(quick)
  handover.join(hung)
  const sockets = Array.from({ length: 4 }, () => new Socket())
  for (const socket of sockets) handover.add(socket)
  for (let took = 0; took < 3; took += 1) await quick.answer(true)
  t.deepEqual(quick.given, [sockets[0], sockets[2], sockets[3]])
  t.deepEqual(hung.given, [sockets[1]])
  t.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [true, false, true, true],
  )

  let isEmpty = false
  const empty = handover.empty().then(() => {
    isEmpty = true
  })
  await quick.answer(true)
  t.false(isEmpty, 'the hung one may still take it')
  await hung.answer(false)
  t.deepEqual(quick.given.at(-1), sockets[1], 'what was not taken is given to another')
  await quick.answer(true)
  await empty
})

test('a connection that has gone meanwhile is given to nobody', t => {
  const handover = makeHandover(10)
  const [gone, there] = [new Socket(), new Socket()]
  handover.add(gone)
  handover.add(there)
  gone.destroy()
  const one = taker()
  handover.join(one)
  t.deepEqual(one.given, [there])
})

test('what nobody takes any more is closed', async t => {
  const handover = makeHandover(10)
  const socket = new Socket()
  handover.add(socket)
  handover.drop()
  t.true(socket.destroyed)
  await handover.empty()
})
