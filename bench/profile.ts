/**
 * `node bench/profile.ts [FILE] [--lines N]`: where the time of a CPU profile went, the idle part left out. Without a file, the latest
 * one in .tmp/bench/profiles. First by whose code it was, then by function alone, then by function with all that it called.
 *
 * What runs in native code counts for the function that called it; `(program)` is native code that no function waits for, such as the
 * event loop and the kernel's part of it. Threads of the pool are not in it.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { benchDir } from './paths.ts'

interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: CallFrame
  readonly children?: readonly number[]
}

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

interface Place {
  readonly owner: string
  readonly name: string
}

/** Of each chunk of a bundle, where which file of src/ begins. */
const known = new Map<string, readonly { readonly line: number; readonly file: string }[]>()

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { lines: { type: 'string', default: '40' } },
})
const file = positionals[0] ?? latest()
const profile: Profile = JSON.parse(readFileSync(file, 'utf8'))
const parents = new Map(profile.nodes.flatMap(node => (node.children ?? []).map(child => [child, node.id] as const)))
const places = new Map(profile.nodes.map(node => [node.id, placeOf(node.callFrame)]))
const [owners, alone, within] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()]
let [busy, idle] = [0, 0]

for (const [index, id] of profile.samples.entries()) {
  const time = profile.timeDeltas[index] ?? 0
  const { owner, name } = places.get(id) ?? { owner: 'unknown', name: 'unknown' }
  if (name === '(idle)') idle += time
  // Taking the profile is not part of what is profiled.
  if (name === '(idle)' || owner === 'node:inspector') continue
  busy += time
  add(owners, owner, time)
  add(alone, name, time)
  for (const seen of new Set(stackOf(id))) add(within, seen, time)
}

console.log(`${basename(file)}: ${(busy / 1e6).toFixed(2)} s busy, ${(idle / 1e6).toFixed(2)} s idle`)
show('by whose code it is', owners)
show('by function alone', alone)
show('by function with all that it called', within)

function stackOf(id: number): string[] {
  const names: string[] = []
  for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) names.push(places.get(at)?.name ?? '')
  return names
}

function placeOf({ functionName, url, lineNumber }: CallFrame): Place {
  const name = functionName || '(anonymous)'
  // Add-ons do not name their functions; the engine names its own.
  if (url === '' && functionName === '') return { owner: 'native add-ons', name: '(native add-on)' }
  if (url === '') return { owner: name.startsWith('(') ? name : 'built into Node', name }
  const library = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  if (library !== undefined) return { owner: library, name: `${name}  ${library}/${basename(url)}:${lineNumber + 1}` }
  if (url.startsWith('node:'))
    return { owner: url.split('/').slice(0, 2).join('/'), name: `${name}  ${url}:${lineNumber + 1}` }
  const source = sourceOf(url, lineNumber)
  return {
    owner: source?.split('/').slice(0, 2).join('/') ?? basename(url),
    name: `${name}  ${source ?? basename(url)}`,
  }
}

/** In which file of src/ a line of the bundle was: esbuild writes its name above each. */
function sourceOf(url: string, line: number): string | undefined {
  return sourcesIn(url).findLast(source => source.line <= line)?.file
}

function sourcesIn(url: string): readonly { readonly line: number; readonly file: string }[] {
  const path = url.startsWith('file:') ? fileURLToPath(url) : url
  const before = known.get(path)
  if (before !== undefined) return before
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  const found = lines.flatMap((text, line) => {
    const file = /^\/\/ (src\/\S+\.ts)$/.exec(text)?.[1]
    return file === undefined ? [] : [{ line, file }]
  })
  known.set(path, found)
  return found
}

function add(map: Map<string, number>, name: string, time: number): void {
  map.set(name, (map.get(name) ?? 0) + time)
}

function show(title: string, map: ReadonlyMap<string, number>): void {
  console.log(`\n${title}`)
  const largest = [...map].sort((a, b) => b[1] - a[1]).slice(0, Number(options.lines))
  for (const [name, time] of largest) {
    const share = (time / busy) * 100
    if (share >= 0.2) console.log(`${share.toFixed(1).padStart(6)} %  ${name}`)
  }
}

function latest(): string {
  const dir = join(benchDir, 'profiles')
  const files = existsSync(dir) ? readdirSync(dir).map(name => join(dir, name)) : []
  const [newest] = files.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  if (newest === undefined) throw new Error(`no profile in ${dir}; npm run bench -- NAME --profile makes one`)
  return newest
}
