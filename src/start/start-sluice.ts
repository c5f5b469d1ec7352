/**
 * Opens the doors: foundation, keys, the two listeners, upkeep; and closes them again in the reverse order.
 */
import type { ChildProcess } from 'node:child_process'
import type { Config, StaticToken } from '../config/config.ts'
import type { ServerName } from '../domain/identifiers.ts'
import type { Surface } from '../http/cors.ts'
import { type ListeningOptions, openListener } from '../http/listener.ts'
import { makeArrivals } from '../services/arrivals.ts'
import { makeGate } from '../services/gate.ts'
import { makeUnderWay } from '../services/under-way.ts'
import { makeScrubPositionFile } from '../storage/scrub-position.ts'
import { openSigningKeys } from '../tokens/keyring.ts'
import { makeProvenTokens } from '../tokens/proven-tokens.ts'
import { makeGrantSigner } from '../tokens/sign-grant.ts'
import { makeGrantVerifier } from '../tokens/verify-grant.ts'
import { lastGrace, openInSteps } from './closing.ts'
import { type Door, openDoor } from './door.ts'
import { addressOf, requireEdgeAddress } from './edge-address.ts'
import { type EdgeWorkers, openEdgeWorkers } from './edge-workers.ts'
import { changedFixedSettings } from './fixed-settings.ts'
import { type FoundationOptions, openFoundation, type Surroundings } from './foundation.ts'
import { makeApiHandler, makeEdgeHandler } from './handlers.ts'
import type { PassedSockets } from './passed-sockets.ts'
import { makePatience, takeOverPort } from './predecessor.ts'
import { startScrub } from './scrub-timer.ts'
import { openStandaloneToken } from './standalone-token.ts'
import { startUpkeep } from './upkeep-timer.ts'

export interface StartOptions extends Surroundings {
  readonly config: Config
  /** Makes the store when the data directory is missing or empty. */
  readonly init: boolean
  readonly only: 'api' | 'edge' | undefined
  /** Those that systemd passed; what is missing is opened. */
  readonly sockets?: PassedSockets
  /** Starts a process of `commands/edge-worker.ts`. Without it this process serves the edge, whatever `edge.workers` says. */
  readonly fork?: () => ChildProcess
  /** Ends the waiting for a predecessor, with its reason. */
  readonly cancelled?: AbortSignal
  /** The directory `assets/`. */
  readonly assets: URL
}

export interface RunningSluice {
  /** Real addresses; undefined for a listener that was not asked for. */
  readonly apiUrl: string | undefined
  readonly edgeUrl: string | undefined
  readonly serverName: ServerName
  /** Set in standalone mode. */
  readonly standaloneToken: StaticToken | undefined
  /** Takes up another configuration and new signing keys without closing a connection. Returns the keys that need a restart. */
  reload(config: Config): Promise<readonly string[]>
  /** Lets what is in flight finish within the configured grace, then closes everything. Harmless to repeat. */
  close(): Promise<void>
  /** While it closes: cuts the connections that are left. What is being committed is still finished. */
  hurry(): void
}

/** Milliseconds for what a predecessor does after its last request: the database is folded and closed. */
const closingTime = 5_000

/**
 * @throws ConfigError, DataDirectoryError, WorkersFailed; the reason of `cancelled`; errors of the system when a port cannot be had.
 * Whatever was opened is closed then.
 */
export async function startSluice(options: StartOptions): Promise<RunningSluice> {
  const { opened, close } = await openInSteps(onClose => open(options, onClose))
  return { ...opened, close }
}

async function open(
  options: StartOptions,
  onClose: FoundationOptions['onClose'],
): Promise<Omit<RunningSluice, 'close'>> {
  const { init, only, sockets = {}, fork, cancelled, clock, random, log, assets } = options
  const role = only ?? 'both'
  if (role === 'api') requireEdgeAddress(options.config)
  const { serverName, limits, shutdownGrace } = options.config
  const patienceFor = makePatience({ waitMs: shutdownGrace + lastGrace + closingTime, log, signal: cancelled })

  const underWay = makeUnderWay()
  const doors: Pick<Door, 'close'>[] = []
  const closeDoors = (graceMs: number) => Promise.all(doors.map(door => door.close(graceMs)))
  // For a start that fails. Whatever opens later is closed before.
  onClose(() => closeDoors(0))
  // First, because a predecessor may have the data directory for a while longer: meanwhile clients wait, and are not refused.
  const workers = role === 'api' ? undefined : await openWorkers()
  const edge = role === 'api' || workers !== undefined ? undefined : await openDoorFor('edge')
  const api = role === 'edge' ? undefined : await openDoorFor('api')

  const foundation = await openFoundation({
    config: options.config,
    init,
    role,
    patience: patienceFor(options.config.dataDir),
    onClose,
    clock,
    random,
    log,
  })
  const { keysDir, dataDir } = foundation

  const standaloneToken =
    role !== 'edge' && isWithoutUsers(options.config)
      ? openStandaloneToken(dataDir, options.config.serverName, random)
      : undefined
  /** Ids made under another name would be found nowhere, so that a new name waits for the restart, like all that is fixed. */
  const inForce = (next: Config) =>
    withToken({ ...next, serverName }, isWithoutUsers(next) ? standaloneToken : undefined)
  const pageDirectory = ({ auth }: Config) =>
    standaloneToken !== undefined && auth.tokens.includes(standaloneToken) ? new URL('page/', assets) : undefined
  const arrivals = makeArrivals(limits)
  const decoding = makeGate(options.config.thumbnails.concurrency)

  // Both at once, so that they share the grace.
  onClose(async () => {
    arrivals.dismiss()
    await closeDoors(shutdownGrace)
    // Whoever was cut off may have a publication running, which needs the store and the database to its end.
    if (!(await underWay.settled(lastGrace)))
      log.warn({ event: 'stopping' }, 'some requests do not end; closing without them')
  })

  const proven = makeProvenTokens()
  // The signer first: it makes the first key, whose public half the edge reads.
  const signer =
    role === 'edge'
      ? undefined
      : makeGrantSigner({ keys: await openSigningKeys(keysDir, { clock, random }), serverName, proven })
  const verifier = edge === undefined ? undefined : await makeGrantVerifier({ keysDir, serverName, clock, proven })
  const listensAt = edge?.url ?? workers?.url
  const edgeUrl = (current: Config) => current.edge.publicUrl ?? listensAt ?? addressOf(current.edge.listen)

  await workers?.open(options.config)
  takeUp(inForce(options.config))
  const upkeep = startUpkeep(foundation)
  onClose(() => upkeep.stop())
  // Of two processes on one store, one reads it.
  const scrub =
    role === 'edge'
      ? undefined
      : startScrub({ ...foundation, position: makeScrubPositionFile(dataDir) }, options.config.scrub)
  onClose(() => scrub?.stop())

  async function openDoorFor(surface: Surface): Promise<Door> {
    const place = placeOf(surface)
    const { idleTimeout } = limits
    const door = await takeOverPort(
      () => openDoor(underWay, onRequest => openListener({ ...place, onRequest, surface, idleTimeout, log })),
      patienceFor(nameOf(place)),
    )
    doors.push(door)
    return door
  }

  async function openWorkers(): Promise<EdgeWorkers | undefined> {
    const { workers: count } = options.config.edge
    if (count === 0 || fork === undefined) return undefined
    const place = placeOf('edge')
    const crew = await takeOverPort(
      () => openEdgeWorkers({ ...place, count, fork, log, lastGrace }),
      patienceFor(nameOf(place)),
    )
    doors.push(crew)
    return crew
  }

  function placeOf(surface: Surface): ListeningOptions {
    return { address: options.config[surface].listen, socket: sockets[surface] }
  }

  function takeUp(config: Config): void {
    const common = { config, foundation, arrivals, decoding }
    if (verifier !== undefined) edge?.take(makeEdgeHandler({ ...common, verify: verifier }))
    if (signer !== undefined) {
      const more = { sign: signer, edgeUrl: edgeUrl(config), pageDirectory: pageDirectory(config) }
      api?.take(makeApiHandler({ ...common, ...more }))
    }
  }

  return {
    apiUrl: api?.url,
    edgeUrl: listensAt,
    serverName,
    standaloneToken,
    reload: async next => {
      if (role === 'api') requireEdgeAddress(next)
      // In this order: nothing is signed with a key that our own edge does not know.
      await verifier?.reload()
      await workers?.reload(next)
      await signer?.reload()
      takeUp(inForce(next))
      scrub?.take(next.scrub)
      return changedFixedSettings(options.config, next)
    },
    hurry: () => void closeDoors(0),
  }
}

function nameOf({ address: { host, port } }: ListeningOptions): string {
  return `${host}:${port}`
}

/** Nobody could ever be recognised: this is somebody trying Sluice out. */
function isWithoutUsers({ homeserver, auth }: Config): boolean {
  return homeserver === undefined && auth.tokens.length === 0
}

function withToken(config: Config, token: StaticToken | undefined): Config {
  return token === undefined ? config : { ...config, auth: { ...config.auth, tokens: [token] } }
}
