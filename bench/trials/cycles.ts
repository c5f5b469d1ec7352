/** Small uploads from beginning to end. */
import type { Goal } from '../goal.ts'
import type { Trial } from '../trial.ts'

const KiB = 1024

interface Size {
  readonly kib: number
  readonly atLeast: number
  readonly known: string
  readonly between?: string
}

/** Goals are for 16 clients. */
const sizes: readonly Size[] = [
  {
    kib: 1,
    atLeast: 0.28,
    known: '0.065 / 0.31',
    between:
      'Of the main thread a third is the database, most of that COMMIT and waiting for the disk, a tenth writing to sockets, the rest three requests in JavaScript; nginx answers one request for our three, and syncs none. A bare server of Node, which asks nobody for a token and checks nothing, hardly reaches it.',
  },
  {
    kib: 16,
    atLeast: 0.25,
    known: '0.088 / 0.25',
    between: 'As at 1 KiB; the bytes go through SQLite’s log, eight more pages for each PUT.',
  },
  {
    kib: 128,
    atLeast: 0.34,
    known: '0.20 / 0.34',
    between:
      'A file of its own: eleven calls to the system for its bytes, its two names and their directory, before the commits. The write, the two syncs and the removal of the first name are hops to the thread pool and back; nginx opens, writes and renames, and syncs nothing.',
  },
]

const toSynapse: Goal = {
  title: 'cycles of 1 KiB to Synapse’s create and PUT',
  figure: 'perSecond',
  against: 'Synapse',
  atLeast: 10,
  bare: 'bare Node',
  between: 'Synapse’s create and PUT are one request less than our three.',
}

function goalsOf({ kib, ...rest }: Size): readonly Goal[] {
  const toNginx: Goal = {
    title: `cycles of ${kib} KiB (three requests, all durable) to single PUTs of nginx`,
    figure: 'perSecond',
    against: 'nginx',
    bare: 'bare Node',
    ...rest,
  }
  return kib === 1 ? [toNginx, toSynapse] : [toNginx]
}

export const cycleTrials: readonly Trial[] = sizes.flatMap(size =>
  [1, 16, 64].map((clients): Trial => {
    const isFull = size.kib === 1 && clients === 16
    return {
      name: `cycles-${size.kib}k-${clients}`,
      title: `create, PUT ${size.kib} KiB and complete, ${clients} at once`,
      kind: 'cycles',
      rounds: clients === 16 ? 5 : 3,
      settings: {
        bytes: size.kib * KiB,
        clients,
        ...(isFull && { workers: 2 }),
        against: [
          'nginx',
          ...(clients === 16 ? (['bare Node'] as const) : []),
          ...(isFull ? (['Synapse', 'load client alone'] as const) : []),
        ],
      },
      goals: clients === 16 ? goalsOf(size) : [],
    }
  }),
)
