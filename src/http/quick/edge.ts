/** What goes quick on the edge: the bytes of an upload. */
import type { EdgeNeeds } from '../edge.ts'
import type { LogExchange } from '../request-log.ts'
import { answerPut, putPath } from '../routes/put-object.ts'
import { makeQuickAnswer } from './quick-answer.ts'
import { firstOf, plainForm, type QuickWay } from './quick-way.ts'

/** For one configuration; made anew with the next. @param logExchange the one of the usual way */
export function makeQuickEdge(sluice: EdgeNeeds, logExchange: LogExchange): QuickWay {
  const answer = makeQuickAnswer(sluice, { surface: 'edge', logExchange })

  return firstOf([
    {
      method: 'PUT',
      read: plainForm([putPath], /signed=[\w.-]+/),
      take: (asked, req, res) => answer({ asked, req, res }, exchange => answerPut(sluice, asked, exchange)),
    },
  ])
}
