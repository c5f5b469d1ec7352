/**
 * A port that speaks HTTP (`connections.ts`), or the inside of one that another process has opened.
 */
import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Address } from '../config/config.ts'
import {
  type Connections,
  type ConnectionsOptions,
  defaultMaxConnections,
  keepAliveInitialDelay,
  makeConnections,
} from './connections.ts'

export interface ListenerOptions extends ConnectionsOptions, ListeningOptions {}

export interface ListeningOptions {
  readonly address: Address
  /** A descriptor that listens already; then `address` does not count. */
  readonly socket?: number | undefined
}

/** The real address, not the configured one. */
export interface ListeningAddress {
  readonly host: string
  readonly port: number
  /** `http://host:port`, reachable from this machine; no trailing slash. */
  readonly url: string
}

export interface Listener extends ListeningAddress, Pick<Connections, 'close'> {}

/** @throws as `listen` */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { server, close } = makeConnections(options)
  const address = await listen(server, options)
  server.on('error', error => options.log.error({ err: error }, 'the listener failed'))
  return { ...address, close }
}

export interface Inlet extends Pick<Connections, 'close'> {
  take(socket: Socket): void
}

/** Speaks HTTP on connections that another process has accepted and handed over. */
export function openInlet(options: ConnectionsOptions): Inlet {
  const { server, close } = makeConnections(options)
  const { maxConnections = defaultMaxConnections } = options
  let open = 0
  // Node watches over the time that a head may take from when it listens, which this one never will.
  server.emit('listening')
  return {
    close,
    take: socket => {
      if (open >= maxConnections) return void socket.destroy()
      open += 1
      socket.once('close', () => {
        open -= 1
      })
      // What Node does for connections that it accepts itself.
      socket.allowHalfOpen = true
      socket.setNoDelay(true)
      socket.setKeepAlive(true, keepAliveInitialDelay)
      server.emit('connection', socket)
    },
  }
}

/**
 * How many connections may wait to be accepted; the kernel's own limit (`somaxconn`) counts as well. Those that come to a passed socket
 * during a restart wait here.
 */
const backlog = 4096

/** @throws Error EADDRINUSE, EACCES and the like; EINVAL, EBADF and the like for a descriptor that is no listening TCP socket */
export async function listen(server: Server, { address, socket }: ListeningOptions): Promise<ListeningAddress> {
  server.listen({ ...(socket === undefined ? address : { fd: socket }), backlog })
  await once(server, 'listening')
  const { address: host, port } = addressOf(server)
  return { host, port, url: `http://${urlHost(host)}:${port}` }
}

/** @throws Error for a descriptor that is a socket of another family, whose clients have no address to be told apart by */
function addressOf(server: Server): AddressInfo {
  const address = server.address()
  if (address !== null && typeof address === 'object') return address
  server.close()
  throw Object.assign(new Error('listen: the passed descriptor is not a TCP socket'), { syscall: 'listen' })
}

/** A wildcard address can be listened on, but not connected to everywhere. */
function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
