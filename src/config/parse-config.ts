/**
 * From a YAML text and the environment to a `Config`, or to one error that lists everything that is wrong.
 */
import { resolve } from 'node:path'
import * as z from 'zod/mini'
import type { Quota } from '../domain/quota.ts'
import { agreement } from './agreement.ts'
import type { Config } from './config.ts'
import { readEnvironment } from './environment.ts'
import { nearestName } from './nearest-name.ts'
import { type Problem, writtenPath } from './problem.ts'
import { type Settings, settingsSchema } from './schema.ts'
import { type SettingKey, settingKeys } from './setting-keys.ts'
import { overlay, withoutNulls } from './tree.ts'
import { readYaml } from './yaml-source.ts'

/** Every problem at once. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(
      ['The configuration can not be used:', ...problems.map(({ path, message }) => `  ${path}: ${message}`)].join(
        '\n',
      ),
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

export interface ConfigSource {
  /** The text of the configuration file, if there is one. */
  readonly yaml?: string | undefined
  /** Wins over the file. Variables that do not begin with `SLUICE_` are nobody's business here. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absolute; what a relative `data_dir` is relative to. */
  readonly cwd: string
}

const keys = settingKeys(settingsSchema)
const agreeingSettings = settingsSchema.check(agreement)

/** Pure. @throws ConfigError with every problem of the file and of the environment */
export function parseConfig({ yaml = '', env, cwd }: ConfigSource): Config {
  const file = readYaml(yaml)
  const environment = readEnvironment(env, keys)
  const tree = withoutNulls(overlay(file.tree ?? {}, environment.tree))
  // Next to a file that is not YAML the environment is still looked at, but nothing can be said about how the two agree.
  const { data, error } = z.safeParse(file.sound ? agreeingSettings : settingsSchema, tree)
  const found = (error?.issues ?? [])
    .filter(({ code, path }) => file.sound || code === 'unrecognized_keys' || variableOf(path, environment.variables))
    .flatMap(issue => problemsOf(issue, environment.variables))
  const problems = [...file.problems, ...environment.problems, ...found]
  if (data === undefined || problems.length > 0) throw new ConfigError(problems)
  return toConfig(data, cwd)
}

function problemsOf(issue: z.core.$ZodIssue, variables: ReadonlyMap<string, string>): readonly Problem[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: named(issue.path, variables), message: issue.message }]
  return issue.keys.map(key => unknownKey(issue.path, key, variables))
}

function named(path: readonly PropertyKey[], variables: ReadonlyMap<string, string>): string {
  const written = writtenPath(path) || 'the whole file'
  const variable = variableOf(path, variables)
  return variable === undefined ? written : `${written} (${variable})`
}

/** The environment variable that set the value at this path, or the list that holds it. */
function variableOf(path: readonly PropertyKey[], variables: ReadonlyMap<string, string>): string | undefined {
  const outwards = path.map((_, index) => writtenPath(path.slice(0, path.length - index)))
  return outwards.map(at => variables.get(at)).find(name => name !== undefined)
}

function unknownKey(path: readonly PropertyKey[], key: string, variables: ReadonlyMap<string, string>): Problem {
  const inEntry = path.some(step => typeof step === 'number')
  const near = meantKey(path, key)
  // Somebody may have written `- s3cret: "@me:example.com"`, so in list entries only a near miss is repeated.
  if (inEntry && near === undefined)
    return {
      path: named(path, variables),
      message: `has a key that is not known; known are ${siblings(path).join(', ')}`,
    }
  return {
    path: named([...path, key], variables),
    message: `is not known${near === undefined ? '' : `; did you mean ${near}?`}`,
  }
}

/** A neighbour with nearly this name, or else a key of exactly this name in another section. */
function meantKey(path: readonly PropertyKey[], key: string): string | undefined {
  const neighbour = nearestName(key, siblings(path))
  if (neighbour !== undefined) return writtenPath([...path, neighbour])
  const elsewhere = keys.find(known => known.variable !== undefined && known.path.at(-1) === key)
  return elsewhere && writtenPath(elsewhere.path)
}

function siblings(path: readonly PropertyKey[]): readonly string[] {
  const parent = writtenPath(path).replaceAll(/\[\d+\]/g, '[]')
  return keys.filter(known => parentOf(known) === parent).map(known => known.path.at(-1) ?? '')
}

function parentOf({ path }: SettingKey): string {
  return writtenPath(path.slice(0, -1))
}

function toConfig(settings: Settings, cwd: string): Config {
  const { api, edge, homeserver, auth, limits, content_types, thumbnails, downloads, federation } = settings
  return {
    serverName: settings.server_name,
    dataDir: resolve(cwd, settings.data_dir),
    api: { listen: api.listen, publicUrl: api.public_url, trustedProxies: api.trusted_proxies },
    edge: {
      listen: edge.listen,
      publicUrl: edge.public_url,
      offerUploadUrl: edge.offer_upload_url,
      workers: edge.workers,
    },
    homeserver,
    auth: {
      tokens: auth.tokens.map(({ token, user_id, admin }) => ({ token, userId: user_id, admin })),
      queryToken: auth.query_token,
      cacheTtl: auth.cache_ttl,
    },
    limits: {
      maxUploadBytes: limits.max_upload_bytes,
      minFreeBytes: limits.min_free_bytes,
      maxPendingPerUser: limits.max_pending_per_user,
      unusedTtl: limits.unused_ttl,
      createPerSecond: limits.create_per_second,
      createBurst: limits.create_burst,
      requestsPerSecond: limits.requests_per_second,
      requestsBurst: limits.requests_burst,
      exemptUsers: limits.exempt_users,
      quota: toQuota(limits.quota),
      quotaExempt: limits.quota_exempt,
      idleTimeout: limits.idle_timeout,
      maxWaiters: limits.max_waiters,
    },
    contentTypes: content_types,
    thumbnails: {
      maxPixels: thumbnails.max_pixels,
      timeout: thumbnails.timeout,
      concurrency: thumbnails.concurrency,
      quality: thumbnails.quality,
    },
    downloads: {
      redirect: downloads.redirect,
      accelRedirect: downloads.accel_redirect,
      legacy: downloads.legacy,
      signedTtl: downloads.signed_ttl,
      defaultWait: downloads.default_wait,
      maxWait: downloads.max_wait,
    },
    federation: {
      allow: federation.allow,
      deny: federation.deny,
      redirect: federation.redirect,
      requestsPerSecond: federation.requests_per_second,
      requestsBurst: federation.requests_burst,
      allowedNetworks: federation.allowed_networks,
    },
    scrub: settings.scrub,
    shutdownGrace: settings.shutdown_grace,
    log: settings.log,
  }
}

/** A section that limits nothing is none, so that nobody pays for it. */
function toQuota({ max_bytes, max_count, windows, info_uri }: Settings['limits']['quota']): Quota | undefined {
  if (max_bytes === undefined && max_count === undefined && windows.length === 0) return undefined
  return {
    maxBytes: max_bytes,
    maxCount: max_count,
    windows: windows.map(window => ({ per: window.per, maxBytes: window.max_bytes, maxCount: window.max_count })),
    infoUri: info_uri,
  }
}
