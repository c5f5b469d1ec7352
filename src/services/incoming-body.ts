/** A body on its way in, with what its head said about it and what it may become. It can be taken once, in one way or the other. */
import type { Readable } from 'node:stream'

export interface IncomingBody {
  /** The bytes as they come. */
  stream(): Readable
  /** All of them, if they are here already and are no more than this; otherwise undefined, and nothing has been taken. */
  arrived(mostBytes: number): Uint8Array | undefined
  readonly declaredBytes: number | undefined
  readonly maxBytes: number
  /** Verbatim; the empty string and undefined both mean that nothing was declared. */
  readonly contentType: string | undefined
}
