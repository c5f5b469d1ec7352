/** One connection of the load client in Node: requests are written as they are, answers are read as far as they must be and dropped. */
import { once } from 'node:events'
import { connect } from 'node:net'

export interface Connection {
  isOpen(): boolean
  /** Resolves when more may be written. */
  write(bytes: Buffer | string): Promise<void>
  /** Of the request that was written last. @param isKept whether its text is wanted, also when it is a success */
  answer(isKept: boolean): Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly location: string
  /** Of the body. */
  readonly bytes: number
  /** Empty when it was not wanted. */
  readonly text: string
}

const end = Buffer.from('\r\n\r\n')
const lastChunk = '\r\n0\r\n\r\n'

export async function dial(port: number): Promise<Connection> {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  await once(socket, 'connect')
  let head: string | undefined
  let body: Buffer[] = []
  let bytes = 0
  let hasEnded = false
  let wake = (): void => {}
  const close = (): void => {
    hasEnded = true
    wake()
    goOn()
  }
  let isFull = false
  let goOn = (): void => {}
  socket.on('error', close).on('close', close)
  socket.on('drain', () => {
    isFull = false
    goOn()
  })
  socket.on('data', chunk => {
    take(chunk)
    wake()
  })

  function take(chunk: Buffer): void {
    if (head === undefined) {
      // An answer's head comes in one piece, or this client would be in trouble; servers write it at once.
      const at = chunk.indexOf(end)
      head = chunk.toString('latin1', 0, at < 0 ? chunk.length : at)
      keep(at < 0 ? Buffer.alloc(0) : chunk.subarray(at + end.length))
    } else keep(chunk)
  }

  /** Only small ones are kept: nobody reads the rest. */
  function keep(chunk: Buffer): void {
    bytes += chunk.length
    if (bytes <= 16 * 1024) body.push(chunk)
    else body = [chunk]
  }

  function isWhole(): boolean {
    if (head === undefined) return false
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length !== undefined) return bytes >= Number(length)
    const status = Number(head.slice(9, 12))
    if (status === 204 || status === 304) return true
    return `\r\n${Buffer.concat(body.slice(-2)).toString('latin1')}`.endsWith(lastChunk)
  }

  return {
    isOpen: () => !hasEnded,
    write: async chunk => {
      isFull = !socket.write(chunk)
      if (isFull && !hasEnded)
        await new Promise<void>(resolve => {
          goOn = resolve
        })
    },
    answer: async isKept => {
      while (!isWhole()) {
        if (hasEnded) throw new Error('the connection was closed')
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      const found = head ?? ''
      const status = Number(found.slice(9, 12))
      const text = isKept || status > 299 ? Buffer.concat(body).toString() : ''
      const answer = { status, bytes, text, location: /\r\nlocation: *(\S+)/i.exec(found)?.[1] ?? '' }
      if (/\r\nconnection: *close/i.test(found)) hasEnded = true
      head = undefined
      body = []
      bytes = 0
      return answer
    },
  }
}
