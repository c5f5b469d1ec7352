/**
 * Looks at what was uploaded: which type the bytes are, and how large a picture is. Nothing is decoded.
 */
import type { Config } from '../config/config.ts'
import type { Detection } from '../domain/content-type-policy.ts'
import type { ObjectInfo } from '../domain/objects.ts'
import type { Picture } from '../domain/thumbnails.ts'
import { giveBack } from '../storage/give-back.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { detectType } from './detect-type.ts'
import type { Gate } from './gate.ts'
import { largestPicture, type PictureHeader, readPictureHeader } from './picture-decoder.ts'
import { readBeginning } from './read-beginning.ts'
import { takeTurn } from './take-turn.ts'

export interface MediaFacts {
  /** undefined when the bytes look like nothing in particular: text, ciphertext, a rare format. */
  readonly detected: Detection | undefined
  /** As shown, after the EXIF orientation; undefined for what is no picture whose header can be read, or not in time. */
  readonly picture: Picture | undefined
  /** Of the picture, for whoever decodes it; undefined where the beginning does not tell all of it. */
  readonly header: PictureHeader | undefined
}

type Measures = Pick<MediaFacts, 'picture' | 'header'>

const noMeasures: Measures = { picture: undefined, header: undefined }

export interface InspectionNeeds {
  readonly store: Pick<ObjectStore, 'read'>
  readonly config: { readonly thumbnails: Pick<Config['thumbnails'], 'timeout'> }
  readonly decoding: Gate
}

/** Bytes that are looked at. The measures of a picture come after its metadata: EXIF with a preview, a colour profile, the depth map of a portrait. */
export const headReach = 256 * 1024

/** What libvips can read the header of; the picture formats of all others have no measures for us. */
const measurable: ReadonlySet<string> = new Set([
  'image/jpeg',
  'image/png',
  'image/apng',
  'image/gif',
  'image/webp',
  'image/avif',
  'image/heic',
  'image/heic-sequence',
  'image/heif',
  'image/heif-sequence',
])

/** How those begin, or what may stand before them. */
const beginnings: readonly { readonly at: number; readonly bytes: Buffer }[] = [
  { at: 0, bytes: Buffer.from([0xff, 0xd8, 0xff]) },
  { at: 0, bytes: Buffer.from([0x89, 0x50, 0x4e, 0x47]) },
  { at: 0, bytes: Buffer.from('GIF') },
  { at: 0, bytes: Buffer.from('RIFF') },
  { at: 4, bytes: Buffer.from('ftyp') },
  // A byte order mark and ID3 tags are looked past.
  { at: 0, bytes: Buffer.from([0xef, 0xbb, 0xbf]) },
  { at: 0, bytes: Buffer.from('ID3') },
]

function mayBeMeasurable(head: Buffer): boolean {
  return beginnings.some(({ at, bytes }) => head.subarray(at, at + bytes.length).equals(bytes))
}

export interface Inspection {
  /** Which type the bytes are does not matter, unless it is a picture. */
  readonly picturesOnly: boolean
}

/**
 * Odd bytes are no error: then there are few facts.
 * @param head the first bytes, `headReach` of them where there are so many; their memory is given back
 * @throws MediaError `storage_failed` when the store has lost the object
 */
export async function inspectMedia(
  needs: InspectionNeeds,
  object: ObjectInfo,
  head: Buffer,
  { picturesOnly }: Inspection = { picturesOnly: false },
): Promise<MediaFacts> {
  const detected = picturesOnly && !mayBeMeasurable(head) ? undefined : await detectType(head)
  const isPicture = detected !== undefined && measurable.has(detected.contentType)
  if (isPicture) return { detected, ...(await measure(needs, object, head)) }
  giveBack([head])
  return { detected, ...noMeasures }
}

/** Takes the head away. A header can be made to take long, and a picture that is read whole takes memory: so in turn, and within a deadline. */
async function measure(needs: InspectionNeeds, object: ObjectInfo, head: Buffer): Promise<Measures> {
  const turn = await takeTurn(needs.decoding, needs.config.thumbnails.timeout, () => readMeasures(needs, object, head))
  return turn.outcome === 'done' ? turn.value : noMeasures
}

async function readMeasures(needs: InspectionNeeds, object: ObjectInfo, head: Buffer): Promise<Measures> {
  const isAll = object.size <= head.length
  const header = await readPictureHeader(head)
  // Not before the decoder has ended, even if nobody waits for it any more.
  giveBack([head])
  if (header !== undefined) return measuresOf(header, isAll || hasAllUpFront(header))
  if (isAll || object.size > largestPicture) return noMeasures
  // WebP can only be read whole, and some pictures have more metadata than fits into the head.
  const whole = await readPictureHeader(await readBeginning(needs, object, largestPicture))
  return whole === undefined ? noMeasures : measuresOf(whole, true)
}

/** The others may have texts or frames behind what was read. Taking that for granted costs at most a rendering. */
function hasAllUpFront({ contentType }: PictureHeader): boolean {
  return contentType !== 'image/png' && contentType !== 'image/gif'
}

function measuresOf(header: PictureHeader, isAllKnown: boolean): Measures {
  const { size, needsRendering } = header
  return isAllKnown
    ? { picture: needsRendering ? { ...size, needsRendering } : size, header }
    : { picture: { ...size, needsRendering: true }, header: undefined }
}
