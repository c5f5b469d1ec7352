/**
 * The shortest way to the answer that is asked for most: a media, or a part of it, for somebody who is known already. The usual way, step by
 * step and fit for every kind of request, costs more than all that this one needs. Whatever is in any way unusual takes it nevertheless, and
 * so does whatever fails; nobody can tell from an answer which way it came.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type MediaId, toMediaId } from '../domain/identifiers.ts'
import type { Ready } from '../domain/media.ts'
import { etagOf } from '../domain/objects.ts'
import type { RateLimit } from '../services/rate-limit.ts'
import type { Sessions } from '../services/sessions.ts'
import type { Sluice } from '../services/sluice.ts'
import { smallObjectLimit } from '../storage/small-objects.ts'
import { bearer } from './access-token.ts'
import { type Extent, extentOf, selectRange } from './byte-range.ts'
import { corsHeaders } from './cors.ts'
import { originalHeaders } from './describe-media.ts'
import { logBrokenAnswer } from './error-response.ts'
import { countOf } from './raw-headers.ts'
import { type LogExchange, requestIdHeader } from './request-log.ts'
import { pieceSender } from './send-pieces.ts'

/** @returns false when nothing has been done, and the usual way has to be taken */
export type QuickDownload = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>

interface Asked {
  readonly token: string
  readonly mediaId: MediaId
  readonly path: string
}

/** For one configuration; made anew with the next. */
export function makeQuickDownload(
  sluice: Pick<Sluice, 'config' | 'catalog' | 'store' | 'log'>,
  {
    sessions,
    limit,
    logExchange,
  }: {
    readonly sessions: Pick<Sessions, 'recognise'>
    readonly limit: RateLimit
    /** The one of the usual way. */
    readonly logExchange: LogExchange
  },
): QuickDownload {
  const { catalog, store } = sluice
  const { serverName, downloads } = sluice.config
  // nginx may be told to send what is a file.
  const mostBytes = downloads.accelRedirect === undefined ? Number.POSITIVE_INFINITY : smallObjectLimit
  const logBroken = logBrokenAnswer(sluice)
  const cors = corsHeaders('api')

  return async (req, res) => {
    const asked = downloads.redirect ? undefined : plainRequest(req, serverName)
    if (asked === undefined) return false
    const { token, mediaId, path } = asked
    const state = { userId: '', requestId: '' }
    const exchange = { req, res, method: 'GET', path, state }
    try {
      const principal = sessions.recognise({ token, userId: undefined, deviceId: undefined })
      if (principal === undefined) return false
      const media = await catalog.find(mediaId)
      if (media?.state !== 'ready') return false
      const { key, size } = media.object
      const selected = selectRange({ range: req.headers.range }, size, etagOf(key))
      if (selected.kind === 'unsatisfiable' || size === 0 || size > mostBytes) return false
      const extent = extentOf(selected, size)
      limit(principal.userId)
      state.userId = principal.userId
      const send = pieceSender(res, extent.length)
      return await store.pour(key, extent.range, piece => {
        // Not before there is something to send: an error still has to find the usual way.
        if (state.requestId === '') {
          state.requestId = logExchange(exchange)
          res.writeHead(extent.status, headersOf(media, extent, state.requestId))
        }
        return send(piece)
      })
    } catch (error) {
      if (!res.headersSent) return false
      logBroken(error, exchange)
      res.destroy()
      return true
    }
  }

  function headersOf(media: Ready, { headers }: Extent, requestId: string): Record<string, string> {
    const own = originalHeaders(media, undefined, { kind: 'private' })
    return { [requestIdHeader]: requestId, ...cors, ...own, ...headers }
  }
}

/** Without query, escapes, a name in the path, or conditions. */
const plainPath = /^\/_matrix\/client\/v1\/media\/download\/([^/?%]+)\/([\w-]+)$/

function plainRequest({ method, url = '', headers, rawHeaders }: IncomingMessage, ours: string): Asked | undefined {
  if (method !== 'GET' || headers['if-none-match'] !== undefined || headers['if-range'] !== undefined) return undefined
  const [, serverName, name = ''] = plainPath.exec(url) ?? []
  const mediaId = serverName === ours ? toMediaId(name) : undefined
  const token = bearer.exec(headers.authorization ?? '')?.[1]
  if (mediaId === undefined || token === undefined || countOf('authorization', rawHeaders) !== 1) return undefined
  return { token, mediaId, path: url }
}
