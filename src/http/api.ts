/**
 * The API listener: what clients reach with an access token. Every route is on this screen.
 */
import { Router } from '@koa/router'
import Koa from 'koa'
import type { VerifyFederationRequest } from '../federation/verify-request.ts'
import type { Forward } from '../homeserver/forward.ts'
import type { Versions } from '../services/merge-versions.ts'
import type { RateLimit } from '../services/rate-limit.ts'
import type { Sessions } from '../services/sessions.ts'
import type { Sluice } from '../services/sluice.ts'
import { authenticated, membersOnly } from './access-token.ts'
import * as paths from './api-paths.ts'
import { makeClientAddress } from './client-address.ts'
import type { State } from './context.ts'
import { cors } from './cors.ts'
import { makeElsewhere } from './elsewhere.ts'
import { errorResponse, logBrokenAnswer, unrecognized } from './error-response.ts'
import { passThrough } from './pass-through.ts'
import { limitAddress, limitUser } from './rate-limited.ts'
import { type LogExchange, requestLog } from './request-log.ts'
import { complete } from './routes/complete.ts'
import { create } from './routes/create.ts'
import { download } from './routes/download.ts'
import { federationDownload, federationThumbnail, fromServers } from './routes/federation.ts'
import { health } from './routes/health.ts'
import { legacyDownload, legacyThumbnail } from './routes/legacy.ts'
import { logout, logoutAll } from './routes/logout.ts'
import { mediaConfig } from './routes/media-config.ts'
import { redact } from './routes/redact.ts'
import { pagePaths, standalonePage } from './routes/standalone-page.ts'
import { thumbnail } from './routes/thumbnail.ts'
import { upload, uploadToId } from './routes/upload.ts'
import { usage } from './routes/usage.ts'
import { versions as showVersions } from './routes/versions.ts'
import { makeSendObject } from './send-object.ts'

export interface ApiOptions {
  readonly sessions: Sessions
  /** Hands a request to the homeserver; undefined: standalone. */
  readonly forward: Forward | undefined
  readonly versions: Versions
  readonly verifyFederation: VerifyFederationRequest
  readonly rates: {
    /** By user, or by address where nobody says who they are. */
    readonly requests: RateLimit
    /** By origin. */
    readonly federation: RateLimit
  }
  readonly logExchange: LogExchange
  /** Where the page at `/` lies; undefined: no page. */
  readonly pageDirectory: URL | undefined
}

export function makeApi(
  sluice: Sluice,
  { sessions, forward, versions, verifyFederation, rates, logExchange, pageDirectory }: ApiOptions,
): Koa<State> {
  // Matrix paths are case-sensitive and have no forms with a trailing slash (fact sheet §5).
  const router = new Router<State>({ sensitive: true, strict: true })
  const anyone = authenticated(sessions.authenticate, sluice.config.auth)
  const member = [anyone, membersOnly]
  const counted = [anyone, limitUser(rates.requests)]
  // Before a signature is looked at, too: each invented origin makes us look for its keys.
  const countedAddress = limitAddress(rates.requests, makeClientAddress(sluice.config.api.trustedProxies))
  const elsewhere = makeElsewhere({ forward, sessions })
  const sender = { ...sluice, sendObject: makeSendObject(sluice) }
  const servers = fromServers(sluice, {
    verify: verifyFederation,
    limit: rates.federation,
    elsewhere,
    hasHomeserver: forward !== undefined,
  })

  router.post(paths.create, ...member, create(sluice))
  router.post(paths.complete, ...member, complete(sluice))
  router.post(paths.upload, ...member, upload(sluice))
  router.put(paths.uploadToId, ...member, uploadToId(sluice, elsewhere))
  router.post(paths.redact, ...member, redact(sluice, elsewhere))
  router.get(paths.config, ...member, mediaConfig(sluice))
  router.get(paths.usage, ...member, usage(sluice))
  router.get(paths.download, ...counted, download(sender, elsewhere))
  router.get(paths.thumbnail, ...counted, thumbnail(sender, elsewhere))
  router.get(paths.legacyDownload, countedAddress, legacyDownload(sender, elsewhere))
  router.get(paths.legacyThumbnail, countedAddress, legacyThumbnail(sender, elsewhere))
  router.get(paths.federationDownload, countedAddress, servers, federationDownload(sluice))
  router.get(paths.federationThumbnail, countedAddress, servers, federationThumbnail(sluice))
  router.get(paths.versions, showVersions({ versions }))
  if (forward !== undefined) {
    router.post(paths.logout, logout(forward, sessions))
    router.post(paths.logoutAll, logoutAll(forward, sessions))
  }
  router.get('/health', health(sluice))
  if (pageDirectory !== undefined) router.get(pagePaths, standalonePage(sluice, pageDirectory))

  const app = new Koa<State>()
  app.use(requestLog(logExchange))
  app.use(cors('api'))
  app.use(errorResponse(sluice))
  app.use(router.routes())
  app.use(passThrough({ forward, handOver: elsewhere }))
  app.use(unrecognized)
  app.on('error', logBrokenAnswer(sluice))
  return app
}
