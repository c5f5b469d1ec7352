/**
 * Reads what is in path and query, after decoding, into types that can be trusted.
 */
import { refuse } from '../domain/errors.ts'
import { type MediaId, parseMediaId, parseServerName, type ServerName } from '../domain/identifiers.ts'
import { parseThumbnailRequest, type ThumbnailSpec } from '../domain/thumbnails.ts'
import type { Asked, Context } from './context.ts'

/** @throws MediaError `not_found` */
export function mediaIdOf({ params }: Pick<Asked, 'params'>): MediaId {
  return parseMediaId(params.mediaId ?? '')
}

/** @throws MediaError `invalid_param` */
export function serverNameOf({ params }: Pick<Asked, 'params'>): ServerName {
  return parseServerName(params.serverName ?? '')
}

/**
 * The name that `?filename=` gives, decoded once and otherwise untouched, because the same name must come back (fact sheet §6.5).
 * @returns undefined when there is none
 * @throws MediaError `invalid_param` when it is not UTF-8 or longer than 1024 bytes
 */
export function fileNameOf({ querystring }: Pick<Asked, 'querystring'>): string | undefined {
  const raw = rawQueryValue(querystring, 'filename')
  if (raw === undefined || raw === '') return undefined
  const name = decodeUtf8(raw.replaceAll('+', ' '))
  if (name === undefined) refuse('invalid_param', 'filename is not valid UTF-8')
  if (Buffer.byteLength(name) > 1024) refuse('invalid_param', 'filename is longer than 1024 bytes')
  return name
}

/**
 * How long the caller waits for content that is not there yet, in milliseconds (fact sheet §9; the unstable names of its §5).
 * @throws MediaError `invalid_param` for anything but a non-negative integer
 */
export function timeoutOf(ctx: Context, defaultWait: number): number {
  const query = new URLSearchParams(ctx.querystring)
  const text =
    query.get('timeout_ms') ?? query.get('fi.mau.msc2246.timeout_ms') ?? query.get('fi.mau.msc2246.max_stall_ms')
  if (text === null) return defaultWait
  if (!/^\d{1,15}$/.test(text)) refuse('invalid_param', 'timeout_ms must be a whole number of milliseconds')
  return Number(text)
}

/** `URLSearchParams` would replace broken UTF-8 by U+FFFD without a word. */
function rawQueryValue(querystring: string, name: string): string | undefined {
  for (const pair of querystring.split('&')) {
    const [key, ...value] = pair.split('=')
    if (key === name) return value.join('=')
  }
  return undefined
}

function decodeUtf8(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** `{fileName}` of the path: one decoded segment that replaces the stored name (fact sheet §6.6). */
export function pathFileNameOf(ctx: Context): string | undefined {
  return ctx.params.fileName || undefined
}

/** @throws MediaError `not_found` for media of another server */
export function requireLocal({ serverName }: { readonly serverName: ServerName }, asked: ServerName): void {
  if (asked !== serverName) refuse('not_found', 'There is no media with this id')
}

/**
 * A switch of the query, off unless given (fact sheet §6.6).
 * @param names the first that is there counts
 * @throws MediaError `invalid_param` for anything but `true` and `false`
 */
export function flagOf(ctx: Context, ...names: readonly string[]): boolean {
  const query = new URLSearchParams(ctx.querystring)
  const name = names.find(candidate => query.has(candidate))
  const text = name === undefined ? 'false' : query.get(name)
  if (text !== 'true' && text !== 'false') refuse('invalid_param', `${name} must be true or false`)
  return text === 'true'
}

/** @throws MediaError `missing_param`, `invalid_param` */
export function thumbnailSpecOf(ctx: Context): ThumbnailSpec {
  const spec = parseThumbnailRequest(new URLSearchParams(ctx.querystring))
  // Nothing is animated yet; but nonsense must not pass today and fail tomorrow.
  flagOf(ctx, 'animated', 'org.matrix.msc2705.animated')
  return spec
}
