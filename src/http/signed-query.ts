/** The token of a signed URL. */
import { refuse } from '../domain/errors.ts'
import type { Asked } from './context.ts'

/** @throws MediaError `grant_refused` when there is none, or more than one */
export function signedOf({ querystring }: Asked): string {
  const [token, ...others] = new URLSearchParams(querystring).getAll('signed')
  if (!token || others.length > 0) refuse('grant_refused', 'This URL needs exactly one ?signed= token')
  return token
}
