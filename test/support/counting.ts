/**
 * Counters for what a request costs in units that no machine changes: statements of SQLite, bytes that JavaScript copies, pictures that
 * are worked on. They reach into the libraries, in the thread of one test file, until its test ends.
 */

import type { ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import sharp from 'sharp'

/** The SQL of every statement that is carried out from now on, in order, one line each. */
export function watchStatements(t: ExecutionContext): string[] {
  const seen: string[] = []
  const sql = new BetterSqlite3(':memory:')
  const prototype = Object.getPrototypeOf(sql.prepare('SELECT 1'))
  sql.close()
  for (const name of ['run', 'get', 'all', 'iterate'] as const) {
    replace(t, prototype, name, original => {
      return function (this: { readonly source: string }, ...args: unknown[]) {
        const text = this.source.replaceAll(/\s+/g, ' ').trim()
        // A look at the log, now and then, whatever is asked for meanwhile.
        if (text !== 'PRAGMA wal_checkpoint(NOOP)') seen.push(text)
        return Reflect.apply(original, this, args)
      }
    })
  }
  return seen
}

export interface Copies {
  /** Of pieces that are part of a body: of 4 KiB or more. */
  bytes: number
}

export function watchCopies(t: ExecutionContext): Copies {
  const copies = { bytes: 0 }
  const count = (bytes: number) => {
    if (bytes >= 4096) copies.bytes += bytes
  }
  replace(t, Buffer, 'concat', original => (parts: readonly Uint8Array[], ...rest: unknown[]) => {
    count(parts.reduce((total, part) => total + part.byteLength, 0))
    return Reflect.apply(original, Buffer, [parts, ...rest])
  })
  replace(t, Buffer, 'from', original => (from: unknown, ...rest: unknown[]) => {
    if (ArrayBuffer.isView(from)) count(from.byteLength)
    return Reflect.apply(original, Buffer, [from, ...rest])
  })
  for (const [prototype, name] of [
    [Buffer.prototype, 'copy'],
    [Object.getPrototypeOf(Uint8Array.prototype), 'set'],
    [Object.getPrototypeOf(Uint8Array.prototype), 'slice'],
  ] as const) {
    replace(t, prototype, name, original => {
      return function (this: Uint8Array, ...args: unknown[]) {
        const [source] = args
        count(name === 'set' ? (ArrayBuffer.isView(source) ? source.byteLength : 0) : this.byteLength)
        return Reflect.apply(original, this, args)
      }
    })
  }
  return copies
}

export interface Pipelines {
  count: number
  headers: number
}

/** Each time that sharp reads a picture, raw pixels included, to make another of it; and each time that it looks at a header. */
export function watchPipelines(t: ExecutionContext): Pipelines {
  const pipelines = { count: 0, headers: 0 }
  // Said when one is queued, and once more when it has left the queue.
  const onChange = () => {
    pipelines.count += 1 / 2
  }
  sharp.queue.on('change', onChange)
  t.teardown(() => sharp.queue.off('change', onChange))
  replace(t, sharp.prototype, 'metadata', original => {
    return function (this: unknown, ...args: unknown[]) {
      pipelines.headers += 1
      return Reflect.apply(original, this, args)
    }
  })
  return pipelines
}

type Callable = (...args: never[]) => unknown

function replace(t: ExecutionContext, owner: object, name: string, by: (original: Callable) => unknown): void {
  const original = Reflect.get(owner, name)
  Reflect.set(owner, name, by(original))
  t.teardown(() => void Reflect.set(owner, name, original))
}
