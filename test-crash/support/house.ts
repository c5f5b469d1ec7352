/** All the processes that serve one store: one, or several that are killed and started again each by itself. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Life } from './ledger.ts'
import { type Server, startServer } from './server.ts'

/** A way of serving a store. What is added here is crashed like the others. */
export interface Shape {
  readonly name: string
  /** The command of each process; each is killed with all that it starts. */
  readonly commands: readonly (readonly string[])[]
  readonly env?: Readonly<Record<string, string>>
}

export const together: Shape = { name: 'one process', commands: [['serve']] }

export const apart: Shape = {
  name: 'API and edge apart',
  commands: [
    ['serve', '--only', 'api'],
    ['serve', '--only', 'edge'],
  ],
  // The clients know where the edge is, whatever a URL says.
  env: { SLUICE_EDGE__PUBLIC_URL: 'http://edge.test' },
}

/** The workers go with the process that has started them: when they see it gone, or by a fail point of their own. */
export const withWorkers: Shape = {
  name: 'an edge of two workers',
  commands: [['serve']],
  env: { SLUICE_EDGE__WORKERS: '2' },
}

export interface Part {
  readonly command: readonly string[]
  /** The latest one. */
  process: Server | undefined
  life: Life
  addresses: { readonly api?: string | undefined; readonly edge?: string | undefined }
}

export interface Start {
  readonly env: Readonly<Record<string, string>>
  /** Milliseconds; counts only until they are ready. */
  readonly killAfter?: number | undefined
}

export interface House {
  readonly parts: readonly Part[]
  running(): readonly Part[]
  /** Starts what does not run. @returns the parts that were killed before they were ready @throws Error when one ended otherwise */
  start(start: Start): Promise<readonly Part[]>
  /** Resolves when the first of those that run has ended. */
  oneEnded(): Promise<void>
  /** @throws Error when one of them ends by anything but SIGKILL */
  kill(parts: readonly Part[]): Promise<void>
  /** In good order. @throws Error when one of them ends otherwise */
  stop(): Promise<void>
  /** Whatever was said by all of them, for people who look for the reason of a failure. */
  said(): string
}

export function makeHouse(dataDir: string, { commands, env }: Shape): House {
  const parts = commands.map(
    (command): Part => ({ command, process: undefined, life: { isOver: true }, addresses: {} }),
  )
  const running = () => parts.filter(({ process }) => process?.isRunning() === true)

  /** @returns whether it is ready */
  async function startPart(part: Part, start: Start): Promise<boolean> {
    const process = startServer({ dataDir, command: part.command, env: { ...env, ...start.env } })
    const life = { isOver: false }
    Object.assign(part, { process, life })
    void process.ended.then(() => {
      life.isOver = true
    })
    let isDoomed = false
    const doom = (): void => {
      isDoomed = true
      process.kill()
    }
    const timer = start.killAfter === undefined ? undefined : setTimeout(doom, start.killAfter)
    const ready = await process.ready
    clearTimeout(timer)
    // It may have said that it is ready in the very moment in which it was killed; we hear of it afterwards.
    if (ready !== undefined && !isDoomed) {
      part.addresses = ready
      return true
    }
    const { signal } = await process.ended
    if (signal !== 'SIGKILL') throw new Error(`${part.command.join(' ')} did not start: ${process.said()}`)
    return false
  }

  return {
    parts,
    running,
    start: async start => {
      const missing = parts.filter(part => part.process?.isRunning() !== true)
      const killed: Part[] = []
      const startOne = async (part: Part) => {
        if (!(await startPart(part, start))) killed.push(part)
      }
      // The keys of a new store are made by the first, and read by the others. And to a clock that is ahead, what another one tries the
      // disk out with just now looks like something long forgotten; the clock of the files is not ahead.
      const isAtOnce = existsSync(join(dataDir, 'keys/public.json')) && (start.env.CRASH_CLOCK_AHEAD ?? '0') === '0'
      if (isAtOnce) await Promise.all(missing.map(startOne))
      else for (const part of missing) if (killed.length === 0) await startOne(part)
      return killed
    },
    oneEnded: async () => {
      await Promise.race(running().map(({ process }) => process?.ended))
    },
    kill: async doomed => {
      for (const { process } of doomed) process?.kill()
      for (const { process, command } of doomed) {
        const ending = await process?.ended
        if (ending?.signal !== 'SIGKILL')
          throw new Error(`${command.join(' ')} ended by ${ending?.signal ?? ending?.code}: ${process?.said()}`)
      }
    },
    stop: async () => {
      for (const { process } of running()) process?.kill('SIGTERM')
      for (const { process, command } of parts) {
        const ending = await process?.ended
        if (ending?.code !== 0) throw new Error(`${command.join(' ')} stopped with ${ending?.code}: ${process?.said()}`)
      }
    },
    said: () => parts.map(({ command, process }) => `${command.join(' ')}:\n${process?.said() ?? ''}`).join('\n'),
  }
}
