/** Who is asking, where that can be said without asking anybody. */
import type { IncomingMessage } from 'node:http'
import type { Principal, Sessions } from '../../services/sessions.ts'
import { bearer } from '../access-token.ts'
import { countOf } from '../raw-headers.ts'

/** @returns undefined also for whoever shows no token in the header, or more than one */
export function recogniseCaller(
  { headers, rawHeaders }: IncomingMessage,
  sessions: Pick<Sessions, 'recognise'>,
): Principal | undefined {
  const token = bearer.exec(headers.authorization ?? '')?.[1]
  if (token === undefined || countOf('authorization', rawHeaders) !== 1) return undefined
  return sessions.recognise({ token, userId: undefined, deviceId: undefined })
}
