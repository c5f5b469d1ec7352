/** Two builds of Sluice, figure by figure: the ratio of each round, and whether it is more than chance. */
import { figureForms, figureNames } from '../figures.ts'
import { type Runs, ratios } from '../goal.ts'
import { spreadOf } from '../statistics.ts'
import { columns } from './table.ts'
import { shortNumber, spread } from './text.ts'

/** For each contestant of the new build that has a counterpart in the old one: names as the trial gave them. */
export function comparison(runs: Runs, now: string, before: string): string {
  const pairs = Object.keys(runs).flatMap(name => {
    const counterpart =
      name === now || name.startsWith(`${now}, `) || name.startsWith(`${now} `) ? name.slice(now.length) : undefined
    const other = counterpart === undefined ? undefined : `${before}${counterpart}`
    return other !== undefined && other in runs ? [[name, other] as const] : []
  })
  const rows = pairs.flatMap(([name, other]) =>
    figureNames.flatMap(figure => {
      const { title, better, unit } = figureForms[figure]
      const found = ratios(runs, figure, name, other)
      const values = spreadOf(found)
      if (values === undefined) return []
      const median = (of: string) => shortNumber(spreadOf(ratios(runs, figure, of))?.median ?? Number.NaN)
      return [[`${name}: ${title} ${unit}`.trim(), median(other), median(name), spread(values), verdict(found, better)]]
    }),
  )
  return columns([['', before, now, `${now} / ${before}`, ''], ...rows])
}

/** With n rounds that all agree, chance would have to be right n times: one in 16 for five, both directions counted. */
function verdict(values: readonly number[], better: 'more' | 'less'): string {
  const above = values.filter(value => value > 1).length
  const below = values.filter(value => value < 1).length
  if (above < values.length && below < values.length) return 'no clear difference'
  return above > 0 === (better === 'more') ? 'better in every round' : 'worse in every round'
}
