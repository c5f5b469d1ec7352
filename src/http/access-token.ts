/**
 * Finds the one access token of a request and asks who that is (fact sheet §3).
 */
import { refuse } from '../domain/errors.ts'
import type { Credentials } from '../homeserver/whoami.ts'
import type { Authenticate, Principal } from '../services/sessions.ts'
import type { Context, Step } from './context.ts'

/** The whole value of an Authorization header with an access token. */
export const bearer = /^Bearer +([^\s]+)$/i

/** Lets only recognised users pass. Comes before any look at parameters or ids (fact sheet §0 row 9). */
export function authenticated(authenticate: Authenticate, { queryToken }: { readonly queryToken: boolean }): Step {
  return async function requireAccessToken(ctx, next) {
    const principal = await authenticate(credentialsOf(ctx, { queryToken }))
    ctx.state.principal = principal
    ctx.state.userId = principal.userId
    await next()
  }
}

/** Guests may download and see thumbnails, nothing else (fact sheet §3.3). */
export const membersOnly: Step = async function membersOnly(ctx, next) {
  if (principalOf(ctx).isGuest) refuse('guest', 'Guests may not do this')
  await next()
}

/** Who asks, on a route behind `authenticated`. @throws TypeError on a route that forgot it */
export function principalOf(ctx: Context): Principal {
  const { principal } = ctx.state
  if (principal === undefined) throw new TypeError(`${ctx.method} ${ctx.path} is not behind authentication`)
  return principal
}

/**
 * Exactly one token, in the header or (if allowed) in the query; two are as wrong as none, as in Synapse (fact sheet §3.1).
 * Node keeps only the first of several Authorization headers in `req.headers`, hence `headersDistinct`.
 * @throws MediaError `missing_token`
 */
export function credentialsOf(ctx: Context, { queryToken }: { readonly queryToken: boolean }): Credentials {
  const query = new URLSearchParams(ctx.querystring)
  const inHeader = ctx.req.headersDistinct.authorization ?? []
  const inQuery = queryToken ? query.getAll('access_token') : []
  if (inHeader.length + inQuery.length === 0)
    refuse('missing_token', 'This needs an access token: Authorization: Bearer …')
  if (inHeader.length + inQuery.length > 1)
    refuse('missing_token', 'There is more than one access token in this request')
  const token = inQuery[0] ?? bearer.exec(inHeader[0] ?? '')?.[1]
  if (!token) refuse('missing_token', 'The Authorization header must have the form: Bearer, a space, the access token')
  return {
    token,
    userId: query.get('user_id') ?? undefined,
    deviceId: query.get('device_id') ?? query.get('org.matrix.msc3202.device_id') ?? undefined,
  }
}

/** The token of a request, wherever it is, for those who do not ask whose it is. */
export function tokenOf(ctx: Context): string | undefined {
  const inHeader = bearer.exec(ctx.req.headersDistinct.authorization?.[0] ?? '')?.[1]
  return inHeader ?? new URLSearchParams(ctx.querystring).get('access_token') ?? undefined
}
