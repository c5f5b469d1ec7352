import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { withSluice } from '../support/with-sluice.ts'

const on = { SLUICE_DOWNLOADS__ACCEL_REDIRECT: '/sluice-objects/' }
const proxied = { headers: { 'x-forwarded-for': '192.0.2.1' } }
const bytes = randomBytes(100_000)

test('a proxy that is trusted gets the place of the file in place of its bytes, and everybody else the bytes', async t => {
  const sluice = await withSluice(t, on)
  const media = await sluice.publish(bytes, 'image/x-odd', 'cat.odd')
  const told = await sluice.download(media, proxied)
  t.is(told.status, 200)
  const key = told.headers.get('etag')?.replaceAll('"', '') ?? ''
  t.is(told.headers.get('x-accel-redirect'), `/sluice-objects/${key.slice(0, 2)}/${key}`)
  t.is(told.headers.get('content-type'), 'image/x-odd')
  t.is(told.headers.get('content-disposition'), 'attachment; filename=cat.odd')
  t.is(await told.text(), '')

  const sent = await sluice.download(media)
  t.is(sent.headers.get('x-accel-redirect'), null)
  t.deepEqual(Buffer.from(await sent.arrayBuffer()), bytes)
})

test('a peer that is no trusted proxy is sent the bytes, whatever it says', async t => {
  const sluice = await withSluice(t, { ...on, SLUICE_API__TRUSTED_PROXIES: '["192.0.2.0/24"]' })
  const media = await sluice.publish(bytes, 'image/x-odd')
  const sent = await sluice.download(media, proxied)
  t.is(sent.headers.get('x-accel-redirect'), null)
  t.deepEqual(Buffer.from(await sent.arrayBuffer()), bytes)
})

test('without the setting nobody is told', async t => {
  const sluice = await withSluice(t)
  const media = await sluice.publish(bytes, 'image/x-odd')
  t.deepEqual(Buffer.from(await (await sluice.download(media, proxied)).arrayBuffer()), bytes)
})

test('thumbnails, downloads without a token and signed URLs too; rows, and what is no bytes, come from here', async t => {
  const sluice = await withSluice(t, { ...on, SLUICE_DOWNLOADS__LEGACY: 'open' })
  const photo = readFileSync(new URL('../../assets/samples/photo.jpg', import.meta.url))
  const media = await sluice.publish(photo, 'image/jpeg')
  const isTold = async (path: string) => (await sluice.ask('GET', path, proxied)).headers.has('x-accel-redirect')
  t.true(await isTold(`/_matrix/media/v3/download/${media}`))
  t.true(await isTold(`/_matrix/client/v1/media/thumbnail/${media}?width=800&height=600&method=scale`))
  t.false(await isTold(`/_matrix/client/v1/media/thumbnail/${media}?width=32&height=32&method=crop`))
  t.false((await sluice.ask('HEAD', `/_matrix/media/v3/download/${media}`, proxied)).headers.has('x-accel-redirect'))

  await sluice.reconfigure({ SLUICE_DOWNLOADS__REDIRECT: 'true' })
  const target = (await sluice.download(media)).headers.get('location') ?? ''
  t.true((await fetch(target, proxied)).headers.has('x-accel-redirect'))

  const small = await sluice.publish('words', 'text/plain')
  await sluice.reconfigure({})
  t.is(await (await sluice.download(small, proxied)).text(), 'words')
})

test('the group may read the files that are told of, on the way to them, and nothing else', async t => {
  const sluice = await withSluice(t, on)
  const media = await sluice.publish(bytes, 'image/x-odd')
  const other = await sluice.publish(randomBytes(100_000), 'image/x-odd')
  const modeOf = (...path: string[]) => statSync(join(sluice.dataDir, ...path)).mode & 0o777
  const fileOf = async (id: string) => {
    const key = (await sluice.ask('HEAD', `/_matrix/client/v1/media/download/${id}`)).headers.get('etag') ?? ''
    return ['objects', key.slice(1, 3), key.replaceAll('"', '')]
  }
  const [file, untold] = [await fileOf(media), await fileOf(other)]
  const secrets = () => ['sluice.db', 'keys', 'incoming'].map(name => modeOf(name))
  const before = secrets()
  t.is(modeOf(...file), 0o600)
  await sluice.download(media, proxied)
  t.is(modeOf(...file), 0o640)
  t.is(modeOf(...untold), 0o600)
  t.is(modeOf('objects') & 0o070, 0o010)
  t.is(modeOf() & 0o070, 0o010)
  t.deepEqual(secrets(), before)
})

test('a file that is missing or cut short is an error, and not something that nginx does not find', async t => {
  const sluice = await withSluice(t, on)
  const media = await sluice.publish(bytes, 'image/x-odd')
  const told = (await sluice.download(media, proxied)).headers.get('x-accel-redirect') ?? ''
  const file = join(sluice.dataDir, 'objects', told.slice('/sluice-objects/'.length))
  truncateSync(file, 99_999)
  t.is((await sluice.download(media, proxied)).status, 503)
  rmSync(file)
  t.is((await sluice.download(media, proxied)).status, 503)
})
