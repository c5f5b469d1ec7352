/** The requests of the soak, each with what it expects; anything else is trouble. */
import { type Agent, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Asked {
  readonly method: string
  readonly url: string
  readonly agent: Agent
  readonly authorization?: string
  readonly body?: Buffer
  /** Sent in pieces, so many bytes a second; undefined: at once. */
  readonly bytesPerSecond?: number
  /** Called with the bytes that were sent so far. */
  readonly onProgress?: (bytes: number) => void
}

/** Milliseconds between two pieces of a slow body. */
const pieceEvery = 500

/** @throws Error for anything but 200 */
export async function ask({
  method,
  url,
  agent,
  authorization,
  body,
  bytesPerSecond,
  onProgress,
}: Asked): Promise<Buffer> {
  const headers = {
    ...(authorization !== undefined && { authorization }),
    ...(body !== undefined && { 'content-length': body.length, 'content-type': 'application/octet-stream' }),
  }
  const sending = request(url, { method, agent, headers })
  const answered = Promise.withResolvers<IncomingMessage>()
  sending.once('response', answered.resolve)
  sending.once('error', answered.reject)
  // Waited for below; a slow body that is cut must not be an unhandled rejection meanwhile.
  answered.promise.catch(() => {})
  if (body !== undefined && bytesPerSecond !== undefined) {
    const piece = Math.ceil((bytesPerSecond * pieceEvery) / 1000)
    for (let sent = 0; sent < body.length && !sending.destroyed; sent += piece) {
      sending.write(body.subarray(sent, sent + piece))
      onProgress?.(sent)
      await sleep(pieceEvery)
    }
    sending.end()
  } else sending.end(body)
  const answer = await answered.promise
  const content = await buffer(answer)
  if (answer.statusCode !== 200)
    throw new Error(`${method} ${new URL(url).pathname.split('/', 3).join('/')}: ${answer.statusCode} ${content}`)
  return content
}
