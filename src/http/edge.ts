/**
 * The edge listener: what a CDN may face. It knows signed URLs and no access token; nothing else answers here.
 */
import { Router } from '@koa/router'
import Koa from 'koa'
import type { Sluice } from '../services/sluice.ts'
import type { VerifyGrant } from '../tokens/grant.ts'
import type { State } from './context.ts'
import { cors } from './cors.ts'
import { errorResponse, logBrokenAnswer, unrecognized } from './error-response.ts'
import { type LogExchange, requestLog } from './request-log.ts'
import { getObject } from './routes/get-object.ts'
import { getThumbnailObject } from './routes/get-thumbnail-object.ts'
import { health } from './routes/health.ts'
import { putObject, putPath } from './routes/put-object.ts'
import { makeSendObject } from './send-object.ts'

/** Not what signs, and not what asks who somebody is: the edge holds public keys only. */
export type EdgeNeeds = Omit<Sluice, 'sign' | 'edgeUrl' | 'createRate' | 'isExempt' | 'completions'> & {
  readonly verify: VerifyGrant
}

export function makeEdge(sluice: EdgeNeeds, logExchange: LogExchange): Koa<State> {
  const router = new Router<State>({ sensitive: true, strict: true })

  const sender = { ...sluice, sendObject: makeSendObject(sluice) }

  router.put(putPath, putObject(sluice))
  router.get(['/media-repo/download/:mediaId', '/media-repo/download/:mediaId/:fileName'], getObject(sender))
  router.get('/media-repo/thumbnail/:mediaId/:variant', getThumbnailObject(sender))
  router.get('/health', health(sluice))

  const app = new Koa<State>()
  app.use(requestLog(logExchange))
  app.use(cors('edge'))
  app.use(errorResponse(sluice))
  app.use(router.routes())
  app.use(unrecognized)
  app.on('error', logBrokenAnswer(sluice))
  return app
}
