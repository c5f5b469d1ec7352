/**
 * The edge in processes of its own: this one has the port, hands its connections over, and replaces a worker that ends or hangs.
 */
import type { ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import { defaultMaxConnections } from '../http/connections.ts'
import { type ListeningOptions, listen } from '../http/listener.ts'
import { makeHandover } from './handover.ts'
import { StartError } from './start-error.ts'
import { type WorkerProcess, watchWorker } from './worker-process.ts'

export interface EdgeWorkers {
  /** `http://host:port` */
  readonly url: string
  /** Resolves when all workers serve. Whoever came before waits until then. @throws WorkersFailed when one can not start */
  open(config: Config): Promise<void>
  /** Resolves when nobody serves with the former configuration and keys any more. */
  reload(config: Config): Promise<void>
  /** As of a listener; resolves when every worker has ended. */
  close(graceMs: number): Promise<void>
}

export interface EdgeWorkersOptions extends ListeningOptions {
  readonly count: number
  readonly fork: () => ChildProcess
  readonly log: Logger
  /** Milliseconds that a worker may take to end when its grace is over, before it is killed. */
  readonly lastGrace: number
  /** As of `watchWorker`. A commit on a slow disk is no sign of life either. */
  readonly silentBeats?: number
}

/** The worker itself has said on standard error why. */
export class WorkersFailed extends StartError {
  override readonly name = 'WorkersFailed'
}

/** Milliseconds before a worker that ended is replaced: one that can not live must not keep the machine busy with its starts. */
const pauseBeforeNext = 1_000

/** @throws as `listen` */
export async function openEdgeWorkers(options: EdgeWorkersOptions): Promise<EdgeWorkers> {
  const { count, fork, log, lastGrace, silentBeats = 30 } = options
  const handover = makeHandover(defaultMaxConnections)
  const port = createServer({ pauseOnConnect: true, allowHalfOpen: true })
  port.on('connection', handover.add)
  const { url } = await listen(port, options)
  port.on('error', error => log.error({ err: error }, 'the listener failed'))

  // At once, because reading the program takes them a while.
  const running = new Map<number, WorkerProcess>()
  for (let number = 1; number <= count; number += 1) running.set(number, start())
  let isClosing = false
  let current: Config | undefined
  let closed: Promise<unknown> | undefined

  function start(): WorkerProcess {
    return watchWorker(fork(), silentBeats)
  }

  async function open(number: number, worker: WorkerProcess, config: Config): Promise<boolean> {
    const isReady = await worker.open(number, config)
    if (isReady) {
      handover.join(worker)
      void replaceAfter(number, worker)
    }
    return isReady
  }

  async function replaceAfter(number: number, ended: WorkerProcess): Promise<void> {
    for (let worker: WorkerProcess | undefined = ended; ; ) {
      const how = await worker?.ended
      if (isClosing || current === undefined) return
      if (how !== undefined)
        log.error({ event: 'worker ended', worker: number, ...how }, 'an edge worker has ended; it is replaced')
      await setTimeout(pauseBeforeNext)
      if (isClosing) return
      worker = startIfPossible(number)
      if (worker === undefined) continue
      running.set(number, worker)
      if (await open(number, worker, current)) return
    }
  }

  /** @returns undefined when the system has no process to give, which may pass */
  function startIfPossible(number: number): WorkerProcess | undefined {
    try {
      return start()
    } catch (err) {
      log.error(
        { event: 'worker not started', worker: number, err },
        'an edge worker can not be started; it is tried again',
      )
      return undefined
    }
  }

  async function closeAll(graceMs: number): Promise<void> {
    isClosing = true
    port.close()
    // Whoever was accepted is to be answered; but with no worker left, or hung ones, there is nobody who could.
    await Promise.race([handover.empty(), setTimeout(Math.min(graceMs, lastGrace), undefined, { ref: false })])
    handover.drop()
    const all = [...running.values()]
    for (const worker of all) worker.close(graceMs)
    const stopWaiting = new AbortController()
    void setTimeout(graceMs + lastGrace + pauseBeforeNext, undefined, stopWaiting)
      .then(() => {
        for (const worker of all) worker.kill()
      })
      .catch(() => {})
    await Promise.all(all.map(worker => worker.ended))
    stopWaiting.abort()
  }

  return {
    url,
    open: async config => {
      current = config
      const ready = await Promise.all([...running].map(([number, worker]) => open(number, worker, config)))
      if (ready.includes(false)) throw new WorkersFailed('an edge worker could not be started')
    },
    reload: async config => {
      current = config
      await Promise.all([...running.values()].map(worker => worker.reload(config)))
    },
    close: async graceMs => {
      if (closed !== undefined) for (const worker of running.values()) worker.close(graceMs)
      closed ??= closeAll(graceMs)
      await closed
    },
  }
}
