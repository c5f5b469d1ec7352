/**
 * Servers of a page each, of nothing but Node: the floor below everything that Sluice does. Where one of them does not reach a goal, the
 * goal is out of Node's reach on that machine.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { launch, whenReady } from '../programs.ts'
import type { Server } from './server.ts'

export interface BareServer extends Server {
  readonly ports: readonly number[]
}

export interface BareOptions {
  /** The program, in bench/bare. */
  readonly program: 'receive' | 'cycles' | 'download'
  readonly args: readonly string[]
  readonly dir: string
}

export async function startBare({ program: name, args, dir }: BareOptions): Promise<BareServer> {
  mkdirSync(dir, { recursive: true })
  const file = join(import.meta.dirname, `../bare/${name}.ts`)
  const program = launch({ name: 'bare', command: process.execPath, args: [file, ...args], dir })
  const ports = await whenReady(program, () => {
    const said = program.output()
    return said.includes('\n') ? (JSON.parse(said) as readonly number[]) : undefined
  })
  return { name: 'bare', pid: program.pid, ports, stop: () => program.stop() }
}
