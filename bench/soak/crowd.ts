/** Three kinds of clients at once: slow ones, waiting ones and fast ones. Each goes on until it is told to stop. */
import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Asked, ask } from './requests.ts'

export interface CrowdSettings {
  readonly api: string
  readonly authorization: string
  readonly slow: number
  readonly waiting: number
  readonly fast: number
}

export interface CrowdReport {
  /** Milliseconds of each fast cycle. */
  readonly fastTimes: readonly number[]
  /** How much longer than its own pace each slow upload took, in milliseconds. */
  readonly slowDelays: readonly number[]
  /** Milliseconds between media that is complete and its waiting reader having it. */
  readonly wakeTimes: readonly number[]
  readonly troubles: readonly string[]
}

export interface Crowd {
  readonly report: CrowdReport
  /** Milliseconds since the slow upload that has stood still for longest has moved. */
  longestStandstill(): number
  /** Resolves when everybody has ended what they had begun, and taken away what they had brought. */
  stop(): Promise<void>
}

/** 4 kB a second, so that a body takes half a minute. */
const slowBody = { bytes: 120_000, bytesPerSecond: 4_000 }
/** Half are rows, half are files. */
const fastBodies = [4_000, 60_000]
const waitedBody = 8_000
/** Longer than the longest pause before what is waited for comes. */
const waitMs = 60_000

export function startCrowd({ api, authorization, slow, waiting, fast }: CrowdSettings): Crowd {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  const fastTimes: number[] = []
  const slowDelays: number[] = []
  const wakeTimes: number[] = []
  const troubles: string[] = []
  const movedAt = new Map<number, number>()
  let isStopping = false

  const toApi = (method: string, path: string, more: Partial<Asked> = {}) =>
    ask({ method, url: `${api}${path}`, agent, authorization, ...more })

  async function create(): Promise<{ readonly media: string; readonly uploadUrl: string }> {
    const made = JSON.parse((await toApi('POST', '/_matrix/media/v1/create')).toString())
    return { media: String(made.content_uri).slice('mxc://'.length), uploadUrl: String(made.upload_url) }
  }
  const complete = (media: string) => toApi('POST', `/_matrix/media/v1/upload/${media}/complete`)
  const download = (media: string, query = '') => toApi('GET', `/_matrix/client/v1/media/download/${media}${query}`)
  const remove = (media: string) => toApi('POST', `/_matrix/client/v1/media/redact/${media}`)

  async function same(bytes: Buffer, answer: Promise<Buffer>): Promise<void> {
    if (!bytes.equals(await answer)) throw new Error('other bytes came back')
  }

  async function slowUpload(number: number): Promise<void> {
    const bytes = randomBytes(slowBody.bytes)
    const { media, uploadUrl } = await create()
    const from = performance.now()
    const onProgress = () => void movedAt.set(number, performance.now())
    await ask({
      method: 'PUT',
      url: uploadUrl,
      agent,
      body: bytes,
      bytesPerSecond: slowBody.bytesPerSecond,
      onProgress,
    })
    movedAt.delete(number)
    slowDelays.push(performance.now() - from - (slowBody.bytes / slowBody.bytesPerSecond) * 1000)
    await complete(media)
    await same(bytes, download(media))
    await remove(media)
  }

  async function wait(number: number): Promise<void> {
    const bytes = randomBytes(waitedBody)
    const { media, uploadUrl } = await create()
    const reading = download(media, `?timeout_ms=${waitMs}`)
    // Looked at below; it may fail before.
    reading.catch(() => {})
    await sleep(5_000 + (number % 50) * 100)
    await ask({ method: 'PUT', url: uploadUrl, agent, body: bytes })
    const from = performance.now()
    await complete(media)
    await same(bytes, reading)
    wakeTimes.push(performance.now() - from)
    await remove(media)
  }

  async function fastCycle(number: number): Promise<void> {
    const bytes = randomBytes(fastBodies[number % fastBodies.length] ?? 0)
    const from = performance.now()
    const { media, uploadUrl } = await create()
    await ask({ method: 'PUT', url: uploadUrl, agent, body: bytes })
    await complete(media)
    await same(bytes, download(media))
    fastTimes.push(performance.now() - from)
    await remove(media)
  }

  async function live(number: number, act: (number: number) => Promise<void>): Promise<void> {
    while (!isStopping) {
      try {
        await act(number)
      } catch (error) {
        troubles.push(String(error))
        await sleep(1_000)
      }
    }
  }

  const lives = [
    // Not all in the same moment, or all of them would begin, write and end together for the rest of the time.
    ...Array.from({ length: slow }, async (_, number) => {
      await sleep(number * 20)
      await live(number, slowUpload)
    }),
    ...Array.from({ length: waiting }, (_, number) => live(number, wait)),
    ...Array.from({ length: fast }, (_, number) => live(number, fastCycle)),
  ]

  return {
    report: { fastTimes, slowDelays, wakeTimes, troubles },
    longestStandstill: () => {
      const now = performance.now()
      return Math.max(0, ...[...movedAt.values()].map(moved => now - moved))
    },
    stop: async () => {
      isStopping = true
      await Promise.all(lives)
      agent.destroy()
    },
  }
}
