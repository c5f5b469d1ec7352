import { readFileSync } from 'node:fs'
import test from 'ava'
import sharp from 'sharp'
import { drawThumbnails } from '../../src/services/draw-thumbnails.ts'
import { pictureDecoder, pixelsOf, readPictureHeader } from '../../src/services/picture-decoder.ts'
import { readSample } from '../support/samples.ts'

test('readers of other formats are shut in libvips itself', async t => {
  const tiff = await sharp(readSample('photo.webp')).tiff().toBuffer()
  const bitmap = Buffer.from('P6\n2 2\n255\n123456789012')
  const open = await pictureDecoder()
  for (const bytes of [tiff, readSample('drawing.svg'), readSample('leaflet.pdf'), bitmap]) {
    await t.throwsAsync(open(bytes).metadata(), { message: /unsupported image format/ })
  }
})

test('asking for the decoder while pictures are under way does not shut out any', async t => {
  const reads = Array.from({ length: 20 }, async () => {
    const open = await pictureDecoder()
    return open(readSample('alpha.webp')).raw().toBuffer()
  })
  t.is((await Promise.all(reads)).length, 20)
})

test('a header says how large a picture is when it is shown, and whether there is more to it than pixels', async t => {
  const turned = await readPictureHeader(readSample('photo-turned-p3.jpg'))
  t.deepEqual(turned, {
    contentType: 'image/jpeg',
    size: { width: 400, height: 300 },
    needsRendering: true,
    isDeepWithProfile: false,
  })
  const animated = await readPictureHeader(readSample('animated.webp'))
  t.true(animated?.needsRendering)
  t.is(animated && pixelsOf(animated), 120 * 90, 'only one frame is decoded')
  t.false((await readPictureHeader(readSample('photo.webp')))?.needsRendering)
  t.true((await readPictureHeader(readSample('deep-p3.png')))?.isDeepWithProfile)
  t.is((await readPictureHeader(readSample('photo.heic')))?.contentType, 'image/heic')
  t.is(await readPictureHeader(Buffer.alloc(0)), undefined)
  t.is(await readPictureHeader(readSample('note.txt')), undefined)
})

test('when nobody wants thumbnails any more, no more are drawn', async t => {
  const bytes = readSample('photo.webp')
  const header = await readPictureHeader(bytes)
  if (header === undefined) return t.fail()
  let questions = 0
  const isWanted = (): boolean => {
    questions += 1
    return questions <= 1
  }
  const specs = [32, 64, 96].map(side => ({ width: side, height: side, method: 'crop' as const }))
  const settings = { maxPixels: 1e6, timeout: 20_000, quality: 80, isWanted, isAlone: () => false }
  const drawn = await drawThumbnails(bytes, header, specs, settings)
  t.is(drawn.length, 1)
})

test('the photograph of the demonstration is like one from a phone', async t => {
  const bytes = readFileSync(new URL('../../assets/samples/photo.jpg', import.meta.url))
  t.true(bytes.length < 600 * 1024)
  const { orientation, exif, icc, width, height } = await sharp(bytes).metadata()
  t.deepEqual([width, height, orientation], [768, 1024, 6])
  t.true(exif?.includes('Pocket Camera'))
  t.truthy(icc)
  t.deepEqual((await readPictureHeader(bytes))?.size, { width: 1024, height: 768 })
})
