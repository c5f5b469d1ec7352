/**
 * From drawn thumbnails to staged objects. The larger ones wait for the disk, so each is staged while the next is drawn.
 */
import type { StoredThumbnail } from '../catalog/media-catalog.ts'
import type { ObjectStore, StagedObject } from '../storage/object-store.ts'
import type { RenderedThumbnail } from './render-thumbnails.ts'

export interface PreparedThumbnails {
  /** To be kept in the transaction that makes them known. */
  readonly staged: readonly StagedObject[]
  readonly thumbnails: readonly StoredThumbnail[]
}

/** Ends with `finish` or with `abandon`; what is drawn after that is not staged any more. */
export interface Staging {
  begin(bytes: Buffer): void
  /** Also what was not begun yet. @throws MediaError of the store, and then nothing stays staged */
  finish(rendered: readonly RenderedThumbnail[]): Promise<PreparedThumbnails>
  /** Never throws. */
  abandon(): Promise<void>
}

/** For one picture. */
export function stageThumbnails(store: Pick<ObjectStore, 'stage' | 'discard'>): Staging {
  /** Several thumbnails of a small picture are the same bytes. */
  const begun = new Map<Buffer, Promise<StagedObject>>()
  let isOver = false

  function begin(bytes: Buffer): void {
    if (isOver || begun.has(bytes)) return
    const staging = store.stage(bytes, { maxBytes: bytes.length })
    // A failure is of interest at the end.
    staging.catch(() => {})
    begun.set(bytes, staging)
  }

  async function abandon(): Promise<void> {
    isOver = true
    const outcomes = await Promise.allSettled(begun.values())
    await store.discard(outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : [])))
  }

  return {
    begin,
    abandon,
    finish: async rendered => {
      for (const { bytes } of rendered) begin(bytes)
      isOver = true
      try {
        const staged = await Promise.all(begun.values())
        const objects = new Map([...begun.keys()].map((bytes, index) => [bytes, staged[index]?.object]))
        const thumbnails = rendered.flatMap(({ spec, actual, contentType, bytes }) => {
          const object = objects.get(bytes)
          return object === undefined ? [] : [{ spec, actual, contentType, object }]
        })
        return { staged, thumbnails }
      } catch (error) {
        await abandon()
        throw error
      }
    },
  }
}
