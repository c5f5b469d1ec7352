/**
 * The part of the contract of `src/catalog/media-catalog.ts` that is about quotas: what counts, what is held, and what never happens.
 */
import type { ExecutionContext, TestFn } from 'ava'
import fc from 'fast-check'
import type { Hold, MediaCatalog } from '../../src/catalog/media-catalog.ts'
import { type ErrorCode, MediaError } from '../../src/domain/errors.ts'
import type { UserId } from '../../src/domain/identifiers.ts'
import { completionGrace, type Uploaded } from '../../src/domain/media.ts'
import type { Member } from '../../src/domain/member.ts'
import type { ObjectInfo } from '../../src/domain/objects.ts'
import type { Quota, Tally } from '../../src/domain/quota.ts'
import { media, object } from './media-catalog-contract.ts'

const alice = '@alice:example.com' as UserId
const bob = '@bob:example.com' as UserId
const start = 1_700_000_000_000
const expiry = start + 60_000
const hour = 3_600_000
const nothing = (): void => {}

export interface CatalogWorld {
  /** A process of its own, on the books that all of this world share. */
  process(holder: Member): MediaCatalog
  /** Fails the test when what is kept of a user's usage is not the sum over the rows. */
  audit(t: ExecutionContext): void
}

function quotaOf(limits: Partial<Quota>): Quota {
  return { maxBytes: undefined, maxCount: undefined, windows: [], infoUri: undefined, ...limits }
}

const hundred = quotaOf({ maxBytes: 100 })

interface Step {
  readonly declaredBytes?: number
  readonly maxBytes?: number
  readonly quota?: Quota
  readonly at?: number
}

function hold(catalog: MediaCatalog, name: string, step: Step): Promise<Hold> {
  const { declaredBytes, maxBytes = 1000, quota = hundred, at = start } = step
  return catalog.hold({ mediaId: media(name), declaredBytes, maxBytes, quota, at })
}

async function reserve(catalog: MediaCatalog, name: string, owner = alice, quota?: Quota): Promise<void> {
  const reservation = { mediaId: media(name), owner, createdAt: start, frozen: true, unusedExpiresAt: expiry }
  await catalog.reserve(reservation, { maxPendingPerUser: 1000, quota })
}

function record(catalog: MediaCatalog, name: string, bytes: ObjectInfo, held?: Hold): Promise<Uploaded> {
  const upload = { mediaId: media(name), object: bytes, contentType: 'image/png', at: start, began: start }
  return catalog.recordUpload({ ...upload, hold: held }, nothing)
}

function publish(catalog: MediaCatalog, inspected: Uploaded, at = start) {
  const facts = { contentType: 'image/png', fileName: undefined, picture: undefined, thumbnails: [] }
  return catalog.publish({ inspected, ...facts, at }, nothing)
}

async function store(catalog: MediaCatalog, name: string, size: number, owner = alice, at = start): Promise<void> {
  await reserve(catalog, name, owner)
  await publish(catalog, await record(catalog, name, object('1', size)), at)
}

async function refused(t: ExecutionContext, work: Promise<unknown>, code: ErrorCode): Promise<MediaError> {
  const error = await t.throwsAsync(work, { instanceOf: MediaError })
  t.is(error.code, code)
  return error
}

export function quotaContract(test: TestFn, open: (t: ExecutionContext) => CatalogWorld): void {
  test('of uploads that begin at once, in two processes, no more are let in than fit', async t => {
    const world = open(t)
    const processes = [world.process('api'), world.process('edge')]
    const names = Array.from({ length: 12 }, (_, n) => `m${n}`)
    for (const name of names) await reserve(world.process('both'), name)
    const results = await Promise.allSettled(
      names.map((name, n) => hold(processes[n % 2] as MediaCatalog, name, { declaredBytes: 30 })),
    )
    t.is(results.filter(({ status }) => status === 'fulfilled').length, 3)
    t.deepEqual(await world.process('both').usageOf(alice), { bytes: 90, count: 3 })
  })

  test('a refusal tells the numbers, and another user has room of their own, even for the same bytes', async t => {
    const catalog = open(t).process('both')
    await store(catalog, 'a', 80)
    await reserve(catalog, 'b')
    const error = await refused(t, hold(catalog, 'b', { declaredBytes: 21 }), 'quota_exceeded')
    t.is(error.message, 'Your quota of bytes has no room for 21 more: 80 of 100 are taken')
    t.deepEqual(error.extras.fields, { max_bytes: 100, used_bytes: 80 })
    await t.notThrowsAsync(hold(catalog, 'b', { declaredBytes: 20 }))
    await store(catalog, 'c', 80, bob)
    t.deepEqual(await catalog.usageOf(bob), { bytes: 80, count: 1 })
  })

  test('with a page about limits the refusal leads there', async t => {
    const catalog = open(t).process('both')
    await store(catalog, 'a', 1)
    await reserve(catalog, 'b')
    const quota = quotaOf({ maxCount: 1, infoUri: 'https://example.com/limits' })
    const error = await refused(t, hold(catalog, 'b', { declaredBytes: 0, quota }), 'user_limit_exceeded')
    t.is(error.message, 'Your quota of files is full: 1 of 1')
    t.deepEqual(error.extras.fields, { max_count: 1, used_count: 1, info_uri: 'https://example.com/limits' })
  })

  test('who has nothing left gets no new id; who has one byte left does', async t => {
    const catalog = open(t).process('both')
    await store(catalog, 'a', 99)
    await t.notThrowsAsync(reserve(catalog, 'b', alice, hundred))
    await hold(catalog, 'b', { declaredBytes: 1 })
    const error = await refused(t, reserve(catalog, 'c', alice, hundred), 'quota_exceeded')
    t.is(error.message, 'Your quota of bytes is full: 100 of 100 are taken')
    t.is(await catalog.find(media('c')), undefined)
  })

  test('an upload of unknown length is given all that is left, up to its limit, or refused when nothing is', async t => {
    const catalog = open(t).process('both')
    await store(catalog, 'a', 60)
    for (const name of ['b', 'c', 'd']) await reserve(catalog, name)
    t.is((await hold(catalog, 'b', { maxBytes: 30 })).bytes, 30)
    t.is((await hold(catalog, 'c', {})).bytes, 10)
    await refused(t, hold(catalog, 'd', {}), 'quota_exceeded')
    await t.notThrowsAsync(hold(catalog, 'd', { declaredBytes: 0 }), 'an empty file still fits')
  })

  test('recording an upload gives back what it did not need, and releasing gives back all', async t => {
    const catalog = open(t).process('both')
    await reserve(catalog, 'a')
    await reserve(catalog, 'b')
    await record(catalog, 'a', object('1', 10), await hold(catalog, 'a', { declaredBytes: 70 }))
    t.deepEqual(await catalog.usageOf(alice), { bytes: 10, count: 1 })
    const held = await hold(catalog, 'b', {})
    t.deepEqual(await catalog.usageOf(alice), { bytes: 100, count: 2 })
    await catalog.release(held)
    await catalog.release(held)
    t.deepEqual(await catalog.usageOf(alice), { bytes: 10, count: 1 })
  })

  test('the same id may be uploaded again in the room that it has, and the larger of the two counts meanwhile', async t => {
    const catalog = open(t).process('both')
    await reserve(catalog, 'a')
    await record(catalog, 'a', object('1', 100), await hold(catalog, 'a', { declaredBytes: 100 }))
    const again = await hold(catalog, 'a', { declaredBytes: 40 })
    t.deepEqual(await catalog.usageOf(alice), { bytes: 100, count: 1 })
    await record(catalog, 'a', object('2', 40), again)
    t.deepEqual(await catalog.usageOf(alice), { bytes: 40, count: 1 })
    const quota = quotaOf({ maxBytes: 100, maxCount: 1 })
    await catalog.release(await hold(catalog, 'a', { declaredBytes: 100, quota }))
    t.is((await hold(catalog, 'a', { quota })).bytes, 100, 'more than before, and all there is')
    await refused(t, hold(catalog, 'a', { declaredBytes: 101, quota }), 'quota_exceeded')
    await catalog.dropLeftHolds()
    const stricter = quotaOf({ maxBytes: 20, maxCount: 0 })
    await t.notThrowsAsync(hold(catalog, 'a', { declaredBytes: 40, quota: stricter }))
    await refused(t, hold(catalog, 'a', { declaredBytes: 41, quota: stricter }), 'quota_exceeded')
  })

  test('a hold that a later one took over is not given back by the earlier one', async t => {
    const catalog = open(t).process('both')
    await reserve(catalog, 'a')
    const first = await hold(catalog, 'a', { declaredBytes: 10 })
    await hold(catalog, 'a', { declaredBytes: 20 })
    await catalog.release(first)
    t.deepEqual(await catalog.usageOf(alice), { bytes: 20, count: 1 })
    await record(catalog, 'a', object('1', 5), first)
    t.deepEqual(await catalog.usageOf(alice), { bytes: 20, count: 1 })
  })

  test('an upload whose room was taken over and then given to others is not recorded', async t => {
    const catalog = open(t).process('both')
    await reserve(catalog, 'a')
    await reserve(catalog, 'b')
    const first = await hold(catalog, 'a', { declaredBytes: 60 })
    await catalog.release(await hold(catalog, 'a', { declaredBytes: 5 }))
    const other = await hold(catalog, 'b', { declaredBytes: 60 })
    await refused(t, record(catalog, 'a', object('1', 60), first), 'quota_exceeded')
    t.like(await catalog.find(media('a')), { state: 'pending' })
    await t.notThrowsAsync(record(catalog, 'b', object('1', 60), other))
  })

  test('rejected, expired, abandoned and deleted media give their room back', async t => {
    const catalog = open(t).process('both')
    const quota = quotaOf({ maxBytes: 100, maxCount: 4 })
    const uploaded: Uploaded[] = []
    for (const name of ['a', 'b', 'c', 'd']) {
      await reserve(catalog, name)
      const held = await hold(catalog, name, { declaredBytes: 25, quota })
      uploaded.push(await record(catalog, name, object(name, 25), held))
    }
    const [a, b] = uploaded as [Uploaded, Uploaded]
    await catalog.reject(a, { code: 'type_refused', reason: 'no' }, start)
    t.deepEqual(await catalog.usageOf(alice), { bytes: 75, count: 3 })
    await publish(catalog, b)
    t.deepEqual(await catalog.usageOf(alice), { bytes: 75, count: 3 })
    await catalog.delete(media('b'), start)
    t.deepEqual(await catalog.usageOf(alice), { bytes: 50, count: 2 })
    await catalog.abandon(media('c'))
    t.deepEqual(await catalog.usageOf(alice), { bytes: 25, count: 1 })
    await catalog.expire(expiry + completionGrace, 10)
    t.deepEqual(await catalog.usageOf(alice), { bytes: 0, count: 0 })
  })

  test('no room is held for an id that can not be uploaded to', async t => {
    const catalog = open(t).process('both')
    await store(catalog, 'a', 1)
    await reserve(catalog, 'b')
    await refused(t, hold(catalog, 'a', { declaredBytes: 1 }), 'already_uploaded')
    await refused(t, hold(catalog, 'b', { declaredBytes: 1, at: expiry }), 'not_found')
    await refused(t, hold(catalog, 'unknown', { declaredBytes: 1 }), 'not_found')
  })

  test('a window moves on with the clock, and deleting gives nothing back in it', async t => {
    const catalog = open(t).process('both')
    const quota = quotaOf({
      maxBytes: 1000,
      windows: [
        { per: hour, maxBytes: 100, maxCount: undefined },
        { per: 24 * hour, maxBytes: undefined, maxCount: 3 },
      ],
    })
    const ask = (at: number) => {
      const reservation = { mediaId: media('next'), owner: alice, createdAt: at, frozen: true, unusedExpiresAt: at + 1 }
      return catalog
        .reserve(reservation, { maxPendingPerUser: 1000, quota: undefined })
        .then(() => hold(catalog, 'next', { declaredBytes: 50, quota, at }))
        .finally(() => catalog.abandon(media('next')))
    }
    await store(catalog, 'a', 60, alice, start)
    await store(catalog, 'b', 40, alice, start + hour / 2)
    await catalog.delete(media('a'), start + 1)
    const error = await refused(t, ask(start + hour - 1), 'quota_exceeded')
    t.is(error.message, 'Your quota of bytes within 60 minutes has no room for 50 more: 100 of 100 are taken')
    t.deepEqual(error.extras.fields, { max_bytes: 100, used_bytes: 100, per_ms: hour })
    await t.notThrowsAsync(ask(start + hour))

    await store(catalog, 'c', 1, alice, start + 2 * hour)
    const full = await refused(t, ask(start + 24 * hour - 1), 'quota_exceeded')
    t.is(full.message, 'Your quota of files within 24 hours is full: 3 of 3')
    await t.notThrowsAsync(ask(start + 24 * hour))
  })

  test('what was never accepted is in no window', async t => {
    const catalog = open(t).process('both')
    const quota = quotaOf({ windows: [{ per: hour, maxBytes: undefined, maxCount: 1 }] })
    for (const name of ['a', 'b', 'c', 'd']) await reserve(catalog, name)
    await catalog.reject(await record(catalog, 'a', object('1')), { code: 'too_large', reason: 'no' }, start)
    await record(catalog, 'b', object('1'))
    await catalog.delete(media('b'), start)
    await t.notThrowsAsync(hold(catalog, 'c', { declaredBytes: 1, quota }))
    await refused(t, hold(catalog, 'd', { declaredBytes: 1, quota }), 'quota_exceeded')
  })

  test('what a process left held when it died is dropped by the next one with its listeners, and by no other', async t => {
    const world = open(t)
    const died = { api: world.process('api'), edge: world.process('edge'), both: world.process('both') }
    for (const [name, catalog] of Object.entries(died)) {
      await reserve(catalog, name)
      await hold(catalog, name, { declaredBytes: 10 })
    }
    const edge = world.process('edge')
    t.is(await edge.dropLeftHolds(), 2, 'its own, and those of a process that had both listeners')
    t.deepEqual(await edge.usageOf(alice), { bytes: 10, count: 1 })
    t.is(await world.process('api').dropLeftHolds(), 1)
    await hold(edge, 'edge', { declaredBytes: 10 })
    t.is(await world.process('api').dropLeftHolds(), 0, 'the edge is alive')
    await reserve(edge, 'old')
    await hold(world.process('edge.1'), 'old', { declaredBytes: 10 })
    t.is(await world.process('edge.2').dropLeftHolds(), 0, 'its neighbour is alive')
    t.is(await world.process('edge.1').dropLeftHolds(), 1)
    t.is(await world.process('both').dropLeftHolds(), 1)
    t.deepEqual(await edge.usageOf(alice), { bytes: 0, count: 0 })
  })

  test('media from before the first quota count', async t => {
    const world = open(t)
    const catalog = world.process('both')
    await store(catalog, 'a', 60)
    await reserve(catalog, 'b')
    await record(catalog, 'b', object('2', 30))
    t.deepEqual(await catalog.usageOf(alice), { bytes: 90, count: 2 })
    await reserve(catalog, 'c')
    const error = await refused(t, hold(catalog, 'c', { declaredBytes: 11 }), 'quota_exceeded')
    t.deepEqual(error.extras.fields, { max_bytes: 100, used_bytes: 90 })
    t.deepEqual(await catalog.usageOf(alice), { bytes: 90, count: 2 })
    world.audit(t)
  })

  test('whatever happens in whatever order: usage is the sum over the media, and no quota is ever exceeded', async t => {
    const quota = quotaOf({ maxBytes: 100, maxCount: 4 })
    const bytes = fc.integer({ min: 0, max: 60 })
    const deed: fc.Arbitrary<Deed> = fc.oneof(
      fc.record({ kind: fc.constant('hold'), bytes: fc.option(bytes, { nil: undefined }) }),
      fc.record({ kind: fc.constant('record'), bytes }),
      fc.record({ kind: fc.constantFrom('publish', 'release', 'reject', 'abandon', 'delete') }),
    )
    const step = fc.record({ place: fc.nat({ max: 5 }), isEdge: fc.boolean(), deed })
    const batch = fc.record({
      // Under way at once, each with a media id of its own.
      steps: fc.uniqueArray(step, { minLength: 1, maxLength: 4, selector: ({ place }) => place }),
      expires: fc.nat({ max: 9 }).map(n => n === 0),
    })

    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 20 }), async schedule => {
        const world = open(t)
        const [api, edge] = [world.process('api'), world.process('edge')]
        const places = Array.from({ length: 6 }, (_, n) => makePlace(n % 2 === 0 ? alice : bob, `m${n}`, quota))
        for (const { steps, expires } of schedule) {
          await Promise.all(steps.map(({ place, isEdge, deed }) => places[place]?.act(isEdge ? edge : api, deed)))
          if (expires) await api.expire(expiry + completionGrace, 100)
          if (expires) for (const place of places) place.forget()
          for (const owner of [alice, bob]) {
            const tallies = places.filter(place => place.owner === owner).flatMap(place => place.tallies())
            const sum = tallies.reduce((a, b) => ({ bytes: a.bytes + b.bytes, count: a.count + b.count }), none)
            t.deepEqual(await edge.usageOf(owner), sum)
            t.true(sum.bytes <= 100 && sum.count <= 4)
          }
          world.audit(t)
        }
      }),
      { numRuns: 30 },
    )
  })
}

interface Deed {
  readonly kind: string
  readonly bytes?: number | undefined
}

interface Unfinished {
  readonly name: string
  held?: Hold | undefined
  uploaded?: Uploaded | undefined
}

const none: Tally = { bytes: 0, count: 0 }

/** Where one media id follows the other, with a model of what they count for. Deeds that make no sense at the moment are left out. */
function makePlace(owner: UserId, label: string, quota: Quota) {
  let generation = 0
  let unfinished: Unfinished | undefined
  let ready: { readonly name: string; readonly bytes: number }[] = []

  async function begin(catalog: MediaCatalog): Promise<Unfinished> {
    generation += 1
    const name = `${label}-${generation}`
    await reserve(catalog, name, owner)
    return { name }
  }

  const deeds: Record<string, (catalog: MediaCatalog, media: Unfinished, bytes?: number) => Promise<void>> = {
    hold: async (catalog, current, bytes) => {
      try {
        const size = bytes === undefined ? {} : { declaredBytes: bytes }
        current.held = await hold(catalog, current.name, { maxBytes: 80, quota, ...size })
      } catch (error) {
        if (!(error instanceof MediaError) || error.code !== 'quota_exceeded') throw error
      }
    },
    record: async (catalog, current, bytes = 0) => {
      const { name, held } = current
      if (held === undefined) return
      current.uploaded = await record(catalog, name, object('1', Math.min(bytes, held.bytes)), held)
      current.held = undefined
    },
    release: async (catalog, current) => {
      if (current.held !== undefined) await catalog.release(current.held)
      current.held = undefined
    },
    publish: async (catalog, { name, uploaded }) => {
      if (uploaded === undefined) return
      await publish(catalog, uploaded)
      ready.push({ name, bytes: uploaded.object.size })
      unfinished = undefined
    },
    reject: async (catalog, { uploaded }) => {
      if (uploaded === undefined) return
      await catalog.reject(uploaded, { code: 'type_refused', reason: 'no' }, start)
      unfinished = undefined
    },
    abandon: async (catalog, { name }) => {
      await catalog.abandon(media(name))
      unfinished = undefined
    },
    delete: async (catalog, { name }) => {
      for (const gone of [name, ...ready.map(media => media.name)]) await catalog.delete(media(gone), start)
      ready = []
      unfinished = undefined
    },
  }

  return {
    owner,
    async act(catalog: MediaCatalog, { kind, bytes }: Deed): Promise<void> {
      unfinished ??= await begin(catalog)
      await deeds[kind]?.(catalog, unfinished, bytes)
    },
    forget(): void {
      unfinished = undefined
    },
    tallies(): readonly Tally[] {
      const { held, uploaded } = unfinished ?? {}
      const count = held === undefined && uploaded === undefined ? 0 : 1
      const bytes = Math.max(held?.bytes ?? 0, uploaded?.object.size ?? 0)
      return [{ bytes, count }, ...ready.map(media => ({ bytes: media.bytes, count: 1 }))]
    },
  }
}
