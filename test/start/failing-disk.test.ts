/**
 * Whatever the disk refuses, at whatever moment, for once or for a while: the client is told, nothing is lost, nothing is left, and once
 * the disk works again everything works.
 */
import test, { type ExecutionContext } from 'ava'
import sharp from 'sharp'
import type { FileSystem } from '../../src/storage/file-system.ts'
import { systemError } from '../support/faulty-file-system.ts'
import { put } from '../support/media-client.ts'
import { type FailingDisk, withFailingDisk } from '../support/with-failing-disk.ts'

/** Errors that the system gives for each kind of trouble. */
const troubles = ['ENOSPC', 'EIO', 'EMFILE', 'EROFS'] as const

/** What needs no file descriptor and no space still fails on a broken disk; what only looks does not on a full one. */
const concerns: Readonly<Record<(typeof troubles)[number], ReadonlySet<keyof FileSystem>>> = {
  ENOSPC: new Set(['open', 'writev', 'sync', 'datasync', 'close', 'link', 'rename', 'mkdir', 'renameSync']),
  EIO: new Set([
    'open',
    'writev',
    'sync',
    'datasync',
    'close',
    'size',
    'sizeOf',
    'sizeOfSync',
    'link',
    'rename',
    'unlink',
    'mkdir',
    'renameSync',
  ]),
  EMFILE: new Set(['open']),
  EROFS: new Set(['open', 'link', 'rename', 'unlink', 'mkdir', 'renameSync']),
}

interface Flow {
  readonly name: string
  /** Brings about where the flow begins; returns the flow, which gives its answer. */
  readonly prepare: (disk: FailingDisk) => Promise<() => Promise<Response>>
}

let serial = 0

/** Bytes that nobody has uploaded before. */
function fresh(size: number): Buffer {
  serial += 1
  return Buffer.alloc(size, `${serial} `)
}

/** Small, and full of detail, so that a thumbnail of it is too large for a row. */
async function picture(): Promise<Buffer> {
  serial += 1
  const noise = {
    width: 400,
    height: 300,
    channels: 3,
    noise: { type: 'gaussian', mean: serial % 256, sigma: 60 },
  } as const
  return sharp({ create: { ...noise, background: 'white' } })
    .jpeg({ quality: 95 })
    .toBuffer()
}

const large = 100_000

const flows: readonly Flow[] = [
  {
    name: 'create',
    prepare:
      async ({ client }) =>
      () =>
        client.ask('POST', '/_matrix/media/v1/create'),
  },
  {
    name: 'the PUT of a small object',
    prepare: async ({ client }) => {
      const { uploadUrl } = await client.create()
      return () => put(uploadUrl, fresh(1000))
    },
  },
  {
    name: 'the PUT of a large object',
    prepare: async ({ client }) => {
      const { uploadUrl } = await client.create()
      const bytes = fresh(large)
      return () => put(uploadUrl, bytes)
    },
  },
  {
    name: 'a PUT that replaces an earlier one',
    prepare: async ({ client }) => {
      const { uploadUrl } = await client.create()
      await put(uploadUrl, fresh(large))
      const bytes = fresh(large)
      return () => put(uploadUrl, bytes)
    },
  },
  {
    name: 'the PUT of bytes that are there already',
    prepare: async ({ client }) => {
      const bytes = fresh(large)
      await client.publish(bytes, 'application/x-sluice')
      const { uploadUrl } = await client.create()
      return () => put(uploadUrl, bytes)
    },
  },
  {
    name: 'complete, with thumbnails',
    prepare: async ({ client }) => {
      const { media, uploadUrl } = await client.create()
      await put(uploadUrl, await picture(), 'image/jpeg')
      return () => client.complete(media)
    },
  },
  {
    name: 'POST upload',
    prepare: async ({ client }) => {
      const body = new Uint8Array(fresh(large))
      return () => client.ask('POST', '/_matrix/media/v3/upload', { body })
    },
  },
  {
    name: 'a thumbnail on demand',
    prepare: async ({ client }) => {
      const media = await client.publish(await picture(), 'image/jpeg')
      return () => client.ask('GET', `/_matrix/client/v1/media/thumbnail/${media}?width=320&height=240&method=crop`)
    },
  },
  {
    name: 'a download',
    prepare: async ({ client }) => {
      const media = await client.publish(fresh(large), 'application/x-sluice')
      return () => client.ask('GET', `/_matrix/client/v1/media/download/${media}`)
    },
  },
]

/** 503 with the time to come back, or success; nothing in between. */
async function isDone(t: ExecutionContext, response: Response, what: string): Promise<boolean> {
  const body = Buffer.from(await response.arrayBuffer())
  if (response.status === 200) return true
  t.is(response.status, 503, `${what}: ${body}`)
  t.regex(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/, what)
  t.is(JSON.parse(body.toString()).errcode, 'M_UNKNOWN', what)
  return false
}

for (const { name, prepare } of flows) {
  test(`${name}: any call that the disk refuses, once or from then on, is told, and leaves nothing`, async t => {
    const disk = await withFailingDisk(t)
    const kept = fresh(large)
    const media = await disk.client.publish(kept, 'application/x-sluice')
    let refusals = 0
    for (const trouble of troubles) {
      // One failure among successes is the same whatever it is called.
      for (const lasting of trouble === 'EIO' ? [false, true] : [true]) {
        for (let at = 1, isMet = true; isMet; at += 1) {
          const what = `${trouble} at call ${at}${lasting ? ' and after' : ''}`
          const flow = await prepare(disk)
          let calls = 0
          isMet = false
          disk.breakDisk(call => {
            if (!concerns[trouble].has(call.name)) return
            calls += 1
            if (calls < at || (calls > at && !lasting)) return
            isMet = true
            throw systemError(trouble)
          })
          if (!(await isDone(t, await flow(), what))) refusals += 1
          disk.breakDisk(undefined)
          t.true(await isDone(t, await flow(), `${what}, then again`), what)
        }
      }
    }
    t.deepEqual(await disk.problems(), [])
    t.true((await disk.client.download(media)).equals(kept))
    if (name !== 'create' && name !== 'the PUT of a small object') t.true(refusals > 0, 'some were refused')
  })
}

test('a database that may not grow: whatever does not fit is told, and fits when it may', async t => {
  const disk = await withFailingDisk(t)
  const { sql } = disk.database
  const pages = (): number => sql.pragma('page_count', { simple: true }) as number
  const limit = (most: number): void => void sql.pragma(`max_page_count = ${most}`)
  const kept = fresh(large)
  const media = await disk.client.publish(kept, 'application/x-sluice')
  for (const { name, prepare } of flows) {
    let refusals = 0
    // With each further page a flow comes one statement further.
    for (let room = 0; room < 4; room += 1) {
      const flow = await prepare(disk)
      const filler = await disk.client.create()
      // Pages that were freed are used first, so those go now.
      await put(filler.uploadUrl, fresh(32_000))
      sql.exec('VACUUM')
      limit(pages() + room)
      const what = `${name}, with room for ${room} pages`
      if (!(await isDone(t, await flow(), what))) refusals += 1
      t.true((await disk.client.download(media)).equals(kept), what)
      limit(1_000_000_000)
      t.true(await isDone(t, await flow(), `${what}, then again`), what)
    }
    if (name === 'the PUT of a small object') t.true(refusals > 0, 'it needs more room than this')
  }
  t.deepEqual(await disk.problems(), [])
  t.is(sql.pragma('integrity_check', { simple: true }), 'ok')
})

test('what upkeep can not remove today it removes when the disk works again', async t => {
  const disk = await withFailingDisk(t)
  const { client } = disk
  for (const trouble of ['EIO', 'EROFS'] as const) {
    for (const lasting of [false, true]) {
      for (let at = 1, isMet = true; isMet; at += 1) {
        const media = await client.publish(fresh(large), 'application/x-sluice')
        await client.ask('POST', `/_matrix/client/v1/media/redact/${media}`)
        let calls = 0
        isMet = false
        disk.breakDisk(call => {
          if (!concerns[trouble].has(call.name)) return
          calls += 1
          if (calls < at || (calls > at && !lasting)) return
          isMet = true
          throw systemError(trouble)
        })
        await disk.upkeep().catch(() => {})
        disk.breakDisk(undefined)
        t.deepEqual(await disk.problems(), [], `${trouble} at call ${at}`)
      }
    }
  }
})

test('a disk that is slow keeps a client waiting, and no more: it is not blamed for a silence that is ours', async t => {
  const disk = await withFailingDisk(t, { SLUICE_LIMITS__IDLE_TIMEOUT: '5s' })
  let slowest = 6000
  disk.breakDisk(call => {
    if (call.name.endsWith('Sync')) return undefined
    const delay = call.name === 'writev' ? slowest : 20
    if (call.name === 'writev') slowest = 20
    return new Promise(resolve => setTimeout(resolve, delay))
  })
  const bytes = fresh(700_000)
  const media = await disk.client.publish(bytes, 'application/x-sluice')
  t.true((await disk.client.download(media)).equals(bytes))
  disk.breakDisk(undefined)
  t.deepEqual(await disk.problems(), [])
})
