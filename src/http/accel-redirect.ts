/**
 * nginx sends the bytes: in place of a body the answer says which file it is, and nginx, which reads the same disk, takes it from there
 * (`docs/examples/nginx-accel.conf`). Everything else stays here: who may have it, what it is called, what the client has already.
 */
import type { Config } from '../config/config.ts'
import type { ObjectInfo } from '../domain/objects.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { makeIsFromProxy } from './client-address.ts'
import type { Context } from './context.ts'

/** The path to send in `X-Accel-Redirect`; undefined when the bytes have to be sent from here. @throws MediaError `storage_failed` */
export type AccelRedirect = (ctx: Context, object: ObjectInfo) => Promise<string | undefined>

export function makeAccelRedirect({
  config,
  store,
}: {
  readonly config: Pick<Config, 'api' | 'downloads'>
  readonly store: Pick<ObjectStore, 'fileOf'>
}): AccelRedirect {
  const { accelRedirect: prefix } = config.downloads
  const isFromProxy = makeIsFromProxy(config.api.trustedProxies)
  return async (ctx, object) => {
    // Whoever comes without a proxy would get an answer without a body.
    if (prefix === undefined || !isFromProxy(ctx) || !isPlain(ctx.headers.range)) return undefined
    const file = await store.fileOf(object)
    return file === undefined ? undefined : prefix + file
  }
}

/** nginx reads the range again. These it reads as we do; of others, such as several at once or numbers without end, it makes an error. */
function isPlain(range: string | undefined): boolean {
  return range === undefined || /^bytes=(?:\d{1,15}-\d{0,15}|-\d{1,15})$/.test(range)
}
