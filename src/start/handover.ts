/**
 * Connections that were accepted here and are served elsewhere: each goes to the next worker that has taken its last one. So a worker
 * that hangs keeps one of them waiting, and not its share; and who comes while there is no worker waits for one.
 */
import type { Socket } from 'node:net'

export interface Handover {
  add(socket: Socket): void
  /** One more that takes connections, until its `give` fails. */
  join(taker: Taker): void
  /** Resolves when nobody waits any more. */
  empty(): Promise<void>
  /** Closes what waits. */
  drop(): void
}

export interface Taker {
  /** @returns whether the connection was taken; if not, none will be */
  give(socket: Socket): Promise<boolean>
}

/** @param maxWaiting more are closed at once */
export function makeHandover(maxWaiting: number): Handover {
  const waiting: Socket[] = []
  const idle: Taker[] = []
  const underWay = new Set<Socket>()
  let onEmpty = () => {}

  function next(): void {
    while (waiting.length > 0 && idle.length > 0) {
      const [socket, taker] = [waiting.shift(), idle.shift()]
      if (socket === undefined || taker === undefined) return
      if (socket.destroyed) idle.unshift(taker)
      else void give(socket, taker)
    }
    if (waiting.length + underWay.size === 0) onEmpty()
  }

  async function give(socket: Socket, taker: Taker): Promise<void> {
    underWay.add(socket)
    const wasTaken = await taker.give(socket)
    underWay.delete(socket)
    // The connection itself lives on: this closes only what this process has of it.
    if (wasTaken) {
      socket.destroy()
      idle.push(taker)
    } else waiting.unshift(socket)
    next()
  }

  return {
    add: socket => {
      // A client that goes away meanwhile is the worker's to notice.
      socket.on('error', () => {})
      if (waiting.length >= maxWaiting) return void socket.destroy()
      waiting.push(socket)
      next()
    },
    join: taker => {
      idle.push(taker)
      next()
    },
    empty: () =>
      new Promise(resolve => {
        onEmpty = resolve
        next()
      }),
    drop: () => {
      for (const socket of waiting.splice(0)) socket.destroy()
      next()
    },
  }
}
