/** Pictures as people send them, made here, always the same bytes: shapes and a sensor's grain, so that neither codec has it easy. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp, { type Sharp } from 'sharp'
import type { Step } from '../load/plan.ts'
import { projectRoot } from '../paths.ts'
import { cycleSteps } from './cycles.ts'

const forms = {
  'JPEG 12 Mpx': { width: 4032, height: 3024, encode: picture => picture.jpeg({ quality: 88 }) },
  'JPEG 24 Mpx': { width: 6000, height: 4000, encode: picture => picture.jpeg({ quality: 85 }) },
  'PNG with alpha': { width: 2400, height: 1600, encode: picture => faded(picture).png() },
  'WebP 12 Mpx': { width: 4032, height: 3024, encode: picture => picture.webp({ quality: 80, effort: 2 }) },
  'animated GIF': { width: 480, height: 360, encode: picture => picture.gif({ effort: 1 }) },
} as const satisfies Record<string, { width: number; height: number; encode: (picture: Sharp) => Sharp }>

export type PictureName = keyof typeof forms

const contentTypes: Readonly<Record<PictureName, string>> = {
  'JPEG 12 Mpx': 'image/jpeg',
  'JPEG 24 Mpx': 'image/jpeg',
  'PNG with alpha': 'image/png',
  'WebP 12 Mpx': 'image/webp',
  'animated GIF': 'image/gif',
}

const frames = 40

export async function makePicture(name: PictureName): Promise<Buffer> {
  const { width, height, encode } = forms[name]
  const sample = await readFile(join(projectRoot, 'assets/samples/photo.jpg'))
  const still = sharp(sample)
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .composite([
      { input: grain, raw: { width: grainSide, height: grainSide, channels: 3 }, tile: true, blend: 'overlay' },
    ])
  if (name !== 'animated GIF') return encode(still).toBuffer()
  const first = await still.raw().toBuffer()
  const film = Buffer.concat(Array.from({ length: frames }, (_, index) => moved(first, index * width * 3 * 4)))
  const raw = { width, height: height * frames, channels: 3 as const, pageHeight: height }
  return encode(sharp(film, { raw })).toBuffer()
}

/**
 * Create, PUT and complete of a picture that nobody has seen before and that shows the same: what follows its end is not looked at.
 * @param file where the picture goes
 */
export async function publishSteps(
  name: PictureName,
  { file, authorization }: { readonly file: string; readonly authorization: string },
): Promise<readonly Step[]> {
  await writeFile(file, await makePicture(name))
  return cycleSteps(authorization, { file, isMarked: true }, contentTypes[name])
}

const grainSide = 256
const grain = grainOf(grainSide)

/** From a generator with a fixed seed. */
function grainOf(side: number): Buffer {
  const pixels = Buffer.alloc(side * side * 3)
  let state = 5
  for (let index = 0; index < pixels.length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    pixels[index] = 128 + (((state >>> 24) - 128) >> 2)
  }
  return pixels
}

/** Shifted by so many bytes, so that each frame of a film differs from the one before. */
function moved(pixels: Buffer, by: number): Buffer {
  const at = by % pixels.length
  return Buffer.concat([pixels.subarray(at), pixels.subarray(0, at)])
}

function faded(picture: Sharp): Sharp {
  return picture.ensureAlpha(0.6)
}
