/**
 * HTTP on connections that somebody has accepted: limits, what is answered when there is no request to route, and how connections end.
 *
 * Three promises beyond Node's own server. An answer given early reaches a client that is still sending (`lingering.ts`). What the
 * parser refuses is answered in Matrix JSON. Silence is measured by progress, and only where it is the client's turn.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { MediaError } from '../domain/errors.ts'
import type { Surface } from './cors.ts'
import { answerEarly, earlyAnswerText } from './early-answer.ts'
import { boundDiscarding, defaultLinger, type LingerLimits } from './lingering.ts'
import { faultOf, maxHeaderSize, parserRefusal } from './malformed.ts'
import { breakBody, declaredLength, discardBody, holdContinue, isBodyAwaited } from './request-body.ts'

export interface ConnectionsOptions {
  /** Called with each request that can be routed. */
  readonly onRequest: RequestListener
  /** Decides the CORS headers of answers that no middleware has seen. */
  readonly surface: Surface
  /** Milliseconds of silence after which a client that should send or take bytes is given up. */
  readonly idleTimeout: number
  readonly log: Logger
  /** Milliseconds from the first byte of a request to the end of its head. */
  readonly headersTimeout?: number
  readonly linger?: LingerLimits
  readonly farewell?: Farewell
  /** Beyond this many connections new ones are closed at once, so that those we have keep their file descriptors. */
  readonly maxConnections?: number
}

export interface Connections {
  /** Node's. What arrives as its `connection` is taken care of here. */
  readonly server: Server
  /**
   * Stops accepting, closes idle connections as soon as nothing can be on its way on them, lets requests in flight finish within `graceMs`
   * milliseconds and then cuts them. Resolves when the last connection is closed. Can be called again, to cut sooner.
   */
  close(graceMs: number): Promise<void>
}

/**
 * Milliseconds for which a connection without a request is kept when the listener closes, because one may be on its way: closing then
 * would look like a crash to that client.
 */
export interface Farewell {
  /** Since it was opened, while nothing has been asked on it. */
  readonly first: number
  /** Since its last answer. */
  readonly next: number
}

const defaultFarewell: Farewell = { first: 5_000, next: 250 }

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

interface Connection {
  /** Requests without a finished answer, oldest first; more than one only if the client pipelines. */
  readonly exchanges: Exchange[]
  /** The latest request, whose body may still be coming after its answer went out. */
  receiving: IncomingMessage | undefined
  /** When it was opened, or the last answer was out; as of `performance.now()`. */
  quietSince: number
  /** What comes is no longer HTTP. */
  isGarbled: boolean
  /** The last answer is out. What still comes is thrown away. */
  isEnding: boolean
}

/** An unread body of at most this size is read to its end, and the connection stays; for more, it is cheaper to open another. */
const maxBytesForReuse = 64 * 1024

/** Milliseconds of silence after which the kernel looks whether a peer is still there. */
export const keepAliveInitialDelay = 60_000

export const defaultMaxConnections = 8192

/** Longer than the 60 s after which most proxies drop an idle upstream connection: theirs must end first, or they race us. */
const keepAliveTimeout = 65_000

/** Not listening yet: `listener.ts` opens a port for it, or hands connections in. */
export function makeConnections(options: ConnectionsOptions): Connections {
  const { onRequest, surface, idleTimeout, log } = options
  const { headersTimeout = 30_000, linger = defaultLinger, farewell = defaultFarewell } = options
  const { maxConnections = defaultMaxConnections } = options
  const connections = new Map<Socket, Connection>()
  let closed: Promise<void> | undefined
  /** What is still to happen before everything is closed. */
  const pending: NodeJS.Timeout[] = []

  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize,
    headersTimeout,
    connectionsCheckingInterval: Math.min(5_000, headersTimeout),
    // No total limit: an upload may take hours, as long as it moves (fact sheet §6.2.10).
    requestTimeout: 0,
    keepAliveTimeout,
    // Finds peers that are gone without a word while we wait and nothing is sent: long polls.
    keepAlive: true,
    keepAliveInitialDelay,
    // Node would answer by itself, without a body and without CORS.
    requireHostHeader: false,
  })
  // Otherwise Node ends a connection with the client's FIN, also that of a client which only said that its whole request is sent.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.maxConnections = maxConnections
  server.setTimeout(idleTimeout)

  server.on('connection', socket => {
    const connection: Connection = {
      exchanges: [],
      receiving: undefined,
      quietSince: performance.now(),
      isGarbled: false,
      isEnding: false,
    }
    connections.set(socket, connection)
    socket.once('close', () => connections.delete(socket))
    socket.once('end', () => stopIfGone(socket, connection))
    // Node ends a connection by this method, and resets whoever is still sending.
    const destroySoon = socket.destroySoon.bind(socket)
    socket.destroySoon = () => {
      const { receiving, isGarbled } = connection
      if (!isGarbled && (receiving === undefined || receiving.complete)) destroySoon()
      else endThenDiscard(socket, connection)
    }
  })

  server.on('request', handle)
  server.on('checkContinue', (request, response) => {
    holdContinue(request)
    handle(request, response)
  })
  // RFC 9110 §10.1.1: other expectations may be ignored.
  server.on('checkExpectation', handle)

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const connection = connections.get(socket)
    // Pipelined behind an answer that said `Connection: close`: it must have no effect, because its answer would not be seen.
    if (connection === undefined || connection.isEnding) return void request.resume()

    const exchange = { request, response }
    connection.exchanges.push(exchange)
    connection.receiving = request
    keepAliveOnlyIfCheap(exchange)

    response.once('finish', () => {
      if (request.readableEnded) return
      discardBody(request)
      if (!request.complete && !connection.isEnding) request.once('end', boundDiscarding(socket, linger))
    })
    response.once('close', () => {
      connection.exchanges.splice(connection.exchanges.indexOf(exchange), 1)
      connection.quietSince = performance.now()
      if (closed !== undefined && !socket.destroyed) endIfIdle(socket, connection)
    })

    const fault = faultOf(request)
    if (fault === undefined) onRequest(request, response)
    else answerEarly(response, surface, new MediaError('bad_request', fault))
  }

  /**
   * After FIN from the client. It may have closed its half alone or everything, which looks the same from here. Who asked to have
   * something done is answered in any case; who waits for something to read is taken for gone, so that nothing is kept for it. Once
   * an answer is on its way, writing it shows which of the two it was.
   */
  function stopIfGone(socket: Socket, { exchanges }: Connection): void {
    for (const { response } of exchanges) if (!response.headersSent) response.shouldKeepAlive = false
    const latest = exchanges.at(-1)
    if (latest === undefined || latest.response.headersSent) return
    if (latest.request.method === 'GET' || latest.request.method === 'HEAD') socket.destroy()
  }

  /**
   * Node looks at `shouldKeepAlive` when the head of the answer is written. If a long body is still coming then, the answer says
   * `Connection: close`, which lets well-behaved clients stop sending; once the body has been read, it does not.
   */
  function keepAliveOnlyIfCheap({ request, response }: Exchange): void {
    const reusable = response.shouldKeepAlive
    if (closed !== undefined) response.shouldKeepAlive = false
    else if ((declaredLength(request) ?? Number.POSITIVE_INFINITY) > maxBytesForReuse) {
      response.shouldKeepAlive = false
      request.once('end', () => {
        if (closed === undefined && !request.socket.readableEnded) response.shouldKeepAlive = reusable
      })
    }
  }

  function endIfIdle(socket: Socket, { exchanges, isEnding }: Connection): void {
    if (exchanges.length === 0 && !isEnding) socket.destroySoon()
  }

  /** FIN after the answer, and then only reading. */
  function endThenDiscard(socket: Socket, connection: Connection): void {
    const { receiving } = connection
    connection.isEnding = true
    socket.end()
    boundDiscarding(socket, linger)
    if (receiving === undefined) return
    // With nothing left unread, closing resets nobody.
    receiving.once('end', () =>
      socket.writableFinished ? socket.destroy() : socket.once('finish', () => socket.destroy()),
    )
    discardBody(receiving)
  }

  server.on('clientError', (error, duplex) => {
    const socket = duplex as Socket
    const connection = connections.get(socket)
    // The parser repeats itself with every further read.
    if (connection?.isEnding) return
    const refusal = parserRefusal(error, connection?.receiving)
    if (connection === undefined || refusal === undefined || !socket.writable) return void socket.destroy()
    // Not the error itself: Node attaches what came in, and that may hold a token.
    const { code }: NodeJS.ErrnoException = error
    if (!connection.isGarbled) log.debug({ code, remote: socket.remoteAddress }, 'a request could not be parsed')
    connection.isGarbled = true

    const { exchanges, receiving } = connection
    const [current] = exchanges
    if (current === undefined) {
      // The rest of a body whose answer is out already: there is nothing more to say.
      if (receiving !== undefined && !receiving.complete) return endThenDiscard(socket, connection)
      return answerWithoutRequest(socket, connection, refusal)
    }
    if (current.response.headersSent) return void socket.destroy()
    // The routes answer: the one that reads this body learns what is wrong with it; one that has its whole request is not concerned.
    for (const { request, response } of exchanges) {
      response.shouldKeepAlive = false
      if (!request.complete) breakBody(request, refusal)
    }
  })

  function answerWithoutRequest(socket: Socket, connection: Connection, refusal: MediaError): void {
    // Browsers open connections in advance; an answer to no question would confuse the next one.
    if (socket.bytesRead === 0) return void socket.destroy()
    socket.write(earlyAnswerText(surface, refusal))
    endThenDiscard(socket, connection)
  }

  server.on('timeout', socket => {
    // When the machine wakes up from being suspended, every timer is due while the bytes that came are still waiting to be read. So
    // the network is looked at once more before the client is blamed.
    const { bytesRead, writableLength } = socket
    setImmediate(() => {
      if (socket.destroyed) return
      if (socket.bytesRead === bytesRead && socket.writableLength === writableLength) judgeSilence(socket)
      else socket.setTimeout(idleTimeout)
    })
  })

  function judgeSilence(socket: Socket): void {
    const connection = connections.get(socket)
    if (connection?.isEnding) return
    const [oldest] = connection?.exchanges ?? []
    const latest = connection?.exchanges.at(-1)
    if (oldest === undefined || latest === undefined) return void socket.destroy()
    if (isBodyAwaited(latest.request)) {
      latest.response.shouldKeepAlive = false
      breakBody(latest.request, new MediaError('request_timeout', `Nothing came for ${idleTimeout / 1000} seconds`))
    } else if (socket.writableLength > 0) {
      socket.destroy()
    } else {
      // Our turn: a long poll, a slow disk, a scanner. Node's timer has to be wound up again.
      socket.setTimeout(idleTimeout)
    }
  }

  // Called by `server.close`. Node's idea of idle includes connections whose answer is handed over but not yet sent.
  server.closeIdleConnections = () => {
    const now = performance.now()
    for (const [socket, connection] of connections) {
      const { first, next } = farewell
      const waitMs = connection.quietSince + (connection.receiving === undefined ? first : next) - now
      if (waitMs <= 0) endIfIdle(socket, connection)
      else pending.push(setTimeout(endIfIdle, waitMs, socket, connection))
    }
  }

  async function stop(): Promise<void> {
    const done = once(server, 'close')
    server.close()
    for (const { exchanges } of connections.values())
      for (const { response } of exchanges) response.shouldKeepAlive = false
    await done
    // Node does not count those that another process has accepted.
    await Promise.all([...connections.keys()].map(socket => new Promise(resolve => socket.once('close', resolve))))
    for (const timer of pending) clearTimeout(timer)
  }

  function cut(): void {
    for (const socket of connections.keys()) socket.destroy()
  }

  return {
    server,
    close: graceMs => {
      pending.push(setTimeout(cut, graceMs))
      closed ??= stop()
      return closed
    },
  }
}
