/** What should come of a trial, and whether it did: a figure of Sluice, or its ratio to somebody else's figure in the same round. */
import type { FigureName, Figures } from './figures.ts'
import { type Spread, spreadOf } from './statistics.ts'

export interface Goal {
  readonly title: string
  readonly figure: FigureName
  /** Whose figure it is; Sluice's unless said otherwise. */
  readonly of?: string
  /** With whom it is compared in the same round; without one the figure itself is the goal. */
  readonly against?: string
  readonly atLeast?: number
  readonly atMost?: number
  /** The contestant of nothing but Node that is compared in the same way: what it reaches is the most that Node leaves to anybody. */
  readonly bare?: string
  /** What obvious code and the best prototype reached on a machine like this one. */
  readonly known?: string
  /** What stands between the figure and the goal, or what it took to reach it; for docs/performance.md. */
  readonly between?: string
}

export interface GoalResult extends Goal {
  /** undefined: somebody it needs was absent. */
  readonly measured?: Spread
  /** Of the contestant `bare`. */
  readonly bareReach?: Spread
  readonly isMet?: boolean
}

/** The figures of each contestant, one entry a round. */
export type Runs = Readonly<Record<string, readonly Figures[]>>

export function judge(goal: Goal, runs: Runs): GoalResult {
  const { of = 'sluice', figure, against, atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = goal
  const measured = spreadOf(ratios(runs, figure, of, against))
  if (measured === undefined) return goal
  const bareReach = goal.bare === undefined ? undefined : spreadOf(ratios(runs, figure, goal.bare, against))
  return {
    ...goal,
    measured,
    ...(bareReach !== undefined && { bareReach }),
    isMet: measured.median >= atLeast && measured.median <= atMost,
  }
}

/** One number a round, for the rounds in which both were measured; the figure itself when nobody is compared with. */
export function ratios(runs: Runs, figure: FigureName, of: string, against?: string): number[] {
  return (runs[of] ?? []).flatMap((run, round) => {
    const own = run[figure]
    const other = against === undefined ? 1 : runs[against]?.[round]?.[figure]
    return own === undefined || other === undefined || other === 0 ? [] : own / other
  })
}
