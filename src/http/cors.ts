/**
 * CORS for both listeners (fact sheet §4.3): on every answer, errors and redirects included. `*` is right, because nothing here ever
 * looks at a cookie.
 */
import type { Middleware } from 'koa'
import type { State } from './context.ts'

export type Surface = 'api' | 'edge'

const methods: Readonly<Record<Surface, string>> = {
  api: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
  edge: 'GET, HEAD, POST, PUT, PATCH, OPTIONS',
}

const downloadHeaders = ['Range', 'If-None-Match', 'If-Range']

/** What a resumable upload (tus 1.0) sends, and the digests of RFC 9530. */
const uploadHeaders = [
  'Content-Digest',
  'Repr-Digest',
  'Tus-Resumable',
  'Upload-Checksum',
  'Upload-Concat',
  'Upload-Defer-Length',
  'Upload-Length',
  'Upload-Metadata',
  'Upload-Offset',
]

/**
 * Authorization on the edge too, although it is never looked at there: a browser that was redirected from the API asks for leave to
 * send it again.
 */
const requestHeaders: Readonly<Record<Surface, string>> = {
  api: ['X-Requested-With', 'Content-Type', 'Authorization', ...downloadHeaders].join(', '),
  edge: ['X-Requested-With', 'Content-Type', 'Authorization', ...downloadHeaders, ...uploadHeaders].join(', '),
}

const exposedHeaders = [
  'Content-Disposition',
  'Content-Length',
  'Content-Range',
  'Accept-Ranges',
  'ETag',
  'Location',
  'Retry-After',
  'X-Request-Id',
  'Tus-Resumable',
  'Upload-Expires',
  'Upload-Length',
  'Upload-Offset',
].join(', ')

/** What belongs to every answer of this listener. */
export function corsHeaders(surface: Surface): Record<string, string> {
  return {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': methods[surface],
    'Access-Control-Allow-Headers': requestHeaders[surface],
    'Access-Control-Expose-Headers': exposedHeaders,
    'Cross-Origin-Resource-Policy': 'cross-origin',
  }
}

/** Names, in lower case, of what `corsHeaders` gives. */
export const corsHeaderNames: readonly string[] = Object.keys(corsHeaders('api')).map(name => name.toLowerCase())

/**
 * Answers OPTIONS on every path by itself: no endpoint's logic, no authentication (specification, "Web Browser Clients"). For any
 * other method the headers are set before anything can go wrong, so that errors carry them too.
 */
export function cors(surface: Surface): Middleware<State> {
  const headers = Object.entries(corsHeaders(surface))
  return async function cors(ctx, next) {
    // Every request comes by here, and `ctx.set` costs twice as much as what it calls.
    for (const [name, value] of headers) ctx.res.setHeader(name, value)
    if (ctx.method !== 'OPTIONS') return next()
    ctx.set('Access-Control-Max-Age', '86400')
    ctx.status = 204
  }
}
