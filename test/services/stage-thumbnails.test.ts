import test from 'ava'
import { MediaError } from '../../src/domain/errors.ts'
import { objectKey } from '../../src/domain/objects.ts'
import type { RenderedThumbnail } from '../../src/services/render-thumbnails.ts'
import { stageThumbnails } from '../../src/services/stage-thumbnails.ts'
import type { StagedObject } from '../../src/storage/object-store.ts'

/** A store that remembers what is staged; of bytes that begin with 'bad' it wants nothing. */
function stagingStore() {
  const staged = new Set<StagedObject>()
  return {
    staged,
    stage: async (body: unknown): Promise<StagedObject> => {
      await Promise.resolve()
      const bytes = body as Buffer
      if (bytes.toString().startsWith('bad')) throw new MediaError('storage_failed', 'no disk')
      const object = { object: { key: objectKey(Buffer.alloc(32, bytes)), size: bytes.length } }
      staged.add(object)
      return object
    },
    discard: async (gone: readonly StagedObject[]): Promise<void> => {
      for (const one of gone) staged.delete(one)
    },
  }
}

function drawn(bytes: Buffer, width: number): RenderedThumbnail {
  const size = { width, height: width }
  return { spec: { ...size, method: 'scale' }, actual: size, contentType: 'image/jpeg', bytes }
}

test('what has begun early and what has not, and equal bytes once', async t => {
  const store = stagingStore()
  const staging = stageThumbnails(store)
  const [one, other] = [Buffer.from('one'), Buffer.from('another')]
  staging.begin(one)
  const { staged, thumbnails } = await staging.finish([drawn(one, 1), drawn(other, 2), drawn(one, 3)])
  t.is(staged.length, 2)
  t.deepEqual(
    thumbnails.map(({ spec, object }) => [spec.width, object.size]),
    [
      [1, 3],
      [2, 7],
      [3, 3],
    ],
  )
})

test('after a failure nothing stays staged, and the failure is told', async t => {
  const store = stagingStore()
  const staging = stageThumbnails(store)
  for (const bytes of ['one', 'bad', 'two']) staging.begin(Buffer.from(bytes))
  await t.throwsAsync(staging.finish([]), { message: 'no disk' })
  t.is(store.staged.size, 0)
})

test('when it is abandoned nothing stays staged, and what is drawn later is not staged either', async t => {
  const store = stagingStore()
  const staging = stageThumbnails(store)
  for (const bytes of ['one', 'bad', 'two']) staging.begin(Buffer.from(bytes))
  await staging.abandon()
  staging.begin(Buffer.from('late'))
  await staging.abandon()
  t.is(store.staged.size, 0)
})
