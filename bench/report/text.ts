/** Numbers and spreads as people read them. */
import { type FigureName, figureForms } from '../figures.ts'
import type { Goal } from '../goal.ts'
import type { Spread } from '../statistics.ts'

/** Three significant digits, but no fewer than there are before the point. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (Math.abs(value) >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(value < 1 ? 2 : 3)))
}

export function spread({ median, least, most }: Spread): string {
  return `${shortNumber(median)} [${shortNumber(least)}–${shortNumber(most)}]`
}

export function withUnit(name: FigureName, value: number): string {
  const { unit } = figureForms[name]
  return unit === '' ? shortNumber(value) : `${shortNumber(value)} ${unit}`
}

/** `≥ 0.75`, or with the unit where nobody is compared with. */
export function demand({ atLeast, atMost, against, figure }: Goal): string {
  const bound = (value: number) => (against === undefined ? withUnit(figure, value) : shortNumber(value))
  return [
    ...(atLeast === undefined ? [] : [`≥ ${bound(atLeast)}`]),
    ...(atMost === undefined ? [] : [`≤ ${bound(atMost)}`]),
  ].join(', ')
}
