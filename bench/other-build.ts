/** A second build of Sluice, for comparing two: a directory that has one, or a commit that one is made from. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { benchDir, projectRoot } from './paths.ts'

/**
 * @param from a bundle, a work tree with a bundle in `dist`, or anything that git takes for a commit
 * @returns the directory of the bundle
 * @throws when it is none of these
 */
export function otherBuild(from: string): string {
  const places = [resolve(from), resolve(from, 'dist')]
  const found = places.find(place => existsSync(join(place, 'main.js')))
  return found ?? builtFrom(from)
}

/** Built below the project, so that the bundle finds the packages that are installed here. Kept for the next time. */
function builtFrom(revision: string): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: projectRoot, encoding: 'utf8' }).trim()
  const commit = git('rev-parse', '--short', '--verify', `${revision}^{commit}`)
  const root = join(benchDir, 'builds', commit)
  const bundle = join(root, 'dist')
  if (existsSync(join(bundle, 'main.js'))) return bundle
  mkdirSync(root, { recursive: true })
  const archive = join(root, 'sources.tar')
  git('archive', '--output', archive, commit)
  execFileSync('tar', ['-xf', archive, '-C', root])
  execFileSync(process.execPath, [join(root, 'tools/build.ts')], { stdio: 'inherit' })
  return bundle
}
