/**
 * Files and tables side by side, read by other means than the server's own: every row has its bytes, all bytes have a row or are noted
 * for removal, and nothing else lies about.
 */
import { hash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'

const knownNames =
  /^(?:sluice-store\.json|sluice\.db(?:-wal|-shm)?|lock-[a-z]+\.db|scrub\.json(?:\.new)?|token|keys|objects|incoming)$/

interface Reference {
  readonly sha256: Buffer
  readonly size: number
}

/** @returns what is wrong, in words; nothing when all is well */
export function inventory(dataDir: string, sql: Database): string[] {
  const problems: string[] = []
  const integrity = sql.pragma('integrity_check', { simple: true })
  if (integrity !== 'ok') problems.push(`integrity_check: ${integrity}`)

  const files = new Map<string, number>()
  for (const name of readdirSync(dataDir)) if (!knownNames.test(name)) problems.push(`${name} is not ours`)
  // Probes are swept by a start a minute later, here and among the objects.
  for (const name of readdirSync(join(dataDir, 'incoming')))
    if (!name.startsWith('probe-')) problems.push(`incoming/${name} was left`)
  for (const name of readdirSync(join(dataDir, 'keys')))
    if (!/^(?:\d+|public)\.json$/.test(name)) problems.push(`keys/${name} was left`)
  for (const shard of readdirSync(join(dataDir, 'objects'))) {
    if (shard.startsWith('probe-')) continue
    if (!/^[0-9a-f]{2}$/.test(shard)) {
      problems.push(`objects/${shard} is not ours`)
      continue
    }
    for (const name of readdirSync(join(dataDir, 'objects', shard))) {
      if (!name.startsWith(shard) || !/^[0-9a-f]{64}$/.test(name)) problems.push(`objects/${shard}/${name} is not ours`)
      else files.set(name, statSync(join(dataDir, 'objects', shard, name)).size)
    }
  }

  // One snapshot, or upkeep would seem to contradict itself.
  const read = sql.transaction(() => ({
    references: sql
      .prepare<[], Reference>(
        `SELECT sha256, size FROM media WHERE sha256 IS NOT NULL UNION SELECT sha256, size FROM pending WHERE sha256 IS NOT NULL
         UNION SELECT sha256, size FROM thumbnail`,
      )
      .all(),
    rows: sql.prepare<[], Reference>('SELECT sha256, length(bytes) AS size FROM small_object').all(),
    unwanted: sql.prepare<[], Buffer>('SELECT sha256 FROM unwanted_object').pluck().all(),
    orphans: sql
      .prepare<[], Buffer>(
        `SELECT DISTINCT source FROM thumbnail WHERE source NOT IN (SELECT sha256 FROM media WHERE sha256 IS NOT NULL)
          AND source NOT IN (SELECT sha256 FROM pending WHERE sha256 IS NOT NULL) AND source NOT IN (SELECT sha256 FROM unwanted_object)`,
      )
      .pluck()
      .all(),
  }))
  const { references, rows, unwanted, orphans } = read()
  const noted = new Set(unwanted.map(key => key.toString('hex')))
  const wanted = new Map(references.map(({ sha256, size }) => [sha256.toString('hex'), size]))
  const small = new Map(rows.map(({ sha256, size }) => [sha256.toString('hex'), size]))
  for (const [key, size] of wanted) {
    const found = small.get(key) ?? files.get(key)
    if (found === undefined) problems.push(`${key} has a row and no bytes`)
    else if (found !== size) problems.push(`${key} has ${found} bytes instead of ${size}`)
  }
  for (const [kind, found] of [
    ['file', files],
    ['row of small_object', small],
  ] as const) {
    for (const key of found.keys())
      if (!wanted.has(key) && !noted.has(key)) problems.push(`${key} is a ${kind} that nothing points at`)
  }
  for (const source of orphans) problems.push(`thumbnails of ${source.toString('hex')}, which is gone, were left`)
  return problems
}

/** Every object is read and hashed. */
export function deepInventory(dataDir: string, sql: Database): string[] {
  const problems = inventory(dataDir, sql)
  for (const shard of readdirSync(join(dataDir, 'objects')).filter(name => name.length === 2)) {
    for (const name of readdirSync(join(dataDir, 'objects', shard))) {
      if (hash('sha256', readFileSync(join(dataDir, 'objects', shard, name))) !== name)
        problems.push(`${name} is damaged`)
    }
  }
  for (const { sha256, bytes } of sql
    .prepare<[], { sha256: Buffer; bytes: Buffer }>('SELECT sha256, bytes FROM small_object')
    .all())
    if (hash('sha256', bytes) !== sha256.toString('hex')) problems.push(`${sha256.toString('hex')} is damaged`)
  return problems
}
