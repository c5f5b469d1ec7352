/**
 * Sends an object, or the part that was asked for, or the news that nothing changed. The same on both listeners.
 */
import type { Config } from '../config/config.ts'
import { refuse } from '../domain/errors.ts'
import { etagOf, type ObjectInfo } from '../domain/objects.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { type AccelRedirect, makeAccelRedirect } from './accel-redirect.ts'
import { extentOf, selectRange, unsatisfiedRange } from './byte-range.ts'
import { isNotModified } from './conditional.ts'
import type { Context } from './context.ts'
import { pieceSender } from './send-pieces.ts'

/**
 * The headers that describe the content must be set before. Conditions come before ranges (RFC 9110 §13.2.2), which only GET has
 * (§14.2).
 * @throws MediaError `range_unsatisfiable`, `storage_failed` when the object is not there
 */
export type SendObject = (ctx: Context, object: ObjectInfo) => Promise<void>

/** For routes that send objects. */
export interface Sends {
  readonly sendObject: SendObject
}

export function makeSendObject(needs: {
  readonly config: Pick<Config, 'api' | 'downloads'>
  readonly store: Pick<ObjectStore, 'pour' | 'fileOf'>
}): SendObject {
  const { store } = needs
  const accelRedirect = makeAccelRedirect(needs)
  return (ctx, object) => sendObject(ctx, store, object, accelRedirect)
}

async function sendObject(
  ctx: Context,
  store: Pick<ObjectStore, 'pour'>,
  { key, size }: ObjectInfo,
  accelRedirect: AccelRedirect,
): Promise<void> {
  const etag = etagOf(key)
  if (isNotModified(ctx.headers['if-none-match'], etag)) {
    ctx.status = 304
    return
  }
  const asked = ctx.method === 'GET' ? ctx.headers.range : undefined
  const selected = selectRange({ range: asked, ifRange: ctx.get('If-Range') || undefined }, size, etag)
  if (selected.kind === 'unsatisfiable') {
    refuse('range_unsatisfiable', `The content has ${size} bytes`, {
      headers: { 'Content-Range': unsatisfiedRange(size) },
    })
  }
  if (ctx.method === 'GET') {
    const location = await accelRedirect(ctx, { key, size })
    if (location !== undefined) {
      ctx.set('X-Accel-Redirect', location)
      // Of a whole file nginx says it too, and would repeat ours.
      if (selected.kind === 'whole') ctx.remove('Accept-Ranges')
      ctx.status = 200
      ctx.length = 0
      return void ctx.res.end()
    }
  }
  const { status, length, headers, range } = extentOf(selected, size)
  ctx.status = status
  ctx.set(headers)
  if (ctx.method === 'HEAD') return
  const isThere = await store.pour(key, range, pieceSender(ctx.res, length))
  // A row says that the bytes are there: this is a defect or a damaged disk, so not a 404 that clients would believe.
  if (!isThere) refuse('storage_failed', 'The content can not be read at the moment', { cause: `lost object ${key}` })
  // Of nothing there is no piece, and Koa would invent a body.
  if (length === 0) ctx.res.end()
}
