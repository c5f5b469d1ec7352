/**
 * Clients that do what clients do, at once and in no order, until the server is gone. What is answered goes into the ledger; an answer
 * that the ledger does not allow is a failure of the server.
 */
import { complete, completeAgain, remove } from './deeds/ending.ts'
import { read, thumbnail } from './deeds/reading.ts'
import { create, put, putHalf, putInTwo } from './deeds/uploading.ts'
import { upload, uploadToId } from './deeds/uploading-at-once.ts'
import type { Deed, Session } from './session.ts'

/** How often each is done, and which flows need it more often. */
const deeds: readonly { readonly deed: Deed; readonly weight: number; readonly for: readonly string[] }[] = [
  { deed: create, weight: 5, for: ['create', 'expire'] },
  { deed: put, weight: 6, for: ['stage', 'keep', 'receive', 'shard', 'reap', 'trash', 'recover'] },
  { deed: putInTwo, weight: 1, for: ['keep'] },
  { deed: putHalf, weight: 1, for: [] },
  { deed: complete, weight: 6, for: ['complete', 'reject'] },
  { deed: completeAgain, weight: 1, for: [] },
  { deed: upload, weight: 2, for: ['abandon', 'complete', 'reject', 'keep'] },
  { deed: uploadToId, weight: 1, for: [] },
  { deed: read, weight: 3, for: [] },
  { deed: thumbnail, weight: 2, for: ['thumbnail'] },
  { deed: remove, weight: 1, for: ['delete', 'reap', 'trash'] },
]

/** One client. Resolves when the server is gone. @throws BrokenPromise */
export async function runClient(session: Session): Promise<void> {
  const weighted = deeds.map(({ deed, weight, for: flows }) => ({
    deed,
    weight: flows.includes(session.focus) ? weight * 6 : weight,
  }))
  const sum = weighted.reduce((total, { weight }) => total + weight, 0)
  while (!session.isOver) {
    let at = session.chance.next() * sum
    const chosen = weighted.find(({ weight }) => {
      at -= weight
      return at < 0
    })
    await chosen?.deed(session)
    // Not every deed finds something to do; those that do not must not keep the others from it.
    await new Promise(resolve => setImmediate(resolve))
  }
}
