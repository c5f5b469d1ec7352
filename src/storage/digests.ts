/**
 * SHA-256 of bodies on their way in. That of a large one is made by a thread of its own, which is handed the memory of each batch
 * after it was written: hashing is a third of the work of a large upload, and the network need not wait for it. One message for half
 * a megabyte costs next to nothing; for a small body it would cost more than hashing.
 */
import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { MediaError } from '../domain/errors.ts'
import { threadProgram } from '../domain/thread-program.ts'
import { giveBack, ownsItsMemory } from './give-back.ts'

export interface Digests {
  /**
   * @param bytes how many will come; undefined when nobody knows
   * @param isOurs nobody else looks at the chunks again: then their memory goes when they are released
   */
  begin(bytes: number | undefined, isOurs: boolean): Digest
  /** Ends the thread. */
  close(): Promise<void>
}

export interface Digest {
  /** The next bytes, as they arrive. */
  see(chunk: Uint8Array): void
  /**
   * Chunks that were seen, in that order, and that nobody needs any more. Resolves when more may come.
   * @throws MediaError `storage_failed` when the thread died
   */
  release(chunks: readonly Uint8Array[]): Promise<void> | void
  /** The SHA-256 of all of them. @throws MediaError `storage_failed` when the thread died */
  finish(): Promise<Uint8Array> | Uint8Array
  /** Nobody will ask. Harmless after `finish`. */
  abandon(): void
}

/** To the thread. Chunks come before the wish for their digest; without a wish they are forgotten. */
export type DigestTask =
  | { readonly id: number; readonly chunks: readonly Uint8Array[] }
  | { readonly id: number; readonly wanted: boolean }

/** From the thread: a batch is done, or all of them are. */
export interface DigestAnswer {
  readonly id: number
  readonly digest?: Uint8Array
}

/** Bytes from which a body is worth the messages. */
const worthAThread = 1024 * 1024

/**
 * Batches on their way to the thread, from all bodies together, so that it need not wait for the next one: where it does, the system may
 * wake it on the processor of whoever sent it, and both take turns there beside an idle one.
 */
const mostAhead = 6
/** From one body, however many there are: one that is hashed and one that waits. */
const leastAhead = 2

interface Remote {
  ahead: number
  wake: (() => void) | undefined
  digest: Uint8Array | undefined
  failure: MediaError | undefined
}

/** @param thread makes the thread, when the first large body comes and after one has died */
export function makeDigests(thread: () => Worker = startThread): Digests {
  const remotes = new Map<number, Remote>()
  let worker: Worker | undefined
  let lastId = 0

  function running(): Worker {
    if (worker !== undefined) return worker
    const started = begun(thread)
    worker = started
    started.on('message', hear)
    // An error is followed by the exit.
    started.on('error', () => {})
    started.on('exit', () => {
      if (worker === started) worker = undefined
      for (const remote of remotes.values()) fail(remote)
    })
    return started
  }

  function hear({ id, digest }: DigestAnswer): void {
    const remote = remotes.get(id)
    if (remote === undefined) return
    if (digest === undefined) remote.ahead -= 1
    else remote.digest = digest
    wake(remote)
  }

  /** More of them would only fill memory. */
  function mostAheadOfEach(): number {
    return Math.max(leastAhead, Math.floor(mostAhead / remotes.size))
  }

  async function change(remote: Remote): Promise<void> {
    if (remote.failure === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>()
      remote.wake = resolve
      await promise
    }
    if (remote.failure !== undefined) throw remote.failure
  }

  function elsewhere(): Digest {
    lastId += 1
    const id = lastId
    const remote: Remote = { ahead: 0, wake: undefined, digest: undefined, failure: undefined }
    // Before anything is noted: there may be no thread to be had.
    const host = running()
    remotes.set(id, remote)
    host.ref()
    const send = (task: DigestTask, transfer?: readonly ArrayBuffer[]) => host.postMessage(task, transfer ?? [])

    function end(): void {
      remotes.delete(id)
      // An idle thread is no reason for the process to go on.
      if (remotes.size === 0) host.unref()
    }

    return {
      see: () => {},
      async release(chunks) {
        if (remote.failure !== undefined) throw remote.failure
        // A write that was under way when the body was given up.
        if (!remotes.has(id)) return giveBack(chunks)
        const whole = chunks.map(inMemoryOfItsOwn)
        send(
          { id, chunks: whole },
          whole.map(({ buffer }) => buffer),
        )
        remote.ahead += 1
        while (remote.ahead >= mostAheadOfEach()) await change(remote)
      },
      async finish() {
        send({ id, wanted: true })
        while (remote.digest === undefined) await change(remote)
        end()
        return remote.digest
      },
      abandon() {
        if (!remotes.has(id)) return
        send({ id, wanted: false })
        end()
      },
    }
  }

  return {
    begin: (bytes, isOurs) => (isOurs && bytes !== undefined && bytes >= worthAThread ? elsewhere() : here(isOurs)),
    close: async () => void (await worker?.terminate()),
  }
}

/** @throws MediaError `storage_failed` when the system has no thread to give */
function begun(thread: () => Worker): Worker {
  try {
    return thread()
  } catch (cause) {
    throw new MediaError('storage_failed', 'This server is short of something; try again in a moment', { cause })
  }
}

function wake(remote: Remote): void {
  remote.wake?.()
  remote.wake = undefined
}

function fail(remote: Remote): void {
  remote.failure = new MediaError('storage_failed', 'The content could not be checked; try again')
  wake(remote)
}

/** To be transferred. What is part of something larger is copied, or all of that would go along. */
function inMemoryOfItsOwn(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
  return ownsItsMemory(chunk) ? chunk : new Uint8Array(chunk)
}

function here(isOurs: boolean): Digest {
  const hash = createHash('sha256')
  return {
    see: chunk => void hash.update(chunk),
    release: chunks => {
      if (isOurs) giveBack(chunks)
    },
    finish: () => hash.digest(),
    abandon: () => {},
  }
}

function startThread(): Worker {
  return new Worker(threadProgram('digest-thread', import.meta.url))
}
