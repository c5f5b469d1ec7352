/** A real program under test: its output goes to files, and it goes when the test goes. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Program {
  readonly name: string
  /** Everything on its standard output so far. */
  output(): string
  /** The last lines of what it said, for a failed test's report. */
  recentLog(): string
  /** Waits until `probe` answers something; throws with the log when the program ends or three minutes pass first. */
  ready<T>(probe: () => Promise<T | undefined> | T | undefined): Promise<T>
  /** Asks it to end, insists after half a minute, and resolves with its exit code (null: it had to be killed). */
  stop(): Promise<number | null>
}

export interface Launch {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Output files and the working directory. */
  readonly dir: string
  readonly env?: Readonly<Record<string, string>>
}

const readyTimeout = 180_000
const stopTimeout = 30_000
const probePause = 50
const logLines = 40

export function launch({ name, command, args, dir, env = {} }: Launch): Program {
  const outFile = join(dir, `${name}.out`)
  const errFile = join(dir, `${name}.err`)
  const out = openSync(outFile, 'a')
  const err = openSync(errFile, 'a')
  // setpriv: should the test runner be killed, the kernel ends the program too. No proxy settings of this machine: all is loopback.
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', command, ...args], {
    cwd: dir,
    env: { PATH: process.env.PATH, HOME: dir, LANG: 'C.UTF-8', ...env },
    stdio: ['ignore', out, err],
  })
  closeSync(out)
  closeSync(err)

  let ended: string | undefined
  const exit = new Promise<number | null>(resolve => {
    child.once('error', error => {
      ended = error.message
      resolve(null)
    })
    child.once('exit', (code, signal) => {
      ended = `exit ${code ?? signal}`
      resolve(code)
    })
  })
  const tail = (file: string) => readFileSync(file, 'utf8').trimEnd().split('\n').slice(-logLines).join('\n')
  const recentLog = () => `--- ${name}: ${ended ?? 'running'}\n${tail(outFile)}\n${tail(errFile)}`

  return {
    name,
    output: () => readFileSync(outFile, 'utf8'),
    recentLog,
    async ready(probe) {
      const deadline = performance.now() + readyTimeout
      for (;;) {
        const answer = await probe()
        if (answer !== undefined) return answer
        if (ended !== undefined) throw new Error(`${name} ended before it was ready\n${recentLog()}`)
        if (performance.now() > deadline) throw new Error(`${name} was not ready in time\n${recentLog()}`)
        await sleep(probePause)
      }
    },
    async stop() {
      child.kill('SIGTERM')
      const insist = setTimeout(() => child.kill('SIGKILL'), stopTimeout)
      const code = await exit
      clearTimeout(insist)
      return code
    },
  }
}
