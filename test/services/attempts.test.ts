import test from 'ava'
import { MediaError } from '../../src/domain/errors.ts'
import type { MediaId } from '../../src/domain/identifiers.ts'
import { makeAttempts } from '../../src/services/attempts.ts'
import { movableClock } from '../support/movable-clock.ts'

const id = 'a' as MediaId

function isSuperseded(reason: unknown): boolean {
  return reason instanceof MediaError && reason.code === 'superseded'
}

test('a newer attempt ends an older one that is still receiving', t => {
  const attempts = makeAttempts({ clock: movableClock() })
  const old = attempts.begin(id)
  const other = attempts.begin('b' as MediaId)
  const young = attempts.begin(id)
  t.true(old.signal.aborted)
  t.true(isSuperseded(old.signal.reason))
  t.false(other.signal.aborted)
  t.false(young.signal.aborted)
})

test('an attempt whose body is whole is not ended by a newer one, and may still be recorded before it', t => {
  const attempts = makeAttempts({ clock: movableClock() })
  const old = attempts.begin(id)
  old.received()
  const young = attempts.begin(id)
  t.false(old.signal.aborted)
  old.received()
  attempts.begin(id)
  t.true(young.signal.aborted, 'the end of the old one did not hide it')
})

test('the newer attempt has the larger number, also within a millisecond, and when the clock was set back a little', t => {
  const clock = movableClock()
  const attempts = makeAttempts({ clock })
  const numbers = [0, 0, 5, -3, 0].map(ms => {
    clock.jump(ms)
    return attempts.begin(id).began
  })
  t.deepEqual(
    numbers,
    [...numbers].sort((a, b) => a - b),
  )
  t.is(new Set(numbers).size, numbers.length)
})

test('after the clock was set back by much, numbers follow it, as those of every other process do', t => {
  const clock = movableClock()
  const attempts = makeAttempts({ clock })
  attempts.begin(id)
  clock.jump(-3_600_000)
  t.is(attempts.begin(id).began, clock.now())
})
