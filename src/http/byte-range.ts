/**
 * Which part of the content a request asks for (RFC 9110 §14). Pure: no request, no stream.
 */
import type { ByteRange } from '../domain/objects.ts'

export type RangeSelection = Satisfiable | { readonly kind: 'unsatisfiable' }

export type Satisfiable = { readonly kind: 'whole' } | { readonly kind: 'part'; readonly range: ByteRange }

export interface RangeHeaders {
  readonly range?: string | undefined
  readonly ifRange?: string | undefined
}

const whole: RangeSelection = { kind: 'whole' }
const unsatisfiable: RangeSelection = { kind: 'unsatisfiable' }

/** One range: `first-last`, `first-` or `-length`. Unit names are case-insensitive (§14.1), spaces may surround list members (§5.6.1). */
const singleRange = /^bytes=[ \t]*(?<first>\d*)-(?<last>\d*)[ \t]*$/i

/**
 * A server may ignore Range (§14.2), and this one does so for whatever is malformed and for more than one range: a multipart
 * answer helps no Matrix client, and overlapping ranges are a known way to make a server send the same bytes many times.
 *
 * @param size of the whole content in bytes
 * @param etag the strong validator of the content, in quotes
 */
export function selectRange({ range, ifRange }: RangeHeaders, size: number, etag: string): RangeSelection {
  const { first, last } = singleRange.exec(range ?? '')?.groups ?? {}
  if (first === undefined || last === undefined || first + last === '') return whole
  // §13.1.5: strong comparison. A weak tag never matches, and a date is no validator of ours.
  if (ifRange !== undefined && ifRange !== etag) return whole
  return first === ''
    ? lastBytes(BigInt(last), size)
    : between(BigInt(first), last === '' ? undefined : BigInt(last), size)
}

/** How an answer says what it has of the content. */
export interface Extent {
  readonly status: 200 | 206
  /** Bytes. */
  readonly length: number
  readonly headers: Readonly<Record<string, string>>
  /** The same for the store; undefined: all of nothing. */
  readonly range: ByteRange | undefined
}

export function extentOf(selected: Satisfiable, size: number): Extent {
  if (selected.kind === 'part') {
    const { range } = selected
    const length = range.end - range.start + 1
    return {
      status: 206,
      length,
      headers: { 'Content-Range': contentRange(range, size), ...lengthHeader(length) },
      range,
    }
  }
  // Said in full, so that a file that has become shorter is an error before the headers and not a body that breaks off.
  const range = size === 0 ? undefined : { start: 0, end: size - 1 }
  return { status: 200, length: size, headers: lengthHeader(size), range }
}

function lengthHeader(length: number): Record<string, string> {
  return { 'Content-Length': String(length) }
}

/** The form of `Content-Range` in a 206 answer (§14.4). */
export function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`
}

/** The form of `Content-Range` in a 416 answer (§15.5.17). */
export function unsatisfiedRange(size: number): string {
  return `bytes */${size}`
}

/** BigInt, because positions may have any number of digits, and beyond 2^53 two different numbers would compare equal. */
function between(first: bigint, last: bigint | undefined, size: number): RangeSelection {
  if (last !== undefined && last < first) return whole
  if (first >= size) return unsatisfiable
  const end = last === undefined || last >= size ? size - 1 : Number(last)
  return { kind: 'part', range: { start: Number(first), end } }
}

function lastBytes(length: bigint, size: number): RangeSelection {
  if (length === 0n) return unsatisfiable
  // §14.1.2 calls this satisfiable, but Content-Range has no form for a part of nothing.
  if (size === 0) return whole
  const start = length >= size ? 0 : size - Number(length)
  return { kind: 'part', range: { start, end: size - 1 } }
}
