/**
 * One connection, one request after another, with as little work of its own as possible: for tests that count what the server does in the
 * same process. It neither follows nor checks anything, and copies no body.
 */
import { connect } from 'node:net'
import type { ExecutionContext } from 'ava'

export interface BareAnswer {
  readonly status: number
  /** Put together when asked for. */
  text(): string
}

export interface BareClient {
  /** @throws unless the answer is 200 and has a length */
  send(method: string, target: string, options?: BareOptions): Promise<BareAnswer>
}

export interface BareOptions {
  readonly headers?: string
  readonly body?: Buffer
}

/** @param server its URL; only the port counts */
export function bareClient(t: ExecutionContext, server: string): BareClient {
  const socket = connect(Number(new URL(server).port), '127.0.0.1').setNoDelay()
  t.teardown(() => socket.destroy())
  let failure: Error | undefined
  let wake = () => {}
  let chunks: Buffer[] = []
  socket.on('data', chunk => {
    chunks.push(chunk)
    wake()
  })
  socket.on('error', error => {
    failure = error
    wake()
  })
  socket.on('close', () => {
    failure ??= new Error('the connection was closed')
    wake()
  })

  async function answer(): Promise<BareAnswer> {
    for (;;) {
      const whole = parse(chunks)
      if (whole !== undefined) {
        chunks = []
        return whole
      }
      if (failure !== undefined) throw failure
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }

  return {
    send: async (method, target, { headers = '', body } = {}) => {
      const length = method === 'GET' ? '' : `Content-Length: ${body?.byteLength ?? 0}\r\n`
      socket.write(`${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${length}${headers}\r\n`)
      if (body !== undefined) socket.write(body)
      const received = await answer()
      if (received.status !== 200) throw new Error(`${method} ${target}: ${received.status} ${received.text()}`)
      return received
    },
  }
}

function parse(chunks: readonly Buffer[]): BareAnswer | undefined {
  const [first] = chunks
  if (first === undefined) return undefined
  const head = first.toString('latin1')
  const end = head.indexOf('\r\n\r\n')
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1])
  // An answer of ours has its head in one piece with whatever fits.
  if (end < 0 || Number.isNaN(length)) throw new Error(`no answer with a length: ${head.slice(0, 200)}`)
  const parts = [first.subarray(end + 4), ...chunks.slice(1)]
  if (parts.reduce((total, part) => total + part.byteLength, 0) < length) return undefined
  return { status: Number(head.slice(9, 12)), text: () => Buffer.concat(parts).toString() }
}
