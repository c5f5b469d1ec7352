/**
 * All goals in one picture. The goals differ in kind and unit, so each is shown as how many times the goal was reached: on the line at 1
 * it is just met, right of it is better. Drawn as text, so that the same results always give the same file.
 */
import type { GoalResult } from '../goal.ts'
import type { Spread } from '../statistics.ts'
import { demand, shortNumber } from './text.ts'

const width = 1040
const labelsEnd = 520
const plotFrom = 536
const plotTo = 890
const top = 74
const rowHeight = 26
/** In powers of two; what lies beyond is drawn at the edge with an arrow. */
const [lowest, highest] = [-3, 3]

export function goalPlot(goals: readonly GoalResult[]): string {
  const bottom = top + goals.length * rowHeight
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + 20}" role="img" aria-labelledby="title">`,
    '<title id="title">What was measured, as a multiple of each goal</title>',
    `<style>${style}</style>`,
    `<rect class="ground" width="${width}" height="${bottom + 20}"/>`,
    ...legend(),
    ...axis(bottom),
    ...goals.flatMap((goal, row) => goalRow(goal, top + row * rowHeight + rowHeight / 2)),
    '</svg>',
    '',
  ].join('\n')
}

const style = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .ground { fill: #ffffff }
  .faint { fill: #59636e }
  .right { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #d1d9e0 }
  .goal { stroke: #1f2328; stroke-width: 2 }
  .met { stroke: #0a7d55; fill: #0a7d55; stroke-width: 2.5 }
  .missed { stroke: #b35900; fill: #ffffff; stroke-width: 2.5 }
  .bare { stroke: #59636e; stroke-width: 2.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ground { fill: #0d1117 }
    .faint { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .goal { stroke: #e6edf3 }
    .met { stroke: #3fb98a; fill: #3fb98a }
    .missed { stroke: #f0a04b; fill: #0d1117 }
    .bare { stroke: #9198a1 }
  }
`

function legend(): string[] {
  return [
    '<text x="16" y="26">Measured, as a multiple of the goal: right of the line is better. Dot: median; bar: all rounds.</text>',
    '<circle class="met" cx="22" cy="46" r="5"/>',
    '<text x="34" y="50.5">goal met</text>',
    '<circle class="missed" cx="114" cy="46" r="5"/>',
    '<text x="126" y="50.5">goal missed</text>',
    `<path class="bare" d="${upright(228, 46)}"/>`,
    '<text x="238" y="50.5">what a server of nothing but Node reaches, where it was measured</text>',
    `<text class="faint right" x="${width - 16}" y="${top - 10}">measured / goal</text>`,
  ]
}

function axis(bottom: number): string[] {
  const ticks = Array.from({ length: highest - lowest + 1 }, (_, index) => lowest + index)
  return ticks.flatMap(power => {
    const x = place(2 ** power)
    const name = power < 0 ? `1/${2 ** -power}` : String(2 ** power)
    return [
      `<line class="${power === 0 ? 'goal' : 'grid'}" x1="${x}" y1="${top - 4}" x2="${x}" y2="${bottom}"/>`,
      `<text class="faint middle" x="${x}" y="${top - 10}">${name}</text>`,
    ]
  })
}

function goalRow(goal: GoalResult, y: number): string[] {
  const { title, measured, bareReach, isMet } = goal
  const label = `<text class="right" x="${labelsEnd}" y="${y + 4.5}">${escaped(shortened(title))}</text>`
  const bound = demand(goal).replace(/^[≤≥] /, '')
  const value = measured === undefined ? '–' : shortNumber(measured.median)
  const figure = `<text class="faint right" x="${width - 16}" y="${y + 4.5}">${escaped(`${value} / ${bound}`)}</text>`
  if (measured === undefined) return [label, figure]
  const kind = isMet === true ? 'met' : 'missed'
  const { median, least, most } = inGoals(goal, measured)
  return [
    label,
    `<line class="${kind}" x1="${place(least)}" y1="${y}" x2="${place(most)}" y2="${y}"/>`,
    mark(kind, median, y),
    ...(bareReach === undefined
      ? []
      : [`<path class="bare" d="${upright(place(inGoals(goal, bareReach).median), y)}"/>`]),
    figure,
  ]
}

function upright(x: number, y: number): string {
  return `M${x} ${y - 9}V${y + 9}`
}

function mark(kind: string, median: number, y: number): string {
  const x = place(median)
  const power = Math.log2(median)
  if (power >= lowest && power <= highest) return `<circle class="${kind}" cx="${x}" cy="${y}" r="5"/>`
  const towards = power > highest ? 1 : -1
  return `<path class="${kind}" d="M${x - 5 * towards} ${y - 5}L${x + 4 * towards} ${y}L${x - 5 * towards} ${y + 5}Z"/>`
}

/** How many times the goal is reached; more is better, whichever way the goal looks. */
function inGoals({ atLeast, atMost = 1 }: GoalResult, { median, least, most }: Spread): Spread {
  if (atLeast !== undefined) return { median: median / atLeast, least: least / atLeast, most: most / atLeast }
  return { median: atMost / median, least: atMost / most, most: atMost / least }
}

function place(multiple: number): number {
  const power = Math.min(highest, Math.max(lowest, Math.log2(multiple)))
  const share = (power - lowest) / (highest - lowest)
  return Math.round((plotFrom + share * (plotTo - plotFrom)) * 10) / 10
}

/** As many letters as surely fit before the plot. */
function shortened(title: string): string {
  return title.length <= 76 ? title : `${title.slice(0, 75).trimEnd()}…`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
