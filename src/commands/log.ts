/** The program's log: JSON lines on standard error. Standard output belongs to the ready line and to the answers of commands. */
import { type DestinationStream, destination, type Logger, levels, pino } from 'pino'
import type { Config } from '../config/config.ts'
import { systemClock } from '../domain/clock.ts'

/**
 * Nothing logs a token; this is for the day when somebody logs a whole request or an HTTP client's error.
 */
const secrets = ['authorization', 'Authorization', 'token', 'access_token', 'signed', 'accessToken']
const depths = ['', '*.', '*.*.']

/** @param out only tests give one */
export function openLog({ level }: Config['log'], out: DestinationStream = standardError()): Logger {
  return pino(
    {
      level,
      base: null,
      formatters: { level: label => ({ level: label }) },
      timestamp: makeTimestamp(),
      redact: { paths: depths.flatMap(depth => secrets.map(name => depth + name)), censor: '[redacted]' },
    },
    out,
  )
}

/** Written out once for all lines of a millisecond: it is half of what a line of a request costs (measured). */
function makeTimestamp(): () => string {
  let at = Number.NaN
  let field = ''
  return () => {
    const now = systemClock.now()
    if (now !== at) {
      at = now
      field = `,"time":"${new Date(now).toISOString()}"`
    }
    return field
  }
}

/** Bytes of lines that wait for a log which can not be written; what comes beyond them is dropped. */
const maxWaiting = 64 * 1024
/** Characters that are gathered at most. */
const maxGathered = 16 * 1024
const { warn = 0 } = levels.values

/** Writes synchronously, without a worker thread, which the single executable could not start. */
function standardError(): DestinationStream {
  const out = destination({ dest: 2, sync: true, maxLength: maxWaiting })
  // Often the log lies on the disk that is full. That must not end the server, which has still all its media to serve.
  out.on('error', () => {})
  return oncePerTurn(out)
}

/**
 * The lines of one turn of the event loop in one write: a busy server otherwise spends a tenth of its time on writing them singly (measured).
 * What may be somebody's last words is on its way before the next statement runs, and so is everything when the process exits.
 */
function oncePerTurn(out: DestinationStream): DestinationStream {
  let gathered = ''
  let isDue = false

  function pass(): void {
    const lines = gathered
    gathered = ''
    isDue = false
    if (lines !== '') out.write(lines)
  }

  process.on('exit', pass)
  const gathering = {
    // Makes pino say in `lastLevel` how important the line is that it is about to write.
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 0,
    write(line: string) {
      gathered += line
      if (gathering.lastLevel >= warn || gathered.length >= maxGathered) pass()
      else if (!isDue) {
        isDue = true
        setImmediate(pass)
      }
    },
  }
  return gathering
}
