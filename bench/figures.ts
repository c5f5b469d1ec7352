/** Everything that a run can measure, with the words and units it is shown in. */

/** What one run measured. */
export type Figures = Readonly<Partial<Record<FigureName, number>>>

export type FigureName = keyof typeof figureForms

interface Form {
  readonly unit: string
  readonly better: 'more' | 'less'
  readonly title: string
}

export const figureForms = {
  mibPerS: { title: 'speed', unit: 'MiB/s', better: 'more' },
  perSecond: { title: 'rate', unit: '/s', better: 'more' },
  ms: { title: 'time', unit: 'ms', better: 'less' },
  p50Ms: { title: 'p50', unit: 'ms', better: 'less' },
  p99Ms: { title: 'p99', unit: 'ms', better: 'less' },
  createUs: { title: 'create p50', unit: 'µs', better: 'less' },
  lookupUs: { title: 'lookup p50', unit: 'µs', better: 'less' },
  commitP99Ms: { title: 'commit p99', unit: 'ms', better: 'less' },
  sweepUs: { title: 'sweep per row', unit: 'µs', better: 'less' },
  openP99Ms: { title: 'file open p99', unit: 'ms', better: 'less' },
  healthP99Ms: { title: 'health p99', unit: 'ms', better: 'less' },
  createP99Ms: { title: 'create p99', unit: 'ms', better: 'less' },
  putP99Ms: { title: 'PUT p99', unit: 'ms', better: 'less' },
  cycleP99Ms: { title: 'cycle p99', unit: 'ms', better: 'less' },
  downloadP99Ms: { title: 'download p99', unit: 'ms', better: 'less' },
  rangeP99Ms: { title: 'range p99', unit: 'ms', better: 'less' },
  completeP99Ms: { title: 'complete p99', unit: 'ms', better: 'less' },
  aboveIdleMib: { title: 'above idle', unit: 'MiB', better: 'less' },
  syscalls: { title: 'system calls', unit: '', better: 'less' },
  syncs: { title: 'syncs', unit: '', better: 'less' },
  cpuPerGib: { title: 'CPU/GiB', unit: 's', better: 'less' },
  cpuMs: { title: 'CPU each', unit: 'ms', better: 'less' },
  peakMib: { title: 'peak', unit: 'MiB', better: 'less' },
  loopP99Ms: { title: 'loop p99', unit: 'ms', better: 'less' },
  clientShare: { title: 'client', unit: '%', better: 'less' },
  othersShare: { title: 'others', unit: '%', better: 'less' },
} as const satisfies Record<string, Form>

export const figureNames = Object.keys(figureForms) as readonly FigureName[]
