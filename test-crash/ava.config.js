// Two lanes of kill and restart keep two cores busy; more files at once would only make each start slower.
export default {
  files: ['test-crash/*.test.ts'],
  extensions: { ts: 'module' },
  concurrency: 1,
  timeout: '20m',
}
