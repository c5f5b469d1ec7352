/**
 * One structured line per request. Never the query and never a header: either may hold a token.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
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

/** Gives the id and logs the exchange when it is over. */
export type LogExchange = (exchange: Exchange) => string

/** What the line says is read when the exchange is over. */
export interface Exchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly method: string
  readonly path: string
  readonly state: Partial<State>
}

/**
 * Also gives the request its id, and tells the client in `X-Request-Id`, so that a user can quote what the operator can look up. An id
 * that comes with the request is not taken over: on a public port anybody could make two requests look like one.
 */
export function requestLog(logExchange: LogExchange): Middleware<State> {
  return async function requestLog(ctx, next) {
    ctx.state.requestId = logExchange(ctx)
    ctx.res.setHeader(requestIdHeader, ctx.state.requestId)
    await next()
  }
}

/** `bytesIn` and `bytesOut` count what the connection carried for this request, heads included. */
export function makeLogExchange({ log, clock, random }: RequestLogNeeds): LogExchange {
  // Looking for secrets takes longer than writing the line, and none of the fields below can hold one.
  const lines = log.child({}, { redact: [] })
  /** What each connection had carried when its previous request was logged. */
  const carried = new WeakMap<Socket, Traffic>()

  return exchange => {
    const { req, res } = exchange
    const { socket } = req
    const startedAt = clock.elapsed()
    const requestId = random(9).toString('base64url')

    // 'close' comes once, whether the answer went out whole or not; the middleware may be done long before.
    const end = (): void => {
      const before = carried.get(socket) ?? { bytesRead: 0, bytesWritten: 0 }
      const { bytesRead, bytesWritten } = socket
      carried.set(socket, { bytesRead, bytesWritten })
      lines.info(
        {
          requestId,
          method: exchange.method,
          path: loggedPath(exchange),
          status: res.headersSent ? res.statusCode : undefined,
          ms: Math.round(clock.elapsed() - startedAt),
          bytesIn: bytesRead - before.bytesRead,
          bytesOut: bytesWritten - before.bytesWritten,
          user: exchange.state.userId,
          forwarded: exchange.state.forwarded,
          aborted: res.writableFinished ? undefined : true,
        },
        'request',
      )
    }
    if (res.closed) end()
    else res.once('close', end)
    return requestId
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
