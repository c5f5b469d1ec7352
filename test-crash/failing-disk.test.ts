/**
 * Real processes on disks in trouble: a full one, one that gives errors, one that is slow. Each time: a clear answer that says when to come
 * back, nothing lost, nothing left, and everything goes on by itself when the trouble is over.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { inventory } from '../test/support/inventory.ts'
import { type Answer, makeSend, type RequestOptions, type Send } from './support/requests.ts'
import { type Server, type ServerOptions, startServer, users } from './support/server.ts'
import {
  inject,
  limitFiles,
  mountReadOnly,
  onSmallDisk,
  requireMount,
  seenFrom,
  type Trouble,
} from './support/trouble.ts'

const token = users.me.token

interface World {
  readonly dir: string
  readonly dataDir: string
  readonly server: Server
  readonly send: Send
  readonly api: string
  create(): Promise<Answer>
  /** Create, which must succeed. */
  reserve(): Promise<{ readonly uploadUrl: string; readonly media: string }>
  put(uploadUrl: string, body: Buffer): Promise<Answer>
  complete(media: string): Promise<Answer>
  download(media: string): Promise<Answer>
  remove(media: string): Promise<Answer>
  publish(body: Buffer): Promise<string>
}

interface OpenOptions extends Partial<ServerOptions> {
  readonly keepAlive?: boolean
}

async function open(
  t: ExecutionContext,
  { keepAlive = true, ...options }: OpenOptions = {},
  dir = freshDir(t),
): Promise<World> {
  const dataDir = join(dir, 'data')
  const env = { CRASH_UPKEEP_EVERY: '100', SLUICE_LIMITS__MIN_FREE_BYTES: '0', ...options.env }
  const server = startServer({ dataDir, ...options, env })
  t.teardown(async () => {
    server.kill()
    await server.ended
  })
  const ready = await server.ready
  if (ready === undefined) throw new Error(`it did not start: ${server.said()}`)
  const { send, close } = makeSend({ keepAlive })
  t.teardown(close)

  async function answered(method: string, url: string, more: RequestOptions = {}): Promise<Answer> {
    const answer = await send(method, url, { token, ...more })
    if (answer?.body === undefined) throw new Error(`${method} ${url} was not answered`)
    return answer
  }
  const create = () => answered('POST', `${ready.api}/_matrix/media/v1/create`)
  const reserve = async () => {
    const answer = await create()
    t.is(answer.status, 200, String(answer.body))
    const { content_uri, upload_url } = JSON.parse(String(answer.body))
    return { uploadUrl: String(upload_url), media: String(content_uri).slice('mxc://'.length) }
  }
  const put = (uploadUrl: string, body: Buffer) => answered('PUT', uploadUrl, { body, contentType: 'text/plain' })
  const complete = (media: string) => answered('POST', `${ready.api}/_matrix/media/v1/upload/${media}/complete`)
  return {
    dir,
    dataDir,
    server,
    send,
    api: ready.api,
    create,
    reserve,
    put,
    complete,
    download: media => answered('GET', `${ready.api}/_matrix/client/v1/media/download/${media}`),
    remove: media => answered('POST', `${ready.api}/_matrix/client/v1/media/redact/${media}`),
    publish: async body => {
      const { uploadUrl, media } = await reserve()
      t.is((await put(uploadUrl, body)).status, 200)
      t.is((await complete(media)).status, 200)
      return media
    },
  }
}

function freshDir(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-disk-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

function refused(t: ExecutionContext, { status, headers, body }: Answer, what: string): void {
  t.is(status, 503, `${what}: ${body}`)
  t.regex(String(headers['retry-after']), /^[1-9]\d*$/, what)
}

/** Waits for upkeep, which is given a moment for what it has to do. */
async function inOrder(t: ExecutionContext, dataDir: string): Promise<void> {
  let problems: string[] = []
  const deadline = performance.now() + 60_000
  while (performance.now() < deadline) {
    // A copy, because SQLite does not find its way into another process's view of the disk.
    const copy = mkdtempSync(join(tmpdir(), 'sluice-disk-copy-'))
    for (const name of ['sluice.db', 'sluice.db-wal']) copyFileSync(join(dataDir, name), join(copy, name))
    const sql = new BetterSqlite3(join(copy, 'sluice.db'))
    problems = inventory(dataDir, sql)
    const unwanted = sql.prepare('SELECT count(*) FROM unwanted_object').pluck().get()
    sql.close()
    rmSync(copy, { recursive: true })
    if (unwanted !== 0) problems.push(`${unwanted} objects were not removed`)
    if (problems.length === 0) break
    await sleep(50)
  }
  t.deepEqual(problems, [])
}

const bytes = (size: number, name: string): Buffer => Buffer.alloc(size, `${name} `)

test.serial(
  'a disk of 24 MiB, with the log on it, is filled to the last byte; with a little room things can be deleted, and it goes on',
  async t => {
    requireMount()
    const dir = freshDir(t)
    const under = onSmallDisk(dir, 24, join(dir, 'log'))
    const world = await open(t, { under, env: { SLUICE_LOG__LEVEL: 'debug' } }, dir)
    const dataDir = seenFrom(world.server.pid, world.dataDir)

    const ballast = seenFrom(world.server.pid, join(dir, 'ballast'))
    writeFileSync(ballast, Buffer.alloc(500_000))
    const stored: { readonly media: string; readonly body: Buffer }[] = []
    for (let number = 0, isFull = false; !isFull; number += 1) {
      // Large ones first, then whatever still fits.
      const body = bytes(number < 40 ? 1_000_000 : 20_000, `content ${number}`)
      const created = await world.create()
      if (created.status !== 200) {
        refused(t, created, 'create')
        break
      }
      const { content_uri, upload_url } = JSON.parse(String(created.body))
      const answer = await world.put(upload_url, body)
      if (answer.status !== 200) refused(t, answer, `PUT ${number}`)
      else {
        const media = String(content_uri).slice('mxc://'.length)
        const completed = await world.complete(media)
        if (completed.status === 200) stored.push({ media, body })
        else refused(t, completed, `complete ${number}`)
      }
      isFull = number > 2000
    }
    t.true(stored.length > 10)
    // Not one log line more fits, and nobody minds.
    refused(t, await world.create(), 'create on a full disk')
    for (const { media, body } of stored) t.true((await world.download(media)).body?.equals(body), media)

    // What is freed goes first into what the database has had to put off.
    const doomed = stored.slice(0, 8)
    for (const { media } of doomed) {
      // A disk without a single free block can not even take note of a deletion: somebody has to make a little room.
      const answer = await world.remove(media)
      if (answer.status !== 200) refused(t, answer, 'delete')
    }
    rmSync(ballast)
    for (const { media } of doomed) t.is((await world.remove(media)).status, 200)
    await inOrder(t, dataDir)
    // For so long a look at the free space is believed.
    await sleep(1100)
    const again = bytes(1_000_000, 'after all')
    t.true((await world.download(await world.publish(again))).body?.equals(again))
    for (const { media, body } of stored.slice(8)) t.true((await world.download(media)).body?.equals(body), media)
  },
)

test.serial(
  'a disk of 24 MiB with a watermark of 8 is never filled: creates and uploads are refused before',
  async t => {
    requireMount()
    const dir = freshDir(t)
    const under = onSmallDisk(dir, 24, join(dir, 'log'))
    const world = await open(t, { under, env: { SLUICE_LIMITS__MIN_FREE_BYTES: '8MiB' } }, dir)
    const dataDir = seenFrom(world.server.pid, world.dataDir)
    const spare = await Promise.all(Array.from({ length: 30 }, world.reserve))
    // At once, so that only their reservations can keep them apart.
    const answers = await Promise.all(
      spare.map(({ uploadUrl }, number) => world.put(uploadUrl, bytes(1_000_000, `content ${number}`))),
    )
    const accepted = spare.filter((_, number) => answers[number]?.status === 200)
    t.true(accepted.length > 3 && accepted.length < 17, `${accepted.length} were taken`)
    for (const answer of answers) if (answer.status !== 200) refused(t, answer, 'PUT')
    await sleep(1100)
    for (const { media } of accepted) t.is((await world.complete(media)).status, 200)
    for (let number = 0; number < 30; number += 1) {
      const created = await world.create()
      if (created.status !== 200) {
        refused(t, created, 'create')
        break
      }
      await world.put(JSON.parse(String(created.body)).upload_url, bytes(1_000_000, `more ${number}`))
      if (number % 5 === 4) await sleep(1100)
    }
    await inOrder(t, dataDir)
  },
)

/** Faults of the write-ahead log, the nth of its calls after they are put in place. */
const faults = ['pwrite64:error=EIO', 'pwrite64:error=ENOSPC', 'pwrite64:error=EROFS', 'fsync:error=EIO'] as const

for (const fault of faults) {
  test.serial(`${fault.replace(':error=', ' that gives ')} under the database, once or for a while`, async t => {
    const world = await open(t)
    const kept = bytes(200_000, 'kept')
    const media = await world.publish(kept)
    const log = join(world.dataDir, 'sluice.db-wal')
    const flows: Readonly<Record<string, () => Promise<() => Promise<Answer>>>> = {
      create: async () => world.create,
      'small PUT': async () => {
        const { uploadUrl } = await world.reserve()
        return () => world.put(uploadUrl, bytes(500, `${fault} ${Math.random()}`))
      },
      'large PUT': async () => {
        const { uploadUrl } = await world.reserve()
        return () => world.put(uploadUrl, bytes(90_000, `${fault} ${Math.random()}`))
      },
      complete: async () => {
        const { uploadUrl, media } = await world.reserve()
        await world.put(uploadUrl, bytes(90_000, `${fault} ${Math.random()}`))
        return () => world.complete(media)
      },
      delete: async () => {
        const doomed = await world.publish(bytes(90_000, `${fault} ${Math.random()}`))
        return () => world.remove(doomed)
      },
    }
    for (const [name, prepare] of Object.entries(flows)) {
      for (const when of ['when=1', 'when=1+']) {
        const flow = await prepare()
        const trouble = await inject(world.server.pid, [`${fault}:${when}`], [log])
        const answer = await flow()
        // Upkeep may have been first to run into a trouble that lasts for one call only.
        if (when === 'when=1+' || answer.status !== 200) refused(t, answer, `${name}, ${when}`)
        if (when === 'when=1+') {
          t.true((await world.download(media)).body?.equals(kept), 'what is there is served')
          refused(t, await flow(), `${name}, once more`)
        }
        await trouble.end()
        t.is((await flow()).status, 200, `${name}, ${when}, then again`)
      }
    }
    await inOrder(t, world.dataDir)
  })
}

/** Each is refused, and the process killed at once: whatever came later would be written over it anyway. */
const undone = { 'small PUT': 500, 'large PUT': 90_000, deletion: 0 } as const

for (const [flow, size] of Object.entries(undone)) {
  for (const when of ['when=1', 'when=1+']) {
    test.serial(`a commit whose sync failed does not come true after a crash: ${flow}, ${when}`, async t => {
      const world = await open(t)
      const [first, second] = [bytes(size, 'first'), bytes(size, 'second')]
      const { uploadUrl, media } = await world.reserve()
      t.is((await world.put(uploadUrl, first)).status, 200)
      if (flow === 'deletion') t.is((await world.complete(media)).status, 200)
      const trouble = await inject(
        world.server.pid,
        [`fsync:error=EIO:${when}`],
        [join(world.dataDir, 'sluice.db-wal')],
      )
      refused(t, flow === 'deletion' ? await world.remove(media) : await world.put(uploadUrl, second), flow)
      world.server.kill()
      await world.server.ended
      await trouble.end()

      const next = await open(t, {}, world.dir)
      t.is((await next.complete(media)).status, 200)
      t.true((await next.download(media)).body?.equals(first))
      await inOrder(t, next.dataDir)
    })
  }
}

test.serial(
  'a sync that fails while the log is folded: the log is kept, until a start has folded all of it',
  async t => {
    const world = await open(t)
    const file = join(world.dataDir, 'sluice.db')
    const trouble = await inject(world.server.pid, ['fsync:error=EIO'], [file])
    const stored: { readonly media: string; readonly body: Buffer }[] = []
    const store = async (count: number): Promise<void> => {
      for (let number = 0; number < count; number += 1) {
        const body = bytes(30_000, `content ${stored.length}`)
        stored.push({ media: await world.publish(body), body })
      }
    }
    // Rows of 8 pages each; beyond a thousand pages the log is worth folding. The file is synced when the thread has caught up.
    const isKept = () => world.server.said().includes('"log kept"')
    while (!isKept() && stored.length < 3000) await store(50)
    t.true(isKept())
    await trouble.end()
    await store(20)
    world.server.kill('SIGTERM')
    t.is((await world.server.ended).code, 0)
    t.true(existsSync(`${file}-kept`))
    t.true(statSync(`${file}-wal`).size > stored.length * 30_000, 'nobody has folded it')

    const next = await open(t, {}, world.dir)
    t.false(existsSync(`${file}-kept`))
    for (const { media, body } of stored) t.true((await next.download(media)).body?.equals(body), media)
    await inOrder(t, next.dataDir)
    next.server.kill('SIGTERM')
    await next.server.ended
    t.false(existsSync(`${file}-wal`))
  },
)

test.serial('a read-only disk: nothing can be written, everything can be read', async t => {
  const world = await open(t)
  const kept = bytes(200_000, 'kept')
  const media = await world.publish(kept)
  const { uploadUrl, media: waiting } = await world.reserve()
  t.is((await world.put(uploadUrl, kept)).status, 200)
  const calls = ['pwrite64', 'pwritev', 'writev', 'link', 'rename', 'unlink', 'mkdir', 'ftruncate', 'fallocate']
  // The bytes of an upload; a socket is written to with the same call, so this one is told by its path.
  const trouble = await inject(
    world.server.pid,
    calls.filter(call => call !== 'writev').map(call => `${call}:error=EROFS`),
  )
  refused(t, await world.create(), 'create')
  refused(t, await world.put(uploadUrl, bytes(100, 'small')), 'small PUT')
  refused(t, await world.put(uploadUrl, bytes(90_000, 'large')), 'large PUT')
  refused(t, await world.complete(waiting), 'complete')
  refused(t, await world.remove(media), 'delete')
  t.true((await world.download(media)).body?.equals(kept))
  await trouble.end()
  t.is((await world.complete(waiting)).status, 200)
  await world.publish(bytes(90_000, 'after'))
  t.is((await world.remove(media)).status, 200)
  t.true((await world.download(waiting)).body?.equals(kept))
  await inOrder(t, world.dataDir)
})

test.serial('a disk that is mounted read-only: what has a path is refused by the system itself', async t => {
  requireMount()
  const dir = freshDir(t)
  const world = await open(t, { under: onSmallDisk(dir, 64, join(dir, 'log')) }, dir)
  const dataDir = seenFrom(world.server.pid, world.dataDir)
  const kept = bytes(200_000, 'kept')
  const media = await world.publish(kept)
  const doomed = await world.publish(bytes(90_000, 'doomed'))
  const { uploadUrl, media: waiting } = await world.reserve()
  const disk = mountReadOnly(world.server.pid, world.dataDir)
  refused(t, await world.put(uploadUrl, bytes(90_000, 'large')), 'large PUT')
  // SQLite has had its files open since the start, so that for them the errors have to be brought.
  t.is((await world.remove(doomed)).status, 200, 'its row goes, and its bytes when they can')
  const log = await inject(world.server.pid, ['pwrite64:error=EROFS', 'ftruncate:error=EROFS'])
  refused(t, await world.create(), 'create')
  refused(t, await world.put(uploadUrl, bytes(100, 'small')), 'small PUT')
  refused(t, await world.put(uploadUrl, bytes(90_000, 'large')), 'large PUT')
  refused(t, await world.remove(media), 'delete')
  t.true((await world.download(media)).body?.equals(kept))
  await log.end()
  await disk.end()
  t.is((await world.put(uploadUrl, bytes(90_000, 'large'))).status, 200)
  t.is((await world.complete(waiting)).status, 200)
  t.true((await world.download(media)).body?.equals(kept))
  t.is((await world.download(doomed)).status, 404)
  await inOrder(t, dataDir)
})

test.serial('a database that can not be read is told like one that can not be written', async t => {
  const world = await open(t)
  const media = await world.publish(bytes(90_000, 'kept'))
  // What has been read stays in memory, so another process reads it anew.
  world.server.kill()
  await world.server.ended
  const next = await open(t, {}, world.dir)
  const trouble = await inject(
    next.server.pid,
    ['pread64:error=EIO'],
    [join(next.dataDir, 'sluice.db-wal'), join(next.dataDir, 'sluice.db')],
  )
  const answer = await next.download(media)
  if (answer.status !== 200) refused(t, answer, `download, ${next.server.said()}`)
  await trouble.end()
  t.is((await next.download(media)).status, 200)
})

test.serial('without a free descriptor an upload is refused, and the connection lives to try again', async t => {
  const world = await open(t)
  const kept = bytes(200_000, 'kept')
  const media = await world.publish(kept)
  const { uploadUrl, media: waiting } = await world.reserve()
  // The connections to both listeners stay; there is just no descriptor for a file.
  await world.put(uploadUrl, bytes(100, 'small'))
  const trouble: Trouble = limitFiles(world.server.pid, 3)
  refused(t, await world.put(uploadUrl, bytes(90_000, 'large')), 'large PUT')
  refused(t, await world.download(media), 'download')
  await trouble.end()
  t.is((await world.put(uploadUrl, bytes(90_000, 'large'))).status, 200)
  t.is((await world.complete(waiting)).status, 200)
  t.true((await world.download(media)).body?.equals(kept))
  await inOrder(t, world.dataDir)
})

test.serial('a slow disk is waited for', async t => {
  const world = await open(t, { env: { SLUICE_LIMITS__IDLE_TIMEOUT: '1s' }, keepAlive: false })
  const trouble = await inject(world.server.pid, ['fsync:delay_enter=1500000', 'pwrite64:delay_enter=3000'])
  // More than a row, and little enough to be sent at once: a client that is held up must not look like one that is silent.
  const body = bytes(60_000, 'slowly')
  t.true((await world.download(await world.publish(body))).body?.equals(body))
  await trouble.end()
  await inOrder(t, world.dataDir)
})
