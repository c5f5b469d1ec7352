/**
 * What the load client is told to do: some clients that go through the same steps again and again, first to warm up, then measured.
 * The form on disk is one setting a line, so that the C program needs no parser.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Plan {
  /** Steps name them by their place in this list. All on 127.0.0.1. */
  readonly ports: readonly number[]
  readonly clients: number
  /** Rounds through the steps before the measurement, by all clients together. */
  readonly warmup: number
  /** Rounds to measure; or for how long. */
  readonly total?: number
  readonly seconds?: number
  readonly steps: readonly Step[]
  /** What `{line}` stands for; client c of n takes lines c, c + n, c + 2n … */
  readonly targets?: readonly string[]
  /** One path per client: the file that it unlinks after each round, outside of what is timed, without keeping the others. */
  readonly unlink?: readonly string[]
  /** After each round the suite does something itself, which counts as part of the round. */
  readonly pause?: boolean
}

export interface Step {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** Index into `ports`. */
  readonly port: number
  /**
   * `{c}` client · `{n}` a number that never comes again · `{line}` · `{upload}` path and query of the upload URL and `{media}` server
   * and id, both captured earlier
   */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?:
    | { readonly text: string }
    /** So many bytes that were never sent before. */
    | { readonly unique: number }
    /** May hold `{c}`. `isMarked`: sixteen bytes follow that were never sent before. */
    | { readonly file: string; readonly bytesPerSecond?: number; readonly isMarked?: boolean }
  /** A range of `length` bytes at a random place of `of`. */
  readonly range?: { readonly length: number; readonly of: number }
  /** The answer has `content_uri`, and maybe `upload_url`; or it is a redirect, and `{upload}` stands for where it leads. */
  readonly captures?: boolean
}

/** Writes the plan, and a file with its targets, into the directory. Returns the path. */
export function writePlan(plan: Plan, dir: string): string {
  const targets = join(dir, 'targets')
  if (plan.targets !== undefined) writeFileSync(targets, `${plan.targets.join('\n')}\n`)
  const lines = [
    ...plan.ports.map(port => `port ${port}`),
    `clients ${plan.clients}`,
    `warmup ${plan.warmup}`,
    ...(plan.total === undefined ? [] : [`total ${plan.total}`]),
    ...(plan.seconds === undefined ? [] : [`seconds ${plan.seconds}`]),
    `seed ${Math.floor(Math.random() * 2 ** 48)}`,
    ...(plan.targets === undefined ? [] : [`targets ${targets}`]),
    ...(plan.unlink ?? []).map(path => `unlink ${path}`),
    ...(plan.pause === true ? ['pause'] : []),
    ...plan.steps.flatMap(linesOf),
  ]
  const file = join(dir, 'plan')
  writeFileSync(file, `${lines.join('\n')}\n`)
  // For the client in Node.
  writeFileSync(`${file}.json`, JSON.stringify(plan))
  return file
}

function linesOf({ method, port, target, headers = {}, body, range, captures }: Step): string[] {
  return [
    `step ${method} ${port} ${target}`,
    ...Object.entries(headers).map(([name, value]) => `header ${name}: ${value}`),
    ...(body === undefined ? [] : bodyLines(body)),
    ...(range === undefined ? [] : [`range ${range.length} ${range.of}`]),
    ...(captures === true ? ['capture'] : []),
  ]
}

function bodyLines(body: NonNullable<Step['body']>): string[] {
  if ('text' in body) return [`text ${body.text}`]
  if ('unique' in body) return [`unique ${body.unique}`]
  return [
    `file ${body.file}`,
    ...(body.bytesPerSecond === undefined ? [] : [`rate ${body.bytesPerSecond}`]),
    ...(body.isMarked === true ? ['mark'] : []),
  ]
}
