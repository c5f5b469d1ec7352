// Two lanes of kill and restart leave a little of two cores to the other files, which mostly wait for a disk.
export default {
  files: ['test-crash/*.test.ts'],
  extensions: { ts: 'module' },
  concurrency: 2,
  timeout: '20m',
}
