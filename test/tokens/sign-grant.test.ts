import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { importJWK, SignJWT } from 'jose'
import type { MediaId, ServerName } from '../../src/domain/identifiers.ts'
import { toClaims } from '../../src/tokens/grant-claims.ts'
import { rotateKeys } from '../../src/tokens/keyring.ts'
import { makeGrantSigner } from '../../src/tokens/sign-grant.ts'
import { claimsOf, download, headerOf, mediaId, serverName, start, thumbnail, upload, withSigning } from './signing.ts'

test('a token says who signed it for whom, what for, and until when, and nothing else', async t => {
  const { sign, publicJwk } = await withSigning(t)
  const common = { iss: 'sluice:example.com', aud: 'sluice-edge', sub: mediaId, exp: start / 1000 + 60 }
  t.deepEqual(claimsOf(await sign(upload)), { ...common, purpose: 'upload', max: 104_857_600 })
  t.deepEqual(claimsOf(await sign(download)), { ...common, purpose: 'download' })
  t.deepEqual(claimsOf(await sign(thumbnail)), {
    ...common,
    purpose: 'thumbnail',
    w: 320,
    h: 240,
    m: 'scale',
    a: false,
  })
  t.deepEqual(headerOf(await sign(upload)), { alg: 'EdDSA', kid: publicJwk().kid, typ: 'sluice-grant+jwt' })
})

test('a token is what any other implementation of the standard would make of it', async t => {
  const { sign, forge } = await withSigning(t)
  const token = await sign(thumbnail)
  t.is(forge(claimsOf(token)), token)
})

test('jose makes the same tokens of the same grants', async t => {
  const { sign, keysDir } = await withSigning(t)
  const { kid, ...jwk } = JSON.parse(readFileSync(join(keysDir, '1.json'), 'utf8'))
  const key = await importJWK(jwk, 'EdDSA')
  const anyId = fc.stringMatching(/^[A-Za-z0-9_-]{1,255}$/).map(id => id as MediaId)
  const anyEnd = fc.integer({ min: 1, max: 8.64e12 }).map(seconds => seconds * 1000)
  const anyGrant = fc.oneof(
    fc.record({
      purpose: fc.constant('upload' as const),
      mediaId: anyId,
      maxBytes: fc.maxSafeNat(),
      expiresAt: anyEnd,
    }),
    fc.record({ purpose: fc.constant('download' as const), mediaId: anyId, expiresAt: anyEnd }),
    fc.record({ ...constants(thumbnail), mediaId: anyId, animated: fc.boolean(), expiresAt: anyEnd }),
  )
  await fc.assert(
    fc.asyncProperty(anyGrant, async grant => {
      const header = { alg: 'EdDSA', kid, typ: 'sluice-grant+jwt' }
      const token = await new SignJWT({ ...toClaims(grant, serverName) }).setProtectedHeader(header).sign(key)
      return (await sign(grant)) === token
    }),
  )
  t.pass()
})

/** Members that are always the same. */
function constants<T extends object>(values: T): { [Name in keyof T]: fc.Arbitrary<T[Name]> } {
  const entries = Object.entries(values).map(([name, value]) => [name, fc.constant(value)])
  return Object.fromEntries(entries) as { [Name in keyof T]: fc.Arbitrary<T[Name]> }
}

test('equal grants give equal tokens, whenever they are signed', async t => {
  const { sign, clock } = await withSigning(t)
  const first = await sign(download)
  clock.time += 10_000
  t.is(await sign({ ...download }), first)
  t.not(await sign({ ...download, expiresAt: download.expiresAt + 1000 }), first)
})

test('what many may ask for is signed once, and for uploads, of which each has its own, nothing is kept', async t => {
  const newKey = () => generateKeyPairSync('ed25519').privateKey
  let privateKey = newKey()
  const current = async () => ({ kid: 'a-key', privateKey })
  const sign = makeGrantSigner({ keys: { current, reload: async () => {} }, serverName })
  const grants = [download, thumbnail, upload]
  const before = await Promise.all(grants.map(sign))
  // By the same name, so that nothing but a new signature differs.
  privateKey = newKey()
  const after = await Promise.all(grants.map(grant => sign({ ...grant })))
  t.deepEqual(
    after.map((token, index) => token === before[index]),
    [true, true, false],
  )
  t.not(await sign({ ...thumbnail, animated: true }), before[1])
})

test('a token is made of characters that no client re-quotes, and fits even with the longest names', async t => {
  const name = `${'a'.repeat(222)}.example` as ServerName
  const { sign, verify } = await withSigning(t, name)
  const longest = { ...thumbnail, mediaId: 'm'.repeat(255) as MediaId }
  const token = await sign(longest)
  t.regex(token, /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/)
  t.true(token.length <= 2048, String(token.length))
  t.deepEqual(await verify(token, longest), longest)
})

test('a grant that does not end at a whole second can not be signed', async t => {
  const { sign } = await withSigning(t)
  await t.throwsAsync(sign({ ...upload, expiresAt: start + 1 }), { instanceOf: RangeError })
})

test('after a reload the new key signs', async t => {
  const { sign, keysDir, clock } = await withSigning(t)
  const before = headerOf(await sign(upload)).kid
  await sign(download)
  const kid = await rotateKeys(keysDir, { clock, keepFor: 60_000 })
  t.is(headerOf(await sign(upload)).kid, before)
  await sign.reload()
  t.is(headerOf(await sign(upload)).kid, kid)
  t.is(headerOf(await sign(download)).kid, kid)
})
