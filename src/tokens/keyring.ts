/**
 * The keys that sign grants: opening, rotating, listing. Each step leaves the directory in a state that the next visitor can finish,
 * and does no harm when two take it at once.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { type Clock, type Random, systemRandom } from '../domain/clock.ts'
import { failPoint } from '../domain/fail-point.ts'
import {
  addKeyFile,
  KeyFileError,
  makeKeyDirectory,
  readKeyFiles,
  removeKeyFile,
  removeTemporaries,
  replaceKeyFile,
} from './key-files.ts'
import { hasEnded, isPrivate, newKeyRecord, type PrivateRecord, withRetirements } from './key-record.ts'
import { publishKeySet, readPublicKeySet } from './public-key-set.ts'

export interface KeyDescription {
  readonly kid: string
  /** Milliseconds since the epoch, like the others. */
  readonly createdAt: number
  /** Both undefined: this key signs. */
  readonly retiredAt: number | undefined
  readonly acceptedUntil: number | undefined
}

export interface SigningKey {
  readonly kid: string
  readonly privateKey: KeyObject
}

export interface SigningKeys {
  /** The key that signs now. */
  current(): Promise<SigningKey>
  /** Looks at the directory at once for a key that another process has added. @throws KeyFileError when there is none that can sign */
  reload(): Promise<void>
}

interface Chance {
  readonly clock: Clock
  readonly random?: Random | undefined
}

/** Milliseconds after which `current` looks for a rotation by itself, so that nobody's signal has to arrive. */
const lookEvery = 60_000

/** Opens the keys in `dir`, and makes directory and first key where there are none. @throws KeyFileError naming a file that is damaged */
export async function openSigningKeys(dir: string, { clock, random = systemRandom }: Chance): Promise<SigningKeys> {
  await makeKeyDirectory(dir)
  await removeTemporaries(dir)
  const newest = (await readKeyFiles(dir)).at(-1)
  if (newest === undefined || !isPrivate(newest.record)) {
    const record = await newKeyRecord(random, { createdAt: clock.now(), keepsPreviousFor: 0 })
    // False when somebody else was quicker: then there is a key too.
    await addKeyFile(dir, { number: (newest?.number ?? 0) + 1, record }, random)
  }
  await settle(dir, clock.now(), random)

  let key = await readCurrentKey(dir)
  let lookedAt = clock.elapsed()
  async function reload(): Promise<void> {
    lookedAt = clock.elapsed()
    key = await readCurrentKey(dir, key)
  }
  return {
    reload,
    async current() {
      // A directory that can not be read for the moment is no reason to stop signing with a key that is at hand.
      if (clock.elapsed() - lookedAt >= lookEvery) await reload().catch(() => {})
      return key
    },
  }
}

/**
 * Adds a key that signs from now on. What older ones have signed stays accepted for `keepFor` milliseconds, and their private
 * halves go at once. Returns the new key's id.
 */
export async function rotateKeys(
  dir: string,
  { clock, keepFor, random = systemRandom }: Chance & { readonly keepFor: number },
): Promise<string> {
  await makeKeyDirectory(dir)
  await removeTemporaries(dir)
  const record = await newKeyRecord(random, { createdAt: clock.now(), keepsPreviousFor: Math.ceil(keepFor) })
  let number: number
  do number = ((await readKeyFiles(dir)).at(-1)?.number ?? 0) + 1
  while (!(await addKeyFile(dir, { number, record }, random)))
  await settle(dir, clock.now(), random)
  return record.kid
}

/** Every key that is not pruned yet, oldest first; ended ones go with the next opening or rotation. */
export async function listKeys(dir: string): Promise<readonly KeyDescription[]> {
  const records = withRetirements((await readKeyFiles(dir)).map(({ record }) => record))
  return records.map(({ kid, created_at, retired_at, accepted_until }) => ({
    kid,
    createdAt: created_at,
    retiredAt: retired_at,
    acceptedUntil: accepted_until,
  }))
}

/**
 * Publishes what there is, then takes away what retirement takes away. In this order, since a signer may use the new key only once
 * the edge can know it, and a crash in between must leave a key that both know.
 */
async function settle(dir: string, now: number, random: Random): Promise<void> {
  failPoint('keys: before publishing')
  await publishKeySet(dir, now, random)
  failPoint('keys: published')
  const files = await readKeyFiles(dir)
  const settled = withRetirements(files.map(({ record }) => record))
  for (const [index, { number, record }] of files.entries()) {
    const after = settled[index] ?? record
    if (hasEnded(after, now)) await removeKeyFile(dir, number)
    else if (after !== record) await replaceKeyFile(dir, { number, record: after }, random)
  }
}

/** The newest private key that is published, too. Imported once: `known` is returned when it is still the one. */
async function readCurrentKey(dir: string, known?: SigningKey): Promise<SigningKey> {
  const { kty, crv, x, d, kid } = await readCurrentRecord(dir)
  if (kid === known?.kid) return known
  return { kid, privateKey: createPrivateKey({ key: { kty, crv, x, d }, format: 'jwk' }) }
}

async function readCurrentRecord(dir: string): Promise<PrivateRecord> {
  let before: string | undefined
  for (;;) {
    const files = await readKeyFiles(dir)
    const published = new Set((await readPublicKeySet(dir))?.map(({ kid }) => kid))
    const records = files.map(({ record }) => record)
    const record = records.filter(isPrivate).findLast(({ kid }) => published.has(kid))
    if (record !== undefined) return record
    // A rotation between the two readings shows files and set of different moments. If nothing moves, it was none.
    const numbers = files.map(({ number }) => number).join()
    if (numbers === before) throw new KeyFileError(`${dir} holds no key that can sign`)
    before = numbers
  }
}
