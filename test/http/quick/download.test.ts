/** One answer, two ways to it: the short one for plain requests, and the usual one, which an unknown parameter is enough to ask for. */
import { randomBytes } from 'node:crypto'
import { rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { isRefused } from '../../support/refusal.ts'
import { until } from '../../support/until.ts'
import { tokens, withSluice } from '../../support/with-sluice.ts'

const path = (media: string) => `/_matrix/client/v1/media/download/${media}`
const usual = '?unknown=parameter'

/** All that does not differ between any two answers. */
async function answerOf(response: Response) {
  const { date, 'x-request-id': id, ...headers } = Object.fromEntries(response.headers)
  return {
    status: response.status,
    headers,
    hasId: /^[\w-]{12}$/.test(id ?? ''),
    hasDate: date !== undefined,
    body: Buffer.from(await response.arrayBuffer()),
  }
}

for (const bytes of [1, 1000, 32 * 1024, 32 * 1024 + 1, 1_300_000]) {
  test(`${bytes} bytes come the same, whichever way they take`, async t => {
    const sluice = await withSluice(t)
    for (const [type, name] of [
      ['image/png', 'cat.png'],
      ['Text/Plain; charset=x', 'naïve "cat".txt'],
      ['application/x-odd', undefined],
    ] as const) {
      const media = await sluice.publish(randomBytes(bytes), type === 'image/png' ? 'image/x-odd' : type, name)
      const short = await answerOf(await sluice.ask('GET', path(media)))
      t.is(short.status, 200)
      t.is(short.body.length, bytes)
      t.deepEqual(short, await answerOf(await sluice.ask('GET', path(media) + usual)))
    }
  })
}

for (const bytes of [1000, 1_300_000]) {
  test(`parts of ${bytes} bytes come the same, whichever way they take`, async t => {
    const sluice = await withSluice(t)
    const content = randomBytes(bytes)
    const media = await sluice.publish(content, 'application/x-odd', 'odd.bin')
    const etag = (await sluice.ask('GET', path(media))).headers.get('etag') ?? ''
    for (const [headers, status, part] of [
      [{ range: 'bytes=0-0' }, 206, content.subarray(0, 1)],
      [{ range: 'bytes=7-900' }, 206, content.subarray(7, 901)],
      [{ range: 'BYTES= 7- ' }, 206, content.subarray(7)],
      [{ range: 'bytes=-700' }, 206, content.subarray(-700)],
      [{ range: `bytes=1-${'9'.repeat(30)}` }, 206, content.subarray(1)],
      [{ range: 'bytes=0-' }, 206, content],
      [{ range: `bytes=${bytes}-` }, 416, undefined],
      [{ range: 'bytes=-0' }, 416, undefined],
      [{ range: 'bytes=5-4' }, 200, content],
      [{ range: 'bytes=0-1,5-6' }, 200, content],
      [{ range: 'lines=0-1' }, 200, content],
      [{ range: 'bytes=0-1', 'if-range': etag }, 206, content.subarray(0, 2)],
      [{ range: 'bytes=0-1', 'if-range': '"another"' }, 200, content],
      [{ range: 'bytes=0-1', 'if-none-match': etag }, 304, Buffer.alloc(0)],
    ] as const) {
      const short = await answerOf(await sluice.ask('GET', path(media), { headers }))
      t.is(short.status, status, headers.range)
      if (part !== undefined) t.true(short.body.equals(part), headers.range)
      t.deepEqual(short, await answerOf(await sluice.ask('GET', path(media) + usual, { headers })))
    }
  })
}

test('both ways write the same line into the log, and count the bytes of a connection together', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish(Buffer.alloc(10_000), 'application/octet-stream')
  const lines = () =>
    sluice.logLines.map(line => JSON.parse(line)).filter(line => line.msg === 'request' && line.path === path(media))
  for (const query of ['', usual, '', usual]) {
    const before = lines().length
    await (await sluice.ask('GET', path(media) + query)).arrayBuffer()
    await until(() => lines().length > before)
  }
  for (const line of lines()) {
    t.deepEqual(Object.keys(line), Object.keys(lines()[0]))
    t.like(line, { method: 'GET', status: 200, user: '@me:example.com' })
    t.regex(line.requestId, /^[\w-]{12}$/)
    t.true(line.bytesOut > 10_000 && line.bytesOut < 13_000, `${line.bytesOut}`)
    t.true(line.bytesIn > 0 && line.bytesIn < 2000, `${line.bytesIn}`)
  }
})

test('what is refused is refused the same', async t => {
  const sluice = await withSluice(t, {
    SLUICE_LIMITS__REQUESTS_BURST: '3',
    SLUICE_LIMITS__REQUESTS_PER_SECOND: '0.001',
  })
  const media = await sluice.publish('x', 'text/plain')
  for (const query of ['', usual]) {
    await isRefused(t, sluice.ask('GET', path(media) + query, { token: 'unknown-token' }), 401, 'M_UNKNOWN_TOKEN')
    await isRefused(t, sluice.ask('GET', path(media) + query, { token: undefined }), 401, 'M_MISSING_TOKEN')
  }
  for (let time = 0; time < 3; time += 1) t.is((await sluice.ask('GET', path(media))).status, 200)
  await isRefused(t, sluice.ask('GET', path(media)), 429, 'M_LIMIT_EXCEEDED')
  await isRefused(t, sluice.ask('GET', path(media) + usual), 429, 'M_LIMIT_EXCEEDED')
})

test('what is deleted, or in parts, or known already, or nothing, is so on either way', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish('some words', 'text/plain')
  const etag = (await sluice.ask('GET', path(media))).headers.get('etag') ?? ''
  for (const query of ['', usual]) {
    const part = await sluice.ask('GET', path(media) + query, { headers: { range: 'bytes=0-3' } })
    t.is(await part.text(), 'some')
    t.is((await sluice.ask('GET', path(media) + query, { headers: { 'if-none-match': etag } })).status, 304)
  }
  const empty = await sluice.publish('', 'text/plain')
  t.is(await (await sluice.ask('GET', path(empty))).text(), '')
  t.is((await sluice.ask('POST', `/_matrix/client/v1/media/redact/${media}`, { body: '{}' })).status, 200)
  for (const query of ['', usual]) await isRefused(t, sluice.ask('GET', path(media) + query), 404, 'M_NOT_FOUND')
})

test('bytes that are lost are an error that is told and logged, on either way', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish(Buffer.alloc(100_000), 'application/octet-stream')
  const key = (await sluice.ask('GET', path(media))).headers.get('etag')?.replaceAll('"', '') ?? ''
  const file = join(sluice.dataDir, 'objects', key.slice(0, 2), key)
  truncateSync(file, 99_999)
  for (const query of ['', usual]) t.is((await sluice.ask('GET', path(media) + query)).status, 503)
  rmSync(file)
  for (const query of ['', usual]) t.is((await sluice.ask('GET', path(media) + query)).status, 503)
})

test('two tokens are as wrong as none', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish('x', 'text/plain')
  const twice = { authorization: `Bearer ${tokens.me}`, Authorization: `Bearer ${tokens.you}` }
  await isRefused(t, sluice.ask('GET', path(media), { headers: twice }), 401, 'M_MISSING_TOKEN')
})
