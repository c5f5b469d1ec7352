import { setTimeout } from 'node:timers/promises'

/** Waits until something is true. @throws after half a minute, which is never a matter of speed */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 3000; tries++) {
    if (await isTrue()) return
    await setTimeout(10)
  }
  throw new Error(`this never became true: ${isTrue}`)
}
