/** What is shown on the terminal. */
import type { TrialResult } from '../contest.ts'
import { type FigureName, type Figures, figureForms, figureNames } from '../figures.ts'
import type { GoalResult } from '../goal.ts'
import { spreadOf } from '../statistics.ts'
import { demand, shortNumber, spread, withUnit } from './text.ts'

export function runLine(round: number, contestant: string, figures: Figures): string {
  const shown = figureNames.flatMap(name => {
    const value = figures[name]
    return value === undefined ? [] : `${figureForms[name].title} ${withUnit(name, value)}`
  })
  return `  ${round}  ${contestant}: ${shown.join(', ')}`
}

/** The medians of all rounds, one line for each contestant, and then the goals. */
export function trialTable({ runs, absent, failed }: TrialResult, goals: readonly GoalResult[]): string {
  const all = Object.values(runs).flat()
  const names = figureNames.filter(name => all.some(figures => figures[name] !== undefined))
  const head = ['', ...names.map(name => `${figureForms[name].title} ${figureForms[name].unit}`.trim())]
  const rows = Object.entries(runs).map(([name, figures]) => [name, ...names.map(figure => median(figures, figure))])
  const missing = [
    ...Object.entries(absent).map(([name, why]) => [name, `absent: ${why}`]),
    ...Object.entries(failed).map(([name, why]) => [name, `failed: ${why}`]),
  ]
  return [columns([head, ...rows, ...missing]), ...goals.map(goalLine)].join('\n')
}

function median(runs: readonly Figures[], figure: FigureName): string {
  const found = spreadOf(runs.flatMap(run => run[figure] ?? []))
  return found === undefined ? '' : shortNumber(found.median)
}

function goalLine(goal: GoalResult): string {
  const { title, measured, bareReach, isMet, against } = goal
  if (measured === undefined) return `  ?  ${title}: ${demand(goal)}, not measured`
  const times = against === undefined ? '' : ` × ${against}`
  const bare = bareReach === undefined ? '' : `, a bare server of Node ${spread(bareReach)}`
  return `  ${isMet === true ? '✓' : '✗'}  ${title}: ${spread(measured)}${times}, goal ${demand(goal)}${bare}`
}

/** Aligned; rows that are shorter than the first are not aligned beyond their first cell. */
export function columns(rows: readonly (readonly string[])[]): string {
  const [first = []] = rows
  const widths = first.map((_, column) =>
    Math.max(...rows.filter(row => row.length === first.length).map(row => (row[column] ?? '').length)),
  )
  const nameWidth = Math.max(...rows.map(row => (row[0] ?? '').length))
  return rows
    .map(row =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(nameWidth) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    )
    .map(line => `  ${line}`)
    .join('\n')
}
