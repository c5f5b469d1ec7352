/**
 * How much a request allocates on the heap of JavaScript, this side's client included: what a collector has to take away again. Counted in
 * bytes, which do not depend on how fast the machine is; hardly on anything but the code and the version of Node. Bodies are not in it.
 */
import { GCProfiler, getHeapStatistics } from 'node:v8'
import test from 'ava'
import { bareClient } from '../support/bare-client.ts'
import { withFailingDisk } from '../support/with-failing-disk.ts'

const KiB = 1024
const authorization = 'Authorization: Bearer token-of-me\r\n'

/** Bytes for each of `times` runs: what was there before a collection less what the last one had left, added up. */
async function allocatedBy(times: number, work: () => Promise<unknown>): Promise<number> {
  const profiler = new GCProfiler()
  profiler.start()
  let left = getHeapStatistics().used_heap_size
  for (let run = 0; run < times; run += 1) await work()
  const now = getHeapStatistics().used_heap_size
  let total = 0
  for (const { beforeGC, afterGC } of profiler.stop()?.statistics ?? []) {
    total += beforeGC.heapStatistics.usedHeapSize - left
    left = afterGC.heapStatistics.usedHeapSize
  }
  return (total + now - left) / times
}

// Upper bounds, a quarter above what was counted when they were set. Whoever lowers an allocation lowers its bound.
test('a create, a PUT of 1 KiB and a download allocate no more than they did', async t => {
  t.timeout(180_000)
  const { api: apiUrl, client } = await withFailingDisk(t)
  const { uploadUrl } = await client.create()
  const media = await client.publish('small', 'text/plain')
  const [api, edge] = [bareClient(t, apiUrl), bareClient(t, uploadUrl)]
  const { pathname, search } = new URL(uploadUrl)
  const body = Buffer.alloc(KiB, 'small')
  const requests = [
    {
      name: 'create',
      bound: 59 * KiB,
      ask: () => api.send('POST', '/_matrix/media/v1/create', { headers: authorization }),
    },
    {
      name: 'PUT',
      bound: 58 * KiB,
      ask: () => edge.send('PUT', pathname + search, { headers: 'Content-Type: text/plain\r\n', body }),
    },
    {
      name: 'download',
      bound: 28 * KiB,
      ask: () => api.send('GET', `/_matrix/client/v1/media/download/${media}`, { headers: authorization }),
    },
  ]
  for (const { name, bound, ask } of requests) {
    // Until compilers have seen it; what they allocate themselves is not on this heap, but code that is not compiled allocates more.
    for (let run = 0; run < 600; run += 1) await ask()
    const sets = [await allocatedBy(300, ask), await allocatedBy(300, ask), await allocatedBy(300, ask)]
    const least = Math.round(Math.min(...sets) / KiB)
    t.log(`${name}: ${least} KiB`)
    t.true(least <= bound / KiB, `${name} allocates ${least} KiB a request; ${bound / KiB} KiB are allowed`)
  }
})
