/**
 * An exchange that goes quick, from its line in the log to its last byte: what every answer has, and what becomes of errors. Once it has
 * begun, it can not be left to the usual way any more.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { Asked, Success } from '../context.ts'
import { corsHeaders, type Surface } from '../cors.ts'
import { makeAnswerToError } from '../error-response.ts'
import { type Exchange, type LogExchange, requestIdHeader } from '../request-log.ts'

export interface QuickRequest {
  readonly asked: Asked
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** For the request log. */
  readonly userId?: string
}

/** Answers with what `work` returns or throws. Resolves with true: it is done. */
export type QuickAnswer = (request: QuickRequest, work: (exchange: Exchange) => Promise<Success>) => Promise<true>

export function makeQuickAnswer(
  { log }: { readonly log: Logger },
  { surface, logExchange }: { readonly surface: Surface; readonly logExchange: LogExchange },
): QuickAnswer {
  const lasting = Object.entries(corsHeaders(surface)).flat()
  const answerTo = makeAnswerToError({ log })

  return async ({ asked, req, res, userId }, work) => {
    const state = { requestId: '', ...(userId !== undefined && { userId }) }
    const exchange = { req, res, method: req.method ?? '', path: asked.path, state }
    state.requestId = logExchange(exchange)
    const common = [requestIdHeader, state.requestId, ...lasting]
    try {
      const { headers, body } = await work(exchange)
      send(res, 200, [...common, ...linesOf(headers)], body)
    } catch (error) {
      const answer = answerTo(error, exchange)
      if (answer !== undefined) send(res, answer.status, [...common, ...linesOf(answer.headers)], answer.body)
    }
    return true
  }
}

function linesOf(headers: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(headers).flat()
}

function send(res: ServerResponse, status: number, headers: readonly string[], body: object): void {
  // Nobody is there to be told.
  if (res.socket?.writable === false) return
  const text = JSON.stringify(body)
  const length = String(Buffer.byteLength(text))
  res.writeHead(status, [...headers, 'Content-Type', 'application/json; charset=utf-8', 'Content-Length', length])
  res.end(text)
}
