/**
 * What settings demand of each other. Runs even when some of them are wrong on their own, so that an operator sees every problem
 * at the first start; each demand looks only at settings that are sound.
 */
import * as z from 'zod/mini'
import type { Settings } from './schema.ts'

type Path = readonly (string | number)[]

export const agreement = z.check<Settings>(
  ({ value, issues }) => {
    const found = [...issues]
    const isSound = (...path: Path) =>
      !found.some(({ code, path: at = [] }) => code !== 'unrecognized_keys' && touch(at, path))
    const complain = (path: Path, message: string) =>
      issues.push({ code: 'custom', path: [...path], message, input: undefined })

    if (isSound('api', 'listen') && isSound('edge', 'listen')) {
      const { api, edge } = value
      if (edge.listen.port !== 0 && edge.listen.port === api.listen.port && overlap(edge.listen.host, api.listen.host))
        complain(['edge', 'listen'], 'must not be the same address as api.listen')
    }

    if (isSound('downloads', 'default_wait') && isSound('downloads', 'max_wait')) {
      if (value.downloads.max_wait < value.downloads.default_wait)
        complain(['downloads', 'max_wait'], 'must not be shorter than downloads.default_wait')
    }

    if (isSound('federation', 'redirect') && isSound('edge', 'public_url')) {
      if (value.federation.redirect && !value.edge.public_url?.startsWith('https:'))
        complain(['federation', 'redirect'], 'needs an edge.public_url with https: other servers follow no other')
    }

    if (isSound('limits', 'quota', 'windows')) {
      for (const [index, { max_bytes, max_count }] of value.limits.quota.windows.entries()) {
        if (max_bytes === undefined && max_count === undefined)
          complain(['limits', 'quota', 'windows', index], 'must have max_bytes, max_count or both')
      }
    }

    if (!Array.isArray(value?.auth?.tokens)) return
    const firstWith = new Map<string, number>()
    for (const [index, entry] of value.auth.tokens.entries()) {
      const at = ['auth', 'tokens', index] as const
      if (isSound(...at, 'user_id') && isSound('server_name')) {
        if (entry.user_id.slice(entry.user_id.indexOf(':') + 1) !== value.server_name)
          complain([...at, 'user_id'], 'must be a user of this server: what follows the colon is not server_name')
      }
      if (isSound(...at, 'token')) {
        const first = firstWith.get(entry.token)
        if (first === undefined) firstWith.set(entry.token, index)
        else complain([...at, 'token'], `is the same token as in auth.tokens[${first}]`)
      }
    }
  },
  { when: () => true },
)

/** Whoever listens on all interfaces has the port on each of them; `::` those of IPv4 as well. */
function overlap(one: string, other: string): boolean {
  const hosts = [one.toLowerCase(), other.toLowerCase()]
  if (hosts[0] === hosts[1] || hosts.includes('::')) return true
  return hosts.includes('0.0.0.0') && !hosts.some(host => host.includes(':'))
}

/** True when a problem at one path makes the value at the other one doubtful. */
function touch(one: readonly PropertyKey[], other: readonly PropertyKey[]): boolean {
  const depth = Math.min(one.length, other.length)
  return one.slice(0, depth).every((step, index) => step === other[index])
}
