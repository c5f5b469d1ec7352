import test from 'ava'
import { UploadReplaced } from '../../src/catalog/media-catalog.ts'
import { MediaError } from '../../src/domain/errors.ts'
import type { MediaId, UserId } from '../../src/domain/identifiers.ts'
import type { Uploaded } from '../../src/domain/media.ts'
import { completeMedia } from '../../src/services/complete-media.ts'
import { oneObject } from '../support/one-object.ts'

test('whoever keeps replacing the content while it is completed is told to come back', async t => {
  const one = oneObject(Buffer.from('hello'))
  const owner = '@me:example.com' as UserId
  const uploaded: Uploaded = {
    state: 'uploaded',
    mediaId: 'a' as MediaId,
    owner,
    createdAt: 0,
    frozen: true,
    unusedExpiresAt: 1000,
    object: one.object,
    contentType: 'text/plain',
    uploadedAt: 0,
  }
  let rounds = 0
  const needs = {
    decoding: one.decoding,
    clock: { now: () => 0 },
    config: {
      limits: { maxUploadBytes: 100 },
      contentTypes: { mismatch: 'reject', allow: [], deny: [] },
      thumbnails: { timeout: 1000 },
    },
    catalog: { find: async () => uploaded },
    completions: (_id: MediaId, work: () => Promise<unknown>) => work(),
    store: {
      read: one.store.read,
      head: async () => ({ size: one.object.size, bytes: one.head }),
      keep: async () => {
        rounds += 1
        if (rounds > 10) throw new Error('goes on and on')
        throw new UploadReplaced()
      },
    },
  } as unknown as Parameters<typeof completeMedia>[0]
  const error = await t.throwsAsync(completeMedia(needs, owner, uploaded.mediaId, undefined), {
    instanceOf: MediaError,
  })
  t.like(error, { code: 'busy', extras: { retryAfterMs: 1000 } })
  t.is(rounds, 3)
})
