import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config/config.ts'

/** What only a restart can change, by the name that operators write. */
const fixedSettings: Readonly<Record<string, (config: Config) => unknown>> = {
  server_name: config => config.serverName,
  data_dir: config => config.dataDir,
  'api.listen': config => config.api.listen,
  'edge.listen': config => config.edge.listen,
  'edge.workers': config => config.edge.workers,
  'limits.idle_timeout': config => config.limits.idleTimeout,
  'thumbnails.concurrency': config => config.thumbnails.concurrency,
  'limits.max_waiters': config => config.limits.maxWaiters,
  'scrub.enabled': config => config.scrub.enabled,
  shutdown_grace: config => config.shutdownGrace,
  'log.level': config => config.log.level,
}

/** Names of those that differ. */
export function changedFixedSettings(before: Config, after: Config): readonly string[] {
  return Object.entries(fixedSettings)
    .filter(([, read]) => !isDeepStrictEqual(read(before), read(after)))
    .map(([name]) => name)
}
