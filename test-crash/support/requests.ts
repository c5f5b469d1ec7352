/** One HTTP request, and honest about what is known afterwards: an answer, or nothing. */
import { Agent, type ClientRequest, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Whole; undefined when the connection broke in the middle of it. */
  readonly body: Buffer | undefined
}

export interface RequestOptions {
  readonly token?: string
  readonly body?: Buffer
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sends the body in this many pieces, with a pause of a few milliseconds between them. */
  readonly pieces?: number
  /** Breaks the connection off after that many bytes of the body. */
  readonly giveUpAfter?: number
}

/** @returns undefined when the connection ended before there was an answer */
export type Send = (method: string, url: string, options?: RequestOptions) => Promise<Answer | undefined>

/**
 * Connections of its own for every server: one to a dead process must not be used again.
 * @param options.keepAlive false: a new connection for each request, where the server is told to close idle ones soon
 */
export function makeSend({ keepAlive = true } = {}): { send: Send; close(): void } {
  const agent = new Agent({ keepAlive, maxSockets: 64 })

  const send: Send = (method, url, options = {}) =>
    new Promise(resolve => {
      const { token, body, contentType } = options
      const outgoing = request(url, {
        method,
        agent,
        headers: {
          ...options.headers,
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(contentType !== undefined && { 'content-type': contentType }),
          ...(body !== undefined && { 'content-length': body.length }),
        },
      })
      outgoing.on('error', () => resolve(undefined))
      outgoing.on('response', response => {
        const { statusCode: status = 0, headers } = response
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => void chunks.push(chunk))
        response.on('error', () => {})
        response.on('close', () =>
          resolve({ status, headers, body: response.complete ? Buffer.concat(chunks) : undefined }),
        )
      })
      if (body === undefined) outgoing.end()
      else void sendBody(outgoing, body, options)
    })

  return { send, close: () => agent.destroy() }
}

async function sendBody(outgoing: ClientRequest, body: Buffer, options: RequestOptions): Promise<void> {
  const { pieces = 1, giveUpAfter } = options
  const end = giveUpAfter ?? body.length
  const step = Math.max(1, Math.ceil(end / pieces))
  for (let offset = 0; offset < end && !outgoing.destroyed; offset += step) {
    outgoing.write(body.subarray(offset, Math.min(end, offset + step)))
    if (pieces > 1) await sleep(4)
  }
  if (giveUpAfter === undefined) outgoing.end()
  else outgoing.destroy()
}
