import { createHash, randomBytes } from 'node:crypto'
import { crc32, deflateSync } from 'node:zlib'
import test from 'ava'
import sharp from 'sharp'
import { makeGate } from '../../src/services/gate.ts'
import { inspectMedia } from '../../src/services/inspect-media.ts'
import { pictureDecoder, readPictureHeader } from '../../src/services/picture-decoder.ts'
import { oneObject } from '../support/one-object.ts'
import { phonePhoto, phonePhotoSize } from '../support/phone-photo.ts'
import { readSample, samples } from '../support/samples.ts'

const config = { thumbnails: { timeout: 20_000 } }

function inspected(bytes: Uint8Array, size?: number) {
  return { ...oneObject(bytes, size), config }
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}

test('the manifest describes the samples', t => {
  for (const { name, bytes, sha256 } of samples) {
    const content = readSample(name)
    t.is(content.length, bytes, name)
    t.is(createHash('sha256').update(content).digest('hex'), sha256, name)
  }
  t.true(samples.reduce((sum, { bytes }) => sum + bytes, 0) < 1024 * 1024)
})

/** Samples that are not all pixels, or of no type for thumbnails. */
const inNeed = new Set([
  'truncated.jpg',
  'animated.gif',
  'animated.webp',
  'photo-turned-p3.jpg',
  'deep-p3.png',
  'photo.avif',
  'photo.heic',
])

for (const { name, type, width, height } of samples) {
  test(`${name}: type and measures`, async t => {
    const one = inspected(readSample(name))
    const facts = await inspectMedia(one, one.object, one.head)
    t.is(facts.detected?.contentType ?? null, type)
    const size = width === undefined || height === undefined ? undefined : { width, height }
    t.deepEqual(facts.picture, inNeed.has(name) ? { ...size, needsRendering: true } : size)
  })
}

test('where only pictures matter, each is found as if everything did', async t => {
  const tag = Buffer.concat([Buffer.from('ID3\x03\0\0\0\0\0\x10'), Buffer.alloc(16)])
  const befores = [Buffer.alloc(0), Buffer.from([0xef, 0xbb, 0xbf]), tag, Buffer.from(' '), randomBytes(4)]
  for (const { name } of samples)
    for (const before of befores) {
      const bytes = Buffer.concat([before, readSample(name)])
      const [one, same] = [inspected(bytes), inspected(bytes)]
      const { picture } = await inspectMedia(one, one.object, one.head)
      const { picture: found } = await inspectMedia(same, same.object, same.head, { picturesOnly: true })
      t.deepEqual(found, picture, name)
    }
  const opaque = inspected(randomBytes(1000).fill(0x42, 0, 1))
  t.deepEqual(await inspectMedia(opaque, opaque.object, opaque.head, { picturesOnly: true }), {
    detected: undefined,
    picture: undefined,
    header: undefined,
  })
})

test('a photograph is measured as it is shown, from its first bytes', async t => {
  const one = inspected(await phonePhoto())
  const facts = await inspectMedia(one, one.object, one.head)
  t.deepEqual(facts.picture, { ...phonePhotoSize, needsRendering: true })
  t.deepEqual(one.reads, [])
})

test('of something huge that is no picture, nothing is read but the first bytes', async t => {
  const one = inspected(Buffer.concat([readSample('clip.mp4'), Buffer.alloc(300_000)]), 2 ** 40)
  const facts = await inspectMedia(one, one.object, one.head)
  t.deepEqual(facts, { detected: { contentType: 'video/mp4', isCertain: true }, picture: undefined, header: undefined })
  t.is(one.reads.length, 0)
})

test('a WebP longer than its first bytes is read whole, and in turn', async t => {
  const bytes = await sharp(await phonePhoto())
    .resize(1200)
    .webp({ lossless: true, effort: 0 })
    .withMetadata({ orientation: 6 })
    .toBuffer()
  t.true(bytes.length > 256 * 1024)
  const one = inspected(bytes)
  const busy = Promise.withResolvers<void>()
  const decoding = makeGate(1)
  const other = decoding.run(() => busy.promise)
  const inspection = inspectMedia({ ...one, decoding }, one.object, one.head)
  await new Promise(resolve => setTimeout(resolve, 50))
  t.is(one.reads.length, 0, 'waits for its turn before it takes the memory')
  busy.resolve()
  await other
  t.like((await inspection).picture, { width: 1600, height: 1200 })
})

test('a JPEG with more metadata than fits into its first bytes is measured all the same', async t => {
  const photo = readSample('photo-turned-p3.jpg')
  const comment = Buffer.concat([Buffer.from([0xff, 0xe5, 0xff, 0xff]), Buffer.alloc(65_533)])
  const padded = Buffer.concat([photo.subarray(0, 2), ...Array.from({ length: 5 }, () => comment), photo.subarray(2)])
  const one = inspected(padded)
  t.deepEqual((await inspectMedia(one, one.object, one.head)).picture, {
    width: 400,
    height: 300,
    needsRendering: true,
  })
})

test('reading a header has a deadline and a turn, and without it there are no measures', async t => {
  // Loading it takes longer than the deadline of this test.
  await pictureDecoder()
  const never = Promise.withResolvers<undefined>()
  const webp = Buffer.concat([Buffer.from('RIFF\xff\xff\xff\0WEBPVP8 ', 'latin1'), Buffer.alloc(300_000)])
  const stuck = { ...inspected(webp), decoding: makeGate(1), config: { thumbnails: { timeout: 500 } } }
  let reads = 0
  const read: typeof stuck.store.read = () => {
    reads += 1
    return never.promise
  }
  const facts = await inspectMedia({ ...stuck, store: { read } }, stuck.object, stuck.head)
  t.is(facts.detected?.contentType, 'image/webp')
  t.is(facts.picture, undefined)
  t.is(reads, 1)
  const other = inspected(readSample('photo.webp'))
  const next = await inspectMedia(
    { ...other, config: stuck.config, decoding: stuck.decoding },
    other.object,
    other.head,
  )
  t.is(
    next.picture,
    undefined,
    'the place stays taken until the reader has really ended, and the wait for it has an end',
  )
  never.resolve(undefined)
})

test('texts in a PNG are not unpacked', async t => {
  const png = readSample('alpha.png')
  const plain = (await readPictureHeader(png))?.size
  const bomb = deflateSync(Buffer.alloc(50_000_000))
  const text = chunk('zTXt', Buffer.concat([Buffer.from('a\0\0', 'latin1'), bomb]))
  const stuffed = Buffer.concat([png.subarray(0, 33), ...Array.from({ length: 200 }, () => text), png.subarray(33)])
  const one = { ...inspected(stuffed), config: { thumbnails: { timeout: 5000 } } }
  t.deepEqual((await inspectMedia(one, one.object, one.head)).picture, { ...plain, needsRendering: true })
})

test('a picture has to be drawn when it is more than its pixels, even where that is not at its beginning', async t => {
  const plain = await sharp(readSample('photo.webp')).resize(200).png().toBuffer()
  const jpeg = sharp(plain).jpeg()
  const needs = async (bytes: Buffer): Promise<true | undefined> => {
    const one = inspected(bytes)
    return (await inspectMedia(one, one.object, one.head)).picture?.needsRendering
  }
  t.is(await needs(plain), undefined)
  t.is(await needs(await jpeg.clone().toBuffer()), undefined)
  t.true(
    await needs(
      await jpeg
        .clone()
        .withExif({ IFD0: { Artist: 'me' } })
        .toBuffer(),
    ),
    'EXIF',
  )
  t.true(await needs(await jpeg.clone().withIccProfile('p3').toBuffer()), 'profile')
  t.true(await needs(await jpeg.clone().withXmp('<x/>').toBuffer()), 'XMP')
  t.true(await needs(readSample('animated.gif')), 'moves')
  t.true(await needs(readSample('animated.webp')), 'moves')
  const [start, end] = [plain.subarray(0, 33), plain.subarray(-12)]
  const body = plain.subarray(33, -12)
  t.true(await needs(Buffer.concat([start, chunk('acTL', Buffer.alloc(8)), body, end])), 'APNG')
  t.true(await needs(Buffer.concat([start, body, chunk('eXIf', Buffer.from('MM')), end])), 'EXIF behind the pixels')
  t.true(await needs(Buffer.concat([start, body, chunk('tEXt', Buffer.from('a\0b')), end])), 'text')
  t.true(await needs(Buffer.concat([plain, Buffer.from('and more than that')])), 'something after the end')
  t.true(
    await needs(
      await sharp(randomBytes(3 * 400 * 400), { raw: { width: 400, height: 400, channels: 3 } })
        .png()
        .toBuffer(),
    ),
    'more than was read',
  )
})

test('a picture with nothing behind its signature has no measures', async t => {
  for (const head of ['GIF89a', '\xff\xd8\xff\xe0', '\x89PNG\r\n\x1a\n', 'RIFF\x04\0\0\0WEBP', '\0\0\0\x18ftypavif']) {
    const one = inspected(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(16)]))
    const facts = await inspectMedia(one, one.object, one.head)
    t.true(facts.detected?.contentType.startsWith('image/'), JSON.stringify(head))
    t.is(facts.picture, undefined, JSON.stringify(head))
  }
})

test('there are no facts about nothing', async t => {
  const one = inspected(Buffer.alloc(0))
  t.deepEqual(await inspectMedia(one, one.object, one.head), {
    detected: undefined,
    picture: undefined,
    header: undefined,
  })
})

test('an object that the store has lost is an error, not a fact', async t => {
  const one = inspected(Buffer.concat([Buffer.from('RIFF\xff\xff\xff\0WEBPVP8 ', 'latin1'), Buffer.alloc(300_000)]))
  const store = { read: async () => undefined }
  await t.throwsAsync(inspectMedia({ ...one, store }, one.object, one.head), {
    message: 'This content is missing on the server',
  })
})
