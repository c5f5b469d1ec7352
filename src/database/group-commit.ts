/**
 * Many requests, one sync: the writes that arrive together share a transaction and are answered after its COMMIT. With
 * `synchronous = FULL` this costs hardly more than committing without a sync (measured: 2 to 3.6 × the rate of one transaction per
 * request), so durability need not be traded for speed.
 */
import type BetterSqlite3 from 'better-sqlite3'
import { failPoint } from '../domain/fail-point.ts'
import { explainFailure } from './failures.ts'

/**
 * Runs `work` in the next group's transaction and resolves once that is durable. `work` is synchronous; if it throws, its own
 * effects are undone, its promise rejects, and its neighbours are not disturbed. It may be run twice: when a neighbour throws, all is
 * undone and done again.
 */
export type Write = <T>(work: () => T) => Promise<T>

/**
 * Runs `work` at once in a transaction of its own, so that what it reads is committed and nothing it builds on can be undone with a
 * neighbour, or come back that was undone. For work with effects that no rollback takes back, such as removing a file.
 */
export type WriteAlone = Write

interface Job {
  run(): void
  committed(): void
  failed(error: unknown): void
}

/** Milliseconds between two attempts to write over a commit that may come back, when nobody else writes anything. */
const sealEvery = 1000

/** Turns of the event loop that a group waits at most for others to join it. */
const mostTurns = 4

/** Milliseconds. Beside upkeep a turn may take long by itself, and then a further one is no bargain. */
const longestGathering = 2

/** @param now milliseconds on a clock that nobody can set */
export function makeGroupCommit(
  sql: BetterSqlite3.Database,
  now: () => number = () => performance.now(),
): {
  write: Write
  writeAlone: WriteAlone
  hold(): () => void
  idle(): Promise<void>
} {
  const begin = sql.prepare('BEGIN IMMEDIATE')
  const commit = sql.prepare('COMMIT')
  const rollback = sql.prepare('ROLLBACK')
  const savepoint = sql.prepare('SAVEPOINT job')
  const release = sql.prepare('RELEASE job')
  const undo = sql.prepare('ROLLBACK TO job')
  let queue: Job[] = []
  let isHeld = false
  /** Jobs of the group before. */
  let lastCount = 0
  /**
   * A commit whose sync fails is undone, but it may lie whole in the log, and the next start would read it there as if it had
   * succeeded. Only another commit, which is written over it, makes it certain that it never will. Its sync may fail as well; then what
   * was written still keeps the first one from coming back after a crash of this process, but not after a power cut.
   */
  let mayComeBack = false
  let nextSeal: NodeJS.Timeout | undefined

  /** Before anything else is promised. @throws SqliteError while the disk does not let it through */
  function seal(): void {
    if (!mayComeBack) return
    begin.run()
    try {
      // Changes nothing and is written all the same: the number is in the header of the file.
      sql.pragma(`user_version = ${sql.pragma('user_version', { simple: true })}`)
      commit.run()
    } catch (error) {
      if (sql.inTransaction) rollback.run()
      throw error
    }
    mayComeBack = false
  }

  /** At once, so that whoever is told of the failure can count on it; and if that fails too, until it succeeds. */
  function sealOrTryAgain(): void {
    try {
      if (sql.open) seal()
    } catch {
      if (nextSeal !== undefined) return
      nextSeal = setTimeout(() => {
        nextSeal = undefined
        sealOrTryAgain()
      }, sealEvery).unref()
    }
  }

  function commitOrSeal(): void {
    failPoint('commit: before')
    try {
      commit.run()
    } catch (error) {
      mayComeBack = true
      if (sql.inTransaction) rollback.run()
      sealOrTryAgain()
      throw error
    }
    failPoint('commit: after')
  }

  /**
   * Hardly ever does one throw, so that savepoints, two statements for each job, are only for when one has.
   * @returns those that did not throw; what the others did is undone
   */
  function run(jobs: readonly Job[]): readonly Job[] {
    try {
      for (const job of jobs) job.run()
      return jobs
    } catch (error) {
      if (sql.inTransaction) rollback.run()
      if (jobs.length > 1) {
        begin.run()
        return runEach(jobs)
      }
      for (const job of jobs) job.failed(error)
      return []
    }
  }

  function runEach(jobs: readonly Job[]): readonly Job[] {
    return jobs.filter(job => {
      savepoint.run()
      try {
        job.run()
      } catch (error) {
        // A disk that is full can make SQLite abandon the whole transaction, not only this job.
        if (!sql.inTransaction) throw error
        undo.run()
        release.run()
        job.failed(error)
        return false
      }
      release.run()
      return true
    })
  }

  /**
   * Those who were answered together do not come back all within one turn, so a group waits for as long as each turn brings more of them.
   * Who is alone, as the one before was, waits for nobody.
   */
  function gather(known: number, turn: number, since = now()): void {
    setImmediate(() => {
      const isGrowing = queue.length > known
      const isTime = turn === mostTurns || now() - since > longestGathering
      if (isGrowing && !isTime) gather(queue.length, turn + 1, since)
      else flush()
    })
  }

  function flush(): void {
    if (isHeld || queue.length === 0) return
    const jobs = queue
    queue = []
    lastCount = jobs.length
    let done: readonly Job[] = []
    try {
      seal()
      begin.run()
      done = run(jobs)
      if (sql.inTransaction) commitOrSeal()
    } catch (error) {
      try {
        if (sql.inTransaction) rollback.run()
      } finally {
        for (const job of jobs) job.failed(error)
      }
      return
    }
    for (const job of done) job.committed()
  }

  const write: Write = work =>
    new Promise((resolve, reject) => {
      let result: ReturnType<typeof work>
      queue.push({
        run: () => {
          result = work()
          if (result instanceof Promise) throw new TypeError('a transaction must not wait for anything')
        },
        committed: () => resolve(result),
        failed: error => reject(explainFailure(error)),
      })
      if (queue.length === 1) gather(lastCount === 1 ? 1 : 0, 1)
    })

  const writeAlone: WriteAlone = async work => {
    try {
      seal()
      begin.run()
      const result = work()
      commitOrSeal()
      return result
    } catch (error) {
      if (sql.inTransaction) rollback.run()
      throw explainFailure(error)
    }
  }

  return {
    write,
    writeAlone,
    /**
     * Groups wait until what it returns is called. What is written alone does not: hardly anybody does, and nobody all the time.
     */
    hold: () => {
      isHeld = true
      return () => {
        if (!isHeld) return
        isHeld = false
        setImmediate(flush)
      }
    },
    /** Resolves when everything written before the call is durable. */
    idle: () => write(() => undefined),
  }
}
