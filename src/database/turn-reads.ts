/**
 * Many requests, one transaction: the reads that are asked for within one turn of the event loop are carried out together at its end. Alone,
 * each would begin and end a transaction of SQLite's own, with two locks of the file, and that is most of what finding a row costs.
 *
 * They are gathered, rather than read in a transaction that stays open while requests come in. So each begins after it was asked for, and
 * sees all that was acknowledged before its request was sent, by this process or by another one; and between two turns nothing is open that a
 * write, a fold of the log or the end of the process would have to wait for.
 */
import type BetterSqlite3 from 'better-sqlite3'

/**
 * Runs `look` at the end of this turn, outside of any transaction that writes. It is synchronous and writes nothing; if it throws, its promise
 * rejects, and its neighbours are not disturbed. For what begins with reading: whoever is about to write reads in the transaction of that.
 */
export type Read = <T>(look: () => T) => Promise<T>

export interface TurnReads {
  readonly read: Read
  /** Carries out at once what was asked for: afterwards there may be nothing to read from. */
  finish(): void
}

export function makeTurnReads(sql: BetterSqlite3.Database): TurnReads {
  const begin = sql.prepare('BEGIN')
  // Nothing was written; and unlike COMMIT, it leaves nothing open when something went wrong.
  const end = sql.prepare('ROLLBACK')
  let asked: (() => void)[] = []

  function finish(): void {
    const looks = asked
    asked = []
    try {
      if (looks.length > 1) begin.run()
    } catch {
      // Then each look begins one of its own, and tells who asked for it what is wrong.
    }
    try {
      for (const look of looks) look()
    } finally {
      // A disk in trouble can make SQLite end it by itself.
      if (sql.inTransaction) end.run()
    }
  }

  return {
    read: look =>
      new Promise((resolve, reject) => {
        asked.push(() => {
          try {
            resolve(look())
          } catch (error) {
            reject(error)
          }
        })
        if (asked.length === 1) setImmediate(finish)
      }),
    finish,
  }
}
