import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import test from 'ava'
import { openFiles } from '../../support/open-files.ts'
import { rawClient } from '../../support/raw-http.ts'
import { until } from '../../support/until.ts'
import { tokens, withSluice } from '../../support/with-sluice.ts'

const bytes = randomBytes(200_000)
const slice = (start: number, end: number): Buffer => bytes.subarray(start, end + 1)

test('the bytes come back as they went, with every header of the fact sheet', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish(bytes, 'Image/X-Odd; a=b', 'na\u00efve "cat".odd')
  const response = await sluice.download(media)
  t.is(response.status, 200)
  t.deepEqual(Buffer.from(await response.arrayBuffer()), bytes)
  const headers = Object.fromEntries(response.headers)
  t.like(headers, {
    'content-type': 'Image/X-Odd; a=b',
    'content-length': '200000',
    'content-disposition': "attachment; filename*=utf-8''na%C3%AFve%20%22cat%22.odd",
    'content-security-policy':
      "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; media-src 'self'; object-src 'self';",
    'cross-origin-resource-policy': 'cross-origin',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'private, max-age=31536000, immutable',
    'accept-ranges': 'bytes',
    'access-control-allow-origin': '*',
  })
  t.regex(headers.etag ?? '', /^"[0-9a-f]{64}"$/)
})

test('a name in the path replaces the stored one', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish('x', 'text/plain', 'stored.txt')
  const disposition = async (path: string) =>
    (await sluice.download(`${media}${path}`)).headers.get('content-disposition')
  t.is(await disposition(''), 'inline; filename=stored.txt')
  t.is(await disposition('/other.txt'), 'inline; filename=other.txt')
  t.is(await disposition('/%E2%98%95'), "inline; filename*=utf-8''%E2%98%95")
})

test('ranges: single, suffix, open, and what cannot be satisfied', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish(bytes, 'application/octet-stream')
  const ask = async (range: string) => {
    const response = await sluice.download(media, { headers: { range } })
    const { status, headers } = response
    return {
      status,
      range: headers.get('content-range'),
      length: headers.get('content-length'),
      body: Buffer.from(await response.arrayBuffer()),
    }
  }
  t.deepEqual(await ask('bytes=0-1'), { status: 206, range: 'bytes 0-1/200000', length: '2', body: slice(0, 1) })
  t.deepEqual(await ask('bytes=0-'), { status: 206, range: 'bytes 0-199999/200000', length: '200000', body: bytes })
  t.deepEqual(await ask('bytes=199990-'), {
    status: 206,
    range: 'bytes 199990-199999/200000',
    length: '10',
    body: slice(199990, 199999),
  })
  t.deepEqual(await ask('bytes=-10'), {
    status: 206,
    range: 'bytes 199990-199999/200000',
    length: '10',
    body: slice(199990, 199999),
  })
  t.deepEqual(await ask('bytes=100-999999'), {
    status: 206,
    range: 'bytes 100-199999/200000',
    length: '199900',
    body: slice(100, 199999),
  })
  t.like(await ask('bytes=0-1,5-6'), { status: 200, length: '200000' })
  t.like(await ask('lines=1-2'), { status: 200 })
  const beyond = await ask('bytes=200000-')
  t.like(beyond, { status: 416, range: 'bytes */200000' })
  t.like(JSON.parse(beyond.body.toString()), { errcode: 'M_UNKNOWN' })
})

test('a small object has ranges too', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish('0123456789', 'text/plain')
  const response = await sluice.download(media, { headers: { range: 'bytes=2-4' } })
  t.is(await response.text(), '234')
  t.is(response.headers.get('content-range'), 'bytes 2-4/10')
})

test('If-None-Match, If-Range and HEAD', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish(bytes, 'application/octet-stream')
  const etag = (await sluice.download(media)).headers.get('etag') ?? ''
  const unchanged = await sluice.download(media, { headers: { 'if-none-match': `"x", W/${etag}`, range: 'bytes=0-1' } })
  t.is(unchanged.status, 304)
  t.is(await unchanged.text(), '')
  t.is(unchanged.headers.get('etag'), etag)
  t.is(unchanged.headers.get('content-type'), null)

  const range = 'bytes=0-1'
  t.is((await sluice.download(media, { headers: { range, 'if-range': etag } })).status, 206)
  t.is((await sluice.download(media, { headers: { range, 'if-range': '"other"' } })).status, 200)
  t.is((await sluice.download(media, { headers: { range, 'if-range': `W/${etag}` } })).status, 200)

  const head = await sluice.ask('HEAD', `/_matrix/client/v1/media/download/${media}`)
  t.is(head.status, 200)
  t.is(head.headers.get('content-length'), '200000')
  t.is(head.headers.get('etag'), etag)
})

test('HEAD has no ranges: only GET has', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish(bytes, 'application/octet-stream')
  for (const range of ['bytes=0-1', 'bytes=900000-']) {
    const head = await sluice.ask('HEAD', `/_matrix/client/v1/media/download/${media}`, { headers: { range } })
    t.is(head.status, 200, range)
    t.is(head.headers.get('content-range'), null)
    t.is(head.headers.get('content-length'), '200000')
  }
})

test('without a token 401, before anything else is looked at', async t => {
  const sluice = await withSluice(t)
  for (const media of ['example.com/abc', 'example.com/%00', 'bad..name/abc']) {
    const response = await sluice.download(media, { token: undefined })
    t.is(response.status, 401, media)
    t.like(await response.json(), { errcode: 'M_MISSING_TOKEN' })
  }
})

test('waiting: at most as long as asked, then 504; never for HEAD; nonsense is 400', async t => {
  const sluice = await withSluice(t)
  const { media } = await sluice.create()
  const ask = async (query: string, method = 'GET') => {
    const response = await sluice.ask(method, `/_matrix/client/v1/media/download/${media}${query}`)
    return [response.status, method === 'HEAD' ? '' : ((await response.json()) as { errcode: string }).errcode]
  }
  t.deepEqual(await ask('?timeout_ms=0'), [504, 'M_NOT_YET_UPLOADED'])
  t.deepEqual(await ask('?timeout_ms=50'), [504, 'M_NOT_YET_UPLOADED'])
  t.deepEqual(await ask('?fi.mau.msc2246.max_stall_ms=1'), [504, 'M_NOT_YET_UPLOADED'])
  t.deepEqual(await ask('?timeout_ms=60000', 'HEAD'), [504, ''])
  for (const nonsense of ['-1', '1.5', 'soon', '', '9'.repeat(30)]) {
    t.deepEqual(await ask(`?timeout_ms=${nonsense}`), [400, 'M_INVALID_PARAM'], nonsense)
  }
})

test('an id that expires while somebody waits is 404 at once', async t => {
  const sluice = await withSluice(t, { SLUICE_LIMITS__UNUSED_TTL: '1s' })
  const { media, unusedExpiresAt } = await sluice.create()
  const waiting = sluice.download(media)
  sluice.clock.advance(unusedExpiresAt - sluice.clock.now() + 1)
  const response = await waiting
  t.is(response.status, 404)
  t.like(await response.json(), { errcode: 'M_NOT_FOUND' })
})

test('with redirects on, everybody gets the same signed URL, and it carries the same bytes and headers', async t => {
  const sluice = await withSluice(t, { SLUICE_DOWNLOADS__REDIRECT: 'true' })
  const media = await sluice.publish(bytes, 'image/x-odd', 'cat pictures.odd')
  const first = await sluice.download(media)
  const second = await sluice.download(media, { token: tokens.you })
  t.is(first.status, 307)
  t.is(first.headers.get('cache-control'), 'no-store')
  t.is(first.headers.get('access-control-allow-origin'), '*')
  const target = first.headers.get('location') ?? ''
  t.is(second.headers.get('location'), target)
  t.true(target.startsWith(`${sluice.edge}/media-repo/download/`))

  const response = await fetch(target)
  t.is(response.status, 200)
  t.deepEqual(Buffer.from(await response.arrayBuffer()), bytes)
  t.is(response.headers.get('content-disposition'), 'attachment; filename="cat pictures.odd"')
  t.is(response.headers.get('access-control-allow-origin'), '*')
  const lifetime = /^public, max-age=(\d+), immutable$/.exec(response.headers.get('cache-control') ?? '')?.[1]
  t.true(Number(lifetime) > 600 - 1 && Number(lifetime) <= 1200, `lifetime ${lifetime}`)
  t.is((await fetch(target, { headers: { range: 'bytes=5-9' } })).status, 206)
  t.is((await fetch(target, { method: 'HEAD' })).status, 200)

  const named = await sluice.download(`${media}/%E2%98%95%20%3F.txt`)
  const renamed = await fetch(named.headers.get('location') ?? '')
  t.is(renamed.headers.get('content-disposition'), "attachment; filename*=utf-8''%E2%98%95%20%3F.txt")

  sluice.clock.advance(1_200_000)
  t.is((await fetch(target)).status, 403)
  t.not((await sluice.download(media)).headers.get('location'), target)
})

test('whoever goes away in the middle leaves no open file, also with a second request waiting behind the first', async t => {
  const sluice = await withSluice(t, { SLUICE_LIMITS__MAX_UPLOAD_BYTES: '64MiB' })
  // More than the system takes for a client that does not read.
  const media = await sluice.publish(Buffer.alloc(32 * 1024 * 1024, bytes), 'application/octet-stream')
  const open = () => openFiles(join(sluice.dataDir, 'objects')).length
  const client = rawClient(t, Number(new URL(sluice.api).port))
  const request = `GET /_matrix/client/v1/media/download/${media} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokens.me}\r\n\r\n`
  client.pause()
  client.write(request + request)
  await until(() => open() === 2)
  client.destroy()
  await until(() => open() === 0)
  const levels = sluice.logLines.map(line => JSON.parse(line).level)
  t.false(levels.includes('error') || levels.includes('warn'))
})
