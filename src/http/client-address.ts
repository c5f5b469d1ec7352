/**
 * Who is at the other end, when proxies stand in between: the last address that no trusted proxy vouches for.
 */
import { BlockList, isIPv6 } from 'node:net'
import type { Context } from './context.ts'

export type ClientAddress = (ctx: Context) => string

/** @param trustedProxies networks in CIDR notation whose X-Forwarded-For is believed */
export function makeClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const isTrusted = makeIsTrusted(trustedProxies)
  return ctx => {
    const hops = [...ctx.get('X-Forwarded-For').split(','), ctx.req.socket.remoteAddress ?? '']
      .map(plain)
      .filter(hop => hop !== '')
    // From the near end: whatever an untrusted hop says of those before it may be invented.
    return hops.findLast(hop => !isTrusted(hop)) ?? hops[0] ?? ''
  }
}

/** True when a trusted proxy brings the request: our own peer, which says for whom it is. @param trustedProxies as above */
export function makeIsFromProxy(trustedProxies: readonly string[]): (ctx: Context) => boolean {
  const isTrusted = makeIsTrusted(trustedProxies)
  return ctx => {
    const { remoteAddress } = ctx.req.socket
    // A Unix socket has no address, and whoever may open it is trusted.
    return ctx.get('X-Forwarded-For') !== '' && (remoteAddress === undefined || isTrusted(plain(remoteAddress)))
  }
}

function makeIsTrusted(networks: readonly string[]): (address: string) => boolean {
  const trusted = new BlockList()
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/')
    trusted.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  return address => trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** An IPv4 address that arrived on an IPv6 socket is an IPv4 address. */
function plain(hop: string): string {
  return hop.trim().replace(/^::ffff:(?=\d+\.)/, '')
}
