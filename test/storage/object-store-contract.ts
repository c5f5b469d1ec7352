/**
 * What `src/storage/object-store.ts` promises, one test to a sentence. A new store passes by calling `testObjectStore`.
 */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { TransactionPart } from '../../src/database/transaction-part.ts'
import { MediaError } from '../../src/domain/errors.ts'
import { type ObjectKey, objectKey } from '../../src/domain/objects.ts'
import type { ObjectStore, StagedObject } from '../../src/storage/object-store.ts'

/** A store with the least of a catalog beside it: a set of keys that have a row. */
export interface StoreWorld {
  readonly store: ObjectStore
  readonly rows: Set<ObjectKey>
  /** Runs the work as one transaction of the database that the store shares. */
  readonly transaction: <T>(work: () => T) => T
}

/** Either side of the line between rows and files, empty, and several batches. */
const sizes = [0, 1, 32 * 1024, 32 * 1024 + 1, 100_000, 3 * 512 * 1024 + 7]
const large = 100_000
const maxBytes = 2 ** 40

export function bytesOf(size: number, seed = 'content'): Buffer {
  const block = createHash('sha512').update(seed).digest()
  return Buffer.alloc(size, block)
}

export function keyOf(bytes: Uint8Array): ObjectKey {
  return objectKey(createHash('sha256').update(bytes).digest())
}

/** A stream of bytes in chunks of this size, as a connection would bring them. */
export function streamOf(bytes: Buffer, chunkSize = 64 * 1024): Readable {
  let offset = 0
  return new Readable({
    read() {
      if (offset >= bytes.length) this.push(null)
      else this.push(bytes.subarray(offset, offset + chunkSize))
      offset += chunkSize
    },
  })
}

/** What a catalog does: the part and the rows in one transaction. */
export function recording({ rows, transaction }: StoreWorld, staged: readonly StagedObject[]) {
  return async (alongside: TransactionPart): Promise<void> =>
    transaction(() => {
      alongside()
      for (const { object } of staged) rows.add(object.key)
    })
}

export async function store(world: StoreWorld, bytes: Uint8Array): Promise<ObjectKey> {
  const staged = await world.store.stage(bytes, { maxBytes })
  await world.store.keep([staged], recording(world, [staged]))
  return staged.object.key
}

export async function read({ store }: StoreWorld, key: ObjectKey): Promise<Buffer | undefined> {
  const stream = await store.get(key)
  return stream === undefined ? undefined : buffer(stream)
}

/** Quicker than `deepEqual`, which looks at every byte for itself. */
export function isEqual(found: Buffer | undefined, expected: Buffer): boolean {
  return found?.equals(expected) ?? false
}

/** The catalog lets go of the key, then the store. */
export function remove({ store, rows, transaction }: StoreWorld, key: ObjectKey): void {
  transaction(() => {
    rows.delete(key)
    store.removal(key)()
  })
}

async function listed({ store }: StoreWorld): Promise<Map<ObjectKey, number>> {
  const found = new Map<ObjectKey, number>()
  for await (const { key, size } of store.list()) found.set(key, size)
  return found
}

export async function throwsMediaError(
  t: ExecutionContext,
  code: MediaError['code'],
  work: Promise<unknown>,
): Promise<MediaError> {
  const error = await t.throwsAsync(work, { instanceOf: MediaError })
  t.is(error?.code, code)
  return error as MediaError
}

class NotRecorded extends Error {}

async function notRecorded(): Promise<never> {
  throw new NotRecorded('the catalog refused')
}

export function testObjectStore(open: (t: ExecutionContext) => Promise<StoreWorld>): void {
  for (const size of sizes) {
    test(`contract: ${size} bytes that are staged and kept come back`, async t => {
      const world = await open(t)
      const bytes = bytesOf(size)
      const key = keyOf(bytes)

      for (const body of [streamOf(bytes), bytes]) {
        const staged = await world.store.stage(body, { maxBytes, declaredBytes: size })
        t.deepEqual(staged.object, { key, size })
        await world.store.keep([staged], recording(world, [staged]))

        for (const reach of [0, 100, 2 * size]) {
          const head = await world.store.head(key, reach)
          t.is(head?.size, size)
          t.true(isEqual(head?.bytes, bytes.subarray(0, reach)))
        }
        t.true(isEqual(await read(world, key), bytes))
      }
      t.deepEqual(await listed(world), new Map([[key, size]]))
    })
  }

  test('contract: however the body is cut into chunks, the same bytes come back', async t => {
    const world = await open(t)
    const chunk = fc.oneof(fc.uint8Array({ maxLength: 8 }), fc.uint8Array({ minLength: 20_000, maxLength: 40_000 }))
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 8 }), async chunks => {
        const bytes = Buffer.concat(chunks)
        const body = Readable.from(chunks.map(part => Buffer.from(part)))
        const staged = await world.store.stage(body, { maxBytes })
        t.deepEqual(staged.object, { key: keyOf(bytes), size: bytes.length })
        await world.store.keep([staged], recording(world, [staged]))
        t.true((await read(world, staged.object.key))?.equals(bytes))
      }),
      { numRuns: 25 },
    )
  })

  test('contract: a body of single bytes is received like any other', async t => {
    const world = await open(t)
    const bytes = bytesOf(40_000)
    const staged = await world.store.stage(streamOf(bytes, 1), { maxBytes })
    await world.store.keep([staged], recording(world, [staged]))
    t.true(isEqual(await read(world, keyOf(bytes)), bytes))
  })

  for (const size of [10, large]) {
    test(`contract: nobody can read ${size} staged bytes before they are kept`, async t => {
      const world = await open(t)
      const { object } = await world.store.stage(bytesOf(size), { maxBytes })
      t.is(await world.store.head(object.key, 0), undefined)
      t.is(await world.store.get(object.key), undefined)
      t.is((await listed(world)).size, 0)
    })

    test(`contract: ${size} discarded bytes can not be kept, and discarding may be repeated`, async t => {
      const world = await open(t)
      const staged = await world.store.stage(bytesOf(size), { maxBytes })
      await world.store.discard([staged])
      await world.store.discard([staged])
      await t.throwsAsync(world.store.keep([staged], recording(world, [staged])), { instanceOf: TypeError })
      t.is(await world.store.head(staged.object.key, 0), undefined)
    })

    test(`contract: discarding ${size} kept bytes does nothing`, async t => {
      const world = await open(t)
      const staged = await world.store.stage(bytesOf(size), { maxBytes })
      await world.store.keep([staged], recording(world, [staged]))
      await world.store.discard([staged])
      t.true(isEqual(await read(world, staged.object.key), bytesOf(size)))
    })

    test(`contract: more than maxBytes is too large, ${size} exactly are not`, async t => {
      const world = await open(t)
      const bytes = bytesOf(size)
      await world.store.stage(streamOf(bytes), { maxBytes: size })
      await throwsMediaError(t, 'too_large', world.store.stage(streamOf(bytes), { maxBytes: size - 1 }))
      await throwsMediaError(t, 'too_large', world.store.stage(bytes, { maxBytes: size - 1 }))
    })

    test(`contract: a body that ends with another count than the declared ${size} is refused`, async t => {
      const world = await open(t)
      for (const declaredBytes of [size - 1, size + 1]) {
        const limits = { maxBytes, declaredBytes }
        await throwsMediaError(t, 'body_too_short', world.store.stage(streamOf(bytesOf(size)), limits))
      }
    })

    test(`contract: a stream that breaks after ${size} bytes ends the staging with its own error`, async t => {
      const world = await open(t)
      const broken = new Error('connection reset')
      const body = new Readable({ read() {} })
      const staging = world.store.stage(body, { maxBytes })
      body.push(bytesOf(size))
      setImmediate(() => body.destroy(broken))
      t.is(await t.throwsAsync(staging), broken)
    })

    test(`contract: a stream that closes after ${size} bytes without saying why was cut off`, async t => {
      const world = await open(t)
      const body = new Readable({ read() {} })
      const staging = world.store.stage(body, { maxBytes })
      body.push(bytesOf(size))
      setImmediate(() => body.destroy())
      await throwsMediaError(t, 'body_too_short', staging)
    })

    test(`contract: aborting after ${size} bytes ends the staging with the reason and leaves the stream paused`, async t => {
      const world = await open(t)
      const body = new Readable({ read() {} })
      const abort = new AbortController()
      const staging = world.store.stage(body, { maxBytes, signal: abort.signal })
      body.push(bytesOf(size))
      const reason = new Error('superseded')
      setImmediate(() => abort.abort(reason))
      t.is(await t.throwsAsync(staging), reason)
      t.false(body.destroyed)
      t.true(body.isPaused())
      // Nobody has to listen to the stream any more for it to break without harm.
      body.destroy(new Error('late'))
      await new Promise(resolve => setImmediate(resolve))
    })

    test(`contract: when the row of ${size} bytes is not committed the object is gone`, async t => {
      const world = await open(t)
      const staged = await world.store.stage(bytesOf(size), { maxBytes })
      await t.throwsAsync(world.store.keep([staged], notRecorded), { instanceOf: NotRecorded })
      t.is(await world.store.head(staged.object.key, 0), undefined)
      t.is((await listed(world)).size, 0)
    })

    test(`contract: when the transaction is undone after the part for ${size} bytes ran, the object is gone`, async t => {
      const world = await open(t)
      const staged = await world.store.stage(bytesOf(size), { maxBytes })
      const undone = world.store.keep([staged], async alongside =>
        world.transaction(() => {
          alongside()
          throw new NotRecorded('the commit failed')
        }),
      )
      await t.throwsAsync(undone, { instanceOf: NotRecorded })
      t.is(await world.store.head(staged.object.key, 0), undefined)
    })

    test(`contract: a failed keep leaves equal ${size} bytes alone that have a row already`, async t => {
      const world = await open(t)
      const key = await store(world, bytesOf(size))
      const staged = await world.store.stage(bytesOf(size), { maxBytes })
      await t.throwsAsync(world.store.keep([staged], notRecorded), { instanceOf: NotRecorded })
      t.true(isEqual(await read(world, key), bytesOf(size)))
    })

    test(`contract: the commit of ${size} bytes counts even when the news of it is lost`, async t => {
      const world = await open(t)
      const staged = await world.store.stage(bytesOf(size), { maxBytes })
      const lost = world.store.keep([staged], async alongside => {
        await recording(world, [staged])(alongside)
        throw new NotRecorded('after the commit')
      })
      await t.throwsAsync(lost, { instanceOf: NotRecorded })
      t.true(isEqual(await read(world, staged.object.key), bytesOf(size)))
    })

    test(`contract: a record that forgets the part for ${size} bytes is found out`, async t => {
      const world = await open(t)
      const staged = await world.store.stage(bytesOf(size), { maxBytes })
      await t.throwsAsync(
        world.store.keep([staged], async () => {}),
        { instanceOf: TypeError },
      )
      t.is(await world.store.head(staged.object.key, 0), undefined)
    })

    test(`contract: many keeps of equal ${size} bytes at once make one object`, async t => {
      const world = await open(t)
      const staged = await Promise.all(Array.from({ length: 8 }, () => world.store.stage(bytesOf(size), { maxBytes })))
      await Promise.all(staged.map(one => world.store.keep([one], recording(world, [one]))))
      t.deepEqual(await listed(world), new Map([[keyOf(bytesOf(size)), size]]))
      t.true(isEqual(await read(world, keyOf(bytesOf(size))), bytesOf(size)))
    })

    for (const order of ['before', 'after']) {
      test(`contract: a keep of ${size} bytes that fails ${order} another of the same is recorded does not disturb it`, async t => {
        const world = await open(t)
        const key = keyOf(bytesOf(size))
        const failing = await world.store.stage(bytesOf(size), { maxBytes })
        const succeeding = await world.store.stage(bytesOf(size), { maxBytes })
        const bothPlaced = gate()
        const firstDone = gate()
        let records = 0
        const meet = async (): Promise<void> => {
          records += 1
          if (records === 2) bothPlaced.open()
          await bothPlaced.opened
        }

        const failure = t
          .throwsAsync(
            world.store.keep([failing], async () => {
              await meet()
              if (order === 'after') await firstDone.opened
              throw new NotRecorded('lost the race')
            }),
            { instanceOf: NotRecorded },
          )
          .then(firstDone.open)
        const success = world.store
          .keep([succeeding], async alongside => {
            await meet()
            if (order === 'before') await firstDone.opened
            await recording(world, [succeeding])(alongside)
          })
          .then(firstDone.open)
        await Promise.all([failure, success])

        t.is(records, 2)
        t.true(isEqual(await read(world, key), bytesOf(size)))
      })
    }

    test(`contract: when all of several keeps of equal ${size} bytes fail, the object is gone`, async t => {
      const world = await open(t)
      const staged = await Promise.all(Array.from({ length: 4 }, () => world.store.stage(bytesOf(size), { maxBytes })))
      const outcomes = await Promise.allSettled(staged.map(one => world.store.keep([one], notRecorded)))
      t.true(outcomes.every(({ status }) => status === 'rejected'))
      t.is(await world.store.head(keyOf(bytesOf(size)), 0), undefined)
      t.is((await listed(world)).size, 0)
    })

    test(`contract: ${size} bytes removed under the feet of a keep are there when it is done`, async t => {
      const world = await open(t)
      const staged = await world.store.stage(bytesOf(size), { maxBytes })
      let calls = 0
      await world.store.keep([staged], async alongside => {
        calls += 1
        if (calls === 1) world.transaction(world.store.removal(staged.object.key))
        await recording(world, [staged])(alongside)
      })
      t.true(isEqual(await read(world, staged.object.key), bytesOf(size)))
    })

    test(`contract: ${size} bytes that were removed are gone for good when they are asked for again after tidying`, async t => {
      const world = await open(t)
      const key = await store(world, bytesOf(size))
      world.rows.delete(key)
      const first = world.transaction(world.store.removal(key))
      t.true(first === 'leaving' || first === 'gone')
      t.is(await world.store.head(key, 0), undefined)
      await world.store.tidy()
      if (first === 'leaving') t.is(world.transaction(world.store.removal(key)), 'gone')
      t.is((await listed(world)).size, 0)
    })

    test(`contract: removing ${size} bytes, or nothing, is a success, and the same bytes may come again`, async t => {
      const world = await open(t)
      const key = await store(world, bytesOf(size))
      remove(world, key)
      t.is(await world.store.head(key, 0), undefined)
      t.is(await world.store.get(key), undefined)
      remove(world, key)
      await world.store.close()
      await store(world, bytesOf(size))
      t.true(isEqual(await read(world, key), bytesOf(size)))
    })

    test(`contract: a reader that has ${size} bytes open reads on after their removal`, async t => {
      const world = await open(t)
      const key = await store(world, bytesOf(size))
      const stream = await world.store.get(key)
      remove(world, key)
      await world.store.close()
      t.true(isEqual(stream && (await buffer(stream)), bytesOf(size)))
    })

    test(`contract: a range of ${size} bytes is read and no more`, async t => {
      const world = await open(t)
      const bytes = bytesOf(size)
      const key = await store(world, bytes)
      const ranges = [
        { start: 0, end: 0 },
        { start: 0, end: size - 1 },
        { start: 3, end: 8 },
        { start: size - 1, end: size - 1 },
      ]
      for (const range of ranges) {
        const stream = await world.store.get(key, range)
        t.true(isEqual(stream && (await buffer(stream)), bytes.subarray(range.start, range.end + 1)))
      }
    })

    test(`contract: a range beyond the end of ${size} bytes means that bytes were lost`, async t => {
      const world = await open(t)
      const key = await store(world, bytesOf(size))
      await throwsMediaError(t, 'storage_failed', world.store.get(key, { start: 0, end: size }))
    })

    test(`contract: ${size} bytes, or a part of them, are poured in order, each piece after the one before was taken`, async t => {
      const world = await open(t)
      const bytes = bytesOf(size)
      const key = await store(world, bytes)
      const [start, end] = [Math.floor(size / 3), size - 1]
      for (const range of [undefined, { start, end }, { start: end, end }]) {
        const poured: Buffer[] = []
        let taking = 0
        const isThere = await world.store.pour(key, range, async piece => {
          taking += 1
          t.is(taking, 1)
          await nextTurn()
          poured.push(Buffer.from(piece))
          taking -= 1
        })
        t.true(isThere)
        t.true(isEqual(Buffer.concat(poured), range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)))
      }
    })

    test(`contract: nothing of ${size} bytes is poured when they end before the range does`, async t => {
      const world = await open(t)
      const key = await store(world, bytesOf(size))
      const never = (): void => t.fail()
      await throwsMediaError(t, 'storage_failed', world.store.pour(key, { start: 0, end: size }, never))
      await throwsMediaError(t, 'storage_failed', world.store.pour(key, { start: size, end: size + 2 ** 21 }, never))
      t.false(await world.store.pour(keyOf(Buffer.from('nobody stored this')), undefined, never))
    })

    test(`contract: ${size} bytes, or a part of them, are read into memory of their own`, async t => {
      const world = await open(t)
      const bytes = bytesOf(size)
      const key = await store(world, bytes)
      for (const range of [
        { start: 0, end: size - 1 },
        { start: 3, end: size - 2 },
      ]) {
        const found = await world.store.read(key, range)
        t.true(isEqual(found, bytes.subarray(range.start, range.end + 1)))
        found?.fill(0)
      }
      t.true(isEqual(await world.store.read(key, { start: 0, end: size - 1 }), bytes))
      const memory = Buffer.alloc(size + 10)
      t.true(isEqual(await world.store.read(key, { start: 0, end: size - 1 }, memory), bytes))
      await throwsMediaError(t, 'storage_failed', world.store.read(key, { start: 0, end: size }))
      t.is(await world.store.read(keyOf(Buffer.from('nobody stored this')), { start: 0, end: 1 }), undefined)
    })

    test(`contract: what the taker of ${size} bytes throws is what the pouring throws`, async t => {
      const world = await open(t)
      const key = await store(world, bytesOf(size))
      const failure = Object.assign(new Error('gone'), { code: 'EPIPE' })
      const refusing = (): never => {
        throw failure
      }
      t.is(await t.throwsAsync(world.store.pour(key, undefined, refusing)), failure)
    })

    test(`contract: a reader of ${size} bytes may stop at any time`, async t => {
      const world = await open(t)
      const stream = await world.store.get(await store(world, bytesOf(size)))
      stream?.destroy()
      await t.notThrowsAsync(new Promise(resolve => stream?.once('close', resolve)))
    })
  }

  test('contract: a body declared too large is refused before a byte is read', async t => {
    const { store } = await open(t)
    const body = new Readable({
      read() {
        t.fail('read although it was refused')
      },
    })
    await throwsMediaError(t, 'too_large', store.stage(body, { maxBytes: 10, declaredBytes: 11 }))
  })

  test('contract: an empty body fits a limit of nothing', async t => {
    const { store } = await open(t)
    const staged = await store.stage(streamOf(Buffer.alloc(0)), { maxBytes: 0, declaredBytes: 0 })
    t.is(staged.object.size, 0)
  })

  test('contract: an endless body is stopped at the limit, not read to its end', async t => {
    const { store } = await open(t)
    const body = new Readable({
      read() {
        this.push(Buffer.alloc(64 * 1024))
      },
    })
    await throwsMediaError(t, 'too_large', store.stage(body, { maxBytes: 1024 * 1024 }))
    t.true(body.isPaused())
    body.destroy()
  })

  test('contract: a stream that was over before the staging began is refused at once', async t => {
    const { store } = await open(t)
    const ended = streamOf(bytesOf(10))
    await buffer(ended)
    await throwsMediaError(t, 'body_too_short', store.stage(ended, { maxBytes }))

    const broken = new Readable({ read() {} })
    const reason = new Error('broken before')
    broken.once('error', () => {}).destroy(reason)
    await new Promise(resolve => broken.once('close', resolve))
    t.is(await t.throwsAsync(store.stage(broken, { maxBytes })), reason)
  })

  test('contract: a signal that was aborted before the staging began reads nothing', async t => {
    const { store } = await open(t)
    const reason = new Error('too late')
    const signal = AbortSignal.abort(reason)
    const body = new Readable({
      read() {
        t.fail('read although it was aborted')
      },
    })
    t.is(await t.throwsAsync(store.stage(body, { maxBytes, signal })), reason)
    t.is(await t.throwsAsync(store.stage(bytesOf(10), { maxBytes, signal })), reason)
  })

  test('contract: several objects are kept by one record, equal ones among them', async t => {
    const world = await open(t)
    const contents = [bytesOf(10, 'a'), bytesOf(large, 'b'), bytesOf(large, 'b'), bytesOf(large, 'c'), bytesOf(10, 'a')]
    const staged = await Promise.all(contents.map(bytes => world.store.stage(bytes, { maxBytes })))
    const result = await world.store.keep(staged, async alongside => {
      await recording(world, staged)(alongside)
      return 'recorded'
    })
    t.is(result, 'recorded')
    for (const bytes of contents) t.true(isEqual(await read(world, keyOf(bytes)), bytes))
    t.is((await listed(world)).size, 3)
  })

  test('contract: several objects go together when their record fails', async t => {
    const world = await open(t)
    const contents = [bytesOf(10, 'a'), bytesOf(large, 'b'), bytesOf(large, 'b')]
    const staged = await Promise.all(contents.map(bytes => world.store.stage(bytes, { maxBytes })))
    await t.throwsAsync(world.store.keep(staged, notRecorded), { instanceOf: NotRecorded })
    t.is((await listed(world)).size, 0)
  })

  test('contract: the record of nothing is still made', async t => {
    const { store } = await open(t)
    const result = await store.keep([], async alongside => {
      alongside()
      return 7
    })
    t.is(result, 7)
  })

  test('contract: an object staged by another store is not taken for ours', async t => {
    const [one, other] = [await open(t), await open(t)]
    const staged = await other.store.stage(bytesOf(10), { maxBytes })
    await t.throwsAsync(one.store.keep([staged], recording(one, [staged])), { instanceOf: TypeError })
    await other.store.keep([staged], recording(other, [staged]))
    t.true(isEqual(await read(other, staged.object.key), bytesOf(10)))
  })

  test('contract: objects may come and go while they are listed', async t => {
    const world = await open(t)
    for (let index = 0; index < 5; index += 1) {
      await store(world, bytesOf(10, `small ${index}`))
      await store(world, bytesOf(40_000, `large ${index}`))
    }
    const seen = new Set<ObjectKey>()
    for await (const { key } of world.store.list()) {
      seen.add(key)
      remove(world, key)
      await store(world, bytesOf(11, key))
    }
    for (let index = 0; index < 5; index += 1) {
      t.true(seen.has(keyOf(bytesOf(10, `small ${index}`))))
      t.true(seen.has(keyOf(bytesOf(40_000, `large ${index}`))))
    }
  })

  test('contract: recovery of a store that was not interrupted finds nothing and takes nothing', async t => {
    const world = await open(t)
    const keys = [await store(world, bytesOf(10)), await store(world, bytesOf(large))]
    for (let time = 0; time < 2; time += 1) {
      const report = await world.store.recover(key => world.rows.has(key))
      t.deepEqual(report, { abandonedUploads: 0, unrecordedObjects: 0, emptiedTrash: 0, oddities: [] })
    }
    for (const key of keys) t.not(await world.store.head(key, 0), undefined)
  })
}

export interface Gate {
  readonly opened: Promise<void>
  readonly open: () => void
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: () => resolve() }
}
