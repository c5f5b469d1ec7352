/**
 * Looks at a running Sluice from inside, without a line of it in the product. Preloaded by the suite; on SIGUSR2 it writes what it saw
 * since the last time to the file named by BENCH_WATCH, and begins anew.
 *
 * No imports: a module that is loaded before main.ts must not wake the thread pool, whose size main.ts still has to set.
 */
const { writeFileSync, renameSync, open, close } = process.getBuiltinModule('node:fs')
const { monitorEventLoopDelay, createHistogram } = process.getBuiltinModule('node:perf_hooks')

const { Session } = process.getBuiltinModule('node:inspector')

const file = process.env.BENCH_WATCH
if (file !== undefined) watch(file, process.env.BENCH_PROBE)

function watch(into: string, probe: string | undefined): void {
  const resolution = 5
  const delay = monitorEventLoopDelay({ resolution })
  delay.enable()
  const opens = createHistogram()
  if (probe !== undefined) setInterval(() => openAndClose(probe), 10).unref()
  let reports = 0

  /** How long a file takes that anybody opens, with the thread pool as busy as it is. */
  function openAndClose(path: string): void {
    const from = process.hrtime.bigint()
    open(path, 'r', (error, descriptor) => {
      if (error !== null) throw error
      close(descriptor, () => opens.record(process.hrtime.bigint() - from))
    })
  }

  const profileFile = process.env.BENCH_PROFILE
  const session = new Session()

  process.on('SIGUSR2', () => {
    reports += 1
    // The histogram holds whole intervals; what exceeds the resolution is the delay.
    const ms = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution)
    const report = {
      report: reports,
      loop: { p50Ms: ms(delay.percentile(50)), p99Ms: ms(delay.percentile(99)), maxMs: ms(delay.max) },
      fileOpen: {
        count: opens.count,
        p50Ms: opens.percentile(50) / 1e6,
        p99Ms: opens.percentile(99) / 1e6,
        maxMs: opens.max / 1e6,
      },
    }
    if (profileFile !== undefined) profile(session, profileFile, reports)
    delay.reset()
    opens.reset()
    writeFileSync(`${into}.new`, JSON.stringify(report))
    renameSync(`${into}.new`, into)
  })
}

/** From the first look to the second, which is what is measured. */
function profile(session: InstanceType<typeof Session>, into: string, look: number): void {
  if (look === 1) {
    session.connect()
    session.post('Profiler.enable')
    session.post('Profiler.setSamplingInterval', { interval: 200 })
    session.post('Profiler.start')
  } else if (look === 2) {
    session.post('Profiler.stop', (_, answer) => writeFileSync(into, JSON.stringify(answer.profile)))
  }
}
