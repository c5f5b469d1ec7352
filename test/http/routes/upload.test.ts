import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { type Body, tokens, withSluice } from '../../support/with-sluice.ts'

for (const version of ['v3', 'v1', 'r0']) {
  test(`POST ${version}/upload: one request, published at once`, async t => {
    const sluice = await withSluice(t)
    const response = await sluice.ask('POST', `/_matrix/media/${version}/upload?filename=a+b%20c.txt`, {
      body: 'hello',
      headers: { 'content-type': 'text/plain' },
    })
    t.is(response.status, 200)
    const { content_uri } = (await response.json()) as { content_uri: string }
    const download = await sluice.download(content_uri.slice('mxc://'.length))
    t.is(await download.text(), 'hello')
    t.is(download.headers.get('content-type'), 'text/plain')
    t.is(download.headers.get('content-disposition'), 'inline; filename="a b c.txt"')
  })
}

test('a JSON file is a file', async t => {
  const sluice = await withSluice(t)
  const body = '{"not": "parsed"'
  const response = await sluice.ask('POST', '/_matrix/media/v3/upload', {
    body,
    headers: { 'content-type': 'application/json' },
  })
  const { content_uri } = (await response.json()) as { content_uri: string }
  t.is(await (await sluice.download(content_uri.slice(6))).text(), body)
})

test('a name that is not UTF-8 is refused, an empty one is none', async t => {
  const sluice = await withSluice(t)
  const bad = await sluice.ask('POST', '/_matrix/media/v3/upload?filename=%ff', { body: 'x' })
  t.is(bad.status, 400)
  t.like(await bad.json(), { errcode: 'M_INVALID_PARAM' })
  const none = await sluice.ask('POST', '/_matrix/media/v3/upload?filename=', {
    body: 'x',
    headers: { 'content-type': 'text/plain' },
  })
  const { content_uri } = (await none.json()) as { content_uri: string }
  t.is((await sluice.download(content_uri.slice(6))).headers.get('content-disposition'), 'inline')
})

test('a refused upload leaves no id, no bytes and no pending place', async t => {
  const sluice = await withSluice(t, {
    SLUICE_LIMITS__MAX_UPLOAD_BYTES: '100000',
    SLUICE_LIMITS__MAX_PENDING_PER_USER: '1',
  })
  const large = Buffer.alloc(100_001, 'x')
  const tooLarge = await sluice.ask('POST', '/_matrix/media/v3/upload', { body: large })
  t.is(tooLarge.status, 413)
  const disguised = await sluice.ask('POST', '/_matrix/media/v3/upload', {
    body: '<html>',
    headers: { 'content-type': 'image/png' },
  })
  t.is(disguised.status, 403)
  t.deepEqual(readdirSync(join(sluice.dataDir, 'incoming')), [])
  const sql = new BetterSqlite3(join(sluice.dataDir, 'sluice.db'), { readonly: true })
  for (const table of ['media', 'pending']) t.is(sql.prepare(`SELECT count(*) FROM ${table}`).pluck().get(), 0, table)
  sql.close()
  await t.notThrowsAsync(sluice.create())
})

test('PUT to a reserved id: published at once, with an empty object for an answer', async t => {
  const sluice = await withSluice(t)
  const { media, uploadUrl } = await sluice.create()
  const put = await sluice.ask('PUT', `/_matrix/media/v3/upload/${media}?filename=test.txt`, {
    body: 'hello',
    headers: { 'content-type': 'text/plain' },
  })
  t.is(put.status, 200)
  t.deepEqual(await put.json(), {})
  t.is(await (await sluice.download(media)).text(), 'hello')
  t.is((await sluice.put(uploadUrl, 'again')).status, 409, 'the signed URL is spent too')
})

test('PUT to an id: 409 before any look at the body, 403 for strangers, 404 for unknown ones', async t => {
  const sluice = await withSluice(t, { SLUICE_LIMITS__MAX_UPLOAD_BYTES: '10' })
  const { media } = await sluice.create()
  const put = async (path: string, body: Body, token = tokens.me) => {
    const response = await sluice.ask('PUT', `/_matrix/media/v3/upload/${path}`, { body, token })
    return [response.status, ((await response.json()) as { errcode?: string }).errcode]
  }
  t.deepEqual(await put(media, 'x', tokens.you), [403, 'M_FORBIDDEN'])
  t.deepEqual(await put(media, 'far too much'), [413, 'M_TOO_LARGE'])
  t.deepEqual(await put(media, 'x'), [200, undefined])
  t.deepEqual(await put(media, 'far too much'), [409, 'M_CANNOT_OVERWRITE_MEDIA'])
  t.deepEqual(await put(media, 'x', tokens.you), [403, 'M_FORBIDDEN'])
  t.deepEqual(await put('example.com/unknown', 'x'), [404, 'M_NOT_FOUND'])
  t.deepEqual(await put('other.example/unknown', 'x'), [404, 'M_NOT_FOUND'])
})
