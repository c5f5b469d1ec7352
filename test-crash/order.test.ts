/**
 * What docs/durability.md says of the order in which things reach the disk, read off the system calls of a server that takes an upload.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { makeSend, type Send } from './support/requests.ts'
import { startServer, users } from './support/server.ts'
import {
  bytesIn,
  parseTrace,
  pathsIn,
  readTrace,
  requireStrace,
  type SystemCall,
  targetOf,
  tracing,
} from './support/trace.ts'

const token = users.me.token

interface Walk {
  readonly api: string
  readonly send: Send
  readonly create: () => Promise<{ readonly uploadUrl: string; readonly mediaId: string }>
}

/** @returns what happened on the disk and on the wire between the request and its answer, as short words in order */
async function trace(t: ExecutionContext, walk: (walk: Walk) => Promise<void>): Promise<string[]> {
  requireStrace()
  const dir = mkdtempSync(join(tmpdir(), 'sluice-order-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const dataDir = join(dir, 'data')
  // The tables of the first start are not what we want to see.
  const first = startServer({ dataDir })
  await first.ready
  first.kill('SIGTERM')
  await first.ended

  const file = join(dir, 'trace')
  const server = startServer({ dataDir, under: tracing(file) })
  const ready = await server.ready
  if (ready === undefined) throw new Error(server.said())
  const { send, close } = makeSend()
  await walk({
    api: ready.api,
    send,
    create: async () => {
      const answer = await send('POST', `${ready.api}/_matrix/media/v1/create`, { token })
      const uploadUrl = JSON.parse(String(answer?.body)).upload_url
      return { uploadUrl, mediaId: new URL(uploadUrl).pathname.split('/').at(-1) ?? '' }
    },
  })
  close()
  // Not at once: the client may have its answer before the tracer has seen the call that sent it to its end.
  server.kill('SIGTERM')
  await server.ended
  const words = parseTrace(await readTrace(file, server.pid))
    .map(call => wordFor(call, dataDir))
    .filter(word => word !== undefined)
  // Since the answer to the request before this one.
  const answers = words.flatMap((word, index) => (word.startsWith('answer') ? [index] : []))
  const last = answers.at(-1) ?? 0
  return words.slice((answers.at(-2) ?? -1) + 1, last + 1).filter((word, index, all) => word !== all[index - 1])
}

function wordFor({ name, text, result }: SystemCall, dataDir: string): string | undefined {
  if (result < 0) return undefined
  const target = targetOf(text)
  if (target.startsWith('socket') || target.startsWith('TCP')) {
    const head = bytesIn(text).toString('latin1', 0, 12)
    return head.startsWith('HTTP/1.1') ? `answer ${head.slice(9)}` : undefined
  }
  if (/^f(?:data)?sync$/.test(name) && target.startsWith(dataDir)) return `sync ${placeOf(target, dataDir)}`
  if (/^p?writev?(?:64)?$/.test(name) && target.startsWith(dataDir)) return `write ${placeOf(target, dataDir)}`
  if (/^(?:link|rename|unlink|mkdir)/.test(name)) {
    const paths = pathsIn(text)
    if (!paths[0]?.startsWith(dataDir)) return undefined
    return `${name} ${paths.map(path => placeOf(path, dataDir)).join(' → ')}`
  }
  return undefined
}

function placeOf(path: string, dataDir: string): string {
  const place = relative(dataDir, path.replace(/ \(deleted\)$/, ''))
  const inside = dirname(place)
  if (inside === 'incoming') return basename(place).split('-')[0] ?? ''
  if (place.length > 64) return 'object'
  if (inside === 'objects') return 'shard'
  return place
}

test('a large PUT: bytes, their first name, their final name and its directory, the row; then the answer', async t => {
  const order = await trace(t, async ({ send, create }) => {
    const { uploadUrl } = await create()
    t.is((await send('PUT', uploadUrl, { body: Buffer.alloc(300_000, 'a'), contentType: 'text/plain' }))?.status, 200)
  })
  t.deepEqual(order, [
    'write receiving',
    'rename receiving → received',
    'sync received',
    'mkdir shard',
    'sync objects',
    'link received → object',
    'sync shard',
    'write sluice.db-wal',
    'sync sluice.db-wal',
    'unlink received',
    'answer 200',
  ])
})

test('a small PUT: one synced commit for bytes and row; then the answer', async t => {
  const order = await trace(t, async ({ send, create }) => {
    const { uploadUrl } = await create()
    t.is((await send('PUT', uploadUrl, { body: Buffer.alloc(3000, 'a'), contentType: 'text/plain' }))?.status, 200)
  })
  t.deepEqual(order, ['write sluice.db-wal', 'sync sluice.db-wal', 'answer 200'])
})

test('complete: one synced commit; then the answer', async t => {
  const order = await trace(t, async ({ api, send, create }) => {
    const { uploadUrl, mediaId } = await create()
    await send('PUT', uploadUrl, { body: Buffer.alloc(300_000, 'a'), contentType: 'text/plain' })
    const path = `/_matrix/media/v1/upload/localhost/${mediaId}/complete`
    t.is((await send('POST', `${api}${path}`, { token }))?.status, 200)
  })
  t.deepEqual(order, ['write sluice.db-wal', 'sync sluice.db-wal', 'answer 200'])
})

test('create: one synced commit; then the answer', async t => {
  const order = await trace(t, async ({ create }) => {
    await create()
    await create()
  })
  t.deepEqual(order, ['write sluice.db-wal', 'sync sluice.db-wal', 'answer 200'])
})
