/**
 * The body of a request as a stream of its own. Destroying that stream gives up on the bytes and leaves the connection alone, so that
 * the refusal still reaches the client; Node's own request object would take the socket down with it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { type MediaError, refuse, refuseTooLarge } from '../domain/errors.ts'
import type { IncomingBody } from '../services/incoming-body.ts'

export interface BodyExchange {
  readonly req: IncomingMessage
  readonly res: ServerResponse
}

export interface BodyLimits {
  /** Bytes; Infinity where somebody else counts. */
  readonly maxBytes: number
}

/**
 * Everything that the head of the request can be refused for is refused here, before a byte is read. `100 Continue`, if the client
 * waits for it, goes out when somebody begins to read the stream, and not before.
 * @throws MediaError `too_large` with the field `max_bytes`; `bad_request` for a coded or a partial body
 */
export function openBody(exchange: BodyExchange, { maxBytes }: BodyLimits): IncomingBody {
  const { headers } = exchange.req
  refuseCodings(headers['content-encoding'], headers['transfer-encoding'])
  // RFC 9110 §14.5. Taken for the whole, a part would replace what it is a part of.
  if (headers['content-range'] !== undefined) refuse('bad_request', 'An upload with Content-Range is not supported')
  const declaredBytes = declaredLength(exchange.req)
  // Node's parser has refused such a header already; this keeps a misreading from ever passing for "no length".
  if (declaredBytes === undefined && headers['content-length'] !== undefined)
    refuse('bad_request', 'Content-Length is not a number')
  if (declaredBytes !== undefined && declaredBytes > maxBytes) refuseTooLarge(maxBytes)
  return {
    stream: () => bodyStream(exchange),
    arrived: mostBytes =>
      declaredBytes === undefined || declaredBytes > mostBytes ? undefined : takeArrived(exchange.req, declaredBytes),
    declaredBytes,
    maxBytes,
    contentType: headers['content-type'],
  }
}

/** What the head says about the length, in bytes: 0 without any body, undefined when it will only show at the end. */
export function declaredLength({ headers }: IncomingMessage): number | undefined {
  const length = headers['content-length']
  if (length === undefined) return headers['transfer-encoding'] === undefined ? 0 : undefined
  return /^\d+$/.test(length) ? Number(length) : undefined
}

/** What is stored is what is served later, and nobody would know then that it has to be unpacked. */
function refuseCodings(content: string | undefined, transfer: string | undefined): void {
  if (content !== undefined && !/^(?:identity)?$/i.test(content.trim())) {
    // RFC 9110 §15.5.16 names the header that says what would have been accepted.
    refuse('encoding_refused', `Content-Encoding: ${content} is not accepted; send the content as it is`, {
      headers: { 'Accept-Encoding': 'identity' },
    })
  }
  if (transfer !== undefined && transfer.trim().toLowerCase() !== 'chunked')
    refuse('bad_request', `Transfer-Encoding: ${transfer} is not accepted; only chunked is`)
}

/**
 * A small body comes in the packet of its head, and is here before anybody asks for it; a stream over it would be the dearest part of
 * receiving it.
 */
function takeArrived(req: IncomingMessage, bytes: number): Uint8Array | undefined {
  requireUntaken(req)
  // Not whether it is complete: the parser says so only after whoever waited for a promise has had his turn.
  if (req.readableLength !== bytes || req.destroyed || waitsForContinue.has(req)) return undefined
  bodies.set(req, takenWhole)
  return req.read() ?? Buffer.alloc(0)
}

function requireUntaken(req: IncomingMessage): void {
  if (bodies.has(req)) throw new TypeError('the body of this request has been taken already')
}

/**
 * The bytes as they come, with no look at the head: for handing a request on. Can be called once per request.
 *
 * The stream fails with MediaError `body_too_short` or `request_timeout` when the client ends too early or falls silent, and with
 * ECONNRESET when it vanishes. Nothing is read, and no failure shows, before the first read.
 */
export function bodyStream({ req, res }: BodyExchange): Readable {
  requireUntaken(req)
  let started = false
  let wanted = false

  const stream = new Readable({
    // Enough for the parser to hand over four full reads before the socket is paused.
    highWaterMark: 256 * 1024,
    read() {
      if (!wanted) ask()
      if (started) req.resume()
      else start()
    },
    destroy(error, done) {
      req.off('data', take).off('end', finish).off('error', fail).off('close', breakOff)
      // Silence until the answer is out; the listener discards the rest then, within bounds.
      if (started) req.pause()
      done(error)
    },
  })
  // A client may vanish after the reader has lost interest and taken its listeners away. That must not end the process.
  stream.on('error', () => {})

  /** Now it is the client's turn; the silence so far was ours. */
  function ask(): void {
    wanted = true
    req.socket.setTimeout(req.socket.timeout ?? 0)
  }

  function start(): void {
    started = true
    const failure = failures.get(req) ?? (req.destroyed && !req.readableEnded ? vanished(req) : undefined)
    if (failure !== undefined) return void stream.destroy(failure)
    if (waitsForContinue.delete(req) && !res.headersSent) res.writeContinue()
    req.on('data', take).once('end', finish).once('error', fail).once('close', breakOff)
  }

  function take(chunk: Buffer): void {
    if (stream.push(chunk)) return
    wanted = false
    req.pause()
  }

  function finish(): void {
    // What was read in whole is whole, even if the connection goes before somebody takes it from here.
    req.off('close', breakOff)
    stream.push(null)
  }

  function fail(error: Error): void {
    stream.destroy(error)
  }

  function breakOff(): void {
    stream.destroy(vanished(req))
  }

  bodies.set(req, {
    isAwaited: () => wanted && !req.complete && !stream.destroyed,
    fail: error => void (started && stream.destroy(error)),
    discard: () => void stream.destroy(),
  })
  return stream
}

function vanished(req: IncomingMessage): Error {
  return req.errored ?? Object.assign(new Error('the client closed the connection'), { code: 'ECONNRESET' })
}

// What follows is the listener's side: it sees the connection, and tells the body what becomes of it.

interface OpenBody {
  readonly isAwaited: () => boolean
  readonly fail: (error: Error) => void
  readonly discard: () => void
}

/** Nobody waits for anything of it. */
const takenWhole: OpenBody = { isAwaited: () => false, fail: () => {}, discard: () => {} }

const bodies = new WeakMap<IncomingMessage, OpenBody>()
const failures = new WeakMap<IncomingMessage, MediaError>()
const waitsForContinue = new WeakSet<IncomingMessage>()

/** The client will not send its body before it is told to. */
export function holdContinue(req: IncomingMessage): void {
  waitsForContinue.add(req)
}

/** True when somebody here waits for bytes of this body: then silence is the client's. */
export function isBodyAwaited(req: IncomingMessage): boolean {
  return bodies.get(req)?.isAwaited() ?? false
}

/** No more bytes will come, for this reason. Whoever reads, now or later, is told. */
export function breakBody(req: IncomingMessage, reason: MediaError): void {
  if (!failures.has(req)) failures.set(req, reason)
  bodies.get(req)?.fail(reason)
}

/** Lets the rest of the body pass unread. For after the answer. */
export function discardBody(req: IncomingMessage): void {
  bodies.get(req)?.discard()
  req.resume()
}
