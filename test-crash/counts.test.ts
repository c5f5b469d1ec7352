/**
 * System calls of a cycle and of a PUT, which only strace can see: one client, one request after another, so that they depend on the code
 * and hardly on the machine. Upper bounds; whoever lowers a count lowers its bound. What the store and SQLite are asked for is counted
 * without strace, in test/counts.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { makeSend, type Send } from './support/requests.ts'
import { startServer, users } from './support/server.ts'
import { requireStrace } from './support/trace.ts'

const { token } = users.me

/** Of all kinds: how often each was called between the start of a server and its end, with so many repetitions of the work between. */
async function callsWith(t: ExecutionContext, times: number, work: Work): Promise<ReadonlyMap<string, number>> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-counts-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const summary = join(dir, 'summary')
  const under = ['strace', '-D', '-f', '-c', '-U', 'calls,name', '-o', summary]
  const server = startServer({ dataDir: join(dir, 'data'), under, command: ['serve', '--init'] })
  const ready = await server.ready
  if (ready === undefined) throw new Error(server.said())
  const { send, close } = makeSend()
  for (let run = 0; run < times; run += 1) await work({ api: ready.api, send, run })
  close()
  server.kill('SIGTERM')
  await server.ended
  return parseSummary(await whenWritten(summary))
}

type Work = (place: { readonly api: string; readonly send: Send; readonly run: number }) => Promise<void>

/** The tracer outlives what it traces for a moment. */
async function whenWritten(file: string): Promise<string> {
  const deadline = performance.now() + 60_000
  for (;;) {
    const text = readFileSync(file, 'utf8')
    if (/ total\s*$/.test(text)) return text
    if (performance.now() > deadline) throw new Error(`the summary has no end:\n${text}`)
    await sleep(20)
  }
}

function parseSummary(text: string): ReadonlyMap<string, number> {
  const lines = [...text.matchAll(/^\s*(\d+)\s+([a-z]\w*)\s*$/gm)]
  return new Map(lines.map(([, count, name = '']) => [name, Number(count)]))
}

/** For each repetition: what a start and a stop cost falls out, because both servers have had one. */
async function callsPer(t: ExecutionContext, [few, many]: readonly [number, number], work: Work): Promise<Calls> {
  requireStrace()
  const [less, more] = [await callsWith(t, few, work), await callsWith(t, many, work)]
  const per = [...more].map(([name, count]) => [name, (count - (less.get(name) ?? 0)) / (many - few)] as const)
  const sum = (...names: readonly string[]) =>
    per.reduce((total, [name, count]) => (names.includes(name) ? total + count : total), 0)
  const shown = per
    .filter(([name, count]) => name !== 'total' && count >= 0.05)
    .sort(([, one], [, other]) => other - one)
    .map(([name, count]) => `${name} ${count.toFixed(2)}`)
  const steady = per.reduce((total, [name, count]) => (unsteady.has(name) ? total : total + count), 0)
  return { sum, steady, shown: shown.join(', ') }
}

interface Calls {
  sum(...names: readonly string[]): number
  /** All but the unsteady ones. */
  readonly steady: number
  readonly shown: string
}

const syncs = ['fsync', 'fdatasync', 'sync_file_range', 'msync']

/** Threads that wait for each other, and memory that comes and goes: these depend on the machine. */
const unsteady: ReadonlySet<string> = new Set([
  ...['futex', 'epoll_pwait', 'epoll_wait', 'epoll_ctl', 'sched_yield', 'restart_syscall', 'rt_sigprocmask'],
  ...['mmap', 'munmap', 'mprotect', 'madvise', 'brk', 'mremap', 'total'],
])

function atMost(t: ExecutionContext, { sum, steady, shown }: Calls, bounds: Readonly<Record<string, number>>): void {
  for (const [name, bound] of Object.entries(bounds)) {
    const count = { syncs: sum(...syncs), steady }[name] ?? sum(name)
    t.true(count <= bound, `${count.toFixed(2)} × ${name}, ${bound} are allowed; in all: ${shown}`)
  }
}

async function cycle(t: ExecutionContext, { api, send }: Parameters<Work>[0], body: Buffer): Promise<void> {
  const created = await send('POST', `${api}/_matrix/media/v1/create`, { token })
  const uploadUrl = JSON.parse(String(created?.body)).upload_url
  t.is((await send('PUT', uploadUrl, { body, contentType: 'application/octet-stream' }))?.status, 200)
  const mediaId = new URL(uploadUrl).pathname.split('/').at(-1)
  const path = `/_matrix/media/v1/upload/localhost/${mediaId}/complete`
  t.is((await send('POST', `${api}${path}`, { token }))?.status, 200)
}

test('a cycle of 1 KiB: three commits, each with its sync and the pages that it changed, and little else', async t => {
  t.timeout(600_000)
  const cost = await callsPer(t, [50, 250], place => cycle(t, place, Buffer.alloc(1024, `${place.run} small `)))
  t.log(cost.shown)
  // A checkpoint comes by every sixty cycles or so.
  atMost(t, cost, { syncs: 3.2, pwrite64: 38, fcntl: 40, openat: 0.1, steady: 95 })
})

test('a cycle of 128 KiB: besides its commits, the file, its names, and their directories', async t => {
  t.timeout(600_000)
  const cost = await callsPer(t, [20, 80], place => cycle(t, place, Buffer.alloc(128 * 1024, `${place.run} middling `)))
  t.log(cost.shown)
  atMost(t, cost, { syncs: 6.3, openat: 4.1, rename: 1, link: 1, unlink: 1, mkdir: 1, writev: 2 })
})

test('a cycle of 64 MiB: writes of half a MiB, and a sync for every eight', async t => {
  t.timeout(600_000)
  const body = Buffer.alloc(64 * 2 ** 20)
  const cost = await callsPer(t, [2, 6], place => {
    body.write(`${place.run} large`)
    return cycle(t, place, body)
  })
  t.log(cost.shown)
  atMost(t, cost, { syncs: 14.5, openat: 5, rename: 1, link: 1, unlink: 1, mkdir: 1, writev: 132 })
})
