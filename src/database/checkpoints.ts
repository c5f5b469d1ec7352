/**
 * Folding the log into the file, off the thread that answers requests: a commit that folds as well takes 30 to 50 ms at ten million media
 * (measured), and every request waits for it.
 *
 * A failure that may have lost pages ends it for good, and the log is kept (see `kept-log.ts`); so does a thread that dies.
 */
import { Worker } from 'node:worker_threads'
import type BetterSqlite3 from 'better-sqlite3'
import { threadProgram } from '../domain/thread-program.ts'
import type { KeptLog } from './kept-log.ts'

/** `fold` goes on beside the writer; `restart` also lets the writer begin at the start of the log. */
export type CheckpointTask = 'fold' | 'restart' | 'stop'

export type CheckpointAnswer =
  | { readonly isBusy: boolean }
  | { readonly failed: string; readonly message: string; readonly isBusy?: never }

/** Said before the answer to `restart`: it remains to wait until nobody writes. */
export type ReadyToRestart = 'ready'

/** What the thread is given. */
export interface CheckpointFile {
  readonly file: string
  /** Of the same file; not the thread's to close. */
  readonly descriptor: number
}

export interface Checkpoints {
  /** Resolves when nothing is folded any more. */
  stop(): Promise<void>
}

export interface CheckpointNeeds {
  /** The connection that writes. */
  readonly sql: BetterSqlite3.Database
  readonly log: KeptLog
  /** Told once, when the log is kept from now on, by this process or by another one. */
  readonly onKept: (reason: string) => void
  /** Keeps everybody from writing until what it returns is called. Who writes one transaction after the other leaves the thread no gap. */
  readonly holdWrites?: () => () => void
  readonly thread?: (what: CheckpointFile) => Worker
  /** Milliseconds between two looks at the log. */
  readonly every?: number
  /** Pages from which the writer is made to wait, so that the log can begin anew. */
  readonly longest?: number
}

/** Pages of the log, of 4 KiB each, that are worth folding. */
const worthFolding = 1000
/** 64 MiB: less is not worth the wait, more makes every lookup slower. */
const tooLong = 16_384
/** Looks at the log after one that could not begin anew, because somebody was reading it. */
const restBusy = 3
/** Looks at the log after a thread that could not be had: the system is short of something. */
const restWithoutThread = 40
/** Milliseconds that writes are held for the log to begin anew; then the thread may wait for a gap, as other processes do. */
const longestHold = 1000
/** Milliseconds that a folding may take when the server stops. */
const lastGrace = 30_000

/**
 * Failures before any page of the file was given up: all is done again the next time. Any other may be one of a sync.
 * A full disk has to get over it by itself.
 */
const harmless = /^SQLITE_(?:BUSY|LOCKED|FULL$|NOMEM|CANTOPEN|IOERR_(?:WRITE|READ|SHORT_READ|NOMEM|BLOCKED)$)/

/** Looks at the log every so often until stopped; the thread starts with the first folding. */
export function startCheckpoints(needs: CheckpointNeeds): Checkpoints {
  const { sql, log, onKept, holdWrites = () => () => {}, thread = startThread, every = 250, longest = tooLong } = needs
  let worker: Worker | undefined
  let isAtWork = false
  let isStopping = false
  let isTold = false
  let hasAnswered = false
  let rest = 0
  let letWrite = () => {}

  function hold(): void {
    const release = holdWrites()
    const giveUp = setTimeout(release, longestHold)
    letWrite = () => {
      clearTimeout(giveUp)
      release()
    }
  }

  function keep(reason: string): void {
    if (isTold) return
    isTold = true
    log.keep()
    onKept(reason)
  }

  function hear(answer: CheckpointAnswer | ReadyToRestart): void {
    if (answer === 'ready') {
      hold()
      return
    }
    letWrite()
    isAtWork = false
    hasAnswered = true
    if ('failed' in answer) {
      if (!harmless.test(answer.failed)) keep(`${answer.failed}: ${answer.message}`)
    } else if (answer.isBusy) {
      rest = restBusy
    }
  }

  function running(): Worker {
    if (worker !== undefined) return worker
    const started = thread({ file: sql.name, descriptor: log.descriptor })
    let error: unknown
    worker = started
    hasAnswered = false
    started.unref()
    started.on('message', hear)
    started.on('error', cause => {
      error = cause
    })
    started.on('exit', () => {
      letWrite()
      isAtWork = false
      worker = undefined
      if (isStopping) return
      // It has folded nothing yet.
      if (!hasAnswered && isShortage(error)) rest = restWithoutThread
      else keep(`the thread that folds the log has ended: ${error}`)
    })
    return started
  }

  function begin(task: CheckpointTask): void {
    isAtWork = true
    try {
      running().postMessage(task)
    } catch {
      isAtWork = false
      rest = restWithoutThread
    }
  }

  function look(): void {
    rest -= 1
    if (isTold || isAtWork || isStopping || !sql.open || sql.inTransaction) return
    const { pages, unfolded } = lengthOf(sql)
    if (worker === undefined && rest > 0) return
    const mustRestart = pages >= longest && rest <= 0
    if (unfolded < worthFolding && !(mustRestart && unfolded > 0)) return
    if (log.isKept()) {
      keep('another process had to keep it')
      return
    }
    begin(mustRestart ? 'restart' : 'fold')
  }

  const timer = setInterval(look, every).unref()

  return {
    stop: async () => {
      clearInterval(timer)
      isStopping = true
      if (worker === undefined) return
      const ended = Promise.withResolvers<boolean>()
      worker.ref()
      worker.once('exit', code => ended.resolve(code === 0))
      const giveUp = setTimeout(ended.resolve, lastGrace, false)
      worker.postMessage('stop' satisfies CheckpointTask)
      if (!(await ended.promise)) keep('the thread that folds the log did not end as it should')
      clearTimeout(giveUp)
    },
  }
}

/** Of descriptors, memory or threads, which passes. */
function isShortage(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^(?:EMFILE|ENFILE|ENOMEM|EAGAIN|ERR_WORKER_(?:INIT_FAILED|OUT_OF_MEMORY))$/.test(code)
}

/** Looks only; costs some 10 µs. In trouble, there is nothing to fold. */
function lengthOf(sql: BetterSqlite3.Database): { readonly pages: number; readonly unfolded: number } {
  try {
    const [row] = sql.pragma('wal_checkpoint(NOOP)') as readonly {
      readonly log: number
      readonly checkpointed: number
    }[]
    return row === undefined ? nothing : { pages: row.log, unfolded: row.log - row.checkpointed }
  } catch {
    return nothing
  }
}

const nothing = { pages: 0, unfolded: 0 }

function startThread(what: CheckpointFile): Worker {
  return new Worker(threadProgram('checkpoint-thread', import.meta.url), { workerData: what })
}
