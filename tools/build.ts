/**
 * Bundles src/ into dist/, so that `node dist/main.js` starts fast and without type stripping.
 * `--if-needed` skips the work when dist/ is newer than everything it is made from; `--into DIR` puts the bundle elsewhere.
 */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
const { values: options } = parseArgs({
  options: { 'if-needed': { type: 'boolean', default: false }, into: { type: 'string', default: join(root, 'dist') } },
})
const target = resolve(options.into)

if (!options['if-needed'] || isStale()) await bundle()

function isStale(): boolean {
  const built = join(target, 'main.js')
  if (!existsSync(built)) return true
  const builtAt = statSync(built).mtimeMs
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
  return [...sources, import.meta.filename, join(root, 'package-lock.json')].some(
    file => statSync(file).mtimeMs > builtAt,
  )
}

async function bundle(): Promise<void> {
  rmSync(target, { recursive: true, force: true })
  await build({
    absWorkingDir: root,
    // A thread is a program of its own, and is looked for beside the rest.
    entryPoints: {
      main: 'src/main.ts',
      'digest-thread': 'src/storage/digest-thread.ts',
      'checkpoint-thread': 'src/database/checkpoint-thread.ts',
    },
    outdir: target,
    bundle: true,
    // main.ts looks at the Node version before it imports the rest, so the rest must stay a chunk of its own.
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.18',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
  })
}
