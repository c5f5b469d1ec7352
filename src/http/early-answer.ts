/** Refusals of what no route gets to see, in the words of every other error and with the headers of its listener. */
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { MediaError } from '../domain/errors.ts'
import { corsHeaders, type Surface } from './cors.ts'
import { errorAnswer } from './error-response.ts'

/** Answers a request. The connection ends with it. */
export function answerEarly(response: ServerResponse, surface: Surface, refusal: MediaError): void {
  const { status, headers, content } = earlyAnswer(surface, refusal)
  response.shouldKeepAlive = false
  response.writeHead(status, headers)
  response.end(content)
}

/** A whole answer as it goes over the wire, for what was no request. */
export function earlyAnswerText(surface: Surface, refusal: MediaError): string {
  const { status, headers, content } = earlyAnswer(surface, refusal)
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${content}`
}

function earlyAnswer(
  surface: Surface,
  refusal: MediaError,
): { readonly status: number; readonly headers: Record<string, string>; readonly content: string } {
  const { status, headers: own, body } = errorAnswer(refusal)
  const content = JSON.stringify(body)
  const length = String(Buffer.byteLength(content))
  const headers = { ...corsHeaders(surface), ...own, 'Content-Type': 'application/json', 'Content-Length': length }
  return { status, headers, content }
}
