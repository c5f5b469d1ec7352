/** The server that does nothing, where there is no C compiler: like sink.c, and as much slower as the client beside it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const block = Buffer.alloc(2 ** 20)

const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
  request.resume()
  const size = Number(/^\/bytes\/(\d+)/.exec(request.url ?? '')?.[1])
  if (Number.isNaN(size)) {
    await once(request, 'end')
    response.end(answer)
    return
  }
  const [, first, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
  let left = first === undefined ? size : Number(last) - Number(first) + 1
  response.setHeader('Content-Length', left)
  for (; left > 0; left -= block.length)
    if (!response.write(block.subarray(0, left))) await Promise.race([once(response, 'drain'), once(response, 'close')])
  response.end()
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const answer = JSON.stringify({
  content_uri: 'mxc://localhost/0123456789abcdef',
  upload_url: `http://127.0.0.1:${port}/upload`,
})
console.log(port)
