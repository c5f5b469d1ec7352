/** Sends the body of an answer piece by piece, each when the one before has left, so that its memory can be used again. */
import type { TakePiece } from '../storage/object-store.ts'
import type { Context } from './context.ts'

/**
 * Status and headers must be set; they go with the first piece, and the answer ends with the last.
 * @param length of all pieces together, in bytes, > 0
 * @returns what takes the pieces; it throws ERR_STREAM_PREMATURE_CLOSE or what the connection broke with when the client goes away
 */
export function pieceSender({ req, res: response }: Pick<Context, 'req' | 'res'>, length: number): TakePiece {
  // Not the response: one that waits behind another on its connection never learns that the connection is gone.
  const { socket } = req
  let left = length
  return piece =>
    new Promise((resolve, reject) => {
      // Nothing else is heard of what was written to a connection that is gone.
      if (socket.destroyed) return reject(gone())
      const onClose = (): void => reject(gone())
      const onSent = (error?: Error | null): void => {
        socket.off('close', onClose)
        if (error === undefined || error === null) resolve()
        else reject(error)
      }
      socket.once('close', onClose)
      left -= piece.byteLength
      if (left > 0) response.write(piece, onSent)
      else response.end(piece, onSent)
    })
}

function gone(): Error {
  return Object.assign(new Error('the client has gone'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
}
