/**
 * `node download.ts BYTES`: answers every GET with so many bytes from memory, once the digest of its token has been compared. No media
 * is looked up, nothing is logged. What it reaches is what Node leaves to whoever does all that.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { answer, listen } from './answer.ts'

const bytes = Buffer.alloc(Number(process.argv[2]), 1)
const token = hash('sha256', 'Bearer nobody', 'buffer')
const headers = {
  'Content-Type': 'application/octet-stream',
  'Content-Length': bytes.length,
  'Content-Disposition': 'attachment',
  'Content-Security-Policy':
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';",
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'Access-Control-Allow-Origin': '*',
  'Cache-Control': 'private, max-age=31536000, immutable',
  ETag: `"${hash('sha256', bytes, 'hex')}"`,
  'X-Content-Type-Options': 'nosniff',
}

listen(
  createServer((req, res) => {
    if (!timingSafeEqual(hash('sha256', req.headers.authorization ?? '', 'buffer'), token))
      return answer(res, '{}', 401)
    res.writeHead(200, headers)
    res.end(bytes)
  }),
)
