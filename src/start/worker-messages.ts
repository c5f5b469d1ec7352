/** What the process that has the edge port and its workers say to each other. */
import type { Config } from '../config/config.ts'

export type ToWorker =
  /** The data directory is in order and has its keys: begin. */
  | { readonly kind: 'open'; readonly worker: number; readonly config: Config }
  /** Comes with the socket, unless the client has gone already. */
  | { readonly kind: 'connection' }
  | { readonly kind: 'reload'; readonly config: Config }
  /** Said again with less grace, it cuts sooner. */
  | { readonly kind: 'close'; readonly graceMs: number }

export type FromWorker =
  /** Whatever else there is to say: I am not hung. */
  | { readonly kind: 'pulse' }
  | { readonly kind: 'ready' }
  /** The connection is mine now, and the next one may come. */
  | { readonly kind: 'took' }
  | { readonly kind: 'reloaded' }

/** Milliseconds between two pulses. */
export const pulseEvery = 1_000
