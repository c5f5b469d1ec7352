/** Clients that never pause, each request on a connection of its own, and what went wrong for them. */
import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { askExactly } from './exact-request.ts'

export interface Published {
  /** `{serverName}/{mediaId}` */
  readonly media: string
  readonly bytes: Buffer
}

export interface RestlessClients {
  /** What complete has acknowledged so far. */
  readonly published: readonly Published[]
  /** Everything but the expected answer, as the code of the error or the status. */
  readonly troubles: readonly string[]
  /** Resolves when each has ended what it had begun. Harmless to repeat. */
  stop(): Promise<void>
}

/** Create, PUT, complete, over and over. After trouble a client begins anew. */
export function restless(to: {
  readonly api: string
  readonly token: string
  readonly count: number
}): RestlessClients {
  const { api, token, count } = to
  const headers = { authorization: `Bearer ${token}` }
  const published: Published[] = []
  const troubles: string[] = []
  let isStopping = false

  async function walk(): Promise<void> {
    // Some are rows, some are files.
    const bytes = randomBytes(1000 + 40_000 * (published.length % 2))
    const created = await sound(askExactly(api, { method: 'POST', target: '/_matrix/media/v1/create', headers }))
    const { content_uri, upload_url } = JSON.parse(created)
    const { origin, pathname, search } = new URL(upload_url)
    await sound(askExactly(origin, { method: 'PUT', target: pathname + search, body: bytes }))
    const media = String(content_uri).slice('mxc://'.length)
    const target = `/_matrix/media/unstable/com.beeper.msc3870/upload/${media}/complete`
    await sound(askExactly(api, { method: 'POST', target, headers }))
    published.push({ media, bytes })
  }

  async function live(): Promise<void> {
    while (!isStopping) {
      try {
        await walk()
      } catch (error) {
        troubles.push(error instanceof Error && 'code' in error ? String(error.code) : String(error))
        // Refused at once, and again at once: leave the processor to the server that is to come.
        await setTimeout(10)
      }
    }
  }

  const lives = Promise.all(Array.from({ length: count }, live))
  return {
    published,
    troubles,
    stop: async () => {
      isStopping = true
      await lives
    },
  }
}

async function sound(answering: Promise<Response>): Promise<string> {
  const answer = await answering
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`${answer.status}: ${text}`)
  return text
}
