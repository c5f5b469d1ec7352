/**
 * The contract of `src/catalog/media-catalog.ts`, sentence by sentence, for every implementation.
 */
import type { ExecutionContext, TestFn } from 'ava'
import {
  type MediaCatalog,
  type Reaped,
  type StoredThumbnail,
  UploadReplaced,
} from '../../src/catalog/media-catalog.ts'
import type { ErrorCode } from '../../src/domain/errors.ts'
import { MediaError } from '../../src/domain/errors.ts'
import type { MediaId, UserId } from '../../src/domain/identifiers.ts'
import { completionGrace, type Uploaded } from '../../src/domain/media.ts'
import type { ObjectInfo, ObjectKey } from '../../src/domain/objects.ts'

const alice = '@alice:example.com' as UserId
const bob = '@bob:example.com' as UserId
const start = 1_700_000_000_000
const expiry = start + 60_000
const many = { maxPendingPerUser: 1000, quota: undefined }
const nothing = (): void => {}

export function media(name: string): MediaId {
  return name as MediaId
}

export function object(letter: string, size = 100): ObjectInfo {
  return { key: letter.repeat(64) as ObjectKey, size }
}

export function mediaCatalogContract(test: TestFn, open: (t: ExecutionContext) => MediaCatalog): void {
  async function reserve(catalog: MediaCatalog, name: string, owner = alice): Promise<MediaId> {
    await catalog.reserve(
      { mediaId: media(name), owner, createdAt: start, frozen: true, unusedExpiresAt: expiry },
      many,
    )
    return media(name)
  }

  function upload(
    catalog: MediaCatalog,
    name: string,
    bytes: ObjectInfo,
    at = start + 1000,
    began = at,
  ): Promise<Uploaded> {
    return catalog.recordUpload(
      { mediaId: media(name), object: bytes, contentType: 'image/png', at, began, hold: undefined },
      nothing,
    )
  }

  function publication(inspected: Uploaded, thumbnails: readonly StoredThumbnail[] = []) {
    const picture = { width: 640, height: 480 }
    return { inspected, contentType: 'image/png', fileName: 'cat.png', picture, thumbnails, at: start + 2000 }
  }

  async function publish(
    catalog: MediaCatalog,
    name: string,
    bytes: ObjectInfo,
    thumbnails?: readonly StoredThumbnail[],
  ) {
    await reserve(catalog, name)
    return catalog.publish(publication(await upload(catalog, name, bytes), thumbnails), nothing)
  }

  async function refused(t: ExecutionContext, work: Promise<unknown>, code: ErrorCode): Promise<MediaError> {
    const error = await t.throwsAsync(work, { instanceOf: MediaError })
    t.is(error.code, code)
    return error
  }

  /** Which objects the catalog lets go when it is asked to. */
  async function reaped(catalog: MediaCatalog): Promise<string[]> {
    const gone: string[] = []
    const removal = (key: ObjectKey) => () => {
      gone.push(key.slice(0, 1))
      return 'gone' as const
    }
    while ((await catalog.reap(removal, 100)).handled > 0);
    return gone.sort()
  }

  test('what was never reserved is not found', async t => {
    t.is(await open(t).find(media('nobody')), undefined)
  })

  test('a reserved id is pending, with its owner and its end', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    t.deepEqual(await catalog.find(media('a')), {
      state: 'pending',
      mediaId: media('a'),
      owner: alice,
      createdAt: start,
      frozen: true,
      unusedExpiresAt: expiry,
    })
  })

  test('one user may hold only so many pending ids, however many ask at once; others are not concerned', async t => {
    const catalog = open(t)
    const ask = (name: string, owner: UserId) =>
      catalog.reserve(
        { mediaId: media(name), owner, createdAt: start, frozen: true, unusedExpiresAt: expiry },
        { maxPendingPerUser: 3, quota: undefined },
      )
    const results = await Promise.allSettled([1, 2, 3, 4, 5].map(n => ask(`a${n}`, alice)))
    t.is(results.filter(result => result.status === 'fulfilled').length, 3)
    const error = await refused(t, ask('a6', alice), 'limit_exceeded')
    t.is(error.extras.retryAfterMs, 60_000)
    await t.notThrowsAsync(ask('b1', bob))
  })

  test('expired ids do not count as pending, and neither do finished ones', async t => {
    const catalog = open(t)
    await publish(catalog, 'done', object('a'))
    await catalog.reserve(
      { mediaId: media('old'), owner: alice, createdAt: start - 9000, frozen: true, unusedExpiresAt: start },
      many,
    )
    const reservation = { mediaId: media('new'), owner: alice, createdAt: start, frozen: true, unusedExpiresAt: expiry }
    await t.notThrowsAsync(catalog.reserve(reservation, { maxPendingPerUser: 1, quota: undefined }))
  })

  test('an upload makes it uploaded, and a second one replaces the first', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    await upload(catalog, 'a', object('1', 10))
    await upload(catalog, 'a', object('2', 2 ** 40), start + 1500)
    const found = await catalog.find(media('a'))
    t.like(found, {
      state: 'uploaded',
      object: object('2', 2 ** 40),
      contentType: 'image/png',
      uploadedAt: start + 1500,
    })
    t.deepEqual(await reaped(catalog), ['1'])
  })

  test('the part that rides along runs in the transaction: if it throws, nothing was recorded', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    const work = catalog.recordUpload(
      {
        mediaId: media('a'),
        object: object('1'),
        contentType: 'image/png',
        at: start,
        began: start,
        hold: undefined,
      },
      () => {
        throw new Error('no room')
      },
    )
    await t.throwsAsync(work, { message: 'no room' })
    t.like(await catalog.find(media('a')), { state: 'pending' })
  })

  test('of several uploads the one that began last wins, in whichever order they end', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    await upload(catalog, 'a', object('2'), start + 1000, start + 20)
    await refused(t, upload(catalog, 'a', object('1'), start + 1001, start + 10), 'superseded')
    t.like(await catalog.find(media('a')), { state: 'uploaded', object: object('2') })
    await upload(catalog, 'a', object('3'), start + 1002, start + 20)
    await upload(catalog, 'a', object('4'), start + 1003, start + 30)
    t.like(await catalog.find(media('a')), { state: 'uploaded', object: object('4') })
    t.deepEqual(await reaped(catalog), ['2', '3'], 'what was refused never had a row')
  })

  for (const { when, first, second } of [
    {
      when: 'was recorded before the clock was set back stands in nobody’s way',
      first: { at: expiry - 1, began: expiry - 2 },
      second: { at: expiry - 62_000, began: expiry - 62_001 },
    },
    {
      when: 'began before the clock was set back, and ended after it, stands in nobody’s way either',
      first: { at: expiry - 62_001, began: expiry - 1000 },
      second: { at: expiry - 61_000, began: expiry - 61_500 },
    },
  ]) {
    test(`an upload that ${when}`, async t => {
      const catalog = open(t)
      await reserve(catalog, 'a')
      await upload(catalog, 'a', object('1'), first.at, first.began)
      await upload(catalog, 'a', object('2'), second.at, second.began)
      t.like(await catalog.find(media('a')), { state: 'uploaded', object: object('2') })
    })
  }

  test('where to look first changes nothing about what is found', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    await publish(catalog, 'b', object('1'))
    for (const expected of ['finished', 'unfinished', undefined] as const) {
      t.like(await catalog.find(media('a'), expected), { state: 'pending' })
      t.like(await catalog.find(media('b'), expected), { state: 'ready' })
      t.is(await catalog.find(media('c'), expected), undefined)
    }
  })

  test('an upload that ends after the reservation did is refused', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    await refused(t, upload(catalog, 'a', object('1'), expiry), 'not_found')
    await refused(t, upload(catalog, 'unknown', object('1')), 'not_found')
  })

  test('a ready media is never overwritten', async t => {
    const catalog = open(t)
    await publish(catalog, 'a', object('1'))
    await refused(t, upload(catalog, 'a', object('2')), 'already_uploaded')
  })

  test('publishing keeps type, name and size, and shares thumbnails between equal uploads', async t => {
    const catalog = open(t)
    const thumbnail: StoredThumbnail = {
      spec: { width: 32, height: 32, method: 'crop' },
      actual: { width: 32, height: 32 },
      contentType: 'image/png',
      object: object('f', 500),
    }
    const ready = await publish(catalog, 'a', object('1'), [thumbnail])
    t.deepEqual(await catalog.find(media('a')), ready)
    t.like(ready, {
      state: 'ready',
      fileName: 'cat.png',
      contentType: 'image/png',
      picture: { width: 640, height: 480 },
    })
    await publish(catalog, 'b', object('1'))
    t.deepEqual(await catalog.thumbnailsOf(object('1').key), [thumbnail])
  })

  test('what was replaced while it was being inspected is not published', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    const inspected = await upload(catalog, 'a', object('1'))
    await upload(catalog, 'a', object('2'), start + 1500)
    await t.throwsAsync(catalog.publish(publication(inspected), nothing), { instanceOf: UploadReplaced })
    await t.throwsAsync(catalog.reject(inspected, { code: 'type_refused', reason: 'no' }, start), {
      instanceOf: UploadReplaced,
    })
    t.like(await catalog.find(media('a')), { state: 'uploaded', object: object('2') })
  })

  test('two publications of the same upload: one wins', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    const inspected = await upload(catalog, 'a', object('1'))
    const results = await Promise.allSettled([
      catalog.publish(publication(inspected), nothing),
      catalog.publish(publication(inspected), nothing),
    ])
    t.deepEqual(results.map(result => result.status).sort(), ['fulfilled', 'rejected'])
  })

  test('a rejected media remembers why, and its bytes go', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    const refusal = { code: 'type_refused', reason: 'declared image/png, found text/html' } as const
    await catalog.reject(await upload(catalog, 'a', object('1')), refusal, start + 5)
    t.like(await catalog.find(media('a')), { state: 'rejected', ...refusal, rejectedAt: start + 5 })
    await refused(t, upload(catalog, 'a', object('2')), 'not_found')
    t.deepEqual(await reaped(catalog), ['1'])
  })

  test('what is given up leaves nothing, not even its rejection; what is ready stays', async t => {
    const catalog = open(t)
    for (const name of ['pending', 'uploaded', 'rejected']) await reserve(catalog, name)
    await upload(catalog, 'uploaded', object('1'))
    await catalog.reject(
      await upload(catalog, 'rejected', object('2')),
      { code: 'type_refused', reason: 'a page' },
      start + 5,
    )
    await publish(catalog, 'ready', object('3'))
    for (const name of ['pending', 'uploaded', 'rejected', 'ready', 'never']) await catalog.abandon(media(name))
    for (const name of ['pending', 'uploaded', 'rejected']) t.is(await catalog.find(media(name)), undefined, name)
    t.is((await catalog.find(media('ready')))?.state, 'ready')
    t.deepEqual(await reaped(catalog), ['1', '2'])
  })

  test('bytes that several media share go with the last of them', async t => {
    const catalog = open(t)
    for (const name of ['a', 'b', 'c']) await reserve(catalog, name)
    for (const name of ['a', 'b', 'c']) await upload(catalog, name, object('1'))
    await catalog.abandon(media('a'))
    await catalog.abandon(media('b'))
    t.deepEqual(await reaped(catalog), [])
    t.true(catalog.isReferenced(object('1').key))
    await catalog.abandon(media('c'))
    t.deepEqual(await reaped(catalog), ['1'])
    t.false(catalog.isReferenced(object('1').key))
  })

  test('bytes that come back before the reaper did are kept', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    await reserve(catalog, 'b')
    await upload(catalog, 'a', object('1'))
    await catalog.abandon(media('a'))
    await upload(catalog, 'b', object('1'))
    t.deepEqual(await reaped(catalog), [])
  })

  test('a thumbnail made on demand belongs to bytes that still exist, and replaces its predecessor', async t => {
    const catalog = open(t)
    await publish(catalog, 'a', object('1'))
    const spec = { width: 320, height: 240, method: 'scale' } as const
    const made = (bytes: ObjectInfo) => ({
      spec,
      actual: { width: 320, height: 240 },
      contentType: 'image/jpeg',
      object: bytes,
    })
    await catalog.addThumbnail(object('1').key, made(object('e')), nothing)
    await catalog.addThumbnail(object('1').key, made(object('f')), nothing)
    t.deepEqual(await catalog.thumbnailsOf(object('1').key), [made(object('f'))])
    t.deepEqual(await reaped(catalog), ['e'])
    await refused(t, catalog.addThumbnail(object('9').key, made(object('f')), nothing), 'not_found')
  })

  test('what is leaving is looked at again, and what is busy is left in peace until the next time', async t => {
    const catalog = open(t)
    for (const [name, letter] of [
      ['a', '1'],
      ['b', '2'],
    ] as const) {
      await publish(catalog, name, object(letter))
      await catalog.delete(media(name), start + 3000)
    }
    const asked: string[] = []
    const answer = (two: 'gone' | 'leaving' | 'busy') => (key: ObjectKey) => () => {
      asked.push(key.slice(0, 1))
      return key.startsWith('2') ? two : 'gone'
    }
    t.is((await catalog.reap(answer('leaving'), 10)).handled, 2)
    t.is((await catalog.reap(answer('leaving'), 10)).handled, 1)
    t.is((await catalog.reap(answer('busy'), 10)).handled, 0)
    t.is((await catalog.reap(answer('gone'), 10)).handled, 1)
    t.is((await catalog.reap(answer('gone'), 10)).handled, 0)
    t.deepEqual(asked, ['1', '2', '2', '2', '2'])
  })

  test('a round goes through all that is unwanted, a few at a time, whatever becomes of them', async t => {
    const catalog = open(t)
    for (const letter of ['1', '2', '3', '4', '5']) {
      await publish(catalog, letter, object(letter))
      await catalog.delete(media(letter), start + 3000)
    }
    const asked: string[] = []
    const leaving = (key: ObjectKey) => () => {
      asked.push(key.slice(0, 1))
      return 'leaving' as const
    }
    const rounds: number[] = []
    for (let after: ObjectKey | undefined, count = 0; count === 0 || after !== undefined; count += 1) {
      const { handled, last }: Reaped = await catalog.reap(leaving, 2, after)
      rounds.push(handled)
      after = last
    }
    t.deepEqual(rounds, [2, 2, 1])
    t.deepEqual(asked, ['1', '2', '3', '4', '5'])
    t.deepEqual(await reaped(catalog), ['1', '2', '3', '4', '5'])
  })

  test('bytes that lose their last row while others are removed wait until that is committed', async t => {
    const catalog = open(t)
    const spec = { width: 320, height: 240, method: 'scale' } as const
    const made = (bytes: ObjectInfo) => ({ spec, actual: spec, contentType: 'image/jpeg', object: bytes })
    await publish(catalog, 'a', object('1'), [made(object('e'))])
    await publish(catalog, 'b', object('2'), [made(object('e'))])
    // Noted, although another picture still has it.
    await catalog.addThumbnail(object('2').key, made(object('f')), nothing)
    await catalog.delete(media('a'), start + 3000)
    const removed: string[][] = []
    for (let round = 0; round < 3; round += 1) {
      const now: string[] = []
      removed.push(now)
      await catalog.reap(
        key => () => {
          now.push(key.slice(0, 1))
          return 'gone'
        },
        10,
      )
    }
    t.deepEqual(removed, [['1'], ['e'], []])
  })

  test('expiry takes what was never finished, oldest first, and leaves uploaded bytes their grace', async t => {
    const catalog = open(t)
    await reserve(catalog, 'empty')
    await reserve(catalog, 'full')
    await upload(catalog, 'full', object('1'))
    t.is(await catalog.expire(expiry - 1, 10), 0)
    t.is(await catalog.expire(expiry, 10), 1)
    t.is(await catalog.find(media('empty')), undefined)
    t.like(await catalog.find(media('full')), { state: 'uploaded' })
    t.is(await catalog.expire(expiry + completionGrace, 10), 1)
    t.deepEqual(await reaped(catalog), ['1'])
  })

  test('expiry takes no more than asked', async t => {
    const catalog = open(t)
    for (const name of ['a', 'b', 'c']) await reserve(catalog, name)
    t.is(await catalog.expire(expiry, 2), 2)
    t.is(await catalog.expire(expiry, 2), 1)
    t.is(await catalog.expire(expiry, 2), 0)
  })

  test('whichever moments ids expire at, and whatever was uploaded to some, the oldest go first, and never more than asked', async t => {
    const catalog = open(t)
    // The first wait for their completion still; five of one moment are more than one batch.
    const moments = [1, 1, 1, 2, 2, 3, 4, 4, 4, 4, 4, 5, 6, 6]
    const left = new Map<MediaId, number>()
    for (const [index, moment] of moments.entries()) {
      const mediaId = media(`m${index}`)
      const unusedExpiresAt = start + moment * 1000
      await catalog.reserve({ mediaId, owner: alice, createdAt: start, frozen: true, unusedExpiresAt }, many)
      if (index < 3) await upload(catalog, `m${index}`, object('1'), start)
      else if (moment < 6) left.set(mediaId, moment)
    }
    while (left.size > 0) {
      const count = await catalog.expire(start + 5000, 3)
      t.true(count > 0 && count <= 3)
      const before = [...left.values()].sort((one, other) => one - other)
      for (const mediaId of left.keys()) if ((await catalog.find(mediaId)) === undefined) left.delete(mediaId)
      t.deepEqual([...left.values()], before.slice(count))
    }
    t.is(await catalog.expire(start + 5000, 3), 0)
    for (const name of ['m0', 'm1', 'm2']) t.like(await catalog.find(media(name)), { state: 'uploaded' })
    for (const name of ['m12', 'm13']) t.like(await catalog.find(media(name)), { state: 'pending' })
  })

  test('a deleted media leaves its id behind, and nothing else', async t => {
    const catalog = open(t)
    await publish(catalog, 'ready', object('1'))
    await reserve(catalog, 'pending')
    await reserve(catalog, 'uploaded')
    await upload(catalog, 'uploaded', object('2'))
    await reserve(catalog, 'rejected')
    const refusal = { code: 'type_refused', reason: 'no' } as const
    await catalog.reject(await upload(catalog, 'rejected', object('3')), refusal, start)
    for (const name of ['ready', 'pending', 'uploaded', 'rejected']) {
      const deleted = await catalog.delete(media(name), start + 9000)
      t.deepEqual(await catalog.find(media(name)), deleted)
      t.deepEqual(deleted, {
        state: 'deleted',
        mediaId: media(name),
        owner: alice,
        createdAt: start,
        frozen: true,
        deletedAt: start + 9000,
      })
      t.deepEqual(await catalog.delete(media(name), start + 9999), deleted, 'again')
      await refused(t, upload(catalog, name, object('4')), 'not_found')
    }
    t.deepEqual(await reaped(catalog), ['1', '2', '3'])
    t.is(await catalog.expire(expiry + completionGrace, 10), 0)
    await refused(t, catalog.delete(media('unknown'), start), 'not_found')
  })

  test('of two media with equal bytes one can be deleted: bytes and thumbnails stay for the other', async t => {
    const catalog = open(t)
    const thumbnail: StoredThumbnail = {
      spec: { width: 32, height: 32, method: 'crop' },
      actual: { width: 32, height: 32 },
      contentType: 'image/png',
      object: object('f', 500),
    }
    await publish(catalog, 'a', object('1'), [thumbnail])
    await publish(catalog, 'b', object('1'))
    await catalog.delete(media('a'), start + 3000)
    t.deepEqual(await reaped(catalog), [])
    t.like(await catalog.find(media('b')), { state: 'ready', object: object('1') })
    t.deepEqual(await catalog.thumbnailsOf(object('1').key), [thumbnail])
    await catalog.delete(media('b'), start + 3000)
    t.deepEqual(await reaped(catalog), ['1', 'f'])
  })

  test('what was deleted while it was being inspected is not published', async t => {
    const catalog = open(t)
    await reserve(catalog, 'a')
    const inspected = await upload(catalog, 'a', object('1'))
    await catalog.delete(media('a'), start + 1500)
    await t.throwsAsync(catalog.publish(publication(inspected), nothing), { instanceOf: UploadReplaced })
    t.like(await catalog.find(media('a')), { state: 'deleted' })
  })
}
