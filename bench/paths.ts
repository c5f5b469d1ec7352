/** Where the suite finds things, and where it leaves them. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export const projectRoot = join(import.meta.dirname, '..')
/** On the disk that the repository is on: a memory file system has nothing to sync. */
export const benchDir = join(projectRoot, '.tmp/bench')
export const interopDir = join(projectRoot, '.tmp/interop')
export const resultsFile = join(benchDir, 'results.json')
/** What docs/performance.md is made from. */
export const publishedFile = join(projectRoot, 'bench/recorded.json')

/** @returns undefined when there is no such program on the PATH or at one of the places given */
export function findProgram(name: string, ...places: readonly string[]): string | undefined {
  const onPath = (process.env.PATH ?? '').split(delimiter).map(dir => join(dir, name))
  return [...onPath, ...places].find(existsSync)
}
