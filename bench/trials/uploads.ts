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
          'A bare server of Node that writes, and neither hashes nor syncs, does not reach it, and neither does dd with fsync (both in the table of put-64m-1). Two cores: 64 MiB take 33 ms of hashing, 33 of receiving, 20 of writing and 7 of the client, so 46 if no core ever waited, where nginx is done after 25. They take 60, of which the last 3 are syncs and the commit.',
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
          'Two cores for eight: what a bare server of Node takes for a GiB that it only writes, with SHA-256 and the client, is 1.4 s, so 0.48 of nginx would be left if no core ever waited and nothing had to be synced. Eight files that nobody sends, written and synced, reached 1.6 GiB/s here.',
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
          'As for 64 MiB: a bare server of Node that only writes, with SHA-256 and the client, takes 1.34 s for a GiB, so 0.58 would be left if no core ever waited and nothing had to be synced. dd with fsync, which neither listens nor hashes, reaches 0.57.',
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
