/** A listener with the middleware of the real ones around a handler of the test's own, on a free port. */
import type { ExecutionContext } from 'ava'
import Koa from 'koa'
import { type DestinationStream, type Logger, pino } from 'pino'
import { systemClock, systemRandom } from '../../src/domain/clock.ts'
import type { State, Step } from '../../src/http/context.ts'
import { cors } from '../../src/http/cors.ts'
import { errorResponse, logBrokenAnswer, unrecognized } from '../../src/http/error-response.ts'
import { type Listener, type ListenerOptions, openListener } from '../../src/http/listener.ts'
import { makeLogExchange, requestLog } from '../../src/http/request-log.ts'

export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [name: string]: unknown
}

export interface WebApp extends Listener {
  readonly log: readonly LogLine[]
}

export async function webApp(
  t: ExecutionContext,
  steps: Step | readonly Step[],
  options: Partial<ListenerOptions> = {},
): Promise<WebApp> {
  const { log, lines } = collectingLog()
  const app = new Koa<State>()
  app.on('error', logBrokenAnswer({ log }))
  app.use(requestLog(makeLogExchange({ log, clock: systemClock, random: systemRandom })))
  app.use(cors('edge'))
  app.use(errorResponse({ log }))
  for (const step of [steps].flat()) app.use(step)
  app.use(unrecognized)
  const listener = await openListener({
    onRequest: app.callback(),
    address: { host: '127.0.0.1', port: 0 },
    surface: 'edge',
    idleTimeout: 60_000,
    log,
    ...options,
  })
  t.teardown(() => listener.close(0))
  return { ...listener, log: lines }
}

export function collectingLog(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const out: DestinationStream = { write: line => void lines.push(JSON.parse(line) as LogLine) }
  return { log: pino({ level: 'debug', base: null, formatters: { level: label => ({ level: label }) } }, out), lines }
}
