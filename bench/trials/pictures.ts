/** Pictures: their thumbnails alone, complete as a whole, and what others notice of it. */
import type { Goal } from '../goal.ts'
import type { PictureName } from '../kinds/pictures.ts'
import type { Trial } from '../trial.ts'

const pictures: readonly PictureName[] = ['JPEG 12 Mpx', 'JPEG 24 Mpx', 'PNG with alpha', 'animated GIF', 'WebP 12 Mpx']

/** Of the trials of a picture; goals are for the JPEGs. */
function goalsOf(picture: PictureName): { readonly thumbnails: readonly Goal[]; readonly complete: readonly Goal[] } {
  if (!picture.startsWith('JPEG')) return { thumbnails: [], complete: [] }
  return {
    thumbnails: [
      {
        title: `five thumbnails of a ${picture}, to Pillow as Synapse uses it`,
        figure: 'ms',
        against: 'Pillow as Synapse uses it',
        atMost: 0.12,
        known: '0.26 / 0.10–0.12',
        between:
          'Pillow decodes all pixels five times over; here the decoder shrinks as it reads, once. Most of what is left is that decoding.',
      },
      {
        title: `five thumbnails of a ${picture}, as a program, to five vipsthumbnail`,
        figure: 'ms',
        of: 'sluice as a program',
        against: 'five vipsthumbnail',
        atMost: 0.36,
        known: '0.52 / 0.34–0.41',
        between:
          'The start of Node with sharp, some 90 ms, is most of it; five vipsthumbnail start five times in 20 ms each. A server starts once.',
      },
      {
        title: `five thumbnails of a ${picture}, to a single 800×600 in sharp`,
        figure: 'ms',
        against: 'one 800×600 in sharp',
        atMost: 1.25,
        known: '2.6 / 1.2–1.25',
        between: 'Four more encodings and their resizing, two at a time beside each other.',
      },
    ],
    complete: [
      {
        title: `complete of a ${picture}, to its thumbnail set alone`,
        figure: 'ms',
        against: 'thumbnail set alone',
        atMost: 1.15,
        between:
          'Some 2 ms go before drawing: the request, a look at the beginning, and reading the rest; 2 after it: two names with their directories, the commit, and the answer; 1 to 2 in drawing beside the two files of thumbnails beyond 32 KiB and their syncs.',
      },
    ],
  }
}

export const pictureTrials: readonly Trial[] = [
  ...pictures.flatMap((picture): Trial[] => {
    const { thumbnails, complete } = goalsOf(picture)
    const name = picture.toLowerCase().replace(' mpx', '').replaceAll(/\W+/g, '-')
    return [
      {
        name: `thumbnails-${name}`,
        title: `five thumbnails, ${picture}`,
        kind: 'thumbnails',
        settings: { picture },
        goals: thumbnails,
      },
      {
        name: `complete-${name}`,
        title: `complete, ${picture}`,
        kind: 'complete',
        settings: { picture },
        goals: complete,
      },
    ]
  }),
  {
    name: 'crowd',
    title: 'eight completions of 12 Mpx always waiting',
    kind: 'crowd',
    settings: { picture: 'JPEG 12 Mpx', jobs: 8 },
    goals: [
      {
        title: 'p99 of a file open while eight thumbnail jobs wait',
        figure: 'openP99Ms',
        atMost: 10,
        known: '340 / 9 ms',
        between:
          'Two pictures at once keep two cores busy: what is left is mostly waiting for one. One picture at a time halves the median, and draws a seventh fewer.',
      },
      {
        title: 'p99 of GET /health while eight thumbnail jobs wait',
        figure: 'healthP99Ms',
        atMost: 25,
        between: 'As above; it shares the event loop with eight uploads of 4 MB.',
      },
    ],
  },
]
