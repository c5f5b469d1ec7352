/** Large uploads. What is said in `between` is what profiles showed; docs/performance.md is made from it. */
import { MiB } from '../kinds/bodies.ts'
import type { Trial } from '../trial.ts'

const equalWork = 'nginx, then sha256 and fsync'

export const uploadTrials: readonly Trial[] = [
  {
    name: 'put-64m-1',
    title: 'PUT 64 MiB, 1 at once',
    kind: 'put',
    settings: {
      bytes: 64 * MiB,
      clients: 1,
      total: 16,
      against: ['nginx', equalWork, 'dd with fsync', 'SHA-256 alone', 'load client alone'],
    },
    goals: [
      {
        title: 'PUT 64 MiB, hashed and synced, to nginx DAV, which does neither',
        figure: 'mibPerS',
        against: 'nginx',
        atLeast: 0.75,
        known: '0.37 / 0.69',
      },
      {
        title: 'PUT 64 MiB, to nginx DAV followed by sha256 and fsync',
        figure: 'mibPerS',
        against: equalWork,
        atLeast: 1.35,
        known: '0.75 / 1.19–1.38',
      },
      {
        title: 'processor time of PUT 64 MiB, per GiB',
        figure: 'cpuPerGib',
        atMost: 2.2,
        known: '3.9 / 2.2',
      },
    ],
  },
  {
    name: 'put-64m-8',
    title: 'PUT 64 MiB, 8 at once',
    kind: 'put',
    settings: { bytes: 64 * MiB, clients: 8, total: 48, against: ['nginx', 'load client alone'] },
    goals: [
      {
        title: 'PUT 64 MiB, 8 at once, to nginx DAV',
        figure: 'mibPerS',
        against: 'nginx',
        atLeast: 0.5,
        known: '0.30 / 0.43',
      },
    ],
  },
  {
    name: 'put-512m-1',
    title: 'PUT 512 MiB, 1 at once',
    kind: 'put',
    rounds: 3,
    settings: { bytes: 512 * MiB, clients: 1, total: 4, against: ['nginx', 'dd with fsync', 'SHA-256 alone'] },
    goals: [
      {
        title: 'PUT 512 MiB, 1 at once, to nginx DAV',
        figure: 'mibPerS',
        against: 'nginx',
        atLeast: 0.55,
        known: '0.22 / 0.48',
      },
    ],
  },
  {
    name: 'put-512m-8',
    title: 'PUT 512 MiB, 8 at once',
    kind: 'put',
    rounds: 3,
    settings: { bytes: 512 * MiB, clients: 8, total: 8, warmup: 8, against: ['nginx'] },
    goals: [],
  },
]
