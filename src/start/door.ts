/**
 * A listener that is open before there is anything behind it, and whose handler can be changed while connections stay. Who comes early
 * waits, instead of being refused: the start may have to wait for a predecessor.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Listener } from '../http/listener.ts'
import type { UnderWay } from '../services/under-way.ts'

/** Resolves when nothing is done for this request any more, which may be long after its client has gone. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export interface Door {
  /** `http://host:port` */
  readonly url: string
  /** Answers whoever waits, and everybody from now on. Called again, it replaces the handler. */
  take(handler: RequestHandler): void
  /** As of the listener. Who still waits for a handler is turned away. */
  close(graceMs: number): Promise<void>
}

/** @param listen opens the port; what it throws is thrown */
export async function openDoor(
  underWay: UnderWay,
  listen: (onRequest: RequestListener) => Promise<Listener>,
): Promise<Door> {
  const first = Promise.withResolvers<RequestHandler>()
  let handler: RequestHandler = async (request, response) => (await first.promise)(request, response)
  const listener = await listen((request, response) => void underWay.during(() => handler(request, response)))
  return {
    url: listener.url,
    take: next => {
      handler = next
      first.resolve(next)
    },
    close: graceMs => {
      first.resolve(turnAway)
      return listener.close(graceMs)
    },
  }
}

/** There will be no answer. The client sees that before anything of its request was done. */
async function turnAway(request: IncomingMessage): Promise<void> {
  request.socket.destroy()
}
