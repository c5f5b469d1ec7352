/** The five thumbnails of one picture: in a process that has been running for a while, as a server is, and as a program of its own. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import sharp from 'sharp'
import type { Entry } from '../contest.ts'
import type { Figures } from '../figures.ts'
import { benchDir, projectRoot } from '../paths.ts'
import { pillowAbsence, pillowThumbnails } from '../peers/pillow.ts'
import { fiveVipsthumbnails, vipsthumbnailAbsence } from '../peers/vipsthumbnail.ts'
import { percentile } from '../statistics.ts'
import type { Bench } from './bench.ts'
import { makePicture, type PictureName } from './pictures.ts'
import { present } from './put.ts'
import { makeThumbnailSet } from './thumbnail-set.ts'

export interface ThumbnailSettings {
  readonly picture: PictureName
}

export async function thumbnails({ picture }: ThumbnailSettings, bench: Bench): Promise<readonly Entry[]> {
  mkdirSync(bench.dir, { recursive: true })
  const bytes = await makePicture(picture)
  const file = join(bench.dir, 'picture')
  writeFileSync(file, bytes)
  const times = bench.quick ? 2 : 5
  const set = makeThumbnailSet()
  const program = await bundledProgram()
  return [
    { name: 'sluice', run: () => timed(times, () => set(bytes)) },
    { name: 'one 800×600 in sharp', run: () => timed(times, () => single(bytes)) },
    present('Pillow as Synapse uses it', pillowAbsence(), async () => ({ ms: await pillowThumbnails(file, times) })),
    {
      name: 'sluice as a program',
      run: () => timed(times, async () => void execFileSync(process.execPath, [program, file])),
    },
    present('five vipsthumbnail', vipsthumbnailAbsence(), ({ dir }) =>
      timed(times, async () => fiveVipsthumbnails(file, dir)),
    ),
  ]
}

/** The median, after one run that does not count. */
async function timed(times: number, work: () => Promise<void>): Promise<Figures> {
  await work()
  const taken: number[] = []
  for (let index = 0; index < times; index += 1) {
    const from = performance.now()
    await work()
    taken.push(performance.now() - from)
  }
  return { ms: percentile(taken, 0.5) }
}

async function single(picture: Buffer): Promise<void> {
  await sharp(picture, { sequentialRead: true }).resize(800, 600, { fit: 'outside' }).jpeg({ quality: 80 }).toBuffer()
}

/** Bundled like the server itself, so that stripping types is not part of the time. */
async function bundledProgram(): Promise<string> {
  const program = join(benchDir, 'thumbnails-once.mjs')
  await build({
    absWorkingDir: projectRoot,
    entryPoints: [join(import.meta.dirname, 'thumbnails-once.ts')],
    outfile: program,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'warning',
  })
  return program
}
