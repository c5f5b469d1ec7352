/**
 * What `sluice serve` starts as often as `edge.workers` says: told by its parent what to do, and gone when that is.
 */
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { systemClock, systemRandom } from '../domain/clock.ts'
import { type EdgeWorker, startEdgeWorker } from '../start/edge-worker.ts'
import { type FromWorker, pulseEvery, type ToWorker } from '../start/worker-messages.ts'
import { openLog } from './log.ts'

/** Resolves when it has closed, as told by its parent or by a signal. */
export async function edgeWorker(): Promise<number> {
  // Nobody would have a worker without a parent, and the next parent takes the data directory for its own.
  process.on('disconnect', () => process.exit(1))
  // It may have gone while this program was read, when nobody listened yet.
  if (!process.connected) process.exit(1)
  // The parent decides, also when a terminal tells all its processes at once.
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
  const pulse = setInterval(() => say({ kind: 'pulse' }), pulseEvery)

  const { promise: closed, resolve, reject } = Promise.withResolvers<void>()
  let opening: Promise<{ readonly worker: EdgeWorker; readonly log: Logger }> | undefined
  process.on('message', (message: ToWorker, socket?: Socket) => {
    if (message.kind === 'open') open(message).catch(reject)
    // What fails here is a defect, and ends the process with its stack; there will be another.
    else void follow(message, socket)
  })

  async function open({ worker: number, config }: Extract<ToWorker, { kind: 'open' }>): Promise<void> {
    const log = openLog(config.log).child({ worker: number })
    const surroundings = { clock: systemClock, random: systemRandom, log }
    opening = startEdgeWorker({ ...surroundings, worker: number, config }).then(worker => ({ worker, log }))
    await opening
    say({ kind: 'ready' })
  }

  async function follow(message: Exclude<ToWorker, { kind: 'open' }>, socket: Socket | undefined): Promise<void> {
    const opened = await opening
    if (message.kind === 'connection') {
      if (socket !== undefined) opened?.worker.take(socket)
      say({ kind: 'took' })
    } else if (message.kind === 'reload') {
      await opened?.worker.reload(message.config).catch(error => {
        opened.log.error({ event: 'reload refused', err: error }, 'what was taken up before stays')
      })
      say({ kind: 'reloaded' })
    } else {
      await opened?.worker.close(message.graceMs)
      resolve()
    }
  }

  try {
    await closed
    return 0
  } finally {
    clearInterval(pulse)
    // Our own doing; the parent sees the exit.
    process.removeAllListeners('disconnect')
    process.disconnect()
  }
}

function say(message: FromWorker): void {
  // A parent that is gone hears nothing, and we hear of that.
  if (process.connected) process.send?.(message, undefined, {}, () => {})
}
