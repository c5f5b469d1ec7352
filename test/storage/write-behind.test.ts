import test from 'ava'
import { makeWriteBehind } from '../../src/storage/write-behind.ts'
import { gate } from './object-store-contract.ts'

const batches = [1, 2, 3].map(byte => [Uint8Array.of(byte)])

function idOf(batch: readonly Uint8Array[]): number | undefined {
  return batch[0]?.[0]
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(resolve => setImmediate(resolve))
}

test('two are written at once, and each is done with after those before it', async t => {
  const disks = new Map(batches.map(batch => [idOf(batch), gate()]))
  const events: string[] = []
  const writes = makeWriteBehind(
    async batch => {
      events.push(`begin ${idOf(batch)}`)
      await disks.get(idOf(batch))?.opened
    },
    batch => void events.push(`done ${idOf(batch)}`),
    () => 2,
  )
  const [first = [], second = [], third = []] = batches
  await writes.add(first)
  const added = writes.add(second)
  disks.get(2)?.open()
  await turns()
  t.deepEqual(events, ['begin 1', 'begin 2'])
  disks.get(1)?.open()
  await added
  disks.get(3)?.open()
  await writes.add(third)
  await writes.finish()
  t.deepEqual(events, ['begin 1', 'begin 2', 'done 1', 'done 2', 'begin 3', 'done 3'])
})

test('a write that fails is heard of once the next one is added, or at the end, and nothing behind it is done', async t => {
  for (const atOnce of [1, 2]) {
    const done: (number | undefined)[] = []
    const failing = new Error('disk')
    const writes = makeWriteBehind(
      async batch => {
        if (idOf(batch) === 1) throw failing
      },
      batch => void done.push(idOf(batch)),
      () => atOnce,
    )
    const outcome = (async () => {
      for (const batch of batches) await writes.add(batch)
    })()
    t.is(await t.throwsAsync(outcome), failing)
    t.is(await t.throwsAsync(writes.finish()), failing)
    t.deepEqual(done, [])
  }
})
