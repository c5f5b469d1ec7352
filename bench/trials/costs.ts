/** What one of each costs in system calls: counted, so that one round says it. */
import type { Trial } from '../trial.ts'

export const costTrials: readonly Trial[] = (['cycle of 1 KiB', 'PUT 64 MiB', 'download 16 KiB'] as const).map(
  (of): Trial => ({
    name: `syscalls-${of.toLowerCase().split(' ')[0]}`,
    title: `system calls of a ${of}`,
    kind: 'syscalls',
    rounds: 1,
    settings: { of },
    goals: [],
  }),
)
