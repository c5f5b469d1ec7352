/**
 * One structured line per request. Never the query and never a header: either may hold a token.
 */
import type { Socket } from 'node:net'
import type { Middleware } from 'koa'
import type { Logger } from 'pino'
import type { Clock, Random } from '../domain/clock.ts'
import type { State } from './context.ts'

export interface RequestLogNeeds {
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
}

export const requestIdHeader = 'X-Request-Id'

/**
 * Also gives the request its id, and tells the client in `X-Request-Id`, so that a user can quote what the operator can look up. An id
 * that comes with the request is not taken over: on a public port anybody could make two requests look like one.
 *
 * `bytesIn` and `bytesOut` count what the connection carried for this request, heads included.
 */
export function requestLog({ log, clock, random }: RequestLogNeeds): Middleware<State> {
  // Looking for secrets takes longer than writing the line, and none of the fields below can hold one.
  const lines = log.child({}, { redact: [] })
  /** What each connection had carried when its previous request was logged. */
  const carried = new WeakMap<Socket, Traffic>()

  return async function requestLog(ctx, next) {
    const { req, res } = ctx
    const { socket } = req
    const startedAt = clock.elapsed()
    const requestId = random(9).toString('base64url')
    ctx.state.requestId = requestId
    res.setHeader(requestIdHeader, requestId)

    // 'close' comes once, whether the answer went out whole or not; the middleware may be done long before.
    res.once('close', () => {
      const before = carried.get(socket) ?? { bytesRead: 0, bytesWritten: 0 }
      const { bytesRead, bytesWritten } = socket
      carried.set(socket, { bytesRead, bytesWritten })
      lines.info(
        {
          requestId,
          method: ctx.method,
          path: loggedPath(ctx),
          status: res.headersSent ? res.statusCode : undefined,
          ms: Math.round(clock.elapsed() - startedAt),
          bytesIn: bytesRead - before.bytesRead,
          bytesOut: bytesWritten - before.bytesWritten,
          user: ctx.state.userId,
          forwarded: ctx.state.forwarded,
          aborted: res.writableFinished ? undefined : true,
        },
        'request',
      )
    })
    await next()
  }
}

interface Traffic {
  readonly bytesRead: number
  readonly bytesWritten: number
}

/** No path of ours is longer, but for file names. */
const maxPathLength = 512

/** Never the query: it may hold a token. */
export function loggedPath({ path }: { readonly path: string }): string {
  return path.slice(0, maxPathLength)
}
