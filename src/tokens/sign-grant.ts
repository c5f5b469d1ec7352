/**
 * From a grant to the token in `?signed=`. Ed25519 signatures are deterministic (RFC 8032 §5.1.6): as long as the key stays, equal
 * grants give equal tokens. So one that many will ask for, again and again until its window ends, is signed once.
 */
import { type KeyObject, sign as signBytes } from 'node:crypto'
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
    // By its key, so that after a rotation nobody gets what the old one has signed. Each upload has a grant of its own.
    const name = grant.purpose === 'upload' ? undefined : `${kid} ${JSON.stringify(claims)}`
    const known = name && signed.get(name)
    if (known !== undefined) return known
    const token = await compactJws({ alg: 'EdDSA', kid, typ: tokenType }, claims, privateKey)
    proven?.add(token, { kid, grant })
    if (name !== undefined) signed.set(name, token)
    return token
  }
  return Object.assign(sign, { reload: () => keys.reload() })
}

/**
 * RFC 7515 §7.1. Every create waits for one, and jose goes to the same signature by Web Crypto, which takes three times as much of the main
 * thread; so jose verifies, which is where mistakes would be dangerous, and the test asks it for the same tokens.
 */
function compactJws(header: object, claims: object, key: KeyObject): Promise<string> {
  const signed = `${base64url(header)}.${base64url(claims)}`
  return new Promise((resolve, reject) =>
    signBytes(null, Buffer.from(signed), key, (error, signature) => {
      if (error === null) resolve(`${signed}.${signature.toString('base64url')}`)
      else reject(error)
    }),
  )
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
