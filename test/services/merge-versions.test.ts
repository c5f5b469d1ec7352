import test from 'ava'
import { MediaError, RelayedError } from '../../src/domain/errors.ts'
import type { AskVersions, VersionsBody, VersionsQuestion } from '../../src/homeserver/versions.ts'
import { makeVersions, mergeVersions, versionsFreshFor } from '../../src/services/merge-versions.ts'
import { movableClock } from '../support/movable-clock.ts'
import { collectingLog } from '../support/web-app.ts'

const anybody: VersionsQuestion = { authorization: [], querystring: '' }
const alice: VersionsQuestion = { authorization: ['Bearer alice'], querystring: '' }
const bob: VersionsQuestion = { authorization: ['Bearer bob'], querystring: '' }

const ours = {
  'org.matrix.msc3916.stable': true,
  'fi.mau.msc2246': true,
  'fi.mau.msc2246.stable': true,
  'com.beeper.msc3870': true,
  'com.beeper.msc3880': true,
}

/** A homeserver whose answer a test changes as it likes. */
function setUp(answer: (question: VersionsQuestion) => VersionsBody) {
  const asked: VersionsQuestion[] = []
  const state = { answer }
  const askVersions: AskVersions = async question => {
    asked.push(question)
    return state.answer(question)
  }
  const clock = movableClock()
  const { log, lines } = collectingLog()
  const config = { edge: { listen: { host: '', port: 0 }, publicUrl: undefined, offerUploadUrl: true, workers: 0 } }
  return { versions: makeVersions({ config, clock, log, askVersions }), asked, state, clock, lines }
}

const down = () => {
  throw new MediaError('homeserver_unreachable', 'down')
}

test('what we add stands beside what the homeserver says, and wins', t => {
  const body = {
    versions: ['r0.6.1', 'v1.11', 'v1.12'],
    unstable_features: { 'org.example': true, 'com.beeper.msc3870': true, 'org.matrix.msc3916.stable': false },
    server: 'x',
  }
  t.deepEqual(mergeVersions(body, true), {
    versions: ['r0.6.1', 'v1.11', 'v1.12', 'v1.7'],
    unstable_features: { 'org.example': true, ...ours },
    server: 'x',
  })
  t.deepEqual(mergeVersions({ versions: [] }, false), {
    versions: ['v1.7', 'v1.11'],
    unstable_features: { ...ours, 'com.beeper.msc3870': false, 'com.beeper.msc3880': false },
  })
})

test('standalone, Sluice speaks for itself', async t => {
  const config = { edge: { listen: { host: '', port: 0 }, publicUrl: undefined, offerUploadUrl: false, workers: 0 } }
  const { log } = collectingLog()
  const versions = makeVersions({ config, clock: movableClock(), log, askVersions: undefined })
  t.deepEqual(await versions(alice), { body: mergeVersions({ versions: [] }, false), isStale: false })
})

test('the homeserver is asked once per token and while', async t => {
  const { versions, asked, clock } = setUp(({ authorization }) => ({ versions: [authorization[0] ?? 'anybody'] }))
  const answers = await Promise.all([versions(alice), versions(alice), versions(bob), versions(anybody)])
  t.deepEqual(
    answers.map(({ body }) => body.versions[0]),
    ['Bearer alice', 'Bearer alice', 'Bearer bob', 'anybody'],
  )
  clock.advance(versionsFreshFor - 1)
  await versions(alice)
  t.deepEqual(asked, [alice, bob, anybody])
  clock.advance(1)
  await versions(alice)
  t.deepEqual(asked, [alice, bob, anybody, alice])
  await versions({ authorization: [], querystring: 'access_token=alice' })
  t.is(asked.length, 5)
})

test('the last good answer holds while the homeserver is down, which is noted', async t => {
  const { versions, asked, state, clock, lines } = setUp(() => ({ versions: ['v1.1'] }))
  const { body } = await versions(alice)
  state.answer = down
  clock.advance(versionsFreshFor)
  t.deepEqual(await versions(alice), { body, isStale: true })
  t.like(lines[0], { level: 'warn' })
  t.true((await versions(alice)).isStale, 'and nobody waits for the homeserver again so soon')
  t.is(asked.length, 2)
  state.answer = () => ({ versions: ['v1.2'] })
  clock.advance(versionsFreshFor)
  const after = await versions(alice)
  t.false(after.isStale)
  t.true(after.body.versions.includes('v1.2'))
})

test('somebody unknown gets what everybody gets while the homeserver is down, never what another one got', async t => {
  const { versions, state, clock } = setUp(({ authorization }) => ({ versions: [authorization[0] ?? 'anybody'] }))
  await versions(bob)
  state.answer = down
  const error = await t.throwsAsync(versions(alice), { instanceOf: MediaError })
  t.is(error.code, 'homeserver_unreachable')

  state.answer = () => ({ versions: ['anybody'] })
  await versions(anybody)
  state.answer = down
  clock.advance(versionsFreshFor)
  t.is((await versions(alice)).body.versions[0], 'anybody')
})

test('a refused token gets the refusal, and never again the answer of before', async t => {
  const { versions, state, clock } = setUp(({ authorization }) => ({ versions: [authorization[0] ?? 'anybody'] }))
  await versions(anybody)
  await versions(alice)
  clock.advance(versionsFreshFor)
  const refusal = new RelayedError(401, { errcode: 'M_UNKNOWN_TOKEN', error: 'logged out' })
  state.answer = () => {
    throw refusal
  }
  t.is(await t.throwsAsync(versions(alice)), refusal)
  state.answer = down
  t.is((await versions(alice)).body.versions[0], 'anybody')
})

test('a homeserver that has been asked too often counts as down', async t => {
  const { versions, state, clock } = setUp(() => ({ versions: ['v1.1'] }))
  const { body } = await versions(alice)
  clock.advance(versionsFreshFor)
  state.answer = () => {
    throw new RelayedError(429, { errcode: 'M_LIMIT_EXCEEDED', error: 'slower' })
  }
  t.deepEqual(await versions(alice), { body, isStale: true })
})

test('a clock that is set back makes no answer older than it may be', async t => {
  const { versions, asked, clock } = setUp(() => ({ versions: ['v1.1'] }))
  await versions(alice)
  clock.jump(-3_600_000)
  clock.advance(versionsFreshFor)
  await versions(alice)
  t.is(asked.length, 2)
})
