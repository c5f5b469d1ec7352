/** The edge of one worker: a store and a verifier of its own, and no port. */
import type { Socket } from 'node:net'
import type { Config } from '../config/config.ts'
import { openInlet } from '../http/listener.ts'
import { makeArrivals } from '../services/arrivals.ts'
import { makeGate } from '../services/gate.ts'
import { makeUnderWay } from '../services/under-way.ts'
import { makeProvenTokens } from '../tokens/proven-tokens.ts'
import { makeGrantVerifier } from '../tokens/verify-grant.ts'
import { lastGrace, openInSteps } from './closing.ts'
import { type FoundationOptions, openFoundation, type Surroundings } from './foundation.ts'
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

/** For a data directory that the parent has opened. @throws DataDirectoryError; nothing is open then */
export async function startEdgeWorker(options: EdgeWorkerOptions): Promise<EdgeWorker> {
  const { opened, close } = await openInSteps(onClose => open(options, onClose))
  const { inlet, reload } = opened
  let closed: Promise<void> | undefined
  return {
    take: inlet.take,
    reload,
    close: async graceMs => {
      const cut = inlet.close(graceMs)
      closed ??= cut.then(close)
      await closed
    },
  }
}

async function open({ worker, config, ...surroundings }: EdgeWorkerOptions, onClose: FoundationOptions['onClose']) {
  const { clock, log } = surroundings
  const { serverName, limits, thumbnails } = config
  const opening = { ...surroundings, config, init: false, role: 'edge', member: worker, onClose } as const
  const foundation = await openFoundation(opening)
  const proven = makeProvenTokens()
  const verify = await makeGrantVerifier({ keysDir: foundation.keysDir, serverName, clock, proven })
  const shared = { foundation, arrivals: makeArrivals(limits), decoding: makeGate(thumbnails.concurrency), verify }
  const handlerFor = (next: Config) => makeEdgeHandler({ ...shared, config: { ...next, serverName } })
  let handler = handlerFor(config)

  const underWay = makeUnderWay()
  onClose(async () => {
    // Whoever was cut off may have a commit running, which needs the store and the database to its end.
    if (!(await underWay.settled(lastGrace)))
      log.warn({ event: 'stopping' }, 'some requests do not end; closing without them')
  })
  const inlet = openInlet({
    onRequest: (request, response) => void underWay.during(() => handler(request, response)),
    surface: 'edge',
    idleTimeout: limits.idleTimeout,
    log,
  })
  const upkeep = startUpkeep(foundation)
  onClose(() => upkeep.stop())

  return {
    inlet,
    reload: async (next: Config) => {
      await verify.reload()
      handler = handlerFor(next)
    },
  }
}
