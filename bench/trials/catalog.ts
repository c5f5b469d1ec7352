/** What becomes of the index when there are many media. */
import type { Goal } from '../goal.ts'
import type { Trial } from '../trial.ts'

const smallest = '10⁴ media'

export const catalogTrials: readonly Trial[] = [
  {
    name: 'index-growth',
    title: 'create, lookup and sweep beside many media',
    kind: 'indexGrowth',
    rounds: 3,
    settings: {
      sizes: [
        { name: smallest, media: 1e4 },
        { name: '10⁶ media', media: 1e6 },
        { name: '10⁷ media', media: 1e7, isLarge: true },
      ],
    },
    goals: ['10⁶ media', '10⁷ media'].flatMap((of): Goal[] => [
      {
        title: `create beside ${of}, to 10⁴`,
        figure: 'createUs',
        of,
        against: smallest,
        atMost: 1.3,
        known: '2–10 / 1.3',
        between: 'Unfinished ids are in a table of their own, which does not grow with the media.',
      },
      {
        title: `lookup among ${of}, to 10⁴`,
        figure: 'lookupUs',
        of,
        against: smallest,
        atMost: 2,
        between:
          '10⁴ media are in SQLite’s cache and the processor’s; of 10⁶ and 10⁷ at random a page of the index and one of the table have to be fetched from the system’s cache for each, by a call to the kernel. Nothing of this is Node. A table in the order of its ids took a fifth less, and every catalog would have to be written anew for it.',
      },
      {
        title: `p99 of a commit of 16 creates beside ${of}`,
        figure: 'commitP99Ms',
        of,
        atMost: 10,
        known: '52 / 9 ms',
        between: 'What is left is the disk’s sync, and the checkpoints beside it.',
      },
      {
        title: `expiry sweep beside ${of}, for each row`,
        figure: 'sweepUs',
        of,
        atMost: 7,
        known: '100 / 6 µs',
        between: 'Batches of 3000 rows, each with a commit and its sync.',
      },
    ]),
  },
  {
    name: 'sweep',
    title: 'expiry sweep of 10⁶ unused ids',
    kind: 'sweep',
    rounds: 3,
    settings: { pending: 1e6 },
    goals: [
      {
        title: 'expiry sweep of 10⁶ unused ids, for each row',
        figure: 'sweepUs',
        atMost: 7,
        known: '100 / 6 µs',
        between:
          'Batches of 3000 rows, so that nobody waits long beside them, each with a commit and its sync. A thousand users have a page each in the index of owners: in every batch nearly all of those are written.',
      },
    ],
  },
]
