/**
 * Opens the doors: foundation, keys, the two listeners, upkeep; and closes them again in the reverse order.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Config, StaticToken } from '../config/config.ts'
import { ConfigError } from '../config/parse-config.ts'
import type { ServerName } from '../domain/identifiers.ts'
import type { Surface } from '../http/cors.ts'
import { openListener } from '../http/listener.ts'
import { makeArrivals } from '../services/arrivals.ts'
import { makeGate } from '../services/gate.ts'
import { makeUnderWay } from '../services/under-way.ts'
import { makeScrubPositionFile } from '../storage/scrub-position.ts'
import { openSigningKeys } from '../tokens/keyring.ts'
import { makeProvenTokens } from '../tokens/proven-tokens.ts'
import { makeGrantSigner } from '../tokens/sign-grant.ts'
import { makeGrantVerifier } from '../tokens/verify-grant.ts'
import { type Door, openDoor } from './door.ts'
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

/**
 * @throws ConfigError, DataDirectoryError; the reason of `cancelled`; errors of the system when a port cannot be had. Whatever was opened is closed then.
 */
export async function startSluice(options: StartOptions): Promise<RunningSluice> {
  const steps: (() => unknown)[] = []
  const close = async () => {
    for (const step of steps.splice(0).reverse()) await step()
  }
  try {
    return { ...(await open(options, step => steps.push(step))), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function open(
  options: StartOptions,
  onClose: FoundationOptions['onClose'],
): Promise<Omit<RunningSluice, 'close'>> {
  const { init, only, sockets = {}, cancelled, clock, random, log, assets } = options
  const role = only ?? 'both'
  if (role === 'api') requireEdgeAddress(options.config)
  const { serverName, limits, shutdownGrace } = options.config
  const patienceFor = makePatience({ waitMs: shutdownGrace + lastGrace + 5_000, log, signal: cancelled })

  const underWay = makeUnderWay()
  const doors: Door[] = []
  const closeDoors = (graceMs: number) => Promise.all(doors.map(door => door.close(graceMs)))
  // For a start that fails. Whatever opens later is closed before.
  onClose(() => closeDoors(0))
  // First, because a predecessor may have the data directory for a while longer: meanwhile clients wait, and are not refused.
  const edge = role === 'api' ? undefined : await openDoorFor('edge')
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
  const verifier = role === 'api' ? undefined : await makeGrantVerifier({ keysDir, serverName, clock, proven })
  const edgeUrl = (current: Config) => current.edge.publicUrl ?? edge?.url ?? addressOf(current.edge.listen)

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
    const { listen: address } = options.config[surface]
    const { [surface]: socket } = sockets
    const { idleTimeout } = limits
    const open = () =>
      openDoor(underWay, onRequest => openListener({ onRequest, address, socket, surface, idleTimeout, log }))
    const door = await takeOverPort(open, patienceFor(`${address.host}:${address.port}`))
    doors.push(door)
    return door
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
    edgeUrl: edge?.url,
    serverName,
    standaloneToken,
    reload: async next => {
      if (role === 'api') requireEdgeAddress(next)
      // In this order: nothing is signed with a key that our own edge does not know.
      await verifier?.reload()
      await signer?.reload()
      takeUp(inForce(next))
      scrub?.take(next.scrub)
      return changedFixedSettings(options.config, next)
    },
    hurry: () => void closeDoors(0),
  }
}

/** Milliseconds that work without a client has left. A large picture takes a second or two. */
const lastGrace = 5_000

/** What only a restart can change, by the name that operators write. */
const fixedSettings: Readonly<Record<string, (config: Config) => unknown>> = {
  server_name: config => config.serverName,
  data_dir: config => config.dataDir,
  'api.listen': config => config.api.listen,
  'edge.listen': config => config.edge.listen,
  'limits.idle_timeout': config => config.limits.idleTimeout,
  'thumbnails.concurrency': config => config.thumbnails.concurrency,
  'limits.max_waiters': config => config.limits.maxWaiters,
  'scrub.enabled': config => config.scrub.enabled,
  shutdown_grace: config => config.shutdownGrace,
  'log.level': config => config.log.level,
}

function changedFixedSettings(before: Config, after: Config): readonly string[] {
  return Object.entries(fixedSettings)
    .filter(([, read]) => !isDeepStrictEqual(read(before), read(after)))
    .map(([name]) => name)
}

/** Nobody could ever be recognised: this is somebody trying Sluice out. */
function isWithoutUsers({ homeserver, auth }: Config): boolean {
  return homeserver === undefined && auth.tokens.length === 0
}

function withToken(config: Config, token: StaticToken | undefined): Config {
  return token === undefined ? config : { ...config, auth: { ...config.auth, tokens: [token] } }
}

/**
 * Without the edge at hand, its URL is only known from the settings, and everything handed out leads there.
 * @throws ConfigError when they do not tell where it can be reached
 */
function requireEdgeAddress({ edge: { publicUrl, listen } }: Config): void {
  const isReachable = listen.port !== 0 && !/^[0:.]+$/.test(listen.host)
  if (publicUrl !== undefined || isReachable) return
  const message = 'is required with --only api when edge.listen has port 0 or the address of all interfaces'
  throw new ConfigError([{ path: 'edge.public_url', message }])
}

function addressOf({ host, port }: Config['edge']['listen']): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
