/**
 * The thumbnails of one stored picture: a few at a time, within a deadline, and with every failure as a result, since no thumbnail may
 * make an upload fail (design §4).
 */
import type { Config } from '../config/config.ts'
import type { ObjectInfo } from '../domain/objects.ts'
import { type ThumbnailSpec, targetSize, thumbnailable } from '../domain/thumbnails.ts'
import type { ObjectStore } from '../storage/object-store.ts'
import { type DrawnThumbnail, drawThumbnails } from './draw-thumbnails.ts'
import type { Gate } from './gate.ts'
import { largestPicture, type PictureHeader, pixelsOf, readPictureHeader } from './picture-decoder.ts'
import { type LendMemory, makePictureMemory } from './picture-memory.ts'
import { readBeginning } from './read-beginning.ts'
import { takeTurn } from './take-turn.ts'

export type RenderedThumbnail = DrawnThumbnail

export type Rendering =
  | { readonly outcome: 'rendered'; readonly thumbnails: readonly RenderedThumbnail[] }
  | { readonly outcome: 'failed'; readonly reason: RenderFailure; readonly detail: string }

/**
 * `unsupported`: not a picture that we decode · `too_large`: more bytes or pixels than allowed · `damaged`: the decoder gave up ·
 * `timeout` · `busy`: no turn came · `unreadable`: the store failed; only this and the two before it may go better another time
 */
export type RenderFailure = 'unsupported' | 'too_large' | 'damaged' | 'timeout' | 'busy' | 'unreadable'

export interface RenderOptions {
  /** True where the original itself is no answer. Otherwise specs for which it can stand are left out of the result. */
  readonly evenAtOriginalSize?: boolean
  /** Of the whole picture, if somebody has read it already. */
  readonly header?: PictureHeader | undefined
  /** Told of each that is drawn, while others still are; it may be called after the rendering has failed. */
  readonly onDrawn?: (bytes: Buffer) => void
}

/** Never rejects. */
export type RenderThumbnails = (
  object: ObjectInfo,
  specs: readonly ThumbnailSpec[],
  options?: RenderOptions,
) => Promise<Rendering>

export interface RendererNeeds {
  readonly store: Pick<ObjectStore, 'read'>
  readonly config: { readonly thumbnails: Config['thumbnails'] }
  /** Pictures take memory, and a thread of the pool that files need too; all who decode share this gate. */
  readonly decoding: Gate
}

export function makeRenderer(needs: RendererNeeds): RenderThumbnails {
  const { timeout, concurrency } = needs.config.thumbnails
  const lendMemory = makePictureMemory(concurrency)
  const isAlone = (): boolean => needs.decoding.inside() === 1
  return async (object, specs, { evenAtOriginalSize = false, header, onDrawn } = {}) => {
    try {
      const turn = await takeTurn(needs.decoding, timeout, isWanted =>
        render({ ...needs, lendMemory }, object, { specs, evenAtOriginalSize, header, onDrawn, isWanted, isAlone }),
      )
      if (turn.outcome === 'done') return turn.value
      const isLate = turn.outcome === 'timeout'
      return failed(turn.outcome, isLate ? `not finished within ${timeout} ms` : 'too many pictures are waiting')
    } catch (error) {
      return failed('unreadable', messageOf(error))
    }
  }
}

interface Task {
  readonly specs: readonly ThumbnailSpec[]
  readonly evenAtOriginalSize: boolean
  readonly header: PictureHeader | undefined
  readonly onDrawn: RenderOptions['onDrawn'] | undefined
  readonly isWanted: () => boolean
  readonly isAlone: () => boolean
}

/** @throws what the store throws */
async function render(
  needs: RendererNeeds & { readonly lendMemory: LendMemory },
  object: ObjectInfo,
  task: Task,
): Promise<Rendering> {
  if (object.size > largestPicture) return failed('too_large', `${object.size} bytes; the limit is ${largestPicture}`)
  return needs.lendMemory(object.size, async memory =>
    renderBytes(await readBeginning(needs, object, largestPicture, memory), needs.config.thumbnails, task),
  )
}

async function renderBytes(
  bytes: Buffer,
  settings: Config['thumbnails'],
  { specs, evenAtOriginalSize, header: known, onDrawn, isWanted, isAlone }: Task,
): Promise<Rendering> {
  const header = known ?? (await readPictureHeader(bytes))
  if (header === undefined) return failed('unsupported', 'not a picture of a format that is decoded here')
  if (!thumbnailable(header.contentType)) return failed('unsupported', `${header.contentType} is not decoded here`)
  const pixels = pixelsOf(header)
  if (pixels > settings.maxPixels) return failed('too_large', `${pixels} pixels; the limit is ${settings.maxPixels}`)

  const missing = specs.filter(spec => evenAtOriginalSize || !originalServes(header, spec))
  if (missing.length === 0) return { outcome: 'rendered', thumbnails: [] }
  try {
    return {
      outcome: 'rendered',
      thumbnails: await drawThumbnails(bytes, header, missing, { ...settings, onDrawn, isWanted, isAlone }),
    }
  } catch (error) {
    const detail = messageOf(error)
    return failed(detail.startsWith('timeout') ? 'timeout' : 'damaged', detail)
  }
}

/** True when the thumbnail would be the original over again. */
function originalServes({ size, needsRendering }: PictureHeader, spec: ThumbnailSpec): boolean {
  const target = targetSize(size, spec)
  return !needsRendering && target.width === size.width && target.height === size.height
}

function failed(reason: RenderFailure, detail: string): Rendering {
  return { outcome: 'failed', reason, detail }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
