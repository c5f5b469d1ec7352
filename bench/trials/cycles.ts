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
  { kib: 1, atLeast: 0.28, known: '0.065 / 0.31' },
  { kib: 16, atLeast: 0.25, known: '0.088 / 0.25' },
  { kib: 128, atLeast: 0.34, known: '0.20 / 0.34' },
]

const toSynapse: Goal = {
  title: 'cycles of 1 KiB to Synapse’s create and PUT',
  figure: 'perSecond',
  against: 'Synapse',
  atLeast: 10,
}

function goalsOf({ kib, ...rest }: Size): readonly Goal[] {
  const toNginx: Goal = {
    title: `cycles of ${kib} KiB (three requests, all durable) to single PUTs of nginx`,
    figure: 'perSecond',
    against: 'nginx',
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
      settings: {
        bytes: size.kib * KiB,
        clients,
        against: isFull ? ['nginx', 'Synapse', 'load client alone'] : ['nginx'],
      },
      goals: clients === 16 ? goalsOf(size) : [],
    }
  }),
)
