/**
 * The thread that `digests.ts` starts. It hashes what it is sent, in the order in which it comes, and gives the memory back.
 */
import { createHash, type Hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import type { DigestAnswer, DigestTask } from './digests.ts'
import { giveBack } from './give-back.ts'

const hashes = new Map<number, Hash>()

parentPort?.on('message', (task: DigestTask) => {
  const answer = perform(task)
  if (answer !== undefined) parentPort?.postMessage(answer)
})

function perform(task: DigestTask): DigestAnswer | undefined {
  const { id } = task
  if ('chunks' in task) {
    const hash = hashes.get(id) ?? createHash('sha256')
    hashes.set(id, hash)
    for (const chunk of task.chunks) hash.update(chunk)
    giveBack(task.chunks)
    return { id }
  }
  const digest = task.wanted ? (hashes.get(id) ?? createHash('sha256')).digest() : undefined
  hashes.delete(id)
  return digest && { id, digest }
}
