/** Downloads, by whom they may be sent. */
import { MiB } from '../kinds/bodies.ts'
import type { Trial } from '../trial.ts'

export const downloadTrials: readonly Trial[] = [
  {
    name: 'download-64m',
    title: 'download 64 MiB, 4 at once',
    kind: 'download',
    settings: { bytes: 64 * MiB, clients: 4, files: 4, total: 64 },
    goals: [
      {
        title: 'download of 64 MiB, to nginx sendfile',
        figure: 'mibPerS',
        against: 'nginx',
        atLeast: 0.93,
        known: '0.50 / 0.93',
        between:
          'sendfile copies nothing; Node reads each piece into memory and writes it to the socket, two copies, and has no call for sendfile. For more: downloads.accel_redirect.',
      },
      {
        title: 'download of 64 MiB, sent by nginx that Sluice tells, to nginx alone',
        figure: 'mibPerS',
        of: 'nginx, told by sluice',
        against: 'nginx',
        atLeast: 1,
        known: '– / 1.14',
        between: 'The same sendfile, behind a request to Sluice for each file.',
      },
    ],
  },
  {
    name: 'download-range',
    title: 'download of 1 MiB ranges of 64 MiB, 8 at once',
    kind: 'download',
    settings: { bytes: 64 * MiB, clients: 8, files: 4, range: MiB, total: 2000 },
    goals: [
      {
        title: 'download of 1 MiB ranges, to nginx sendfile',
        figure: 'mibPerS',
        against: 'nginx',
        atLeast: 0.74,
        known: '0.37 / 0.74',
        between:
          'As for whole files. Each MiB has a request of its own, and three hops to the thread pool and back: to open the file, and for two reads.',
      },
    ],
  },
  {
    name: 'download-16k',
    title: 'download 16 KiB, 16 at once',
    kind: 'download',
    settings: { bytes: 16 * 1024, clients: 16, files: 64, total: 40_000, bare: true },
    goals: [
      {
        title: 'download of 16 KiB, authenticated, to nginx sendfile',
        figure: 'perSecond',
        against: 'nginx',
        atLeast: 0.5,
        bare: 'bare Node',
        known: '0.23 / 0.66',
        between:
          'Of 27 µs of processor time a bare server of Node that sends the same headers needs 19. 4 are the line in the log. The looks into the index of one turn share a transaction of SQLite; one each took 8.',
      },
    ],
  },
]
