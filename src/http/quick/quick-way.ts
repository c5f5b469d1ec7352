/**
 * The shortest ways to the answers that are asked for most. The usual way, step by step and fit for every kind of request, costs more than
 * all that these need. Whatever is in any way unusual takes it nevertheless, and nobody can tell from an answer which way it came: the two
 * share what a request means (`routes/`), what belongs to every answer, and what is said of errors.
 * `test/http/quick/` holds them against each other.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Asked } from '../context.ts'

/** @returns undefined, or false in the end, when nothing has been done, and the usual way has to be taken */
export type QuickWay = (request: IncomingMessage, response: ServerResponse) => Promise<boolean> | undefined

export interface QuickRoute {
  readonly method: string
  /** @returns undefined for a target of another form */
  readonly read: (target: string) => Asked | undefined
  readonly take: (asked: Asked, request: IncomingMessage, response: ServerResponse) => Promise<boolean> | undefined
}

/** Goes the first route that the request has the form of, if any. */
export function firstOf(routes: readonly QuickRoute[]): QuickWay {
  return (request, response) => {
    const { method, url = '' } = request
    for (const route of routes) {
      const asked = route.method === method ? route.read(url) : undefined
      if (asked !== undefined) return route.take(asked, request, response)
    }
    return undefined
  }
}

/**
 * Reads the targets of a route in their plain form: no escapes in the path, and nothing behind it.
 * @param paths as the router knows them
 * @param query the form that the query may have, if there may be one
 */
export function plainForm(paths: readonly string[], query = /(?!)/): QuickRoute['read'] {
  const forms = paths.map(path => {
    const parts = path.replaceAll('.', '\\.').replaceAll(/:(\w+)/g, '(?<$1>[\\w.:-]+)')
    return new RegExp(`^(?<path>${parts})(?:\\?(?<querystring>${query.source}))?$`)
  })
  return target => {
    for (const form of forms) {
      const groups = form.exec(target)?.groups
      if (groups !== undefined)
        return { path: groups.path ?? '', params: groups, querystring: groups.querystring ?? '' }
    }
    return undefined
  }
}
