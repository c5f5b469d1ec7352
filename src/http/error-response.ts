/**
 * The one place where errors become HTTP. `MediaError` is the only one whose words a client gets to see.
 */
import type { ServerResponse } from 'node:http'
import type { Middleware } from 'koa'
import type { Logger } from 'pino'
import { explainFailure } from '../database/failures.ts'
import { type ErrorCode, errorTable, MediaError, RelayedError } from '../domain/errors.ts'
import type { State, Step } from './context.ts'
import { corsHeaderNames } from './cors.ts'
import { type Exchange, loggedPath, requestIdHeader } from './request-log.ts'
import { ClientGone } from './send-pieces.ts'

export interface ErrorAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
}

/** What a client is told. A refusal that the homeserver gave is relayed as it was given. */
export function errorAnswer(refusal: MediaError | RelayedError): ErrorAnswer {
  if (refusal instanceof RelayedError) {
    const { status, body, headers } = refusal
    const said = typeof body.retry_after_ms === 'number' ? body.retry_after_ms : undefined
    return { status, body, headers: { 'Cache-Control': 'no-store', ...retryAfter(status, said), ...headers } }
  }
  const { code, message, extras } = refusal
  const { status, errcode } = errorTable[code]
  return {
    status,
    // An error must not outlive its reason: the next moment the media may be there.
    headers: { 'Cache-Control': 'no-store', ...retryAfter(status, extras.retryAfterMs), ...extras.headers },
    body: { errcode, error: message, ...retryAfterMs(code, extras.retryAfterMs), ...extras.fields },
  }
}

/** Who is told to come back is told when, even where nobody has thought of a number (fact sheet §4.4, §19). */
const comeBack: ReadonlySet<number> = new Set([429, 502, 503])
const usualPause = 5000

/** In whole seconds (RFC 9110 §10.2.3), rounded up, so that nobody comes back too early. */
function retryAfter(status: number, ms = comeBack.has(status) ? usualPause : undefined): Record<string, string> {
  return ms === undefined ? {} : { 'Retry-After': String(Math.max(0, Math.ceil(ms / 1000))) }
}

/** Deprecated since 1.10 but still read, and defined for this one code only (fact sheet §4.4). */
function retryAfterMs(code: ErrorCode, ms: number | undefined): Record<string, number> {
  return ms === undefined || code !== 'limit_exceeded' ? {} : { retry_after_ms: Math.max(0, Math.ceil(ms)) }
}

/** Set above `errorResponse`, and part of errors too. */
const lastingHeaders: ReadonlySet<string> = new Set([...corsHeaderNames, requestIdHeader.toLowerCase()])

/** @returns undefined when nobody is there to be told */
export type AnswerToError = (error: unknown, exchange: Exchange) => ErrorAnswer | undefined

/** What is answered to whatever was thrown. The operator's share of it goes into the log. */
export function makeAnswerToError({ log }: { readonly log: Logger }): AnswerToError {
  return (error, exchange) => {
    const facts = factsOf(exchange)
    if (isVanished(exchange, error)) {
      log.debug({ ...facts, err: error }, 'the client has gone')
      return undefined
    }
    const refusal = refusalOf(error)
    if (refusal instanceof MediaError) logServerFault(log, refusal, facts)
    return errorAnswer(refusal)
  }
}

/** Answers whatever is thrown below it. CORS and the request id stay; all other headers go. */
export function errorResponse(needs: { readonly log: Logger }): Middleware<State> {
  const answerTo = makeAnswerToError(needs)
  return async function errorResponse(ctx, next) {
    try {
      await next()
    } catch (error) {
      const answer = answerTo(error, ctx)
      if (answer === undefined) return
      // Too late for a clean answer. The peer must see truncation, not an end (fact sheet §22.8).
      if (ctx.headerSent) return void ctx.res.destroy()
      for (const name of ctx.res.getHeaderNames()) if (!lastingHeaders.has(name)) ctx.remove(name)
      ctx.status = answer.status
      ctx.set(answer.headers)
      ctx.body = answer.body
    }
  }
}

/**
 * For `app.on('error', …)`: what goes wrong after the middleware is done, while the bytes are on their way. Koa has destroyed the
 * response by then, so there is nobody to answer to.
 */
export function logBrokenAnswer({ log }: { readonly log: Logger }): (error: unknown, ctx: Exchange) => void {
  /** Koa reports a broken answer from its socket and again from its stream. The first one names the cause. */
  const reported = new WeakSet<ServerResponse>()
  return function logBrokenAnswer(error, ctx) {
    if (reported.has(ctx.res)) return
    reported.add(ctx.res)
    const level = isVanished(ctx, error) ? 'debug' : 'error'
    log[level]({ ...factsOf(ctx), err: error }, 'an answer broke off')
  }
}

/**
 * The end of the chain: no route took the request. Matrix wants JSON, and 405 told apart from 404 (fact sheet §4.2), which the
 * router's own `allowedMethods` does not do (§22.1).
 */
export const unrecognized: Step = async function unrecognized(ctx) {
  const methods = new Set((ctx.matched ?? []).flatMap(layer => layer.methods))
  if (methods.size === 0) throw new MediaError('unrecognized_path', 'There is no such endpoint')
  const allow = [...methods, 'OPTIONS'].join(', ')
  throw new MediaError('unrecognized_method', `This endpoint knows ${allow}`, { headers: { Allow: allow } })
}

function refusalOf(error: unknown): MediaError | RelayedError {
  // A row that can not be read for the moment is the disk's fault like any other, and the reader is told to come back.
  const explained = explainFailure(error)
  return explained instanceof MediaError || explained instanceof RelayedError ? explained : defect(explained)
}

function defect(cause: unknown): MediaError {
  return new MediaError('internal', 'Something went wrong on the server', { cause })
}

/** Client faults are in the request log and need no line of their own. */
function logServerFault(log: Logger, { code, message, extras: { cause } }: MediaError, facts: object): void {
  if (code === 'internal') log.error({ ...facts, err: cause ?? new Error(message) }, message)
  else if (errorTable[code].status >= 500 && cause !== undefined) log.warn({ ...facts, code, err: cause }, message)
}

function factsOf(ctx: Pick<Exchange, 'state' | 'method' | 'path'>): object {
  return { requestId: ctx.state.requestId, method: ctx.method, path: loggedPath(ctx) }
}

const brokenConnection = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR'])

/**
 * Nobody's fault, and nobody there to be told. The same codes are a real fault when they come from somewhere else, e.g. from the
 * homeserver: then the client's own socket is alive, or the response carries the error that destroyed it. With the client gone, any
 * other error still deserves its line.
 */
function isVanished({ req, res }: Pick<Exchange, 'req' | 'res'>, error: unknown): boolean {
  if (error instanceof ClientGone) return true
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return req.socket.destroyed && !res.errored && brokenConnection.has(code)
}
