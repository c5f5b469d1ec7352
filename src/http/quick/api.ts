/** What goes quick on the API: both ends of an upload, and the download of a media. */
import type { UserId } from '../../domain/identifiers.ts'
import type { RateLimit } from '../../services/rate-limit.ts'
import type { Sessions } from '../../services/sessions.ts'
import type { Sluice } from '../../services/sluice.ts'
import * as paths from '../api-paths.ts'
import type { Asked, Success } from '../context.ts'
import type { Exchange, LogExchange } from '../request-log.ts'
import { answerComplete } from '../routes/complete.ts'
import { answerCreate } from '../routes/create.ts'
import { makeQuickDownload } from './download.ts'
import { recogniseCaller } from './known-caller.ts'
import { makeQuickAnswer } from './quick-answer.ts'
import { firstOf, plainForm, type QuickRoute, type QuickWay } from './quick-way.ts'

export interface QuickApiNeeds {
  readonly sessions: Pick<Sessions, 'recognise'>
  readonly rates: { readonly requests: RateLimit }
  /** The one of the usual way. */
  readonly logExchange: LogExchange
}

/** For one configuration; made anew with the next. */
export function makeQuickApi(sluice: Sluice, { sessions, rates, logExchange }: QuickApiNeeds): QuickWay {
  const answer = makeQuickAnswer(sluice, { surface: 'api', logExchange })

  /** For users who are known already, and no guests. */
  function asMember(work: (userId: UserId, asked: Asked, exchange: Exchange) => Promise<Success>): QuickRoute['take'] {
    return (asked, req, res) => {
      const caller = recogniseCaller(req, sessions)
      if (caller === undefined || caller.isGuest) return undefined
      const { userId } = caller
      return answer({ asked, req, res, userId }, exchange => work(userId, asked, exchange))
    }
  }

  return firstOf([
    {
      method: 'POST',
      read: plainForm(paths.create),
      take: asMember((userId, _, exchange) => answerCreate(sluice, userId, exchange)),
    },
    {
      method: 'POST',
      read: plainForm(paths.complete, /filename=[!"$%'-~]*/),
      take: asMember((userId, asked) => answerComplete(sluice, userId, asked)),
    },
    {
      method: 'GET',
      read: plainForm(paths.plainDownload),
      take: makeQuickDownload(sluice, { sessions, limit: rates.requests, logExchange }),
    },
  ])
}
