/** The few statistics that the suite needs. */

export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** @returns undefined for no values */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  const [least] = sorted
  const most = sorted.at(-1)
  if (least === undefined || most === undefined) return undefined
  const middle = sorted.length / 2
  const lower = sorted[Math.ceil(middle) - 1] ?? least
  const upper = sorted[Math.floor(middle)] ?? most
  return { median: (lower + upper) / 2, least, most }
}

/** @param share between 0 and 1, nearest rank */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))] ?? Number.NaN
}
