/**
 * From a configuration to the two request handlers. Built at the start and again at every SIGHUP, on the same foundation.
 */
import type { Config } from '../config/config.ts'
import { makeUserPatterns } from '../domain/user-patterns.ts'
import { makeForward } from '../homeserver/forward.ts'
import { makeAskVersions } from '../homeserver/versions.ts'
import { makeWhoami } from '../homeserver/whoami.ts'
import { makeApi } from '../http/api.ts'
import { makeEdge } from '../http/edge.ts'
import { makeQuickApi } from '../http/quick/api.ts'
import { makeQuickEdge } from '../http/quick/edge.ts'
import { eitherWay } from '../http/quick/either-way.ts'
import { makeLogExchange } from '../http/request-log.ts'
import type { Arrivals } from '../services/arrivals.ts'
import type { Gate } from '../services/gate.ts'
import { makeVersions } from '../services/merge-versions.ts'
import { makeQuotaOf } from '../services/quota-of.ts'
import { makeRateLimit } from '../services/rate-limit.ts'
import { makeRenderer } from '../services/render-thumbnails.ts'
import { makeSessions } from '../services/sessions.ts'
import type { Sluice } from '../services/sluice.ts'
import type { SignGrant, VerifyGrant } from '../tokens/grant.ts'
import type { RequestHandler } from './door.ts'
import { makeFederation } from './federation.ts'
import type { Foundation } from './foundation.ts'

export interface HandlerOptions {
  readonly config: Config
  readonly foundation: Foundation
  /** Readers may wait across a change of configuration. */
  readonly arrivals: Arrivals
  /** One for both listeners: they share the processor. */
  readonly decoding: Gate
}

export interface ApiHandlerOptions extends HandlerOptions {
  readonly sign: SignGrant
  readonly edgeUrl: string
  /** Where the page at `/` lies; undefined: no page. */
  readonly pageDirectory: URL | undefined
}

export function makeEdgeHandler({
  verify,
  ...options
}: HandlerOptions & { readonly verify: VerifyGrant }): RequestHandler {
  const sluice = { ...common(options), verify }
  const logExchange = makeLogExchange(sluice)
  return eitherWay(sluice, makeQuickEdge(sluice, logExchange), makeEdge(sluice, logExchange).callback())
}

export function makeApiHandler({ sign, edgeUrl, pageDirectory, ...options }: ApiHandlerOptions): RequestHandler {
  const { config, foundation } = options
  const { homeserver } = config
  const whoami = homeserver === undefined ? undefined : makeWhoami(homeserver)
  const isExempt = makeUserPatterns(config.limits.exemptUsers)
  const { createPerSecond: perSecond, createBurst: burst } = config.limits
  const sluice: Sluice = {
    ...common(options),
    sign,
    edgeUrl,
    createRate: makeRateLimit({ perSecond, burst, clock: foundation.clock, isExempt }),
    isExempt,
  }
  const { clock, log } = foundation
  const sessions = makeSessions({ config, clock, whoami })
  const askVersions = homeserver === undefined ? undefined : makeAskVersions(homeserver)
  const versions = makeVersions({ config, clock, log, askVersions })
  const forward = homeserver === undefined ? undefined : makeForward(homeserver)
  const verifyFederation = makeFederation(config, foundation)
  const { limits, federation } = config
  const rates = {
    requests: makeRateLimit({ perSecond: limits.requestsPerSecond, burst: limits.requestsBurst, clock, isExempt }),
    federation: makeRateLimit({ perSecond: federation.requestsPerSecond, burst: federation.requestsBurst, clock }),
  }
  const logExchange = makeLogExchange(sluice)
  const api = { sessions, forward, versions, verifyFederation, rates, logExchange, pageDirectory }
  return eitherWay(sluice, makeQuickApi(sluice, api), makeApi(sluice, api).callback())
}

function common({ config, foundation, arrivals, decoding }: HandlerOptions) {
  return {
    ...foundation,
    config,
    arrivals,
    quotaOf: makeQuotaOf(config.limits),
    decoding,
    render: makeRenderer({ store: foundation.store, config, decoding }),
  }
}
