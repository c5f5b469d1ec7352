/** What a request carries through its middleware. */
import type { RouterContext, RouterMiddleware } from '@koa/router'
import type { Principal } from '../services/sessions.ts'

export interface State {
  requestId: string
  /** Set once the access token has been recognised. */
  principal?: Principal
  /** For the request log. */
  userId?: string
  /** For the request log: the homeserver behind us answered, not we. */
  forwarded?: true
}

/** What a request asks for, by its target. */
export type Asked = Readonly<Pick<RouterContext<State>, 'path' | 'params' | 'querystring'>>

/** What a route says when all went well: a JSON object, and headers of its own. */
export interface Success {
  readonly headers?: Readonly<Record<string, string>>
  readonly body: object
}

export type Context = RouterContext<State>
export type Step = RouterMiddleware<State>
