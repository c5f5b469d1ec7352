/** The parts of docs/performance.md that are made from bench/recorded.json and the goals in bench/trials. */
import type { TrialResult } from '../contest.ts'
import { type FigureName, type Figures, figureForms, figureNames } from '../figures.ts'
import { type GoalResult, judge } from '../goal.ts'
import { publishedFile } from '../paths.ts'
import { type DatedResult, type Results, readResults } from '../results.ts'
import { spreadOf } from '../statistics.ts'
import type { Trial } from '../trial.ts'
import { trials } from '../trials.ts'
import { goalPlot } from './plot.ts'
import { demand, shortNumber, spread } from './text.ts'

/** Of every trial; without a measurement where nothing was recorded. */
function recordedGoals(results: Results | undefined = readResults(publishedFile)): readonly GoalResult[] {
  return trials.flatMap(({ name, goals }) => {
    const runs = results?.trials.find(result => result.name === name)?.runs ?? {}
    return goals.map(goal => judge(goal, runs))
  })
}

export function goalTable(): string {
  const goals = recordedGoals()
  const met = goals.filter(({ isMet }) => isMet === true).length
  const measured = goals.filter(goal => goal.measured !== undefined).length
  return [
    `Of ${goals.length} goals ${met} are met, ${measured - met} are missed${measured === goals.length ? '' : `, ${goals.length - measured} were not measured`}.`,
    '',
    '| | goal | | median [least–most] | a bare server of Node | obvious code / best prototype | what stands between |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...goals.map(goal => {
      const { title, measured: found, bareReach, known = '', between = '' } = goal
      const cells = [
        signOf(goal),
        title,
        demand(goal),
        found === undefined ? 'not measured' : spread(found),
        bareReach === undefined ? '' : spread(bareReach),
        known,
        between,
      ]
      return `| ${cells.map(inCell).join(' | ')} |`
    }),
  ].join('\n')
}

function signOf({ isMet }: GoalResult): string {
  if (isMet === undefined) return '?'
  return isMet ? '✓' : '✗'
}

export function recordedPlot(): string {
  return goalPlot(recordedGoals())
}

/** Every trial with the medians of all that was measured. */
export function measurementTables(): string {
  const results = readResults(publishedFile)
  if (results === undefined) return 'Nothing has been recorded.'
  return trials
    .flatMap(trial => {
      const result = results.trials.find(({ name }) => name === trial.name)
      return result === undefined ? [] : [measurementTable(trial, result)]
    })
    .join('\n\n')
}

function measurementTable({ title }: Trial, result: DatedResult): string {
  const { name, rounds, seconds, commit, at, runs, absent, failed } = result
  const all = Object.values(runs).flat()
  const shown = figureNames.filter(figure => all.some(figures => figures[figure] !== undefined))
  const head = shown.map(figure => `${figureForms[figure].title} ${figureForms[figure].unit}`.trim())
  const row = (cells: readonly string[]) => `| ${cells.map(inCell).join(' | ')} |`
  return [
    `**${title}** (\`${name}\`; ${rounds} rounds, ${seconds} s, ${at.slice(0, 16).replace('T', ' ')}, commit ${commit}${othersIn(result)})`,
    '',
    row(['', ...head]),
    row(['---', ...shown.map(() => '---:')]),
    ...Object.entries(runs).map(([who, figures]) =>
      row([who, ...shown.map((figure, index) => cellOf(figures, figure, index))]),
    ),
    ...Object.entries(absent).map(([who, why]) => row([who, `absent: ${why}`, ...shown.slice(1).map(() => '')])),
    ...Object.entries(failed).map(([who, why]) =>
      row([`${who}, before it failed`, why, ...shown.slice(1).map(() => '')]),
    ),
  ].join('\n')
}

function othersIn({ load }: TrialResult): string {
  return load.others === undefined ? '' : `; other programs used ${shortNumber(load.others)} % of the machine`
}

/** The first figure of a trial with its spread, the others without. */
function cellOf(runs: readonly Figures[], figure: FigureName, column: number): string {
  const found = spreadOf(runs.flatMap(run => run[figure] ?? []))
  if (found === undefined) return ''
  return column === 0 ? spread(found) : shortNumber(found.median)
}

/** How the load client is known not to be what was measured. */
export function headRoomTable(): string {
  const results = readResults(publishedFile)
  const rows = (results?.trials ?? []).flatMap(({ name, title, runs }) => {
    const alone = runs['load client alone']
    if (alone === undefined || !trials.some(trial => trial.name === name)) return []
    const figure: FigureName = alone.some(run => run.mibPerS !== undefined) ? 'mibPerS' : 'perSecond'
    const unit = figureForms[figure].unit
    const median = (who: string, of: FigureName) => spreadOf((runs[who] ?? []).flatMap(run => run[of] ?? []))?.median
    const speed = (who: string) => `${shortNumber(median(who, figure) ?? Number.NaN)} ${unit}`
    return [
      `| ${title} | ${speed('sluice')} | ${speed('nginx')} | ${speed('load client alone')} | ${shortNumber(median('sluice', 'clientShare') ?? Number.NaN)} % |`,
    ]
  })
  return [
    '| trial | Sluice | nginx | load client against a server that does nothing | share of one core that it uses beside Sluice |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n')
}

export function machineText(): string {
  const results = readResults(publishedFile)
  if (results === undefined) return 'Nothing has been recorded.'
  const { processor, cores, memoryGib, system, node, loadClient } = results.machine
  const peers = Object.entries(results.peers).map(([name, version]) => `${name} ${version}`)
  return `${cores} × ${processor}, ${memoryGib} GiB, ${system}, Node ${node.slice(1)}, load client in ${loadClient}. Beside it: ${peers.join(', ')}.`
}

function inCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
