/** A worker that is ready, and then blocks its event loop for good, or goes: `node stub-worker.ts hang|exit`. */
const [, , what] = process.argv
process.on('message', () => {
  process.send?.({ kind: 'ready' }, undefined, {}, () => {
    if (what === 'exit') process.exit(3)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
})
