/** Sends the body of an answer piece by piece, each when the one before has left, so that its memory can be used again. */
import type { ServerResponse } from 'node:http'
import type { TakePiece } from '../storage/object-store.ts'

/** Nobody's fault, and nobody there to be told. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/**
 * Status and headers must be set; they go with the first piece, and the answer ends with the last.
 * @param length of all pieces together, in bytes, > 0
 * @returns what takes the pieces; it throws ClientGone
 */
export function pieceSender(response: ServerResponse, length: number): TakePiece {
  let left = length
  return piece =>
    new Promise((resolve, reject) => {
      const gone = (cause?: unknown): void => reject(new ClientGone('the client has gone', { cause }))
      // Nothing else is heard of what was written to a connection that is gone, or that is another answer's until it is gone.
      if (response.destroyed) return gone()
      const onClose = (): void => gone()
      response.once('close', onClose)
      const onSent = (error?: Error | null): void => {
        response.off('close', onClose)
        if (error === undefined || error === null) resolve()
        else gone(error)
      }
      left -= piece.byteLength
      if (left > 0) response.write(piece, onSent)
      else response.end(piece, onSent)
    })
}
