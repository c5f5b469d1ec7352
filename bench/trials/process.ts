/** The process as a whole: its memory, its start, and everything at once. */
import { MiB } from '../kinds/bodies.ts'
import type { Trial } from '../trial.ts'

export const processTrials: readonly Trial[] = [
  {
    name: 'slow-uploads',
    title: '64 slow uploads of 256 MiB',
    kind: 'slowUploads',
    rounds: 3,
    settings: {
      clients: 64,
      bytesPerSecond: MiB,
      sizes: [
        { name: '', bytes: 256 * MiB },
        { name: '64 MiB each', bytes: 64 * MiB },
      ],
    },
    goals: [
      {
        title: 'memory of 64 slow uploads above idle',
        figure: 'aboveIdleMib',
        atMost: 50,
        known: '– / 50 MiB',
        between: 'A batch that fills and one that is written for each upload, 128 KiB each from 16 uploads on.',
      },
      {
        title: 'that memory with bodies of 256 MiB, to the same with 64 MiB',
        figure: 'aboveIdleMib',
        against: 'sluice, 64 MiB each',
        atMost: 1.2,
        between: 'Nothing is kept of a body but its batches; what differs is chance in what the allocator keeps.',
      },
    ],
  },
  {
    name: 'start-up',
    title: 'start to ready with 10⁶ media',
    kind: 'startUp',
    settings: { media: 1e6 },
    goals: [
      {
        title: 'start to ready with 10⁶ media, to an empty store',
        figure: 'ms',
        against: 'sluice, empty',
        atMost: 1.1,
        between: 'No step of the start looks at the media.',
      },
    ],
  },
  {
    name: 'mixed',
    title: 'everything at once',
    kind: 'mixed',
    rounds: 3,
    settings: { clients: 8 },
    goals: [],
  },
]
