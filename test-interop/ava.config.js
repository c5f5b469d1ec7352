// One stand at a time: each runs one or two real homeservers, a real nginx and Sluice.
const withoutSluice = process.env.INTEROP_MEDIA === 'synapse'

export default {
  files: ['test-interop/*.test.ts', ...(withoutSluice ? ['!test-interop/edge.test.ts'] : [])],
  extensions: { ts: 'module' },
  concurrency: 1,
  serial: true,
  timeout: '5m',
}
