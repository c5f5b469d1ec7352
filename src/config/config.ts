/**
 * What an operator can decide, after parsing: durations in milliseconds, sizes in bytes, URLs without a trailing slash.
 */
import type { ServerName, UserId } from '../domain/identifiers.ts'
import type { Quota } from '../domain/quota.ts'

export interface Address {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

export interface StaticToken {
  readonly token: string
  readonly userId: UserId
  readonly admin: boolean
}

export interface Config {
  readonly serverName: ServerName
  /** Absolute path. */
  readonly dataDir: string
  /** `publicUrl` undefined: derived from the address that the listener got. */
  readonly api: {
    readonly listen: Address
    readonly publicUrl: string | undefined
    /** CIDR. */
    readonly trustedProxies: readonly string[]
  }
  readonly edge: {
    readonly listen: Address
    readonly publicUrl: string | undefined
    readonly offerUploadUrl: boolean
    /** Processes that serve it beside this one; 0: this one does. */
    readonly workers: number
  }
  /** undefined: standalone. */
  readonly homeserver: { readonly url: string; readonly timeout: number } | undefined
  readonly auth: { readonly tokens: readonly StaticToken[]; readonly queryToken: boolean; readonly cacheTtl: number }
  readonly limits: {
    readonly maxUploadBytes: number
    /** What uploads leave free on the disk of the data directory. */
    readonly minFreeBytes: number
    readonly maxPendingPerUser: number
    readonly unusedTtl: number
    readonly createPerSecond: number
    readonly createBurst: number
    readonly requestsPerSecond: number
    readonly requestsBurst: number
    /** User ids in which `*` stands for anything. */
    readonly exemptUsers: readonly string[]
    /** undefined: everybody may store without end. */
    readonly quota: Quota | undefined
    /** User ids in which `*` stands for anything. */
    readonly quotaExempt: readonly string[]
    /** Silence on a connection that should be carrying a body, in either direction. */
    readonly idleTimeout: number
    readonly maxWaiters: number
  }
  readonly contentTypes: {
    readonly mismatch: 'reject' | 'relabel' | 'off'
    /** Lower-case patterns such as `image/*`; empty allow means everything. Deny wins. */
    readonly allow: readonly string[]
    readonly deny: readonly string[]
  }
  readonly thumbnails: {
    readonly maxPixels: number
    readonly timeout: number
    readonly concurrency: number
    readonly quality: number
  }
  readonly downloads: {
    readonly redirect: boolean
    /** Path that begins and ends with a slash; undefined: the bytes are sent from here. */
    readonly accelRedirect: string | undefined
    /** What unauthenticated downloads see: nothing, what was created while it was `open`, or also what is created now. */
    readonly legacy: 'off' | 'frozen' | 'open'
    /** Signed download URLs are the same for everyone within a window of this length. */
    readonly signedTtl: number
    readonly defaultWait: number
    readonly maxWait: number
  }
  readonly federation: {
    /** Server names and patterns such as `*.example.org`. Empty allow means everybody; deny wins. */
    readonly allow: readonly string[]
    readonly deny: readonly string[]
    readonly redirect: boolean
    readonly requestsPerSecond: number
    readonly requestsBurst: number
    /** CIDR. */
    readonly allowedNetworks: readonly string[]
  }
  /** Rate in bytes a second. */
  readonly scrub: { readonly enabled: boolean; readonly rate: number; readonly interval: number }
  readonly shutdownGrace: number
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent' }
}
