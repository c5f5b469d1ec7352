/**
 * The power goes while clients use the server. The system calls of a real run are recorded and played into a model of a disk
 * (`support/disk-model.ts`), and from many of its moments comes what a power cut could have left: only what was synced, or that and
 * pieces of the rest. Each such directory is opened as the next start would, and held against what the clients had been told by then.
 *
 *     MOMENTS=300 SEED=… npx ava --config test-crash/ava.config.js test-crash/power-cut.test.ts
 */
import { cpSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { openLog } from '../src/commands/log.ts'
import { systemRandom } from '../src/domain/clock.ts'
import { type MediaId, toMediaId } from '../src/domain/identifiers.ts'
import type { Media } from '../src/domain/media.ts'
import { upkeep } from '../src/services/expire-media.ts'
import { openFoundation } from '../src/start/foundation.ts'
import { inventory } from '../test/support/inventory.ts'
import { type Chance, makeChance } from './support/chance.ts'
import { type Contents, makeContents, type Offer } from './support/contents.ts'
import { type Kind, makeDiskModel } from './support/disk-model.ts'
import { makeSend, type Send } from './support/requests.ts'
import { startServer, users } from './support/server.ts'
import { parseTrace, readTrace, requireStrace, type SystemCall, targetOf, tracing } from './support/trace.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const moments = Number(process.env.MOMENTS ?? 300)
const token = users.me.token

/** What a row says, as far as clients know. */
type State =
  | { readonly state: 'pending' | 'rejected' | 'deleted' }
  | { readonly state: 'uploaded' | 'ready'; readonly offer: Offer; readonly name?: string }

/** One request that was answered, and what it made of the media. */
interface Event {
  readonly mediaId: MediaId
  /** Milliseconds since the epoch. */
  readonly sentAt: number
  readonly answeredAt: number
  readonly after: State
}

interface Recording {
  /** The directory as it was before. */
  readonly base: string
  /** Where it was while it was recorded. */
  readonly dataDir: string
  readonly calls: readonly SystemCall[]
  readonly events: readonly Event[]
}

test('after a power cut at any moment everything acknowledged is there, and nothing else is left', async t => {
  requireStrace()
  const dir = mkdtempSync(join(tmpdir(), 'sluice-power-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const recording = await record(dir)
  t.true(recording.calls.some(foldsTheLog))
  const counts = { images: 0, strays: 0, acknowledged: 0 }
  for (const kind of ['ordered', 'named', 'strict'] as const) await cut(t, recording, kind, counts)
  t.log(
    `seed ${seed}: ${recording.calls.length} calls, ${recording.events.length} answers, ${counts.images} power cuts, ` +
      `${counts.acknowledged} answers held against them; where a synced file may lose its name, ${counts.strays} objects without a row`,
  )
  t.true(counts.images >= moments)
})

function foldsTheLog({ name, text }: SystemCall): boolean {
  return name === 'pwrite64' && targetOf(text).endsWith('/sluice.db')
}

async function record(dir: string): Promise<Recording> {
  const dataDir = join(dir, 'data')
  const base = join(dir, 'base')
  // The start that is recorded has something to take back.
  await dieInUploads(dataDir, ['one', 'two', 'three'])
  cpSync(dataDir, base, { recursive: true })

  const file = join(dir, 'trace')
  const env = { CRASH_UPKEEP_EVERY: '60' }
  const server = startServer({ dataDir, env, under: tracing(file) })
  const ready = await server.ready
  if (ready === undefined) throw new Error(`it did not start: ${server.said()}`)
  const { send, close } = makeSend()
  const contents = await makeContents(60)
  const events: Event[] = []
  const index = join(dataDir, 'sluice.db')
  const writtenAt = () => statSync(index).mtimeMs
  const before = writtenAt()
  let clients = 0
  const newClient = () => {
    clients += 1
    const chance = makeChance(seed * 100 + clients)
    return runClient({ ...ready, send, contents, chance, note: event => events.push(event) })
  }
  await Promise.all([newClient(), newClient(), newClient()])
  // The log is folded once enough has come together, and the power has to go then too.
  while (writtenAt() === before) await newClient()
  close()
  server.kill()
  await server.ended
  return { base, dataDir, calls: parseTrace(await readTrace(file, server.pid)), events }
}

/** Leaves objects that have no row. */
async function dieInUploads(dataDir: string, contents: readonly string[]): Promise<void> {
  const env = { CRASH_AT: 'keep: directory synced', CRASH_AT_TIME: String(contents.length) }
  const server = startServer({ dataDir, env })
  const ready = await server.ready
  if (ready === undefined) throw new Error(`it did not start: ${server.said()}`)
  const { send, close } = makeSend()
  const upload = async (content: string) => {
    const created = await send('POST', `${ready.api}/_matrix/media/v1/create`, { token })
    const body = Buffer.alloc(50_000, content)
    await send('PUT', JSON.parse(String(created?.body)).upload_url, { body, contentType: 'text/plain' })
  }
  await Promise.allSettled(contents.map(upload))
  close()
  await server.ended
}

interface Client {
  readonly api: string
  readonly edge: string
  readonly send: Send
  readonly contents: Contents
  readonly chance: Chance
  readonly note: (event: Event) => void
}

/** Each media is used by one client, one request after the other; so at any moment at most one of its answers is missing. */
async function runClient({ api, send, contents, chance, note }: Client): Promise<void> {
  async function ask(method: string, url: string, offer?: Offer) {
    const sentAt = Date.now()
    const options = offer === undefined ? {} : { body: offer.content.bytes, contentType: offer.contentType }
    const answer = await send(method, url, { token, ...options })
    if (answer?.body === undefined) throw new Error(`${method} ${url} was not answered`)
    // Rounded up: what was answered within this millisecond counts as not answered yet.
    return {
      sentAt,
      answeredAt: Date.now() + 1,
      status: answer.status,
      body: JSON.parse(answer.body.toString() || '{}'),
    }
  }
  const idOf = (uri: unknown): MediaId => toMediaId(String(uri).split('/').at(-1) ?? '') as MediaId
  const anyOffer = (): Offer =>
    chance.pick([contents.small, contents.small, contents.large, contents.picture, contents.refused])(chance)

  for (let round = 0; round < 22; round += 1) {
    if (chance.is(0.2)) {
      const offer = anyOffer()
      const name = `${round}.bin`
      const { status, body, ...times } = await ask('POST', `${api}/_matrix/media/v3/upload?filename=${name}`, offer)
      if (status === 200) note({ mediaId: idOf(body.content_uri), ...times, after: { state: 'ready', offer, name } })
      continue
    }
    const { body, ...times } = await ask('POST', `${api}/_matrix/media/v1/create`)
    const mediaId = idOf(body.content_uri)
    note({ mediaId, ...times, after: { state: 'pending' } })
    let offer: Offer | undefined
    for (let puts = chance.between(1, 2); puts > 0; puts -= 1) {
      offer = anyOffer()
      const { status, ...when } = await ask('PUT', body.upload_url, offer)
      if (status !== 200) throw new Error(`PUT was answered ${status}`)
      note({ mediaId, ...when, after: { state: 'uploaded', offer } })
    }
    if (offer === undefined || chance.is(0.15)) continue
    const name = `${round}.txt`
    const path = `/_matrix/media/v1/upload/localhost/${mediaId}/complete?filename=${name}`
    const { status, ...when } = await ask('POST', `${api}${path}`)
    note({ mediaId, ...when, after: status === 200 ? { state: 'ready', offer, name } : { state: 'rejected' } })
    if (status === 200 && offer.content.isPicture)
      await ask(
        'GET',
        `${api}/_matrix/client/v1/media/thumbnail/localhost/${mediaId}?width=90&height=60&method=scale`,
      ).catch(() => {})
    if (chance.is(0.3)) {
      const { sentAt, answeredAt } = await ask('POST', `${api}/_matrix/client/v1/media/redact/localhost/${mediaId}`)
      note({ mediaId, sentAt, answeredAt, after: { state: 'deleted' } })
    }
  }
}

const log = openLog({ level: 'silent' })

/** Memory, where there is some: nothing here needs to survive. */
const fastTemp = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

async function cut(
  t: ExecutionContext,
  { base, dataDir, calls, events }: Recording,
  kind: Kind,
  counts: { images: number; strays: number; acknowledged: number },
): Promise<void> {
  const chance = makeChance(seed)
  // The model is told the names that the server used.
  const model = makeDiskModel(base, kind, dataDir)
  const steps = calls
    .flatMap(call => [
      { ...call.begin, name: call.name, do: () => model.begin(call) },
      { ...call.end, name: call.name, do: () => model.end(call) },
    ])
    .sort((a, b) => a.line - b.line)
  const share = moments / 3 / steps.length
  const firstRequest = Math.min(...events.map(({ sentAt }) => sentAt))
  for (const [index, step] of steps.entries()) {
    step.do()
    const next = steps[index + 1]
    // The start is short, and every step of its recovery counts.
    const isOfStart = step.at < firstRequest && /^(?:rename|link|unlink|fsync)/.test(step.name)
    if (next === undefined || !(isOfStart || chance.is(share))) continue
    for (const luck of ['least', 'torn'] as const) {
      const dir = mkdtempSync(join(fastTemp, 'sluice-cut-'))
      model.materialise(dir, luck, chance)
      try {
        // Just before the next call.
        counts.strays += await check(dir, { kind, events, at: next.at })
        counts.acknowledged += events.filter(({ answeredAt }) => answeredAt < next.at).length
        counts.images += 1
        rmSync(dir, { recursive: true, force: true })
      } catch (error) {
        t.log(`SEED=${seed}, ${kind}, ${luck}, after line ${step.line} of the trace; the directory is kept in ${dir}`)
        throw error
      }
    }
  }
}

/** Opens what is left, as the next start does. @returns how many objects without a row it has found @throws Error */
async function check(
  dir: string,
  { kind, events, at }: { readonly kind: Kind; readonly events: readonly Event[]; readonly at: number },
): Promise<number> {
  const steps: (() => unknown)[] = []
  const foundation = await openFoundation({
    config: { dataDir: dir },
    init: false,
    role: 'both',
    onClose: step => steps.push(step),
    clock: { now: () => at },
    random: systemRandom,
    log,
  })
  try {
    for (const id of new Set(events.map(({ mediaId }) => mediaId))) await requireState(foundation, id, events, at)
    await upkeep(foundation, new AbortController().signal)
    await foundation.store.close()
    const sql = new BetterSqlite3(join(dir, 'sluice.db'), { readonly: true })
    const problems = inventory(dir, sql)
    sql.close()
    const strays =
      kind === 'strict' ? problems.filter(problem => problem.endsWith('is a file that nothing points at')) : []
    if (problems.length > strays.length) throw new Error(problems.join('\n'))
    return strays.length
  } finally {
    for (const step of steps.reverse()) await step()
  }
}

async function requireState(
  { catalog, store }: Pick<Awaited<ReturnType<typeof openFoundation>>, 'catalog' | 'store'>,
  id: MediaId,
  events: readonly Event[],
  at: number,
): Promise<void> {
  const own = events.filter(({ mediaId }) => mediaId === id)
  const known = own.filter(({ answeredAt }) => answeredAt < at).at(-1)
  // Nobody has been told of it.
  if (known === undefined) return
  const underWay = own.find(({ sentAt, answeredAt }) => sentAt <= at && answeredAt >= at)
  const found = await catalog.find(id)
  const allowed = [known.after, ...(underWay === undefined ? [] : [underWay.after])]
  if (!allowed.some(state => isSame(state, found)))
    throw new Error(`${id} should be ${allowed.map(({ state }) => state).join(' or ')}: ${JSON.stringify(found)}`)
  if (found?.state !== 'uploaded' && found?.state !== 'ready') return
  const stream = await store.get(found.object.key)
  const bytes = stream === undefined ? undefined : await buffer(stream)
  const expected = allowed.flatMap(state => ('offer' in state ? [state.offer.content.bytes] : []))
  if (!expected.some(content => bytes?.equals(content))) throw new Error(`${id} has lost its bytes`)
}

function isSame(state: State, media: Media | undefined): boolean {
  if (media?.state !== state.state) return false
  if (!('offer' in state) || !('object' in media)) return true
  const { offer, name } = state
  const hasName = media.state !== 'ready' || media.fileName === name
  return media.object.key === offer.content.sha256 && media.contentType === offer.contentType && hasName
}
