import test from 'ava'
import { hold } from '../../bench/contest.ts'
import { judge, ratios } from '../../bench/goal.ts'
import { comparison } from '../../bench/report/comparison.ts'
import { percentile, spreadOf } from '../../bench/statistics.ts'

test('what is compared are the figures of the same round', t => {
  const runs = { sluice: [{ ms: 10 }, { ms: 40 }, { ms: 30 }], other: [{ ms: 20 }, { ms: 10 }, { ms: 60 }] }
  t.deepEqual(ratios(runs, 'ms', 'sluice', 'other'), [0.5, 4, 0.5])
  const goal = { title: 'x', figure: 'ms', against: 'other', atMost: 0.5 } as const
  t.like(judge(goal, runs), { measured: { median: 0.5, least: 0.5, most: 4 }, isMet: true })
})

test('a round in which one of the two has no figure does not count, and without any nothing is judged', t => {
  t.deepEqual(ratios({ sluice: [{ ms: 10 }, { ms: 20 }], other: [{}, { ms: 10 }] }, 'ms', 'sluice', 'other'), [2])
  const goal = { title: 'x', figure: 'ms', against: 'absent', atMost: 1 } as const
  t.is(judge(goal, { sluice: [{ ms: 10 }] }).isMet, undefined)
})

test('what a bare server reaches is compared in the same way, and judges nothing', t => {
  const runs = { sluice: [{ ms: 10 }], bare: [{ ms: 4 }], other: [{ ms: 20 }] }
  const goal = { title: 'x', figure: 'ms', against: 'other', bare: 'bare', atMost: 0.3 } as const
  t.like(judge(goal, runs), { measured: { median: 0.5 }, bareReach: { median: 0.2 }, isMet: false })
  t.false('bareReach' in judge(goal, { ...runs, bare: [] }))
})

test('everybody runs once a round, in turn', async t => {
  const order: string[] = []
  const entry = (name: string) => ({
    name,
    run: async ({ number }: { readonly number: number }) => {
      order.push(`${name}${number}`)
      return { ms: number }
    },
  })
  const { runs, absent } = await hold({
    name: 'x',
    title: 'x',
    entries: [entry('A'), { name: 'C', absent: 'not here' }, entry('B')],
    rounds: 2,
    quick: true,
    place: () => '',
    onRun: () => {},
  })
  t.deepEqual(order, ['A1', 'B1', 'A2', 'B2'])
  t.deepEqual(runs, { A: [{ ms: 1 }, { ms: 2 }], B: [{ ms: 1 }, { ms: 2 }] })
  t.deepEqual(absent, { C: 'not here' })
})

test('one who breaks down runs no more, and the others go on', async t => {
  const broken = { name: 'A', run: async () => Promise.reject(new Error('out of order\nat length')) }
  const sound = { name: 'B', run: async ({ number }: { readonly number: number }) => ({ ms: number }) }
  const said = console.error
  console.error = () => {}
  t.teardown(() => {
    console.error = said
  })
  const contest = { name: 'x', title: 'x', rounds: 2, quick: true, place: () => '', onRun: () => {} }
  const { runs, failed } = await hold({ ...contest, entries: [broken, sound] })
  t.deepEqual(runs, { A: [], B: [{ ms: 1 }, { ms: 2 }] })
  t.deepEqual(failed, { A: 'out of order' })
})

test('medians, extremes and percentiles', t => {
  t.deepEqual(spreadOf([3, 1, 2]), { median: 2, least: 1, most: 3 })
  t.deepEqual(spreadOf([4, 1]), { median: 2.5, least: 1, most: 4 })
  t.is(spreadOf([]), undefined)
  t.is(percentile([5, 1, 4, 2, 3], 0.5), 3)
  t.is(
    percentile(
      Array.from({ length: 100 }, (_, index) => index + 1),
      0.99,
    ),
    99,
  )
})

test('two builds are compared like with like, and a verdict needs all rounds', t => {
  const text = comparison(
    {
      sluice: [
        { ms: 10, perSecond: 5 },
        { ms: 9, perSecond: 4 },
      ],
      old: [
        { ms: 20, perSecond: 4 },
        { ms: 18, perSecond: 5 },
      ],
      'sluice, edge': [{ ms: 2 }, { ms: 2 }],
      'old, edge': [{ ms: 1 }, { ms: 1 }],
    },
    'sluice',
    'old',
  )
  t.regex(text, /sluice: time ms .* 0\.5 \[0\.5–0\.5\].*better in every round/)
  t.regex(text, /sluice: rate \/s .*no clear difference/)
  t.regex(text, /sluice, edge: time ms .* 2 \[2–2\].*worse in every round/)
})
