/** Large uploads. What is said in `between` is what profiles showed; docs/performance.md is made from it. */
import { MiB } from '../kinds/bodies.ts'
import type { Trial } from '../trial.ts'

const equalWork = 'nginx, then sha256 and fsync'
const receiving = 'bare Node, receives'
const writing = 'bare Node, receives and writes'

export const uploadTrials: readonly Trial[] = [
  {
    name: 'put-64m-1',
    title: 'PUT 64 MiB, 1 at once',
    kind: 'put',
    settings: {
      bytes: 64 * MiB,
      clients: 1,
      total: 16,
      against: ['nginx', equalWork, 'dd with fsync', 'SHA-256 alone', receiving, writing, 'load client alone'],
    },
    goals: [
      {
        title: 'PUT 64 MiB, hashed and synced, to nginx DAV, which does neither',
        figure: 'mibPerS',
        against: 'nginx',
        atLeast: 0.75,
        bare: writing,
        known: '0.37 / 0.69',
        between:
          'SHA-256 on one core, alone and from memory, moves little more than three quarters of what nginx does here (both in the table of put-64m-1): whoever hashes a body as it comes could do next to nothing else. Hashing is a thread of its own; what is left is the sync at the end, and the copy that Node’s HTTP parser makes of each chunk.',
      },
      {
        title: 'PUT 64 MiB, to nginx DAV followed by sha256 and fsync',
        figure: 'mibPerS',
        against: equalWork,
        atLeast: 1.35,
        known: '0.75 / 1.19–1.38',
        between:
          'Receiving, hashing and syncing overlap here, and follow each other there. dd with fsync, the disk’s part alone, takes about half of the time that this is compared with.',
      },
      {
        title: 'processor time of PUT 64 MiB, per GiB',
        figure: 'cpuPerGib',
        atMost: 2.2,
        known: '3.9 / 2.2',
        between:
          'SHA-256 takes half a second of it, the kernel’s two copies and its page cache as much as nginx uses, the rest is a copy per chunk in Node’s HTTP parser and the hand-over between threads.',
      },
    ],
  },
  {
    name: 'put-64m-8',
    title: 'PUT 64 MiB, 8 at once',
    kind: 'put',
    settings: {
      bytes: 64 * MiB,
      clients: 8,
      total: 48,
      workers: 2,
      against: ['nginx', receiving, writing, 'load client alone'],
    },
    goals: [
      {
        title: 'PUT 64 MiB, 8 at once, to nginx DAV',
        figure: 'mibPerS',
        against: 'nginx',
        atLeast: 0.5,
        bare: writing,
        known: '0.30 / 0.43',
        between:
          'Both cores are full, so that only fewer cycles help: nginx uses a third of a second a GiB, SHA-256 alone more than that.',
      },
    ],
  },
  {
    name: 'put-512m-1',
    title: 'PUT 512 MiB, 1 at once',
    kind: 'put',
    rounds: 3,
    settings: {
      bytes: 512 * MiB,
      clients: 1,
      total: 4,
      against: ['nginx', 'dd with fsync', 'SHA-256 alone', receiving, writing],
    },
    goals: [
      {
        title: 'PUT 512 MiB, 1 at once, to nginx DAV',
        figure: 'mibPerS',
        against: 'nginx',
        atLeast: 0.55,
        bare: writing,
        known: '0.22 / 0.48',
        between:
          'As for 64 MiB; and the disk: dd with fsync, which neither listens nor hashes, is in the table of put-512m-1.',
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
