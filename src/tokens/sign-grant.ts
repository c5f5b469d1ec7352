/**
 * From a grant to the token in `?signed=`. Ed25519 signatures are deterministic (RFC 8032 §5.1.6): as long as the key stays, equal
 * grants give equal tokens. So one that many will ask for, again and again until its window ends, is signed once.
 */
import { SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import type { ServerName } from '../domain/identifiers.ts'
import type { Grant, SignGrant } from './grant.ts'
import { toClaims, tokenType } from './grant-claims.ts'
import type { SigningKeys } from './keyring.ts'
import type { ProvenTokens } from './proven-tokens.ts'

export interface GrantSignerNeeds {
  readonly keys: SigningKeys
  readonly serverName: ServerName
  /** Told of every token, for a verifier in the same process. */
  readonly proven?: Pick<ProvenTokens, 'add'>
}

/** `reload` takes up at once a key that another process has added; without it that happens within a minute. */
export type GrantSigner = SignGrant & Pick<SigningKeys, 'reload'>

/** Half a megabyte. Whoever reads this memory has the key as well, so there is nothing to hide here. */
const mostSigned = 2000

export function makeGrantSigner({ keys, serverName, proven }: GrantSignerNeeds): GrantSigner {
  const signed = new LRUCache<string, string>({ max: mostSigned })

  async function sign(grant: Grant): Promise<string> {
    const claims = toClaims(grant, serverName)
    const { kid, privateKey } = await keys.current()
    // By its key, so that after a rotation nobody gets what the old one has signed.
    const name = `${kid} ${JSON.stringify(claims)}`
    const known = signed.get(name)
    if (known !== undefined) return known
    const header = { alg: 'EdDSA', kid, typ: tokenType }
    const token = await new SignJWT({ ...claims }).setProtectedHeader(header).sign(privateKey)
    proven?.add(token, { kid, grant })
    // Each upload has its own.
    if (grant.purpose !== 'upload') signed.set(name, token)
    return token
  }
  return Object.assign(sign, { reload: () => keys.reload() })
}
