/**
 * Runs one test suite, and says truly what came of it.
 *
 *     node .ci/suite.ts NAME RESULTS
 *
 * Appends `PASSED FAILED` to RESULTS/counts, and everything about failures to RESULTS/failures, because of a long log only the end is read.
 *
 * Where a suite may have it, test files that failed are run once more, each by itself, and what counts is how that ends. The log says
 * which tests had failed before. A suite that ended without saying which file it was that failed is run once more as a whole.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

interface Suite {
  readonly command: readonly string[]
  /** Where its test files are. */
  readonly dir: string
  /** Runs some of its files; without it, a failure is a failure. */
  readonly again?: readonly string[]
}

const suites: Readonly<Record<string, Suite>> = {
  unit: {
    command: ['npm', 'test', '--', '--tap', '--concurrency', String(availableParallelism())],
    dir: 'test',
    again: ['npx', 'ava', '--tap', '--concurrency', '1'],
  },
  browser: {
    command: ['npm', 'run', 'test:browser', '--', '--tap'],
    dir: 'test-browser',
    again: ['npx', 'ava', '--config', 'test-browser/ava.config.js', '--tap'],
  },
  interop: {
    command: ['npm', 'run', 'test:interop', '--', '--tap'],
    dir: 'test-interop',
    again: ['npx', 'ava', '--config', 'test-interop/ava.config.js', '--tap'],
  },
  crash: { command: ['npm', 'run', 'test:crash', '--', '--tap'], dir: 'test-crash' },
}

interface Result {
  readonly title: string
  readonly isOk: boolean
  /** Undefined when the line does not tell. */
  readonly file: string | undefined
  /** As the suite printed it. */
  readonly text: string
}

interface Outcome {
  readonly status: number
  readonly results: readonly Result[]
  readonly output: string
}

const [name = '', resultsDir = ''] = process.argv.slice(2)
const suite = suites[name]
if (suite === undefined) throw new Error(`there is no suite ${name}`)
const startedAt = performance.now()
console.log(`=== ${name}`)
const first = await run(suite, suite.command)
const { results, status, output, repeated } = await settle(suite, first)
const failures = results.filter(({ isOk }) => !isOk)
const passed = results.length - failures.length
// It died, or it did nothing at all.
const isSilent = (status !== 0 && failures.length === 0) || (status === 0 && passed === 0)
const failed = failures.length + (isSilent ? 1 : 0)
const seconds = Math.round((performance.now() - startedAt) / 1000)
for (const line of [...repeated, `=== ${name}: ${passed} passed, ${failed} failed (exit ${status}), ${seconds} s`])
  console.log(line)
appendFileSync(join(resultsDir, 'counts'), `${passed} ${failed}\n`)
const about = [
  ...failures.map(({ text }) => lastLines(text, 150)),
  ...(isSilent ? [lastLines(output, 80)] : []),
  ...repeated,
]
if (about.length > 0) appendFileSync(join(resultsDir, 'failures'), `=== ${name}\n${about.join('\n')}\n`)

interface Settled extends Outcome {
  /** Lines that say what was run again, and why. */
  readonly repeated: readonly string[]
}

/** The outcome, after a second attempt where one is due. */
async function settle(suite: Suite, first: Outcome): Promise<Settled> {
  const failures = first.results.filter(({ isOk }) => !isOk)
  if (first.status === 0 || suite.again === undefined) return { ...first, repeated: [] }
  const files = filesOf(failures)
  console.log(
    failures.length === 0 ? lastLines(first.output, 40) : failures.map(({ text }) => lastLines(text, 60)).join('\n'),
  )
  // A timeout ends the whole run, so that others have not had their turn.
  const isWhole = files.size > 0 && !files.has(undefined) && !first.output.includes('no new tests completed within')
  console.log(`=== ${name}: ${isWhole ? [...files].join(', ') : 'everything'}, once more`)
  if (!isWhole) {
    const second = await run(suite, suite.command)
    return {
      ...second,
      repeated: [`=== ${name} FAILED AT FIRST (exit ${first.status}) and was run a second time as a whole`],
    }
  }
  const second = await run(suite, [...suite.again, ...[...files].filter(file => file !== undefined)])
  const others = first.results.filter(({ isOk, file }) => isOk && !files.has(file))
  const stillFailing = second.results.filter(({ isOk }) => !isOk)
  // A file that runs alone has no name before its titles.
  const failsAgain = (title: string) =>
    stillFailing.some(again => title === again.title || title.endsWith(` › ${again.title}`))
  const repeated = failures
    .filter(({ title }) => !failsAgain(title))
    .map(({ title }) => `=== ${name} FAILED AT FIRST, passed at the second attempt: ${title}`)
  return { ...second, results: [...others, ...second.results], repeated }
}

/** An error that no test has caught has no file, but ends the process of the file that is named next. */
function filesOf(failures: readonly Result[]): ReadonlySet<string | undefined> {
  const isExplained = failures.some(({ title, file }) => file !== undefined && title.includes('exited with'))
  const files = failures.map(({ file }) => file)
  return new Set(isExplained ? files.filter(file => file !== undefined) : files)
}

async function run(suite: Suite, [program = '', ...args]: readonly string[]): Promise<Outcome> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const [code] = await once(child, 'close')
  return { status: code ?? 1, results: readTap(suite, output), output }
}

function readTap({ dir }: Suite, output: string): Result[] {
  const found: { title: string; isOk: boolean; lines: string[] }[] = []
  for (const line of output.split('\n')) {
    const [, not, title] = /^(not )?ok \d+ - (.*)$/.exec(line) ?? []
    if (title !== undefined) found.push({ title, isOk: not === undefined, lines: [line] })
    else if (/^ {4}|^#/.test(line)) found.at(-1)?.lines.push(line)
  }
  return found.map(({ title, isOk, lines }) => ({ title, isOk, file: fileOf(dir, title), text: lines.join('\n') }))
}

/** ava writes `http › routes › create › what is tested` for a test in `http/routes/create.test.ts`, and paths for files that died. */
function fileOf(dir: string, title: string): string | undefined {
  const named = /[\w./-]+\.test\.ts/.exec(title)?.[0]
  if (named !== undefined && existsSync(named)) return named
  const words = title.split(' › ')
  return words.map((_, count) => `${join(dir, ...words.slice(0, count + 1))}.test.ts`).find(file => existsSync(file))
}

function lastLines(text: string, count: number): string {
  const lines = text.trimEnd().split('\n')
  return lines.length <= count
    ? lines.join('\n')
    : ['…', ...lines.slice(0, 20), '…', ...lines.slice(20 - count)].join('\n')
}
