/** The quick way if there is one, and the usual way otherwise. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { QuickWay } from './quick-way.ts'

type Way = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/**
 * Never rejects. Both ways answer themselves whatever goes wrong on them; what gets past that is a defect, and must leave neither a client
 * waiting nor the log empty.
 */
export function eitherWay({ log }: { readonly log: Pick<Logger, 'error'> }, quick: QuickWay, usual: Way): Way {
  return async (request, response) => {
    try {
      if (!(await quick(request, response))) await usual(request, response)
    } catch (error) {
      log.error({ err: error }, 'a request could not be answered')
      response.destroy()
    }
  }
}
