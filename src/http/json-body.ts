/**
 * The JSON body that `create` takes: nothing is defined inside it, so empty, `{}` and any other object are all the same, whatever
 * the Content-Type (fact sheet §4.1).
 */
import { refuse, refuseTooLarge } from '../domain/errors.ts'
import { type BodyExchange, declaredLength, openBody } from './request-body.ts'

const maxJsonBytes = 64 * 1024

/** @throws MediaError `not_json`, `bad_json`, `too_large` */
export async function acceptJsonObject(exchange: BodyExchange): Promise<void> {
  // Most creates have no body, and a stream over nothing is the dearest part of reading one.
  if (declaredLength(exchange.req) === 0) return
  const stream = openBody(exchange, { maxBytes: maxJsonBytes }).stream()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxJsonBytes) refuseTooLarge(maxJsonBytes)
    chunks.push(chunk)
  }
  if (size === 0) return
  const value = parse(Buffer.concat(chunks).toString('utf8'))
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse('bad_json', 'The body must be a JSON object')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return refuse('not_json', 'The body is not JSON')
  }
}
