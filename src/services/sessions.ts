/**
 * Who is asking: a static token of the configuration, or whoever the homeserver says, remembered for a short time.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Config } from '../config/config.ts'
import type { Clock } from '../domain/clock.ts'
import { refuse } from '../domain/errors.ts'
import type { UserId } from '../domain/identifiers.ts'
import type { Credentials, Whoami } from '../homeserver/whoami.ts'
import { makeSingleFlight } from './single-flight.ts'

export interface Principal {
  readonly userId: UserId
  readonly isGuest: boolean
  readonly isAdmin: boolean
}

/** @throws MediaError `unknown_token`, `homeserver_unreachable`; RelayedError in the homeserver's words */
export type Authenticate = (credentials: Credentials) => Promise<Principal>

export interface Sessions {
  readonly authenticate: Authenticate
  /** Who that is, where it is known without asking anybody. */
  recognise(credentials: Credentials): Principal | undefined
  /** The token is gone: whoever comes with it next is asked for again. */
  forget(token: string): void
  /** All tokens of this user are gone. */
  forgetAllOf(user: UserId): void
}

export function makeSessions(needs: {
  readonly config: Pick<Config, 'auth'>
  readonly clock: Clock
  readonly whoami: Whoami | undefined
}): Sessions {
  const { config, clock, whoami } = needs
  const tokens = config.auth.tokens.map(({ token, userId, admin }) => ({ digest: sha256(token), userId, admin }))
  const known = new LRUCache<string, Remembered>({ max: 10_000 })
  // A page full of pictures is fifty requests with one token: the homeserver is asked once.
  const asking = makeSingleFlight<string, Principal>()
  // Counts what was forgotten: an answer that was asked for before must not be remembered after.
  let forgotten = 0

  async function ask(credentials: Credentials, key: string, askHomeserver: Whoami): Promise<Principal> {
    const before = forgotten
    const principal = { ...(await askHomeserver(credentials)), isAdmin: false }
    const remembered = {
      principal,
      token: sha256(credentials.token).toString('base64'),
      until: clock.elapsed() + config.auth.cacheTtl,
    }
    if (before === forgotten) known.set(key, remembered)
    return principal
  }

  function forgetWhere(isGone: (remembered: Remembered) => boolean): void {
    forgotten += 1
    for (const [key, remembered] of known) if (isGone(remembered)) known.delete(key)
  }

  return {
    recognise: credentials => {
      const own = findStatic(tokens, credentials)
      if (own !== undefined || whoami === undefined) return own
      const hit = known.get(cacheKey(credentials))
      return hit !== undefined && clock.elapsed() < hit.until ? hit.principal : undefined
    },

    authenticate: async credentials => {
      const own = findStatic(tokens, credentials)
      if (own !== undefined) return own
      if (whoami === undefined) refuse('unknown_token', 'This access token is not known here')
      const key = cacheKey(credentials)
      const hit = known.get(key)
      if (hit !== undefined && clock.elapsed() < hit.until) return hit.principal
      return asking(`${forgotten} ${key}`, () => ask(credentials, key, whoami))
    },

    forget: token => {
      const digest = sha256(token).toString('base64')
      forgetWhere(remembered => remembered.token === digest)
    },

    forgetAllOf: user => forgetWhere(({ principal }) => principal.userId === user),
  }
}

interface Remembered {
  readonly principal: Principal
  /** Hash of the token: one token may have several entries, one for each mask of an appservice. */
  readonly token: string
  /** On the clock that nobody can set: a token that was revoked must not outlive its time here. */
  readonly until: number
}

/** Compares digests in constant time and looks at every token, so that the time taken says nothing about any of them. */
function findStatic(
  tokens: readonly { readonly digest: Buffer; readonly userId: UserId; readonly admin: boolean }[],
  { token, userId }: Credentials,
): Principal | undefined {
  const digest = sha256(token)
  const found = tokens.filter(candidate => timingSafeEqual(candidate.digest, digest))[0]
  if (found === undefined) return undefined
  if (userId !== undefined && userId !== found.userId) {
    refuse('not_owner', `This access token may not act as another user than ${found.userId}`)
  }
  return { userId: found.userId, isGuest: false, isAdmin: found.admin }
}

/** A hash, so that a dump of memory or a stray log line holds no token; unambiguous, so that no two callers share an entry. */
function cacheKey({ token, userId, deviceId }: Credentials): string {
  return sha256(JSON.stringify([token, userId ?? null, deviceId ?? null])).toString('base64')
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
