/** A second real Synapse, with nothing before it, reads from the first over TLS and X-Matrix; and the other way round. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { jsSdkClient } from './support/clients.ts'
import {
  downloadUrl,
  fetchBytes,
  legacyDownloadUrl,
  postJson,
  refusal,
  thumbnailUrl,
  uploadBytes,
  withToken,
} from './support/matrix-http.ts'
import { lookAt, picture } from './support/pictures.ts'
import { sha256 } from './support/sha256.ts'
import type { Stand } from './support/stand.ts'
import type { Synapse } from './support/synapse.ts'
import { testOnStand } from './support/test-on-stand.ts'
import { xMatrixHeader } from './support/x-matrix.ts'

// The other homeserver is on loopback, where keys are not looked for unless the operator says so.
const loopback = JSON.stringify(['127.0.0.0/8', '::1/128'])
const test = testOnStand({ other: true, sluice: { SLUICE_FEDERATION__ALLOWED_NETWORKS: loopback } })

test('a user of another homeserver gets the same bytes, type and name', async t => {
  const { stand, alice } = t.context
  const other = otherHomeserver(stand)
  const { accessToken } = await other.register('reader')
  const bytes = randomBytes(2_000_000)
  const contentUri = await uploadBytes(stand.base, alice.accessToken, bytes, {
    name: 'über die Grenze.bin',
    type: 'application/x-far',
  })

  const got = await fetchBytes(downloadUrl(other.url, contentUri), accessToken)
  t.is(got.status, 200)
  t.is(sha256(got.bytes), sha256(bytes))
  t.is(got.headers.get('content-type'), 'application/x-far')
  t.regex(got.headers.get('content-disposition') ?? '', /filename\*=utf-8''%C3%BCber%20die%20Grenze\.bin/i)
})

test('a small text file survives the multipart reply unchanged', async t => {
  const { stand, alice } = t.context
  const other = otherHomeserver(stand)
  const { accessToken } = await other.register('textreader')
  const bytes = Buffer.from('\r\n--not a boundary\r\n\r\n{}\r\n--\r\n')
  const contentUri = await uploadBytes(stand.base, alice.accessToken, bytes, { name: 'plain.txt', type: 'text/plain' })
  t.is(sha256((await fetchBytes(downloadUrl(other.url, contentUri), accessToken)).bytes), sha256(bytes))
})

test('a picture sent to a room reaches a user of another homeserver, with its thumbnail', async t => {
  const { stand, alice } = t.context
  const other = otherHomeserver(stand)
  const sender = await jsSdkClient(stand.base, alice)
  const guest = await other.register('guest')
  const reader = await jsSdkClient(other.url, guest)
  const { room_id } = await sender.createRoom({ preset: 'public_chat', room_alias_name: 'pictures' })
  await reader.joinRoom(`#pictures:${stand.serverName}`)

  const bytes = await picture(1280, 960, 'federated room')
  const { content_uri } = await sender.uploadContent(bytes, { type: 'image/png', name: 'far.png' })
  const image = { msgtype: 'm.image', body: 'far.png', url: content_uri, info: { mimetype: 'image/png' } }
  const { event_id } = await sender.sendEvent(room_id, 'm.room.message', image)

  const event = await arrival(() => reader.fetchRoomEvent(room_id, event_id))
  const seen = String(event.content?.url)
  t.is(seen, content_uri)
  t.is(sha256((await fetchBytes(downloadUrl(other.url, seen), guest.accessToken)).bytes), sha256(bytes))
  const thumbnail = await fetchBytes(thumbnailUrl(other.url, seen, 320, 240), guest.accessToken)
  t.deepEqual(await lookAt(thumbnail.bytes), { format: 'png', width: 320, height: 240 })
})

test('another homeserver that asks too early waits and gets the media once it is there', async t => {
  const { stand, alice } = t.context
  const other = otherHomeserver(stand)
  const { accessToken } = await other.register('early')
  const created = await postJson(`${stand.base}/_matrix/media/v1/create`, {}, alice.accessToken)
  const contentUri = String(created.content_uri)
  const waiting = fetchBytes(downloadUrl(other.url, contentUri), accessToken)

  await sleep(500)
  const path = contentUri.replace('mxc://', '/_matrix/media/v3/upload/')
  const put = { ...withToken(alice.accessToken, { 'Content-Type': 'text/plain' }), method: 'PUT', body: 'at last' }
  t.is((await fetch(`${stand.base}${path}`, put)).status, 200)
  const got = await waiting
  t.is(got.status, 200)
  t.is(got.bytes.toString(), 'at last')
})

test("users read another homeserver's media and its thumbnails", async t => {
  const { stand, alice } = t.context
  const other = otherHomeserver(stand)
  const { accessToken } = await other.register('author')
  const bytes = await picture(1280, 960, 'from afar')
  const contentUri = await uploadBytes(other.url, accessToken, bytes, { name: 'afar.png', type: 'image/png' })

  const got = await fetchBytes(downloadUrl(stand.base, contentUri), alice.accessToken)
  t.is(got.status, 200)
  t.is(sha256(got.bytes), sha256(bytes))
  const thumbnail = await fetchBytes(thumbnailUrl(stand.base, contentUri, 320, 240), alice.accessToken)
  t.deepEqual(await lookAt(thumbnail.bytes), { format: 'png', width: 320, height: 240 })
  t.deepEqual(await refusal(legacyDownloadUrl(stand.base, contentUri), {}), { status: 404, errcode: 'M_NOT_FOUND' })
})

test('a request is answered only with a signature of the server it names, over this very path, for this server', async t => {
  const { stand, alice } = t.context
  const other = otherHomeserver(stand)
  const contentUri = await uploadBytes(stand.base, alice.accessToken, Buffer.from('signed for'), {
    name: 'signed.txt',
    type: 'text/plain',
  })
  const mediaId = contentUri.split('/').at(-1)
  const uri = `/_matrix/federation/v1/media/download/${mediaId}?timeout_ms=1000`
  const honest = { origin: other.serverName, destination: stand.serverName, uri, seed: other.signingSeed }
  const ask = (authorization?: string) =>
    fetch(`${stand.federationBase}${uri}`, { headers: authorization === undefined ? {} : { authorization } })

  const reply = await ask(xMatrixHeader(honest))
  t.is(reply.status, 200)
  t.regex(reply.headers.get('content-type') ?? '', /^multipart\/mixed;.*boundary=[0-9A-Za-z]+$/)
  const parts = await reply.text()
  t.true(parts.includes('\r\nContent-Type: application/json\r\n\r\n{}\r\n--'))
  t.true(parts.includes('\r\n\r\nsigned for\r\n--'))

  const forged = [
    undefined,
    xMatrixHeader({ ...honest, seed: randomBytes(32) }),
    xMatrixHeader({ ...honest, uri: uri.replace('1000', '2000') }),
    xMatrixHeader({ ...honest, destination: other.serverName }),
    xMatrixHeader({ ...honest, origin: 'localhost:1', seed: randomBytes(32) }),
  ]
  for (const authorization of forged) {
    const refused = await ask(authorization)
    t.is(refused.status, 401)
    t.like(await refused.json(), { errcode: 'M_UNAUTHORIZED' })
  }
})

test('a homeserver is told that missing media is not found, in words that end its search', async t => {
  const { stand } = t.context
  const other = otherHomeserver(stand)
  const uri = '/_matrix/federation/v1/media/download/NoSuchMediaHasEverBeen'
  const signed = { origin: other.serverName, destination: stand.serverName, uri, seed: other.signingSeed }
  const answer = await refusal(`${stand.federationBase}${uri}`, { headers: { authorization: xMatrixHeader(signed) } })
  t.deepEqual(answer, { status: 404, errcode: 'M_NOT_FOUND' })
})

function otherHomeserver(stand: Stand): Synapse {
  if (stand.other === undefined) throw new Error('This stand has one homeserver only')
  return stand.other
}

/** Events travel between homeservers on their own time: asks again until the event is there, for a minute and a half at most. */
async function arrival<T>(ask: () => Promise<T>): Promise<T> {
  for (let left = 180; ; left -= 1) {
    try {
      return await ask()
    } catch (error) {
      if (left === 0) throw error
      await sleep(500)
    }
  }
}
