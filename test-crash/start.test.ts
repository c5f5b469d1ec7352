/**
 * A first start, a rotation of the keys and the start after it, killed at every step that only they come by. The next start has to make
 * a whole store of what is there, and URLs that were handed out before must not have become void.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { failPoints } from '../test/support/fail-points.ts'
import { inventory } from '../test/support/inventory.ts'
import { makeSend } from './support/requests.ts'
import { startServer, users } from './support/server.ts'

const points = failPoints()
  .map(({ name }) => name)
  .filter(name => /^(?:init|migrate|keys):/.test(name))
const killed = new Set<string>()
/** Most steps are taken several times, by each file and each part of the schema. */
const times = [1, 2, 3, 4]
/** Beyond the life of every URL, so that the next start takes ended keys away. */
const later = String(40 * 86_400_000)

interface Scenario {
  readonly name: string
  /** Brings the directory to where it begins. */
  readonly prepare: (dataDir: string) => Promise<void>
  readonly command: readonly string[]
  readonly env?: Record<string, string>
}

const scenarios: readonly Scenario[] = [
  { name: 'the first start', prepare: async () => {}, command: ['serve'] },
  { name: 'a rotation of the keys', prepare: startOnce, command: ['keys', 'rotate'] },
  {
    name: 'the start when a rotated key has ended',
    prepare: async dataDir => {
      await startOnce(dataDir)
      await finished(startServer({ dataDir, command: ['keys', 'rotate'] }))
    },
    command: ['serve'],
    env: { CRASH_CLOCK_AHEAD: later },
  },
]

for (const { name, prepare, command, env = {} } of scenarios) {
  test.serial(`${name}, killed at any step, leaves what the next start can use`, async t => {
    let kills = 0
    const dir = mkdtempSync(join(tmpdir(), 'sluice-start-'))
    t.teardown(() => rmSync(dir, { recursive: true, force: true }))
    const prepared = join(dir, 'prepared')
    await prepare(prepared)
    const uploadUrl = command[0] === 'keys' ? await create(prepared) : undefined
    for (const point of points) {
      for (const time of times) {
        const dataDir = join(dir, 'data')
        rmSync(dataDir, { recursive: true, force: true })
        if (existsSync(prepared)) cpSync(prepared, dataDir, { recursive: true })
        const process = startServer({ dataDir, command, env: { ...env, CRASH_AT: point, CRASH_AT_TIME: String(time) } })
        if ((await process.ready) !== undefined) process.kill('SIGTERM')
        const { signal, code } = await process.ended
        if (signal !== 'SIGKILL') {
          t.is(code, 0, process.said())
          break
        }
        kills += 1
        killed.add(point)
        await t.notThrowsAsync(walk(dataDir, env, uploadUrl), `${point}, time ${time}`)
      }
    }
    t.log(`${kills} kills`)
    t.true(kills > 0)
  })
}

test.serial('every step was met', t => {
  t.deepEqual(
    points.filter(point => !killed.has(point)),
    [],
  )
})

async function startOnce(dataDir: string): Promise<void> {
  const process = startServer({ dataDir })
  await process.ready
  await finished(process)
}

async function finished(process: ReturnType<typeof startServer>): Promise<void> {
  if ((await process.ready) !== undefined) process.kill('SIGTERM')
  const { code } = await process.ended
  if (code !== 0) throw new Error(process.said())
}

/** @returns an upload URL that was signed before */
async function create(dataDir: string): Promise<string> {
  const process = startServer({ dataDir })
  const ready = await process.ready
  const { send, close } = makeSend()
  const answer = await send('POST', `${ready?.api}/_matrix/media/v1/create`, { token: users.me.token })
  close()
  await finished(process)
  const { pathname, search } = new URL(JSON.parse(String(answer?.body)).upload_url)
  return `${pathname}${search}`
}

/** A whole upload, to a URL from before if there is one, and nothing left about. @throws Error */
async function walk(dataDir: string, env: Record<string, string>, uploadUrl: string | undefined): Promise<void> {
  // What a start leaves for a moment is only swept when it can not be another's.
  const ahead = Number(env.CRASH_CLOCK_AHEAD ?? 0) + 120_000
  const process = startServer({ dataDir, env: { CRASH_CLOCK_AHEAD: String(ahead) } })
  const ready = await process.ready
  if (ready === undefined) throw new Error(`it did not start: ${process.said()}`)
  const { send, close } = makeSend()
  const token = users.me.token
  const created = await send('POST', `${ready.api}/_matrix/media/v1/create`, { token })
  const fresh = new URL(JSON.parse(String(created?.body)).upload_url)
  for (const path of [uploadUrl, `${fresh.pathname}${fresh.search}`]) {
    if (path === undefined) continue
    const put = await send('PUT', `${ready.edge}${path}`, {
      body: Buffer.alloc(50_000, path),
      contentType: 'text/plain',
    })
    if (put?.status !== 200) throw new Error(`PUT was answered ${put?.status}: ${put?.body}`)
    const media = new URL(path, ready.edge).pathname.split('/').at(-1)
    const complete = await send('POST', `${ready.api}/_matrix/media/v1/upload/localhost/${media}/complete`, { token })
    if (complete?.status !== 200) throw new Error(`complete was answered ${complete?.status}: ${complete?.body}`)
  }
  close()
  await finished(process)
  const sql = new BetterSqlite3(join(dataDir, 'sluice.db'), { readonly: true })
  const problems = inventory(dataDir, sql)
  sql.close()
  if (problems.length > 0) throw new Error(`${problems.join('\n')}\n${readdirSync(dataDir)}`)
}
