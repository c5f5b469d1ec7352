import { fork } from 'node:child_process'
import { Socket } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parseConfig } from '../../src/config/parse-config.ts'
import { watchWorker } from '../../src/start/worker-process.ts'

const config = parseConfig({ yaml: undefined, env: {}, cwd: '/' })

function stub(t: ExecutionContext, what: 'hang' | 'exit', silentBeats: number) {
  const child = fork(join(import.meta.dirname, '../support/stub-worker.ts'), [what], { serialization: 'advanced' })
  t.teardown(() => child.kill('SIGKILL'))
  return watchWorker(child, silentBeats)
}

test('a worker that gives no sign of life is killed, and whoever waits for it waits no longer', async t => {
  const worker = stub(t, 'hang', 15)
  t.true(await worker.open(1, config))
  const [ended, wasTaken] = await Promise.all([worker.ended, worker.give(new Socket()), worker.reload(config)])
  t.deepEqual(ended, { code: null, signal: 'SIGKILL', wasHung: true })
  t.false(wasTaken)
})

test('a worker that ends is gone, and takes nothing any more', async t => {
  const worker = stub(t, 'exit', 600)
  t.true(await worker.open(1, config))
  t.deepEqual(await worker.ended, { code: 3, signal: null, wasHung: false })
  t.false(await worker.give(new Socket()))
  await worker.reload(config)
  worker.close(0)
  worker.kill()
})
