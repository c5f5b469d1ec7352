/** The five standard thumbnails of a picture, as the service makes them, without store, catalog or network. */
import { type ObjectInfo, objectKey } from '../../src/domain/objects.ts'
import { standardThumbnails } from '../../src/domain/thumbnails.ts'
import { makeGate } from '../../src/services/gate.ts'
import { makeRenderer } from '../../src/services/render-thumbnails.ts'

/** The defaults. Not asked of the configuration, whose parsers take longer to load than the thumbnails to make. */
const thumbnails = { maxPixels: 32_000_000, timeout: 20_000, concurrency: 2, quality: 80 }

/** @throws unless there are five */
export function makeThumbnailSet(): (picture: Buffer) => Promise<void> {
  let current: Buffer = Buffer.alloc(0)
  const render = makeRenderer({
    store: { read: async () => current },
    config: { thumbnails },
    decoding: makeGate(thumbnails.concurrency),
  })
  return async picture => {
    current = picture
    const object: ObjectInfo = { key: objectKey(new Uint8Array(32)), size: picture.length }
    const rendering = await render(object, standardThumbnails)
    if (rendering.outcome === 'failed') throw new Error(`no thumbnails: ${rendering.detail}`)
    if (rendering.thumbnails.length !== 5) throw new Error(`${rendering.thumbnails.length} thumbnails`)
  }
}
