/** What is no request, or not one that everybody would read alike. */
import type { IncomingMessage } from 'node:http'
import { MediaError } from '../domain/errors.ts'
import { countOf } from './raw-headers.ts'

/** Request line and headers together, in bytes. Node's default, written down because it is part of what clients meet. */
export const maxHeaderSize = 16 * 1024

/** What Node's parser lets pass, although it may be read differently by whoever stands in front of us. */
export function faultOf({ httpVersion, headers, rawHeaders }: IncomingMessage): string | undefined {
  const hosts = countOf('host', rawHeaders)
  // RFC 9112 §3.2. HTTP/1.0 had no such header, so that it may be missing there.
  if (hosts > 1) return 'There is more than one Host header'
  if (hosts === 0 && httpVersion === '1.1') return 'The Host header is missing'
  // RFC 9112 §6.1: the framing is faulty, whatever else is said about it.
  if (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined) return 'HTTP/1.0 has no Transfer-Encoding'
  return undefined
}

/** What to tell a client about something that the parser would not take; undefined when there is nobody to tell. */
export function parserRefusal(
  error: NodeJS.ErrnoException,
  receiving: IncomingMessage | undefined,
): MediaError | undefined {
  const { code = '' } = error
  if (code === 'HPE_HEADER_OVERFLOW')
    return new MediaError('headers_too_large', `Request line and headers are longer than ${maxHeaderSize} bytes`)
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new MediaError('request_timeout', 'The head of the request took too long')
  if (code === 'HPE_INVALID_EOF_STATE')
    return receiving === undefined || receiving.complete
      ? new MediaError('bad_request', 'The connection ended in the middle of the head of a request')
      : new MediaError('body_too_short', 'The body ended before all announced bytes had come')
  if (code.startsWith('HPE_'))
    return new MediaError('bad_request', `This is not an HTTP request: ${'reason' in error ? error.reason : code}`)
  return undefined
}
