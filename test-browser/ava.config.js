// One browser and one server at a time: on a small machine, two would only slow each other down.
export default {
  files: ['test-browser/**/*.test.ts'],
  extensions: { ts: 'module' },
  serial: true,
  concurrency: 1,
  timeout: '5m',
}
