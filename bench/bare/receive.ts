/**
 * `node receive.ts DIR [write]`: the least that a server of Node can do with the body of a PUT: let it pass, or write it to a file that
 * is named like the end of the path. It neither hashes nor syncs, knows no limit, and asks nobody who they are. What it reaches is what Node leaves to whoever does all that.
 */
import { closeSync, openSync, writev } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { basename, join } from 'node:path'
import { answer, listen } from './answer.ts'

const [dir = '.', what = ''] = process.argv.slice(2)
/** As Sluice has it: batches of so many bytes, two of them under way. */
const batchBytes = 512 * 1024
const mostUnderWay = 2

listen(
  createServer(async (req, res) => {
    await (what === 'write' ? writeBody(req) : passBody(req))
    answer(res)
  }),
)

function passBody(req: IncomingMessage): Promise<void> {
  return new Promise(resolve => void req.on('data', () => {}).on('end', resolve))
}

function writeBody(req: IncomingMessage): Promise<void> {
  const file = openSync(join(dir, basename(req.url ?? '')), 'w')
  let batch: Buffer[] = []
  let [size, position, underWay] = [0, 0, 0]
  return new Promise((resolve, reject) => {
    let hasEnded = false

    function writeBatch(): void {
      const [written, at] = [batch, position]
      position += size
      underWay += 1
      batch = []
      size = 0
      writev(file, written, at, error => {
        if (error !== null) return reject(error)
        underWay -= 1
        // Without this, half of the time goes to the collector.
        for (const { buffer } of written) if (buffer instanceof ArrayBuffer) buffer.transfer(0)
        if (req.isPaused()) req.resume()
        if (hasEnded) endWhenWritten()
      })
    }

    function endWhenWritten(): void {
      if (underWay > 0) return
      closeSync(file)
      resolve()
    }

    req.on('data', chunk => {
      batch.push(chunk)
      size += chunk.length
      if (size < batchBytes) return
      writeBatch()
      if (underWay >= mostUnderWay) req.pause()
    })
    req.on('end', () => {
      hasEnded = true
      if (size > 0) writeBatch()
      else endWhenWritten()
    })
  })
}
