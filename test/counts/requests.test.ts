/**
 * What requests cost, counted: one client, one request after another, so that the counts depend on nothing but the code. They are upper
 * bounds. Whoever lowers a count lowers its bound; whoever has to raise one says why in the commit.
 */
import test, { type ExecutionContext } from 'ava'
import sharp from 'sharp'
import { bareClient } from '../support/bare-client.ts'
import { type Copies, type Pipelines, watchCopies, watchPipelines, watchStatements } from '../support/counting.ts'
import type { FaultyFileSystem } from '../support/faulty-file-system.ts'
import { withFailingDisk } from '../support/with-failing-disk.ts'

const KiB = 1024
const MiB = 1024 * KiB
const authorization = 'Authorization: Bearer token-of-me\r\n'

interface Counted {
  readonly statements: readonly string[]
  readonly calls: readonly string[]
  readonly copiedBytes: number
  readonly pipelines: number
  readonly headers: number
}

interface Stand {
  create(): Promise<{ readonly media: string; readonly upload: string }>
  put(upload: string, body: Buffer, contentType?: string): Promise<unknown>
  complete(media: string): Promise<unknown>
  download(media: string): Promise<unknown>
  /** What `work` cost. */
  count(work: () => Promise<unknown>): Promise<Counted>
}

async function stand(t: ExecutionContext): Promise<Stand> {
  const { api: apiUrl, client, fs } = await withFailingDisk(t)
  const { uploadUrl } = await client.create()
  const [api, edge] = [bareClient(t, apiUrl), bareClient(t, uploadUrl)]
  const counters = { statements: watchStatements(t), copies: watchCopies(t), pipelines: watchPipelines(t), fs }
  const made: Stand = {
    create: async () => {
      const answer = await api.send('POST', '/_matrix/media/v1/create', { headers: authorization })
      const { content_uri, upload_url } = JSON.parse(answer.text())
      const { pathname, search } = new URL(upload_url)
      return { media: String(content_uri).slice('mxc://'.length), upload: pathname + search }
    },
    put: (upload, body, contentType = 'application/octet-stream') =>
      edge.send('PUT', upload, { headers: `Content-Type: ${contentType}\r\n`, body }),
    complete: media =>
      api.send('POST', `/_matrix/media/unstable/com.beeper.msc3870/upload/${media}/complete`, {
        headers: authorization,
      }),
    download: media => api.send('GET', `/_matrix/client/v1/media/download/${media}`, { headers: authorization }),
    count: work => counted(counters, work),
  }
  // The first of each prepares statements, opens directories and loads libraries.
  await cycle(made, Buffer.alloc(KiB, 'first'))
  await cycle(made, Buffer.alloc(MiB, 'first'))
  return made
}

interface Counters {
  readonly statements: string[]
  readonly copies: Copies
  readonly pipelines: Pipelines
  readonly fs: FaultyFileSystem
}

async function counted(
  { statements, copies, pipelines, fs }: Counters,
  work: () => Promise<unknown>,
): Promise<Counted> {
  const before = {
    statements: statements.length,
    calls: fs.calls.length,
    bytes: copies.bytes,
    pipelines: pipelines.count,
    headers: pipelines.headers,
  }
  await work()
  return {
    statements: statements.slice(before.statements),
    calls: fs.calls.slice(before.calls),
    copiedBytes: copies.bytes - before.bytes,
    pipelines: pipelines.count - before.pipelines,
    headers: pipelines.headers - before.headers,
  }
}

async function cycle({ create, put, complete }: Stand, body: Buffer, contentType?: string): Promise<string> {
  const { media, upload } = await create()
  await put(upload, body, contentType)
  await complete(media)
  return media
}

/** @param bounds for each call that may be made at all */
function callsWithin(t: ExecutionContext, { calls }: Counted, bounds: Readonly<Record<string, number>>): void {
  const counts = Object.entries(Object.groupBy(calls, name => name)).map(
    ([name, each]) => [name, each?.length ?? 0] as const,
  )
  for (const [name, count] of counts)
    t.true(
      count <= (bounds[name] ?? 0),
      `${name} was called ${count} times, ${bounds[name] ?? 0} are allowed; in all: ${counts.join(' ')}`,
    )
}

function statementsWithin(t: ExecutionContext, { statements }: Counted, bound: number): void {
  t.true(
    statements.length <= bound,
    `${statements.length} statements, ${bound} are allowed:\n  ${statements.join('\n  ')}`,
  )
}

const isCommit = (sql: string) => sql === 'COMMIT' || sql === 'END'
const nothing = {}

test.serial('a cycle of 1 KiB is 15 statements, three commits, and no file', async t => {
  const { create, put, complete, count } = await stand(t)
  const cost = await count(async () => {
    const { media, upload } = await create()
    await put(upload, Buffer.alloc(KiB, 'small'))
    await complete(media)
  })
  t.is(cost.statements.filter(isCommit).length, 3, 'commits; each is a sync')
  statementsWithin(t, cost, 15)
  callsWithin(t, cost, nothing)
  t.is(cost.copiedBytes, 0)
})

test.serial('each request of a cycle has its share of the statements', async t => {
  const { create, put, complete, count } = await stand(t)
  const { media, upload } = await create()
  statementsWithin(t, await count(create), 3)
  statementsWithin(t, await count(() => put(upload, Buffer.alloc(KiB, 'small'))), 6)
  statementsWithin(t, await count(() => complete(media)), 6)
})

/** Of a PUT into a file: its own, its directory's, and that of all directories when this one is new. */
const fileCalls = { open: 3, close: 3, sync: 3, rename: 1, link: 1, mkdir: 1, sizeOfSync: 1, unlink: 1 }

for (const { name, bytes, writes, earlySyncs } of [
  { name: '128 KiB', bytes: 128 * KiB, writes: 1, earlySyncs: 0 },
  { name: '1 MiB', bytes: MiB, writes: 2, earlySyncs: 0 },
  { name: '64 MiB', bytes: 64 * MiB, writes: 66, earlySyncs: 10 },
]) {
  test.serial(`a PUT of ${name} writes every byte once, with ${writes} writes at most, and copies none`, async t => {
    const { create, put, complete, count } = await stand(t)
    const { media, upload } = await create()
    const body = Buffer.alloc(bytes, name)
    const cost = await count(() => put(upload, body))
    callsWithin(t, cost, { ...fileCalls, writev: writes, datasync: earlySyncs })
    t.true(cost.copiedBytes <= body.byteLength / 100, `${cost.copiedBytes} of ${body.byteLength} bytes were copied`)
    t.is(cost.statements.filter(isCommit).length, 1)
    statementsWithin(t, cost, 9)

    // Of bytes that are no picture, the beginning says all.
    const completion = await count(() => complete(media))
    callsWithin(t, completion, { open: 1, size: 1, read: 1, close: 1 })
    t.is(completion.statements.filter(isCommit).length, 1)
  })
}

test.serial(
  'complete reads the header of a picture once, decodes it once, draws five thumbnails from that, and commits once',
  async t => {
    const { create, put, complete, count } = await stand(t)
    const picture = await sharp({ create: { width: 1600, height: 1200, channels: 3, background: '#4a7ba6' } })
      .jpeg()
      .toBuffer()
    const { media, upload } = await create()
    await put(upload, picture, 'image/jpeg')
    const cost = await count(() => complete(media))
    t.is(cost.headers, 1)
    t.is(cost.pipelines, 6, 'one decode and five thumbnails')
    t.is(cost.statements.filter(isCommit).length, 1)
    t.is(cost.copiedBytes, 0)
  },
)

test.serial('a download of 64 MiB is one statement and a read for each half MiB, and copies nothing', async t => {
  const stood = await stand(t)
  const body = Buffer.alloc(64 * MiB, 'large')
  const media = await cycle(stood, body)
  const cost = await stood.count(() => stood.download(media))
  statementsWithin(t, cost, 1)
  callsWithin(t, cost, { open: 1, size: 1, read: 130, close: 1 })
  t.true(cost.copiedBytes <= body.byteLength / 100, `${cost.copiedBytes} of ${body.byteLength} bytes were copied`)
})

test.serial('a download of 1 KiB is two statements, and no file', async t => {
  const stood = await stand(t)
  const media = await cycle(stood, Buffer.alloc(KiB, 'tiny'))
  const cost = await stood.count(() => stood.download(media))
  statementsWithin(t, cost, 2)
  callsWithin(t, cost, nothing)
})
