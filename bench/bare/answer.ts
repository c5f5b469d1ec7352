/** What the bare servers share: where they listen, and an answer with the headers that any gateway of Matrix has to send. */
import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const headers = {
  'Content-Type': 'application/json',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'X-Requested-With, Content-Type, Authorization',
}

export function answer(res: ServerResponse, body = '{}', status = 200): void {
  res.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  res.end(body)
}

/** Says the ports on standard output once all of these listen. */
export async function listen(...servers: readonly Server[]): Promise<readonly number[]> {
  const ports: number[] = []
  for (const server of servers) {
    server.keepAliveTimeout = 60_000
    await once(server.listen(0, '127.0.0.1'), 'listening')
    ports.push((server.address() as AddressInfo).port)
  }
  console.log(JSON.stringify(ports))
  return ports
}
