import test, { type ExecutionContext } from 'ava'
import sharp, { type Sharp } from 'sharp'
import { type PictureSize, standardThumbnails, type ThumbnailSpec, targetSize } from '../../src/domain/thumbnails.ts'
import { makeGate } from '../../src/services/gate.ts'
import {
  makeRenderer,
  type RenderedThumbnail,
  type RendererNeeds,
  type Rendering,
  type RenderOptions,
} from '../../src/services/render-thumbnails.ts'
import { oneObject } from '../support/one-object.ts'
import { phonePhoto, phonePhotoSize } from '../support/phone-photo.ts'
import { readSample } from '../support/samples.ts'

const settings = { maxPixels: 32_000_000, timeout: 20_000, concurrency: 2, quality: 80 }

interface Given extends RenderOptions {
  readonly specs?: readonly ThumbnailSpec[]
  readonly maxPixels?: number
  readonly timeout?: number
}

function render(
  bytes: Uint8Array,
  { specs = standardThumbnails, maxPixels, timeout, ...options }: Given = {},
): Promise<Rendering> {
  const one = oneObject(bytes)
  const thumbnails = { ...settings, maxPixels: maxPixels ?? settings.maxPixels, timeout: timeout ?? settings.timeout }
  return makeRenderer({ ...one, config: { thumbnails } })(one.object, specs, options)
}

async function rendered(t: ExecutionContext, bytes: Uint8Array, given?: Given): Promise<readonly RenderedThumbnail[]> {
  const rendering = await render(bytes, given)
  if (rendering.outcome === 'rendered') return rendering.thumbnails
  return t.fail(`${rendering.reason}: ${rendering.detail}`) as never
}

async function reasonOf(t: ExecutionContext, bytes: Uint8Array, given?: Given): Promise<string> {
  const rendering = await render(bytes, given)
  return rendering.outcome === 'failed' ? rendering.reason : (t.fail('was rendered') as never)
}

test.serial('the memory of the decoded pixels is given back when all is drawn, before a collector comes', async t => {
  const { toBuffer } = sharp.prototype
  const decoded: Buffer[] = []
  sharp.prototype.toBuffer = async function (this: Sharp, options: { resolveWithObject: true }) {
    const result = await toBuffer.call(this, options)
    if (options?.resolveWithObject) decoded.push(result.data)
    return result
  } as typeof toBuffer
  t.teardown(() => {
    sharp.prototype.toBuffer = toBuffer
  })
  t.is((await rendered(t, await phonePhoto())).length, 5)
  t.deepEqual(
    decoded.map(pixels => pixels.byteLength),
    [0],
  )
})

function scale(width: number, height: number): ThumbnailSpec {
  return { width, height, method: 'scale' }
}

function crop(width: number, height: number): ThumbnailSpec {
  return { width, height, method: 'crop' }
}

function pixels(bytes: Buffer): Promise<Buffer> {
  return sharp(bytes).removeAlpha().raw().toBuffer()
}

/** Peak signal-to-noise ratio in decibel; above some 35 the eye sees no difference. */
function likeness(a: Buffer, b: Buffer): number {
  let sum = 0
  for (let index = 0; index < a.length; index += 1) sum += ((a[index] ?? 0) - (b[index] ?? 0)) ** 2
  return a.length === b.length ? 10 * Math.log10(255 ** 2 / (sum / a.length)) : 0
}

async function sizeOf(bytes: Buffer): Promise<PictureSize> {
  const { width, height } = await sharp(bytes).metadata()
  return { width, height }
}

/** Stripes from left to right, each of one colour. */
async function stripes(colours: readonly string[], width: number, height: number): Promise<Buffer> {
  const stripe = { width: width / colours.length, height, channels: 3 as const }
  const input = await Promise.all(
    colours.map(background =>
      sharp({ create: { ...stripe, background } })
        .png()
        .toBuffer(),
    ),
  )
  const parts = input.map((part, index) => ({ input: part, left: index * stripe.width, top: 0 }))
  return sharp({ create: { width, height, channels: 3, background: 'black' } })
    .composite(parts)
    .png()
    .toBuffer()
}

test('a photograph from a phone gets its five standard thumbnails', async t => {
  const thumbnails = await rendered(t, await phonePhoto())
  t.deepEqual(
    thumbnails.map(({ spec }) => spec),
    standardThumbnails,
  )
  for (const { spec, actual, contentType, bytes } of thumbnails) {
    t.deepEqual(actual, targetSize(phonePhotoSize, spec))
    t.deepEqual(await sizeOf(bytes), actual)
    t.is(contentType, 'image/jpeg')
  }
})

test('thumbnails are upright, and as good as if each were made from the original', async t => {
  const photo = await phonePhoto()
  for (const { spec, actual, bytes } of await rendered(t, photo)) {
    const shown =
      spec.method === 'crop' ? { left: 504, top: 0, width: 3024, height: 3024 } : { left: 0, top: 0, ...phonePhotoSize }
    const part = await sharp(photo).autoOrient().extract(shown).png({ compressionLevel: 0 }).toBuffer()
    const alone = await sharp(part).resize(actual.width, actual.height).jpeg({ quality: 80 }).toBuffer()
    t.true(likeness(await pixels(bytes), await pixels(alone)) > 35, `${spec.width}`)
  }
})

test('thumbnails say nothing of place, camera or profile', async t => {
  const photo = await phonePhoto()
  t.truthy((await sharp(photo).metadata()).exif)
  for (const original of [photo, readSample('photo-turned-p3.jpg'), readSample('deep-p3.png')]) {
    for (const { bytes } of await rendered(t, original)) {
      const { exif, icc, xmp, iptc, orientation } = await sharp(bytes).metadata()
      t.deepEqual([exif, icc, xmp, iptc, orientation], [undefined, undefined, undefined, undefined, undefined])
    }
  }
})

test('colours of a wide profile are converted to sRGB, not merely relabelled', async t => {
  const flat = sharp({ create: { width: 64, height: 64, channels: 3, background: { r: 200, g: 60, b: 30 } } })
  const wide = await flat.withIccProfile('p3').png().toBuffer()
  const stored = await sharp(wide, { ignoreIcc: true }).raw().toBuffer()
  t.notDeepEqual([...stored.subarray(0, 3)], [200, 60, 30], 'the stored numbers are others')
  for (const original of [wide, readSample('deep-p3.png')]) {
    const [thumbnail] = await rendered(t, original, { specs: [crop(32, 32)] })
    const [red = 0, green = 0, blue = 0] = await pixels(thumbnail?.bytes ?? Buffer.alloc(0))
    t.true(Math.abs(red - 200) <= 2 && Math.abs(green - 60) <= 2 && Math.abs(blue - 30) <= 2, `${red} ${green} ${blue}`)
  }
})

test('deep pixels without a profile, grey ones and those for print become sRGB too', async t => {
  const flat = sharp({ create: { width: 64, height: 64, channels: 3, background: { r: 200, g: 60, b: 30 } } })
  const deep = await flat.clone().toColourspace('rgb16').png().toBuffer()
  const [fromDeep] = await rendered(t, deep, { specs: [crop(32, 32)] })
  t.deepEqual([...(await pixels(fromDeep?.bytes ?? Buffer.alloc(0))).subarray(0, 3)], [200, 60, 30])

  for (const space of ['b-w', 'grey16']) {
    const grey = await flat.clone().toColourspace(space).png().toBuffer()
    const [fromGrey] = await rendered(t, grey, { specs: [crop(32, 32)] })
    const [red, green, blue] = await pixels(fromGrey?.bytes ?? Buffer.alloc(0))
    t.deepEqual([red, green, blue], [110, 110, 110], space)
  }

  const print = await flat.clone().toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer()
  const [fromPrint] = await rendered(t, print, { specs: [crop(32, 32)] })
  t.is((await sharp(fromPrint?.bytes).metadata()).space, 'srgb')
})

test('every size is computed from the original', async t => {
  for (const [width, height] of [
    [1333, 777],
    [6000, 4003],
    [1001, 667],
    [2400, 333],
  ] as const) {
    const original = await sharp({ create: { width, height, channels: 3, background: 'teal' } })
      .jpeg()
      .toBuffer()
    const specs = [...standardThumbnails, scale(97, 11), crop(300, 200), crop(31, 77)]
    for (const { spec, actual, bytes } of await rendered(t, original, { specs })) {
      t.deepEqual(actual, targetSize({ width, height }, spec))
      t.deepEqual(await sizeOf(bytes), actual, `${width}x${height} ${JSON.stringify(spec)}`)
    }
  }
})

test('crop shows the middle', async t => {
  const [wide] = await rendered(t, await stripes(['red', 'lime', 'blue'], 300, 100), { specs: [crop(96, 96)] })
  const middle = await pixels(wide?.bytes ?? Buffer.alloc(0))
  t.deepEqual(wide?.actual, { width: 96, height: 96 })
  for (const at of [0, 48, 95])
    t.deepEqual(
      [...middle.subarray((48 * 96 + at) * 3, (48 * 96 + at) * 3 + 3)].map(value => value > 100),
      [false, true, false],
    )
})

test('a crop of a picture smaller than the box keeps the shape of the box', async t => {
  const [thumbnail] = await rendered(t, await stripes(['red', 'lime', 'blue'], 300, 50), { specs: [crop(96, 96)] })
  t.deepEqual(thumbnail?.actual, { width: 50, height: 50 })
  t.deepEqual(await sizeOf(thumbnail?.bytes ?? Buffer.alloc(0)), { width: 50, height: 50 })
  const bytes = await pixels(thumbnail?.bytes ?? Buffer.alloc(0))
  t.deepEqual([...bytes.subarray(0, 3)], [0, 255, 0])
})

test('transparency survives, and so do the colours behind it', async t => {
  for (const name of ['alpha.png', 'alpha.webp']) {
    const original = readSample(name)
    const [small, large] = await rendered(t, original, { specs: [scale(50, 30), scale(150, 100)] })
    t.is(small?.contentType, 'image/png', name)
    for (const thumbnail of [small, large]) {
      const { width, height } = thumbnail?.actual ?? { width: 0, height: 0 }
      const alone = await sharp(original).resize(width, height, { fit: 'fill' }).png().toBuffer()
      for (const background of ['white', 'black']) {
        const [ours, theirs] = [thumbnail?.bytes ?? alone, alone].map(bytes =>
          sharp(bytes).flatten({ background }).raw().toBuffer(),
        )
        t.true(likeness((await ours) ?? alone, (await theirs) ?? alone) > 35, `${name} ${width} ${background}`)
      }
    }
  }
})

test('PNG and GIF become PNG; WebP and AVIF become JPEG where nothing shines through', async t => {
  const expected = {
    'alpha.png': 'image/png',
    'animated.gif': 'image/png',
    'photo.webp': 'image/jpeg',
    'photo.avif': 'image/jpeg',
  }
  for (const [name, contentType] of Object.entries(expected)) {
    const thumbnails = await rendered(t, readSample(name))
    t.true(thumbnails.length > 0 && thumbnails.every(thumbnail => thumbnail.contentType === contentType), name)
    for (const { bytes } of thumbnails) t.is(`image/${(await sharp(bytes).metadata()).format}`, contentType)
  }
})

test('a picture with an alpha channel that hides nothing is not taken for a transparent one', async t => {
  const original = await sharp(readSample('photo.webp')).ensureAlpha().webp({ lossless: true }).toBuffer()
  const [thumbnail] = await rendered(t, original, { specs: [crop(32, 32)] })
  t.is(thumbnail?.contentType, 'image/jpeg')
  const gif = await rendered(t, readSample('animated.gif'), { specs: [crop(32, 32)] })
  t.false((await sharp(gif[0]?.bytes).metadata()).hasAlpha)
})

test('nothing is made where the original is as good', async t => {
  const small = await sharp(readSample('photo.webp')).resize(64, 48).png().toBuffer()
  t.deepEqual(
    (await rendered(t, small)).map(({ spec }) => spec),
    [crop(32, 32), crop(96, 96)],
    'its own shape is not that of the square box',
  )
  const square = await sharp(small).resize(32, 32).gif().toBuffer()
  t.deepEqual(await rendered(t, square), [])
})

test('a small picture that tells of more than its pixels, or moves, is drawn anew at its own size', async t => {
  const small = await sharp(readSample('photo.webp'))
    .resize(32, 32)
    .jpeg()
    .withExif({ IFD3: { GPSLatitude: '1/1' } })
    .toBuffer()
  for (const original of [small, readSample('animated.gif')]) {
    const largest = (await rendered(t, original)).at(-1)
    t.deepEqual(largest?.actual, await sizeOf(original))
    const { exif, pages } = await sharp(largest?.bytes).metadata()
    t.deepEqual([exif, pages], [undefined, undefined])
  }
})

test('a small original in a type that browsers do not all show is made anew at its own size', async t => {
  const thumbnails = await rendered(t, readSample('photo.avif'))
  t.is(thumbnails.length, standardThumbnails.length)
  const largest = thumbnails.at(-1)
  t.deepEqual(largest?.actual, { width: 400, height: 300 })
  t.is(thumbnails.at(-2)?.bytes, largest?.bytes, 'equal ones are made once')
})

test('the same is done for any picture on demand', async t => {
  const square = await sharp(readSample('photo.webp')).resize(32, 32).png().toBuffer()
  const [thumbnail] = await rendered(t, square, { specs: [scale(800, 600)], evenAtOriginalSize: true })
  t.deepEqual(thumbnail?.actual, { width: 32, height: 32 })
})

test('the same picture gives the same bytes', async t => {
  const [first, second] = [await rendered(t, readSample('photo.webp')), await rendered(t, readSample('photo.webp'))]
  t.deepEqual(first, second)
})

test('animations show their first frame', async t => {
  for (const name of ['animated.gif', 'animated.webp']) {
    const [thumbnail] = await rendered(t, readSample(name), { specs: [scale(60, 45)] })
    const alone = [0, 1, 2, 3].map(page =>
      sharp(readSample(name), { page }).resize(60, 45).removeAlpha().raw().toBuffer(),
    )
    const ours = await pixels(thumbnail?.bytes ?? Buffer.alloc(0))
    const [first = 0, ...others] = (await Promise.all(alone)).map(frame => likeness(ours, frame))
    t.true(first > 25 && first > Math.max(...others) + 5, `${name} ${first} ${others}`)
  }
})

test('of an animation one frame counts, because one is decoded', async t => {
  const frame = 120 * 90
  for (const name of ['animated.gif', 'animated.webp']) {
    t.is(await reasonOf(t, readSample(name), { maxPixels: frame - 1 }), 'too_large', name)
    t.true((await rendered(t, readSample(name), { maxPixels: frame })).length > 0, name)
  }
})

test('a few bytes that claim to be enormous are not believed', async t => {
  t.is(await reasonOf(t, readSample('bomb-header.png')), 'too_large')
})

test('a file that is too large to hold in memory is not even opened', async t => {
  const one = oneObject(readSample('photo.webp'), 64 * 1024 * 1024 + 1)
  const rendering = await makeRenderer({ ...one, config: { thumbnails: settings } })(one.object, standardThumbnails)
  t.like(rendering, { outcome: 'failed', reason: 'too_large' })
  t.is(one.reads.length, 0)
})

test('half a picture gets no thumbnail', async t => {
  t.is(await reasonOf(t, readSample('truncated.jpg')), 'damaged')
  for (const name of ['alpha.png', 'photo.webp', 'photo.avif']) {
    const whole = readSample(name)
    t.regex(await reasonOf(t, whole.subarray(0, Math.floor(whole.length / 2))), /^(?:damaged|unsupported)$/, name)
  }
})

test('decoders that are not needed cannot be reached', async t => {
  const tiff = await sharp(readSample('photo.webp')).tiff().toBuffer()
  const ppm = Buffer.from('P6\n2 2\n255\n123456789012')
  for (const bytes of [
    readSample('drawing.svg'),
    readSample('leaflet.pdf'),
    tiff,
    ppm,
    Buffer.alloc(0),
    Buffer.from('text'),
  ]) {
    t.is(await reasonOf(t, bytes), 'unsupported')
  }
  t.is(await reasonOf(t, readSample('photo.heic')), 'unsupported', 'its measures can be read, its pixels not')
})

test('a rendering that takes too long is given up, and its place is free once it has really ended', async t => {
  const one = oneObject(await phonePhoto())
  const decoding = makeGate(1)
  const needs = (timeout: number): RendererNeeds => ({
    ...one,
    decoding,
    config: { thumbnails: { ...settings, timeout } },
  })
  t.like(await makeRenderer(needs(1))(one.object, standardThumbnails), { outcome: 'failed', reason: 'timeout' })
  t.like(await makeRenderer(needs(20_000))(one.object, [crop(32, 32)]), { outcome: 'rendered' })
})

test('the time spent waiting for a turn is not counted', async t => {
  const one = oneObject(readSample('animated.gif'))
  const decoding = makeGate(1)
  const busy = Promise.withResolvers<void>()
  const other = decoding.run(() => busy.promise)
  const needs = { ...one, decoding, config: { thumbnails: { ...settings, timeout: 1000 } } }
  const rendering = makeRenderer(needs)(one.object, [crop(32, 32)])
  setTimeout(busy.resolve, 1200)
  await other
  t.like(await rendering, { outcome: 'rendered' })
})

test('waiting for a turn has an end', async t => {
  const one = oneObject(readSample('photo.webp'))
  const decoding = makeGate(1)
  const busy = Promise.withResolvers<void>()
  const other = decoding.run(() => busy.promise)
  const render = makeRenderer({ ...one, decoding, config: { thumbnails: { ...settings, timeout: 20 } } })
  t.like(await render(one.object, standardThumbnails), { outcome: 'failed', reason: 'busy' })
  busy.resolve()
  await other
  t.is(one.reads.length, 0)
})

test('a store that fails is a result as well', async t => {
  const one = oneObject(Buffer.alloc(10))
  const broken = async (): Promise<never> => {
    throw new Error('no disk')
  }
  for (const read of [async () => undefined, broken]) {
    const render = makeRenderer({ ...one, store: { read }, config: { thumbnails: settings } })
    t.like(await render(one.object, standardThumbnails), { outcome: 'failed', reason: 'unreadable' })
  }
})
