/** What the load client in Node sends: in pieces, so that a large body is never in memory as a whole. */
import { randomBytes } from 'node:crypto'
import { fstatSync, openSync, readSync } from 'node:fs'
import type { Step } from './plan.ts'

/** Milliseconds between two pieces of a body that is sent slowly. */
export const paceMs = 20

export interface Body {
  readonly length: number
  readonly pieces: () => Iterable<Buffer>
  readonly bytesPerSecond?: number
}

const files = new Map<string, number>()
const unique = new Map<string, Buffer>()

/** @param client its number @param filled puts the client's values into a path */
export function bodyOf(client: number, { body }: Step, filled: (form: string) => string): Body {
  if (body === undefined) return { length: 0, pieces: () => [] }
  if ('text' in body) return { length: Buffer.byteLength(body.text), pieces: () => [Buffer.from(body.text)] }
  if ('unique' in body) {
    const key = `${client} ${body.unique}`
    const bytes = unique.get(key) ?? Buffer.alloc(body.unique, `\0${Math.random()}`)
    unique.set(key, bytes)
    // Behind sixteen zero bytes, which begin no known format.
    bytes.fill(0, 0, 16)
    bytes.write(`${client} ${Math.random()} ${performance.now()}`, 16)
    return { length: bytes.length, pieces: () => [bytes] }
  }
  const path = filled(body.file)
  const file = files.get(path) ?? openSync(path, 'r')
  files.set(path, file)
  const mark = body.isMarked === true ? randomBytes(16) : Buffer.alloc(0)
  return fileBody(file, mark, body.bytesPerSecond)
}

function fileBody(file: number, mark: Buffer, bytesPerSecond: number | undefined): Body {
  const length = fstatSync(file).size
  const step = bytesPerSecond === undefined ? 2 ** 20 : Math.ceil((bytesPerSecond * paceMs) / 1000)
  function* pieces(): Iterable<Buffer> {
    for (let at = 0; at < length; ) {
      const piece = Buffer.allocUnsafe(Math.min(step, length - at))
      at += readSync(file, piece, 0, piece.length, at)
      yield piece
    }
    if (mark.length > 0) yield mark
  }
  return { length: length + mark.length, pieces, ...(bytesPerSecond !== undefined && { bytesPerSecond }) }
}
