import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { type Plan, writePlan } from '../../bench/load/plan.ts'
import { tempDir } from '../support/temp-dir.ts'

const load = join(import.meta.dirname, '../../bench/load')

function run(t: ExecutionContext, file: string, ...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [join(load, file), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

function linesOf({ stdout }: ChildProcess): AsyncIterator<string> {
  if (stdout === null) throw new Error('no output')
  return createInterface(stdout)[Symbol.asyncIterator]()
}

/** @returns the port of a server that does nothing */
async function sink(t: ExecutionContext): Promise<number> {
  const { value } = await linesOf(run(t, 'node-sink.ts')).next()
  return Number(value)
}

async function runPlan(t: ExecutionContext, plan: Plan): Promise<Record<string, unknown>> {
  const client = run(t, 'node-client.ts', writePlan(plan, tempDir(t)))
  const ended = once(client, 'exit')
  const lines = linesOf(client)
  t.deepEqual(JSON.parse((await lines.next()).value), { warm: true })
  client.stdin?.write('\n')
  const result = JSON.parse((await lines.next()).value)
  await ended
  return result
}

test('the load client in Node goes through the steps as often as it is told, and counts what went over the wire', async t => {
  const port = await sink(t)
  const result = await runPlan(t, {
    ports: [port],
    clients: 3,
    warmup: 3,
    total: 10,
    steps: [
      { method: 'POST', port: 0, target: '/create', captures: true },
      { method: 'PUT', port: 0, target: '{upload}', body: { unique: 1000 } },
      { method: 'GET', port: 0, target: '/bytes/5000' },
    ],
  })
  t.like(result, { cycles: 10, requests: 30, errors: 0, bytesOut: 10_000, firstError: '' })
  t.true(Number(result.bytesIn) > 50_000)
  t.like(result.cycle, { count: 10 })
})

test('it asks for ranges, and sends files', async t => {
  const port = await sink(t)
  const ranges = await runPlan(t, {
    ports: [port],
    clients: 1,
    warmup: 0,
    total: 4,
    steps: [{ method: 'GET', port: 0, target: '/bytes/100000', range: { length: 300, of: 100_000 } }],
  })
  t.like(ranges, { cycles: 4, errors: 0, bytesIn: 1200 })

  const file = join(tempDir(t), 'body')
  writeFileSync(file, Buffer.alloc(3_000_000, 'x'))
  const uploads = await runPlan(t, {
    ports: [port],
    clients: 1,
    warmup: 0,
    total: 2,
    steps: [{ method: 'PUT', port: 0, target: '/x', body: { file } }],
  })
  t.like(uploads, { cycles: 2, errors: 0, bytesOut: 6_000_000 })
})

test('it tells of the first failure', async t => {
  const port = await sink(t)
  const steps: Plan['steps'] = [{ method: 'PUT', port: 0, target: '/x', body: { file: join(tempDir(t), 'not there') } }]
  const result = await runPlan(t, { ports: [port], clients: 1, warmup: 0, total: 2, steps })
  t.like(result, { errors: 2, cycles: 0 })
  t.regex(String(result.firstError), /ENOENT/)
})
