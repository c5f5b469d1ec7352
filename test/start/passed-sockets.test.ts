import test from 'ava'
import { PassedSocketsError, takePassedSockets } from '../../src/start/passed-sockets.ts'

const both = ['api', 'edge'] as const

function passed(count: string, names?: string): NodeJS.ProcessEnv {
  return { LISTEN_PID: '7', LISTEN_FDS: count, ...(names !== undefined && { LISTEN_FDNAMES: names }) }
}

test('named sockets are told by their names, others by their order', t => {
  t.deepEqual(takePassedSockets(passed('2'), 7, both), { api: 3, edge: 4 })
  t.deepEqual(takePassedSockets(passed('2', 'sluice.socket:sluice.socket'), 7, both), { api: 3, edge: 4 })
  t.deepEqual(takePassedSockets(passed('2', 'edge:api'), 7, both), { edge: 3, api: 4 })
  t.deepEqual(takePassedSockets(passed('1', 'edge'), 7, both), { edge: 3 }, 'the other one is opened')
  t.deepEqual(takePassedSockets(passed('1'), 7, ['edge']), { edge: 3 })
})

test('what was passed to another process does not count, and nothing is handed down', t => {
  const env = { ...passed('2', 'api:edge'), LISTEN_PIDFDID: '1', HOME: '/' }
  t.deepEqual(takePassedSockets(env, 8, both), {})
  t.deepEqual(env, { HOME: '/' })
  t.deepEqual(takePassedSockets({}, 8, both), {})
  t.deepEqual(takePassedSockets(passed('0'), 7, both), {})
})

test('what does not fit is refused, with what was expected', t => {
  const refuses = (env: NodeJS.ProcessEnv, surfaces: readonly ('api' | 'edge')[], message: RegExp) =>
    t.throws(() => takePassedSockets(env, 7, surfaces), { instanceOf: PassedSocketsError, message })
  refuses(passed('1'), both, /expected one socket for the api, then one for the edge.*1 passed/)
  refuses(passed('3'), both, /3 passed/)
  refuses(passed('two'), both, /LISTEN_FDS/)
  refuses(passed('2', 'api'), both, /2 passed, but 1 named/)
  refuses(passed('2', 'api:metrics'), both, /"metrics"/)
  refuses(passed('2', 'api:api'), both, /two are named "api"/)
  refuses(passed('2', 'api:edge'), ['edge'], /expected one socket, for the edge.*"api"/)
})
