/**
 * Where the disk store keeps what:
 *
 *     objects/5f/5fd9…e2                   an object, under its SHA-256
 *     incoming/receiving-both-81c0…        bytes that are still coming
 *     incoming/received-both-81c0…-5fd9…   whole and synced; a second link while its row is being committed
 *     incoming/healing-both-81c0…          the second link on its way over a file of the same name
 *     incoming/trash-81c0…                 a removed object whose space is still to be given back
 *     incoming/probe-81c0…                 what the start tries the volume out with; for a moment in objects/ as well
 *
 * One level of 256 directories, which soon all exist, so that an object needs one directory sync and hardly ever a new directory.
 * (With two levels nearly every object of a small server would pay for one or two: measured 0.6 to 1.1 ms against 0.33.) Ten million
 * files are forty thousand names a directory, which every file system of today finds through a tree.
 */
import { join } from 'node:path'
import type { Random } from '../domain/clock.ts'
import type { Member } from '../domain/member.ts'
import { type ObjectKey, toObjectKey } from '../domain/objects.ts'

export interface Layout {
  readonly objects: string
  readonly incoming: string
  shardOf(key: ObjectKey): string
  pathOf(key: ObjectKey): string
  receiving(): string
  received(key: ObjectKey): string
  healing(): string
  trash(): string
}

export function makeLayout({
  dir,
  role,
  random,
}: {
  readonly dir: string
  readonly role: Member
  readonly random: Random
}): Layout {
  const objects = join(dir, 'objects')
  const incoming = join(dir, 'incoming')
  const shardOf = (key: ObjectKey): string => join(objects, key.slice(0, 2))
  const fresh = (kind: string): string => join(incoming, `${kind}-${random(16).toString('hex')}`)
  return {
    objects,
    incoming,
    shardOf,
    pathOf: key => join(shardOf(key), key),
    receiving: () => fresh(`receiving-${role}`),
    received: key => `${fresh(`received-${role}`)}-${key}`,
    healing: () => fresh(`healing-${role}`),
    trash: () => fresh('trash'),
  }
}

export type IncomingName =
  | { readonly kind: 'trash' }
  | { readonly kind: 'received'; readonly key: ObjectKey }
  | { readonly kind: 'debris'; readonly isUpload: boolean }
  /** Belongs to another process that may be running. */
  | { readonly kind: 'foreign' }
  /** Not made by any Sluice. */
  | { readonly kind: 'odd' }

/** What a name in `incoming/` says to the recovery of this process. */
export function readIncomingName(name: string, member: Member): IncomingName {
  if (!ourNames.test(name)) return { kind: 'odd' }
  const [kind, owner, , digest] = name.split('-')
  if (kind === 'trash') return { kind }
  // Of a process that is just starting. The next start sweeps what a dead one left, when it is old enough to be nobody's.
  if (kind === 'probe') return { kind: 'foreign' }
  if (!isOwnedBy(member, owner ?? '')) return { kind: 'foreign' }
  const key = toObjectKey(digest ?? '')
  if (kind === 'received' && key !== undefined) return { kind, key }
  return { kind: 'debris', isUpload: kind === 'receiving' }
}

/**
 * `both` and `edge` start when nobody else serves what they serve, and before the members of an edge do. A member of an edge starts anew
 * beside the others, so it has a right to its own only. Whoever runs now knows that no `both` runs.
 */
function isOwnedBy(member: Member, owner: string): boolean {
  if (owner === member || member === 'both') return true
  if (member === 'edge' && owner.startsWith('edge.')) return true
  return owner === 'both' && (member === 'api' || member === 'edge')
}

/** What a name in `incoming/` was made for; undefined when it was not made here. */
export function purposeOf(name: string): 'receiving' | 'received' | 'healing' | 'trash' | 'probe' | undefined {
  const [kind] = name.split('-')
  return ourNames.test(name) ? (kind as ReturnType<typeof purposeOf>) : undefined
}

const ourNames =
  /^(?:(?:receiving|healing)-(?:api|edge(?:\.\d+)?|both)-[0-9a-f]{32}|received-(?:api|edge(?:\.\d+)?|both)-[0-9a-f]{32}-[0-9a-f]{64}|trash-[0-9a-f]{32}|probe-[0-9a-f]{16}(?:-renamed)?)$/
