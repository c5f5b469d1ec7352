/** The edge of one worker: a store and a verifier of its own, and no port. */
import type { Socket } from 'node:net'
import type { Config } from '../config/config.ts'
import { openInlet } from '../http/listener.ts'
import { makeArrivals } from '../services/arrivals.ts'
import { makeGate } from '../services/gate.ts'
import { makeUnderWay } from '../services/under-way.ts'
import { makeProvenTokens } from '../tokens/proven-tokens.ts'
import { makeGrantVerifier } from '../tokens/verify-grant.ts'
import { lastGrace } from './closing.ts'
import { openFoundation, type Surroundings } from './foundation.ts'
import { makeEdgeHandler } from './handlers.ts'
import { startUpkeep } from './upkeep-timer.ts'

export interface EdgeWorkerOptions extends Surroundings {
  /** From 1. */
  readonly worker: number
  readonly config: Config
}

export interface EdgeWorker {
  take(socket: Socket): void
  reload(config: Config): Promise<void>
  /** As of a listener, and then closes the store. */
  close(graceMs: number): Promise<void>
}

/** For a data directory that the parent has opened. @throws DataDirectoryError */
export async function startEdgeWorker({ worker, config, ...surroundings }: EdgeWorkerOptions): Promise<EdgeWorker> {
  const { clock, log } = surroundings
  const { serverName, limits, thumbnails } = config
  const steps: (() => unknown)[] = []
  const foundation = await openFoundation({
    ...surroundings,
    config,
    init: false,
    role: 'edge',
    member: worker,
    onClose: step => steps.push(step),
  })
  const proven = makeProvenTokens()
  const verifier = await makeGrantVerifier({ keysDir: foundation.keysDir, serverName, clock, proven })
  const arrivals = makeArrivals(limits)
  const decoding = makeGate(thumbnails.concurrency)
  const handlerFor = (next: Config) =>
    makeEdgeHandler({ config: { ...next, serverName }, foundation, arrivals, decoding, verify: verifier })
  let handler = handlerFor(config)

  const underWay = makeUnderWay()
  const inlet = openInlet({
    onRequest: (request, response) => void underWay.during(() => handler(request, response)),
    surface: 'edge',
    idleTimeout: limits.idleTimeout,
    log,
  })
  const upkeep = startUpkeep(foundation)

  async function closeStore(): Promise<void> {
    // Whoever was cut off may have a commit running, which needs the store and the database to its end.
    if (!(await underWay.settled(lastGrace)))
      log.warn({ event: 'stopping' }, 'some requests do not end; closing without them')
    for (const step of steps.splice(0).reverse()) await step()
  }

  let closed: Promise<void> | undefined
  return {
    take: inlet.take,
    reload: async next => {
      await verifier.reload()
      handler = handlerFor(next)
    },
    close: async graceMs => {
      const cut = inlet.close(graceMs)
      closed ??= Promise.all([cut, upkeep.stop()]).then(closeStore)
      await closed
    },
  }
}
