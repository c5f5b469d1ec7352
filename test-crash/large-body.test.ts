/**
 * Sizes beyond 32 bits, from the first byte to the last: a body of more than 4 GiB, nearly all of it zeros. Neither side has more of it in
 * memory than a few pages, and the disk needs room for it.
 */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { inventory } from '../test/support/inventory.ts'
import { until } from '../test/support/until.ts'
import { makeSend } from './support/requests.ts'
import { startServer, users } from './support/server.ts'

const gibibyte = 1024 ** 3
const end = Buffer.from('and these are the last bytes of it')
const size = 4 * gibibyte + 3 * 1024 ** 2 + end.length
/** `(head -c 4298113024 /dev/zero; printf 'and these are the last bytes of it') | sha256sum` */
const sha256 = '24eb3f3f27b11dea9b12a5a3191e4657bd60ba0473b8cdd1a52bc5a0ffbc4320'
const token = users.me.token

test('a body of more than 4 GiB is taken, served in parts from beyond there, and removed', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-large-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  requireRoom(dir, 6 * gibibyte)
  const dataDir = join(dir, 'data')
  const server = startServer({
    dataDir,
    env: { SLUICE_LIMITS__MAX_UPLOAD_BYTES: '8GiB', SLUICE_SCRUB__ENABLED: 'false', CRASH_UPKEEP_EVERY: '100' },
  })
  t.teardown(async () => {
    server.kill()
    await server.ended
  })
  const ready = await server.ready
  if (ready === undefined) throw new Error(server.said())
  const { send, close } = makeSend()
  t.teardown(close)

  const created = await send('POST', `${ready.api}/_matrix/media/v1/create`, { token })
  const { content_uri, upload_url } = JSON.parse(String(created?.body))
  const media = String(content_uri).slice('mxc://'.length)
  const stored = await upload(upload_url)
  t.is(stored.statusCode, 200)
  t.is(stored.headers.etag, `"${sha256}"`)
  t.is((await send('POST', `${ready.api}/_matrix/media/v1/upload/${media}/complete`, { token }))?.status, 200)

  const url = `${ready.api}/_matrix/client/v1/media/download/${media}`
  const head = await send('HEAD', url, { token })
  t.is(head?.headers['content-length'], String(size))
  const part = async (range: string) => {
    const answer = await send('GET', url, { token, headers: { range } })
    t.is(answer?.status, 206, range)
    return { range: answer?.headers['content-range'], bytes: answer?.body }
  }
  t.deepEqual(await part(`bytes=${4 * gibibyte - 2}-${4 * gibibyte + 1}`), {
    range: `bytes ${4 * gibibyte - 2}-${4 * gibibyte + 1}/${size}`,
    bytes: Buffer.alloc(4),
  })
  const last = { range: `bytes ${size - end.length}-${size - 1}/${size}`, bytes: end }
  t.deepEqual(await part(`bytes=${size - end.length}-`), last)
  t.deepEqual(await part(`bytes=-${end.length}`), last)
  const beyond = await send('GET', url, { token, headers: { range: `bytes=${size}-` } })
  t.is(beyond?.status, 416)

  const sql = new BetterSqlite3(join(dataDir, 'sluice.db'), { readonly: true })
  t.is(sql.prepare('SELECT size FROM media').pluck().get(), size)
  t.deepEqual(inventory(dataDir, sql), [])
  const { code } = await startServer({ dataDir, command: ['fsck', '--json'] }).ended
  t.is(code, 0)

  t.is((await send('POST', `${ready.api}/_matrix/client/v1/media/redact/${media}`, { token }))?.status, 200)
  const shard = join(dataDir, 'objects', sha256.slice(0, 2))
  await until(() => readdirSync(shard).length === 0 && readdirSync(join(dataDir, 'incoming')).length === 0)
  t.deepEqual(inventory(dataDir, sql), [])
  sql.close()
})

async function upload(url: string): Promise<IncomingMessage> {
  const headers = { 'content-length': size, 'content-type': 'application/octet-stream' }
  const outgoing = request(url, { method: 'PUT', headers })
  const answer = once(outgoing, 'response')
  await pipeline(Readable.from(body(), { objectMode: false }), outgoing)
  const [response] = await answer
  response.resume()
  return response
}

function* body(): Generator<Buffer> {
  const page = Buffer.alloc(1024 ** 2)
  for (let sent = 0; sent < size - end.length; sent += page.length) yield page
  yield end
}

/** @throws Error in plain words: without room for it this must not look as if it had passed */
function requireRoom(dir: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(dir)
  if (bavail * bsize < bytes)
    throw new Error(`${dir} needs ${bytes} free bytes for a body of more than 4 GiB; TMPDIR can lead elsewhere`)
}
