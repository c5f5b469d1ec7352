import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { goalPlot } from '../../bench/report/plot.ts'
import { shortNumber } from '../../bench/report/text.ts'
import { trials } from '../../bench/trials.ts'
import { generatedFiles, generatedParts, textFor, withPart } from '../../tools/docs.ts'

const page = 'docs/performance.md'
const root = join(import.meta.dirname, '../..')
const goals = trials.flatMap(trial => trial.goals)

for (const part of generatedParts.filter(({ file }) => file === page)) {
  test(`${page} has ${part.marker} as bench/recorded.json gives them`, t => {
    const text = textFor(part)
    t.is(text === undefined ? undefined : withPart(text, part), text, 'stale: run node tools/docs.ts')
  })
}

for (const { file, render } of generatedFiles) {
  test(`${file} is drawn from bench/recorded.json`, t => {
    t.is(readFileSync(join(root, file), 'utf8'), render(), 'stale: run node tools/docs.ts')
  })
}

test('every goal is a row of the page, with its bound', t => {
  const rows = readFileSync(join(root, page), 'utf8').split('\n')
  for (const { title, atLeast, atMost } of goals) {
    const bounds = [
      ...(atLeast === undefined ? [] : [`≥ ${shortNumber(atLeast)}`]),
      ...(atMost === undefined ? [] : [`≤ ${shortNumber(atMost)}`]),
    ]
    t.is(bounds.length, 1, title)
    t.true(
      rows.some(row => row.startsWith('| ') && row.includes(` | ${title} | ${bounds[0]}`)),
      title,
    )
  }
})

test('titles tell the goals apart, and fit into the picture', t => {
  t.is(new Set(goals.map(({ title }) => title)).size, goals.length)
  const picture = goalPlot(goals)
  for (const { title } of goals) t.true(picture.includes(`>${title}</text>`), `too long for the picture: ${title}`)
})

test('a goal that looks down is drawn to the right of the line when it is met', t => {
  const measured = { median: 5, least: 4, most: 6 }
  const goal = { title: 'x', figure: 'ms', measured } as const
  const dotOf = (svg: string) => Number(/<circle class="(?:met|missed)" cx="([\d.]+)" cy="(?!46)/.exec(svg)?.[1])
  const lineAt = Number(/<line class="goal" x1="([\d.]+)"/.exec(goalPlot([]))?.[1])
  t.true(dotOf(goalPlot([{ ...goal, atMost: 10, isMet: true }])) > lineAt)
  t.true(dotOf(goalPlot([{ ...goal, atMost: 4, isMet: false }])) < lineAt)
  t.true(dotOf(goalPlot([{ ...goal, atLeast: 4, isMet: true }])) > lineAt)
  t.is(dotOf(goalPlot([{ ...goal, atLeast: 5, isMet: true }])), lineAt)
})

test('what a bare server reaches stands beside what was measured, as a multiple of the same goal', t => {
  const reach = (median: number) => ({ median, least: median, most: median })
  const goal = { title: 'x', figure: 'ms', atMost: 10, isMet: false } as const
  const uprights = (svg: string) => [...svg.matchAll(/<path class="bare" d="M([\d.]+) /g)].map(([, x]) => Number(x))
  const [inLegend, ...alone] = uprights(goalPlot([{ ...goal, measured: reach(20) }]))
  t.deepEqual(alone, [])
  const lineAt = Number(/<line class="goal" x1="([\d.]+)"/.exec(goalPlot([]))?.[1])
  t.deepEqual(uprights(goalPlot([{ ...goal, measured: reach(20), bareReach: reach(10) }])), [inLegend, lineAt])
})

test('every goal says what stands between', t => {
  for (const { title, between = '' } of goals) t.true(between.length > 20, title)
})
