/** A media, or a part of it, for somebody who is known already. Whatever fails, fails on the usual way. */
import { toMediaId } from '../../domain/identifiers.ts'
import type { Ready } from '../../domain/media.ts'
import { etagOf } from '../../domain/objects.ts'
import type { RateLimit } from '../../services/rate-limit.ts'
import type { Sessions } from '../../services/sessions.ts'
import type { Sluice } from '../../services/sluice.ts'
import { smallObjectLimit } from '../../storage/small-objects.ts'
import { type Extent, extentOf, selectRange } from '../byte-range.ts'
import { corsHeaders } from '../cors.ts'
import { originalHeaders } from '../describe-media.ts'
import { logBrokenAnswer } from '../error-response.ts'
import { type LogExchange, requestIdHeader } from '../request-log.ts'
import { pieceSender } from '../send-pieces.ts'
import { recogniseCaller } from './known-caller.ts'
import type { QuickRoute } from './quick-way.ts'

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
): QuickRoute['take'] {
  const { catalog, store } = sluice
  const { serverName, downloads } = sluice.config
  // nginx may be told to send what is a file.
  const mostBytes = downloads.accelRedirect === undefined ? Number.POSITIVE_INFINITY : smallObjectLimit
  const logBroken = logBrokenAnswer(sluice)
  const cors = corsHeaders('api')

  return async ({ path, params }, req, res) => {
    const { 'if-none-match': ifNoneMatch, 'if-range': ifRange } = req.headers
    if (downloads.redirect || ifNoneMatch !== undefined || ifRange !== undefined) return false
    const mediaId = params.serverName === serverName ? toMediaId(params.mediaId ?? '') : undefined
    if (mediaId === undefined) return false
    const state = { userId: '', requestId: '' }
    const exchange = { req, res, method: 'GET', path, state }
    try {
      const principal = recogniseCaller(req, sessions)
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
