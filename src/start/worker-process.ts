/** One worker, as its parent sees it: what it was asked for and what came of it, until its process has ended. */
import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Config } from '../config/config.ts'
import { type FromWorker, pulseEvery, type ToWorker } from './worker-messages.ts'

export interface WorkerProcess {
  readonly pid: number | undefined
  /** Resolves when the process is gone, with how it went. Nothing here throws because it is. */
  readonly ended: Promise<WorkerEnd>
  /** @returns false when it ended before it was ready */
  open(worker: number, config: Config): Promise<boolean>
  /** One at a time. @returns false when it ended before it took the connection, which then is whole and may be given to another */
  give(socket: Socket): Promise<boolean>
  /** Resolves also when it ended instead. */
  reload(config: Config): Promise<void>
  close(graceMs: number): void
  kill(): void
}

export interface WorkerEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** It gave no sign of life, and was killed. */
  readonly wasHung: boolean
}

/** @param silentBeats how many beats, one a second, may pass without a sign of life before the worker counts as hung */
export function watchWorker(child: ChildProcess, silentBeats: number): WorkerProcess {
  const awaited = new Map<FromWorker['kind'], (came: boolean) => void>()
  const { promise: ended, resolve: end } = Promise.withResolvers<WorkerEnd>()
  let hasEnded = false
  let wasHung = false
  let beatsSinceSign = 0
  let reloading = Promise.resolve()

  // Beats of this process, not time that has passed: a machine that was suspended, or only this process that was held up, makes nobody hung.
  const beats = setInterval(() => {
    beatsSinceSign += 1
    if (beatsSinceSign <= silentBeats || hasEnded) return
    wasHung = true
    child.kill('SIGKILL')
  }, pulseEvery)

  child.on('message', (message: FromWorker) => {
    beatsSinceSign = 0
    awaited.get(message.kind)?.(true)
    awaited.delete(message.kind)
  })
  child.once('exit', (code, signal) => onEnd({ code, signal }))
  // What can not be sent is followed by an exit, or could not be started at all.
  child.on('error', () => {
    if (child.pid === undefined) onEnd({ code: null, signal: null })
  })

  function onEnd(how: Omit<WorkerEnd, 'wasHung'>): void {
    if (hasEnded) return
    hasEnded = true
    clearInterval(beats)
    end({ ...how, wasHung })
    for (const resolve of awaited.values()) resolve(false)
    awaited.clear()
  }

  function say(message: ToWorker, socket?: Socket): void {
    // The parent keeps its copy until it hears that the worker has one.
    if (child.connected) child.send(message, socket, { keepOpen: true }, () => {})
  }

  async function reloadOnce(config: Config): Promise<void> {
    const reloaded = hear('reloaded')
    say({ kind: 'reload', config })
    await reloaded
  }

  function hear(kind: FromWorker['kind']): Promise<boolean> {
    return new Promise(resolve => (hasEnded ? resolve(false) : awaited.set(kind, resolve)))
  }

  return {
    pid: child.pid,
    ended,
    open: (worker, config) => {
      const ready = hear('ready')
      say({ kind: 'open', worker, config })
      return ready
    },
    give: socket => {
      const took = hear('took')
      say({ kind: 'connection' }, socket)
      return took
    },
    reload: config => {
      // One after the other: an answer does not say which of several it is for.
      reloading = reloading.then(() => reloadOnce(config))
      return reloading
    },
    close: graceMs => say({ kind: 'close', graceMs }),
    kill: () => void child.kill('SIGKILL'),
  }
}
