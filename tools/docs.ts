/**
 * Writes the tables that are made from code into the documentation, between `<!-- marker:begin -->` and `<!-- marker:end -->`.
 * `node tools/docs.ts` renews them; with `--check` it changes nothing and exits 1 when one is stale.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { goalTable, headRoomTable, machineText, measurementTables, recordedPlot } from '../bench/report/document.ts'
import { configurationTable } from '../src/config/documentation.ts'
import { endpointTable, ruleTables } from '../test/conformance/document.ts'
import { errorTableInMarkdown } from './error-table.ts'

export interface GeneratedPart {
  /** Relative to the root of the project. */
  readonly file: string
  readonly marker: string
  readonly render: () => string
  /** A file that may do without the part; elsewhere missing markers are an error. */
  readonly optional: boolean
}

export const generatedParts: readonly GeneratedPart[] = [
  { file: 'docs/configuration.md', marker: 'configuration', render: configurationTable, optional: false },
  { file: 'README.md', marker: 'configuration', render: configurationTable, optional: true },
  { file: 'docs/errors.md', marker: 'errors', render: errorTableInMarkdown, optional: false },
  { file: 'docs/conformance.md', marker: 'endpoints', render: endpointTable, optional: false },
  { file: 'docs/conformance.md', marker: 'rules', render: ruleTables, optional: false },
  { file: 'docs/performance.md', marker: 'goals', render: goalTable, optional: false },
  { file: 'docs/performance.md', marker: 'head-room', render: headRoomTable, optional: false },
  { file: 'docs/performance.md', marker: 'machine', render: machineText, optional: false },
  { file: 'docs/performance.md', marker: 'measurements', render: measurementTables, optional: false },
]

/** Files that are made as a whole. */
export const generatedFiles: readonly Pick<GeneratedPart, 'file' | 'render'>[] = [
  { file: 'docs/performance.svg', render: recordedPlot },
]

const root = join(import.meta.dirname, '..')

/** The text with the part as it should be. @throws Error when it has no place for a part that is not optional */
export function withPart(text: string, { file, marker, render, optional }: GeneratedPart): string {
  const [begin, end] = [`<!-- ${marker}:begin -->`, `<!-- ${marker}:end -->`]
  const from = text.indexOf(begin)
  const to = text.indexOf(end, from)
  if (from >= 0 && to >= 0) return `${text.slice(0, from + begin.length)}\n${render()}\n${text.slice(to)}`
  if (optional && from < 0) return text
  throw new Error(`${file} has no ${begin} … ${end}`)
}

/** The text of the part's file; undefined when the project does not have the file and does not need to. */
export function textFor({ file, optional }: GeneratedPart): string | undefined {
  const path = join(root, file)
  return optional && !existsSync(path) ? undefined : readFileSync(path, 'utf8')
}

function run(isCheck: boolean): number {
  let stale = 0
  for (const part of generatedParts) {
    const text = textFor(part)
    if (text === undefined) continue
    const renewed = withPart(text, part)
    if (renewed === text) continue
    stale += 1
    console.error(`${part.file}: ${part.marker} ${isCheck ? 'is stale; run node tools/docs.ts' : 'renewed'}`)
    if (!isCheck) writeFileSync(join(root, part.file), renewed)
  }
  for (const { file, render } of generatedFiles) {
    const path = join(root, file)
    if (existsSync(path) && readFileSync(path, 'utf8') === render()) continue
    stale += 1
    console.error(`${file} ${isCheck ? 'is stale; run node tools/docs.ts' : 'renewed'}`)
    if (!isCheck) writeFileSync(path, render())
  }
  return isCheck && stale > 0 ? 1 : 0
}

// The test imports this file for its list.
if (process.argv[1] === import.meta.filename) process.exitCode = run(process.argv.includes('--check'))
