/**
 * System calls of a cycle and of a PUT, which only strace can see: one client, one request after another, so that they depend on the code
 * and hardly on the machine. Upper bounds; whoever lowers a count lowers its bound. What the store and SQLite are asked for is counted
 * without strace, in test/counts.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { makeSend, type Send } from './support/requests.ts'
import { startServer, users } from './support/server.ts'
import { readTrace, requireStrace } from './support/trace.ts'

const { token } = users.me

/** What has to do with files and sockets. */
const traced = [
  ...['openat', 'close', 'read', 'pread64', 'write', 'writev', 'pwrite64', 'pwritev', 'fcntl', 'ftruncate'],
  ...['fsync', 'fdatasync', 'sync_file_range', 'statx', 'newfstatat', 'fstat', 'lseek'],
  ...['rename', 'renameat2', 'link', 'linkat', 'unlink', 'unlinkat', 'mkdir', 'mkdirat'],
]
const syncs: readonly string[] = ['fsync', 'fdatasync', 'sync_file_range']

/**
 * How often each was called for the data directory or a socket, by a server that did the work so many times. What Node does for itself,
 * such as loading code for a thread that starts late, is not in it.
 */
async function callsWith(t: ExecutionContext, times: number, work: Work): Promise<ReadonlyMap<string, number>> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-counts-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const [dataDir, trace] = [join(dir, 'data'), join(dir, 'trace')]
  const options = ['-D', '-f', '-y', '-s', '0', '--seccomp-bpf', '-q', '-o', trace]
  const under = ['strace', ...options, '-e', `trace=${traced.join(',')}`]
  const server = startServer({ dataDir, under, command: ['serve', '--init'] })
  const ready = await server.ready
  if (ready === undefined) throw new Error(server.said())
  const { send, close } = makeSend()
  for (let run = 0; run < times; run += 1) await work({ api: ready.api, send, run })
  close()
  server.kill('SIGTERM')
  await server.ended
  return countCalls(await readTrace(trace, server.pid), dataDir)
}

type Work = (place: { readonly api: string; readonly send: Send; readonly run: number }) => Promise<void>

function countCalls(trace: string, dataDir: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const line of trace.split('\n')) {
    // The second half of a call that was interrupted by another thread's begins otherwise, and is not counted again.
    const name = /^\d+ +(\w+)\(/.exec(line)?.[1]
    const isOurs = line.includes(dataDir) || /^\d+ +\w+\(\d+<(?:socket|TCP)/.test(line)
    if (name !== undefined && isOurs) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

/** For each repetition: what a start and a stop cost falls out, because both servers have had one. */
async function callsPer(t: ExecutionContext, [few, many]: readonly [number, number], work: Work): Promise<Calls> {
  requireStrace()
  const [less, more] = [await callsWith(t, few, work), await callsWith(t, many, work)]
  return new Map([...more].map(([name, count]) => [name, (count - (less.get(name) ?? 0)) / (many - few)]))
}

type Calls = ReadonlyMap<string, number>

/** What upkeep does every ten seconds is in it as well, and more of that on a slow machine; so the bounds lie between this and one more. */
function atMost(t: ExecutionContext, calls: Calls, bounds: Readonly<Record<string, number>>): void {
  const sum = (isMeant: (name: string) => boolean) =>
    [...calls].reduce((total, [name, count]) => (isMeant(name) ? total + count : total), 0)
  const shown = [...calls]
    .sort(([, one], [, other]) => other - one)
    .map(([name, count]) => `${name} ${count.toFixed(2)}`)
  t.log(shown.join(', '))
  for (const [name, bound] of Object.entries(bounds)) {
    const count = sum(each => (name === 'all' ? true : name === 'syncs' ? syncs.includes(each) : each === name))
    t.true(count <= bound, `${count.toFixed(2)} × ${name}, ${bound} are allowed; in all: ${shown.join(', ')}`)
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
  // A checkpoint comes by every sixty cycles or so.
  atMost(t, cost, { syncs: 3.5, pwrite64: 38, fcntl: 34, read: 5, write: 4, openat: 0.9, all: 88 })
})

test('a cycle of 128 KiB: besides its commits, the file, its names, and their directories', async t => {
  t.timeout(600_000)
  const cost = await callsPer(t, [20, 80], place => cycle(t, place, Buffer.alloc(128 * 1024, `${place.run} middling `)))
  atMost(t, cost, { syncs: 6.9, openat: 4.9, rename: 1.5, link: 1.5, unlink: 1.5, mkdir: 1.5, pwritev: 1.5 })
})

test('a cycle of 64 MiB: writes of one MiB, and a sync for every eight, and for less towards the end', async t => {
  t.timeout(600_000)
  const body = Buffer.alloc(64 * 2 ** 20)
  const cost = await callsPer(t, [2, 6], place => {
    body.write(`${place.run} large`)
    return cycle(t, place, body)
  })
  atMost(t, cost, { syncs: 16.5, openat: 8, rename: 1.5, link: 1.5, unlink: 1.5, mkdir: 1.5, pwritev: 75 })
})
