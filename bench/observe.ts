/** What a server costs while it is under load: processor time, memory, and who else was at the machine. */
import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { Figures } from './figures.ts'
import { type LoadResult, runLoad } from './load/client.ts'
import type { Plan } from './load/plan.ts'
import type { Server } from './peers/server.ts'
import { cpuSeconds, family, forgetPeak, machineSeconds, memoryOf } from './programs.ts'

export interface Observation {
  readonly load: LoadResult
  /** Seconds of processor time of the server and all its processes. */
  readonly cpu: number
  /** Of the server, and of the suite around it. */
  readonly figures: Figures
}

export interface ObserveOptions {
  /** About how much memory for files the measured part will touch. */
  readonly freshBytes?: number
  readonly onWarm?: () => Promise<void> | void
  readonly onPause?: () => Promise<void> | void
}

export async function observe(
  server: Server,
  plan: Plan,
  dir: string,
  { freshBytes = 0, onWarm, onPause }: ObserveOptions = {},
): Promise<Observation> {
  let before = { pids: [server.pid], server: 0, machine: machineSeconds(), own: process.cpuUsage(), at: 0 }
  const load = await runLoad(plan, dir, {
    ...(onPause !== undefined && { onPause }),
    onWarm: async () => {
      await onWarm?.()
      if (freshBytes > 0) touchMemory(freshBytes)
      const pids = family(server.pid)
      forgetPeak(pids)
      before = {
        pids,
        server: cpuSeconds(pids),
        machine: machineSeconds(),
        own: process.cpuUsage(),
        at: performance.now(),
      }
    },
  })
  const seconds = (performance.now() - before.at) / 1000
  const cpu = cpuSeconds(before.pids) - before.server
  const own = process.cpuUsage(before.own)
  const machine = machineSeconds()
  const ours = cpu + load.cpuS + (own.user + own.system) / 1e6
  const others = machine.busy + machine.stolen - before.machine.busy - before.machine.stolen - ours
  return {
    load,
    cpu,
    figures: {
      peakMib: memoryOf(before.pids).peak,
      clientShare: (load.cpuS / load.wallS) * 100,
      othersShare: Math.max(0, (others / seconds / availableParallelism()) * 100),
    },
  }
}

/**
 * Where a hypervisor takes freed memory back, the first use of a page costs ten times as much as the second. So the memory that a run
 * is going to fill with files is used and freed right before, by a process of its own.
 */
function touchMemory(bytes: number): void {
  const mib = Math.ceil(bytes / 2 ** 20)
  execFileSync(process.execPath, [
    '-e',
    `const kept = []; for (let i = 0; i < ${mib}; i += 64) kept.push(Buffer.alloc(64 * 2 ** 20, 1))`,
  ])
}
