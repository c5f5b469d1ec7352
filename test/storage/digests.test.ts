import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { MediaError } from '../../src/domain/errors.ts'
import { makeDigests } from '../../src/storage/digests.ts'

const large = 8 * 1024 * 1024
const thread = new URL('../../src/storage/digest-thread.ts', import.meta.url)

/** A chunk as Node's HTTP parser makes it: the only one in its memory. */
function ownChunk(bytes: number): Buffer<ArrayBuffer> {
  return Buffer.from(new Uint8Array(randomBytes(bytes)).buffer)
}

function sha256(chunks: readonly Uint8Array[]): string {
  return createHash('sha256').update(Buffer.concat(chunks)).digest('hex')
}

async function digestOf(digests: ReturnType<typeof makeDigests>, batches: readonly (readonly Uint8Array[])[]) {
  const digest = digests.begin(large, true)
  for (const batch of batches) {
    for (const chunk of batch) digest.see(chunk)
    await digest.release(batch)
  }
  return Buffer.from(await digest.finish()).toString('hex')
}

test('where the system has no thread to give, the body is refused, and the next one is not', async t => {
  let tries = 0
  const digests = makeDigests(() => {
    tries += 1
    if (tries === 1) throw Object.assign(new Error('no thread'), { code: 'EAGAIN' })
    return new Worker(thread)
  })
  t.teardown(digests.close)
  t.is(t.throws(() => digests.begin(large, true), { instanceOf: MediaError })?.code, 'storage_failed')
  const chunks = [ownChunk(1000)]
  const expected = sha256(chunks)
  t.is(await digestOf(digests, [chunks]), expected)
})

test('bodies that come at the same time each get their own digest', async t => {
  const digests = makeDigests()
  t.teardown(digests.close)
  const bodies = Array.from({ length: 4 }, () =>
    Array.from({ length: 12 }, () => [ownChunk(65_536), ownChunk(1), ownChunk(100_000)]),
  )
  const expected = bodies.map(body => sha256(body.flat()))
  t.deepEqual(await Promise.all(bodies.map(body => digestOf(digests, body))), expected)
})

for (const [where, bytes] of [
  ['here', 1000],
  ['in the thread', large],
] as const) {
  test(`released chunks are empty, but for what is part of something larger: ${where}`, async t => {
    const digests = makeDigests()
    t.teardown(digests.close)
    const digest = digests.begin(bytes, true)
    const whole = ownChunk(500)
    const pool = ownChunk(1000)
    const part = pool.subarray(100, 600)
    const expected = sha256([whole, part])
    for (const chunk of [whole, part]) digest.see(chunk)
    await digest.release([whole, part])
    t.deepEqual([whole.byteLength, pool.byteLength, part.byteLength], [0, 1000, 500])
    t.is(Buffer.from(await digest.finish()).toString('hex'), expected)
  })

  test(`chunks that somebody else may look at are left alone: ${where}`, async t => {
    const digests = makeDigests()
    t.teardown(digests.close)
    const digest = digests.begin(bytes, false)
    const chunk = ownChunk(500)
    const copy = Buffer.from(chunk)
    digest.see(chunk)
    await digest.release([chunk])
    t.deepEqual(chunk, copy)
    t.is(Buffer.from(await digest.finish()).toString('hex'), sha256([copy]))
  })
}

test('when the thread dies, whoever waits for it is told, and the next body gets a new one', async t => {
  const threads: Worker[] = []
  const digests = makeDigests(() => {
    const made = new Worker(thread)
    threads.push(made)
    return made
  })
  t.teardown(digests.close)
  const digest = digests.begin(large, true)
  const waiting = digests.begin(large, true)
  await digest.release([ownChunk(1000)])
  const [first] = threads
  if (first === undefined) return t.fail('a thread was made')
  const died = once(first, 'exit')
  const asked = Array.from({ length: 9 }, () => ownChunk(100_000)).reduce(
    (earlier, chunk) => earlier.then(() => waiting.release([chunk])),
    Promise.resolve() as Promise<void>,
  )
  await first.terminate()
  await died
  const outcome = await asked.then(() => waiting.finish()).catch((error: unknown) => error)
  t.is((outcome as MediaError).code, 'storage_failed')
  t.is((await t.throwsAsync(async () => digest.finish(), { instanceOf: MediaError }))?.code, 'storage_failed')

  const chunk = ownChunk(1000)
  const expected = sha256([chunk])
  t.is(await digestOf(digests, [[chunk]]), expected)
  t.is(threads.length, 2)
})

test('a body that is given up is forgotten', async t => {
  const digests = makeDigests()
  t.teardown(digests.close)
  const abandoned = digests.begin(large, true)
  await abandoned.release([ownChunk(1000)])
  abandoned.abandon()
  const late = ownChunk(1000)
  await abandoned.release([late])
  t.is(late.byteLength, 0)
  const chunk = ownChunk(1000)
  const expected = sha256([chunk])
  t.is(await digestOf(digests, [[chunk]]), expected)
})
