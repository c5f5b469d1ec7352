/**
 * From the bytes of a picture to the bytes of its thumbnails. The original is decoded once, to the size that the largest thumbnail
 * needs (a JPEG decoder can shrink as it reads), and all are made from that: less than half the time of one decoding per thumbnail.
 */
import type { Region, Sharp } from 'sharp'
import { type PictureSize, shrinkFactor, shrunk, type ThumbnailSpec, targetSize } from '../domain/thumbnails.ts'
import { giveBack } from '../storage/give-back.ts'
import { inParallel } from './in-parallel.ts'
import { leanPng } from './lean-png.ts'
import { type PictureHeader, pictureDecoder } from './picture-decoder.ts'

export interface DrawnThumbnail {
  readonly spec: ThumbnailSpec
  readonly actual: PictureSize
  readonly contentType: 'image/jpeg' | 'image/png'
  readonly bytes: Buffer
}

export interface DrawSettings {
  readonly maxPixels: number
  /** Milliseconds. */
  readonly timeout: number
  /** Of JPEG, 1 to 100. */
  readonly quality: number
  /** Asked between two thumbnails: whether anybody still wants them. */
  readonly isWanted: () => boolean
  /** Told of each that is drawn, while others still are. May be called after nobody waits any more. */
  readonly onDrawn?: ((bytes: Buffer) => void) | undefined
  /** No other picture is being worked on. */
  readonly isAlone: () => boolean
}

/**
 * @param specs at least one
 * @throws Error of sharp when the picture is damaged or takes too long
 */
export async function drawThumbnails(
  original: Buffer,
  header: PictureHeader,
  specs: readonly ThumbnailSpec[],
  settings: DrawSettings,
): Promise<DrawnThumbnail[]> {
  const factor = Math.max(...specs.map(spec => shrinkFactor(header.size, spec)))
  const raster = await decode(original, header, shrunk(header.size, factor), settings)
  const contentType = outputType(header, raster)
  // A small picture gives several specs the same thumbnail.
  const wanted = new Map(specs.map(spec => [nameOf(targetSize(header.size, spec), spec), spec]))
  const drawn = new Map<string, Buffer>()
  // The largest first, so that the small ones fill the other lane meanwhile.
  await inParallel(settings.isAlone() ? drawnAtOnce : 1, [...wanted].sort(largestFirst), async ([name, spec]) => {
    if (!settings.isWanted()) return
    const picture = await derive(raster, header.size, spec)
    const bytes = await encode(picture, targetSize(header.size, spec), contentType, settings)
    drawn.set(name, bytes)
    // Not at once: the next is to be begun first.
    setImmediate(() => settings.onDrawn?.(bytes))
  })
  // So much memory outside of V8's heap would make it collect all of that again and again.
  giveBack([raster.pixels])
  return specs.flatMap(spec => {
    const actual = targetSize(header.size, spec)
    const bytes = drawn.get(nameOf(actual, spec))
    return bytes === undefined ? [] : [{ spec, actual, contentType, bytes }]
  })
}

/**
 * More would bring nothing on two processors, and take threads that files need. Beside another picture, which keeps the second processor
 * busy, one at a time: everybody else would only wait longer.
 */
const drawnAtOnce = 2

function nameOf({ width, height }: PictureSize, { method }: ThumbnailSpec): string {
  return `${method} ${width}x${height}`
}

function largestFirst([, one]: readonly [string, ThumbnailSpec], [, other]: readonly [string, ThumbnailSpec]): number {
  return other.width - one.width
}

/** Pixels without any metadata: upright, in sRGB, eight bits per channel. */
interface Raster {
  readonly pixels: Buffer
  readonly size: PictureSize
  readonly channels: 1 | 2 | 3 | 4
  /** No pixel lets anything through, whether or not there is a channel for it. */
  readonly isOpaque: boolean
}

async function decode(
  original: Buffer,
  header: PictureHeader,
  size: PictureSize,
  settings: DrawSettings,
): Promise<Raster> {
  const open = await pictureDecoder()
  const picture = open(leanPng(original), {
    autoOrient: true,
    // No thumbnail rather than one whose lower half is grey.
    failOn: 'error',
    limitInputPixels: settings.maxPixels,
    sequentialRead: true,
  }).resize(size.width, size.height, { fit: 'fill' })
  // sharp converts 8-bit pixels from their profile to sRGB, but deep ones to Display P3, and they look pale once that is taken away.
  const inSrgb = header.isDeepWithProfile ? picture.withIccProfile('srgb') : picture.toColourspace('srgb')
  const { data, info } = await limited(inSrgb.raw({ depth: 'uchar' }), settings).toBuffer({ resolveWithObject: true })
  return { pixels: data, size: info, channels: info.channels, isOpaque: isOpaque(data, info.channels) }
}

function isOpaque(pixels: Buffer, channels: Raster['channels']): boolean {
  if (channels === 1 || channels === 3) return true
  for (let index = channels - 1; index < pixels.length; index += channels) if (pixels[index] !== 255) return false
  return true
}

/**
 * Each size is computed from the original and never from the raster, whose own rounding would add up: 640 × 427 would become 426.
 * Of what sharp says of the raster only the measures are handed back: the rest would make it undo the alpha a second time.
 */
async function derive(raster: Raster, original: PictureSize, spec: ThumbnailSpec): Promise<Sharp> {
  const { width, height } = raster.size
  const open = await pictureDecoder()
  const whole = open(raster.pixels, { raw: { width, height, channels: raster.channels }, limitInputPixels: false })
  const picture = raster.isOpaque ? whole.removeAlpha() : whole
  const target = targetSize(original, spec)
  return picture.extract(middlePart(raster.size, original, spec)).resize(target.width, target.height, { fit: 'fill' })
}

/**
 * The part of the raster that the thumbnail shows: all of it, or the middle in the shape of a crop. Cut before shrinking, where half a
 * pixel to the side matters least.
 */
function middlePart(raster: PictureSize, original: PictureSize, spec: ThumbnailSpec): Region {
  if (spec.method === 'scale') return { left: 0, top: 0, width: raster.width, height: raster.height }
  const factor = shrinkFactor(original, spec)
  const target = targetSize(original, spec)
  const share = (part: number, of: number, all: number): number =>
    Math.min(all, Math.max(1, Math.round((part / (of * factor)) * all)))
  const width = share(target.width, original.width, raster.width)
  const height = share(target.height, original.height, raster.height)
  return { left: Math.floor((raster.width - width) / 2), top: Math.floor((raster.height - height) / 2), width, height }
}

/** PNG stays PNG (fact sheet §11), and what is transparent becomes PNG, else it would get a black box. The rest is smaller as JPEG. */
function outputType({ contentType }: PictureHeader, raster: Raster): DrawnThumbnail['contentType'] {
  if (contentType === 'image/png' || contentType === 'image/gif') return 'image/png'
  return raster.isOpaque ? 'image/jpeg' : 'image/png'
}

/**
 * Pixels from which a JPEG is written with the usual code tables. Tables of its own take a third of the time of encoding, and save one
 * byte in a hundred; of the smallest they save every third.
 */
const usualTablesFrom = 320 * 200

function encode(
  picture: Sharp,
  { width, height }: PictureSize,
  contentType: DrawnThumbnail['contentType'],
  settings: DrawSettings,
): Promise<Buffer> {
  const { quality } = settings
  const optimiseCoding = width * height < usualTablesFrom
  const encoded = contentType === 'image/jpeg' ? picture.jpeg({ quality, optimiseCoding }) : picture.png()
  return limited(encoded, settings).toBuffer()
}

/** Stops a decoder that runs on; sharp counts whole seconds. */
function limited(picture: Sharp, { timeout }: DrawSettings): Sharp {
  return picture.timeout({ seconds: Math.ceil(timeout / 1000) })
}
