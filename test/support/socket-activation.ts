/**
 * What systemd does for a service with sockets: opens them, starts the service with them, and starts it again when it has ended.
 * `node socket-activation.ts NAMES END COMMAND…`; prints its addresses, then a line with the process id of each start, then what that
 * prints. Ends when the service does, if it fails or there is a file END.
 *
 * It listens, and never accepts: whoever is not accepted by the service waits in the kernel. So it may never come back to its event loop.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'

const [names = '', endFile = '', ...command] = process.argv.slice(2)

const servers = [createServer(), createServer()]
for (const server of servers) server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
await Promise.all(servers.map(server => once(server, 'listening')))
const urls = servers.map(server => `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
console.log(JSON.stringify({ event: 'listening', urls }))

// Node has no public name for the number of a socket's descriptor.
const descriptors = servers.map(server => (server as unknown as { _handle: { fd: number } })._handle.fd)

// The process id is known to the shell alone, which becomes the service.
const script = `echo '{"event":"starting","pid":'$$'}'; LISTEN_PID=$$ exec "$@"`
while (!existsSync(endFile)) {
  const { status } = spawnSync('sh', ['-c', script, 'sh', ...command], {
    stdio: ['ignore', 'inherit', 'inherit', ...descriptors],
    env: { ...process.env, LISTEN_FDS: String(descriptors.length), ...(names !== '' && { LISTEN_FDNAMES: names }) },
  })
  if (status !== 0) process.exit(status ?? 1)
}
process.exit(0)
