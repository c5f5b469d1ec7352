/**
 * The load client where there is no C compiler: goes through the same plan as load.c and reports in the same form. It costs several times
 * as much, so that on a small machine it is soon what is measured; the suite shows its share, and says which client it was.
 */
import { readFileSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { percentile } from '../statistics.ts'
import type { LoadResult, Times } from './client.ts'
import { bodyOf, paceMs } from './node-bodies.ts'
import { type Connection, dial } from './node-connection.ts'
import type { Plan, Step } from './plan.ts'

const planFile = process.argv[2]
if (planFile === undefined) throw new Error('usage: node-client.ts PLAN')
const plan: Plan = JSON.parse(readFileSync(`${planFile}.json`, 'utf8'))
const suite = createInterface(process.stdin)[Symbol.asyncIterator]()

interface Client {
  readonly number: number
  readonly connections: Map<number, Connection>
  nextLine: number
  upload: string
  media: string
}

/** What a part, the warm-up or the measured one, counts. */
interface Part {
  readonly mayBegin: () => boolean
  /** When slow uploads are given up. */
  readonly until: number
  readonly cycles: number[]
  readonly steps: readonly number[][]
  busyRate: number
  requests: number
  bytesOut: number
  bytesIn: number
  errors: number
  firstError: string
}

let serial = 0
const clients = Array.from(
  { length: plan.clients },
  (_, number): Client => ({ number, connections: new Map(), nextLine: 0, upload: '', media: '' }),
)

if (plan.warmup > 0) {
  const { errors, firstError } = await runPart(plan.warmup, undefined)
  if (errors > 0) say({ error: `warm-up: ${firstError}` })
}
say({ warm: true })
await suite.next()
const cpuBefore = process.cpuUsage()
const from = performance.now()
const part = await runPart(plan.total, plan.seconds)
report(part, (performance.now() - from) / 1000, process.cpuUsage(cpuBefore))
process.exit(0)

async function runPart(total: number | undefined, seconds = Number.POSITIVE_INFINITY): Promise<Part> {
  let begun = 0
  const until = performance.now() + seconds * 1000
  const counted: Part = {
    mayBegin: () => {
      begun += 1
      return total === undefined ? performance.now() < until : begun <= total
    },
    until,
    cycles: [],
    steps: plan.steps.map(() => []),
    busyRate: 0,
    requests: 0,
    bytesOut: 0,
    bytesIn: 0,
    errors: 0,
    firstError: '',
  }
  await Promise.all(clients.map(client => runClient(client, counted)))
  return counted
}

async function runClient(client: Client, counted: Part): Promise<void> {
  let [busy, cycles] = [0, 0]
  while (counted.mayBegin() && counted.errors <= 100) {
    const began = performance.now()
    try {
      for (const [index, step] of plan.steps.entries()) {
        const at = performance.now()
        if (!(await runStep(client, step, counted))) return
        counted.steps[index]?.push(performance.now() - at)
      }
      if (plan.pause === true) await pause(client)
    } catch (error) {
      counted.errors += 1
      counted.firstError ||= String(error)
      continue
    }
    const took = performance.now() - began
    counted.cycles.push(took)
    busy += took
    cycles += 1
    const used = plan.unlink?.[client.number % plan.unlink.length]
    if (used !== undefined) await unlink(used)
  }
  if (busy > 0) counted.busyRate += cycles / (busy / 1000)
}

/** @returns false when a slow upload was cut because the time is over */
async function runStep(client: Client, step: Step, counted: Part): Promise<boolean> {
  const port = plan.ports[step.port] ?? 0
  const kept = client.connections.get(step.port)
  const connection = kept?.isOpen() === true ? kept : await dial(port)
  client.connections.set(step.port, connection)
  const body = bodyOf(client.number, step, form => filled(form, client))
  connection.write(headOf(client, step, port, body.length))
  for (const piece of body.pieces()) {
    const sentAt = performance.now()
    await connection.write(piece)
    counted.bytesOut += piece.byteLength
    if (body.bytesPerSecond !== undefined) await sleep(paceMs - (performance.now() - sentAt))
    if (performance.now() > counted.until && body.bytesPerSecond !== undefined) return false
  }
  const answer = await connection.answer(step.captures === true)
  counted.requests += 1
  counted.bytesIn += answer.bytes
  const isRedirect = answer.status >= 300 && answer.status < 400 && step.captures === true
  if (!isRedirect && (answer.status < 200 || answer.status > 299))
    throw new Error(`${step.method} ${step.target}: ${answer.status} ${answer.text}`)
  if (isRedirect) client.upload = pathOf(answer.location)
  else if (step.captures === true) capture(client, answer.text)
  return true
}

function capture(client: Client, text: string): void {
  // Some servers send it in chunks, whose frames are around it.
  const { upload_url, content_uri } = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1))
  if (upload_url !== undefined) client.upload = pathOf(upload_url)
  if (content_uri !== undefined) client.media = String(content_uri).slice('mxc://'.length)
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}

function headOf(client: Client, { method, target, headers = {}, range }: Step, port: number, length: number): string {
  const start = range === undefined ? 0 : Math.floor(Math.random() * (range.of - range.length + 1))
  const lines = [
    `${method} ${filled(target, client)} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${filled(value, client)}`),
    ...(range === undefined ? [] : [`Range: bytes=${start}-${start + range.length - 1}`]),
    ...(method === 'GET' ? [] : [`Content-Length: ${length}`]),
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

function filled(form: string, client: Client): string {
  return form.replaceAll(/\{(c|n|line|upload|media)\}/g, (_, name) => {
    if (name === 'c') return String(client.number)
    if (name === 'upload') return client.upload
    if (name === 'media') return client.media
    if (name === 'n') return String(++serial)
    const lines = plan.targets ?? []
    return lines[(client.number + client.nextLine++ * plan.clients) % lines.length] ?? ''
  })
}

async function pause({ number }: Client): Promise<void> {
  say({ pause: number })
  await suite.next()
}

function say(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

function report(counted: Part, wallS: number, cpu: NodeJS.CpuUsage): void {
  const { cycles, steps, busyRate, requests, bytesOut, bytesIn, errors, firstError } = counted
  const result: LoadResult = {
    wallS,
    cycles: cycles.length,
    requests,
    perSecond: cycles.length / wallS,
    perBusySecond: busyRate,
    bytesOut,
    bytesIn,
    cpuS: (cpu.user + cpu.system) / 1e6,
    errors,
    reconnects: 0,
    firstError,
    cycle: timesOf(cycles),
    steps: steps.map(each => timesOf(each)),
  }
  say(result)
}

function timesOf(values: readonly number[]): Times {
  return {
    count: values.length,
    meanMs: values.reduce((sum, value) => sum + value, 0) / values.length,
    p50Ms: percentile(values, 0.5),
    p90Ms: percentile(values, 0.9),
    p99Ms: percentile(values, 0.99),
    maxMs: percentile(values, 1),
  }
}
