/**
 * What becomes of headers on their way through: only those that concern one connection are taken out (RFC 9110 §7.6.1). All others
 * keep their order, their spelling and their repetitions.
 */
import { refuse } from '../domain/errors.ts'

/** Name, value, name, value, … as on the wire; one character per byte (latin1). */
export type RawHeaders = readonly string[]

/** `TE` and `Trailer` among them, because trailers are not passed on. */
const singleConnection = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/**
 * What `Connection` can not take out, although it may name it: these say how long the message is, whom it is for, and who sent it. A
 * client could otherwise erase what the proxy in front of us has written about it.
 */
const notNegotiable: ReadonlySet<string> = new Set([
  'content-length',
  'host',
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])

/** The headers that are meant for the other end. */
export function endToEnd(headers: RawHeaders): string[] {
  const named = listed(headers, 'connection').filter(name => !notNegotiable.has(name))
  const dropped = new Set([...singleConnection, ...named])
  return pairs(headers).flatMap(([name, value]) => (dropped.has(name.toLowerCase()) ? [] : [name, value]))
}

export interface Origin {
  /** The peer of our own connection; undefined when it is not known any more. */
  readonly clientAddress: string | undefined
  readonly proto: 'http' | 'https'
}

/**
 * The headers of a request as the homeserver gets them. `Expect` goes too: it was for us, and it has been answered by the time that
 * the body comes.
 * @throws MediaError `homeserver_unreachable` when this request has been through here before
 */
export function requestHeaders(headers: RawHeaders, { clientAddress, proto }: Origin): string[] {
  refuseLoop(headers)
  const kept = pairs(endToEnd(headers)).flatMap(([name, value]) =>
    replaced.has(name.toLowerCase()) ? [] : [name, value],
  )
  const path = [
    ...listed(headers, 'x-forwarded-for', verbatim),
    ...(clientAddress === undefined ? [] : [plain(clientAddress)]),
  ]
  if (path.length > 0) kept.push('X-Forwarded-For', path.join(', '))
  if (valuesOf(headers, 'x-forwarded-proto').length === 0) kept.push('X-Forwarded-Proto', proto)
  const [host] = valuesOf(headers, 'host')
  if (host !== undefined && valuesOf(headers, 'x-forwarded-host').length === 0) kept.push('X-Forwarded-Host', host)
  kept.push('Via', [...listed(headers, 'via', verbatim), viaSluice].join(', '))
  return kept
}

const replaced: ReadonlySet<string> = new Set(['expect', 'via', 'x-forwarded-for'])

/** RFC 9110 §7.6.3: a gateway says that it was here, which is also how it notices that it is going round in circles. */
export const viaSluice = '1.1 sluice'

/**
 * The URL of the homeserver is easily set to the public one, which leads back here, and from here to there, until no connection is left.
 * @throws MediaError `homeserver_unreachable`
 */
export function refuseLoop(headers: RawHeaders): void {
  if (!listed(headers, 'via').includes(viaSluice)) return
  refuse('homeserver_unreachable', 'The homeserver can not be reached: the configured URL leads back to this gateway', {
    cause: new Error(
      'homeserver.url must be the address of the homeserver itself, past every proxy that routes to Sluice',
    ),
  })
}

function valuesOf(headers: RawHeaders, wanted: string): string[] {
  return pairs(headers).flatMap(([name, value]) => (name.toLowerCase() === wanted ? [value] : []))
}

function pairs(headers: RawHeaders): (readonly [name: string, value: string])[] {
  return headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1] ?? ''] as const] : []))
}

/** The members of a comma-separated header, from all its lines. */
function listed(headers: RawHeaders, name: string, spelling = (member: string) => member.toLowerCase()): string[] {
  return valuesOf(headers, name)
    .flatMap(value => value.split(','))
    .map(member => spelling(member.trim()))
    .filter(member => member !== '')
}

function verbatim(member: string): string {
  return member
}

/** An IPv4 address that arrived on an IPv6 socket, in the form that everybody writes down. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}
