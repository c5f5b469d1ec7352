/** Which peers are here, by name and version. */
import { spawnSync } from 'node:child_process'
import { nginxProgram } from './nginx.ts'
import { python, synapseAbsence } from './synapse.ts'

const pythonPackages = "from importlib.metadata import version; print(version('matrix-synapse'), version('pillow'))"

export function peerVersions(): Readonly<Record<string, string>> {
  const [synapse, pillow] = synapseAbsence() === undefined ? said(python, '-c', pythonPackages).split(' ') : []
  const found = {
    nginx: /nginx\/(\S+)/.exec(said(nginxProgram() ?? 'nginx', '-v'))?.[1],
    Synapse: synapse,
    Pillow: pillow,
    vipsthumbnail: /(\d+\.\d\S+)/.exec(said('vipsthumbnail', '--vips-version'))?.[1],
    dd: /(\d\S+)/.exec(said('dd', '--version'))?.[1],
  }
  return Object.fromEntries(Object.entries(found).flatMap(([name, version]) => (version ? [[name, version]] : [])))
}

/** On either output; nothing when it can not be run. */
function said(program: string, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return `${stdout ?? ''}${stderr ?? ''}`.trim()
}
