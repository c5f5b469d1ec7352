/**
 * `sluice serve`: starts, says where it can be reached, and stops when it is told to.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/parse-config.ts'
import { systemClock, systemRandom } from '../domain/clock.ts'
import { takePassedSockets } from '../start/passed-sockets.ts'
import { StartCancelled } from '../start/predecessor.ts'
import { type RunningSluice, startSluice } from '../start/start-sluice.ts'
import { greeting } from './greeting.ts'
import { openLog } from './log.ts'
import { type ConfigOption, readConfig } from './read-config.ts'

export interface ServeOptions extends ConfigOption {
  readonly only?: 'api' | 'edge' | undefined
  readonly init?: boolean | undefined
  readonly assets: URL
  /** The file that was started, which is started again for the workers. */
  readonly program: string
}

/** Resolves when the server has stopped. */
export async function serve({ config: file, only, init, assets, program }: ServeOptions): Promise<number> {
  const signals = listenForSignals()
  const config = readConfig({ config: file })
  const log = openLog(config.log)
  const sockets = takePassedSockets(process.env, process.pid, only === undefined ? ['api', 'edge'] : [only])
  const running = await startSluice({
    config,
    sockets,
    cancelled: signals.stopping,
    // Advanced: a configuration is more than JSON.
    fork: () =>
      fork(program, ['edge-worker'], { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    // Embedded defaults are for somebody who tries Sluice for the first time; they are not asked to make a directory first.
    init: init === true || usesEmbeddedDefaults(config, file),
    only,
    clock: systemClock,
    random: systemRandom,
    log,
    assets,
  }).catch(unlessCancelled)
  if (running !== undefined) {
    announce(running, assets)
    signals.onReload(() => void takeUpConfiguration(running, file, log))
    const signal = await signals.stop
    log.info({ event: 'stopping', signal })
    signals.onInsistence(() => {
      log.warn({ event: 'stopping' }, 'told again: connections are cut')
      running.hurry()
    })
    await running.close()
  }
  log.info({ event: 'stopped' })
  return 0
}

function unlessCancelled(error: unknown): undefined {
  if (!(error instanceof StartCancelled)) throw error
}

interface Signals {
  /** Resolves with the first SIGTERM or SIGINT. */
  readonly stop: Promise<NodeJS.Signals>
  /** Aborted by it. */
  readonly stopping: AbortSignal
  /** What SIGHUP does from now on; done at once if one has come before. */
  onReload(reload: () => void): void
  /** What another SIGTERM or SIGINT does, `insistence` after the first or later. */
  onInsistence(insist: () => void): void
}

/** Milliseconds. Within them a repeated signal is the same one: npm passes on what the terminal has sent already. */
const insistence = 1_000

/** Heard from the beginning, because each of these would end a process that does not listen, also in the middle of a long recovery. */
function listenForSignals(): Signals {
  const { promise: stop, resolve } = Promise.withResolvers<NodeJS.Signals>()
  const stopping = new AbortController()
  let firstAt: number | undefined
  let insist = () => {}
  const onStop = (signal: NodeJS.Signals) => {
    const now = performance.now()
    firstAt ??= now
    resolve(signal)
    stopping.abort(new StartCancelled())
    if (now - firstAt >= insistence) insist()
  }
  process.on('SIGTERM', onStop)
  process.on('SIGINT', onStop)
  let isDue = false
  let reload = () => {
    isDue = true
  }
  process.on('SIGHUP', () => reload())
  return {
    stop,
    stopping: stopping.signal,
    onReload: take => {
      reload = take
      if (isDue) take()
    },
    onInsistence: take => {
      insist = take
    },
  }
}

/** A wrong configuration changes nothing: the server goes on with the one it has. */
async function takeUpConfiguration(running: RunningSluice, file: string | undefined, log: Logger): Promise<void> {
  try {
    const needsRestart = await running.reload(readConfig({ config: file }))
    log.info({ event: 'reloaded', ...(needsRestart.length > 0 && { needsRestart }) })
  } catch (error) {
    const problems = error instanceof ConfigError ? { problems: error.problems } : { err: error }
    log.error({ event: 'reload refused', ...problems }, 'the new configuration is not taken up; the old one stays')
  }
}

function usesEmbeddedDefaults({ homeserver }: Config, file: string | undefined): boolean {
  return file === undefined && homeserver === undefined
}

function announce(running: RunningSluice, assets: URL): void {
  const { apiUrl: api_url, edgeUrl: edge_url } = running
  console.log(JSON.stringify({ event: 'ready', api_url, edge_url }))
  if (running.standaloneToken !== undefined && api_url !== undefined) {
    console.log(
      greeting({
        apiUrl: api_url,
        edgeUrl: edge_url,
        token: running.standaloneToken.token,
        serverName: running.serverName,
        photo: fileURLToPath(new URL('samples/photo.jpg', assets)),
      }),
    )
  }
}
