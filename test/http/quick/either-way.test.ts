import type { IncomingMessage, ServerResponse } from 'node:http'
import test from 'ava'
import type { Logger } from 'pino'
import { eitherWay } from '../../../src/http/quick/either-way.ts'
import type { QuickWay } from '../../../src/http/quick/quick-way.ts'

const request = {} as IncomingMessage

function stand(quick: QuickWay, usual: () => Promise<void>) {
  const seen: string[] = []
  const log = { error: (_: unknown, text: string) => void seen.push(text) } as unknown as Logger
  const response = { destroy: () => void seen.push('destroyed') } as unknown as ServerResponse
  const handle = eitherWay({ log }, quick, async () => {
    seen.push('usual')
    await usual()
  })
  return { seen, run: () => handle(request, response) }
}

test('what the quick way has answered goes no further, and the usual way takes the rest', async t => {
  const answered = stand(
    async () => true,
    async () => {},
  )
  await answered.run()
  t.deepEqual(answered.seen, [])
  for (const quick of [async () => false, () => undefined]) {
    const left = stand(quick, async () => {})
    await left.run()
    t.deepEqual(left.seen, ['usual'])
  }
})

test('a defect on either way is logged, and nobody waits for an answer that does not come', async t => {
  const broken = () => Promise.reject(new Error('a defect'))
  const quick = stand(broken, async () => {})
  await quick.run()
  t.deepEqual(quick.seen, ['a request could not be answered', 'destroyed'])
  const usual = stand(async () => false, broken)
  await usual.run()
  t.deepEqual(usual.seen, ['usual', 'a request could not be answered', 'destroyed'])
})
