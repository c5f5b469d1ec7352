/** Where an edge is that somebody else serves. */
import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/parse-config.ts'

/**
 * Without the edge at hand, its URL is only known from the settings, and everything handed out leads there.
 * @throws ConfigError when they do not tell where it can be reached
 */
export function requireEdgeAddress({ edge: { publicUrl, listen } }: Config): void {
  const isReachable = listen.port !== 0 && !/^[0:.]+$/.test(listen.host)
  if (publicUrl !== undefined || isReachable) return
  const message = 'is required with --only api when edge.listen has port 0 or the address of all interfaces'
  throw new ConfigError([{ path: 'edge.public_url', message }])
}

/** As a URL. */
export function addressOf({ host, port }: Config['edge']['listen']): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
