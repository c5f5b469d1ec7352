/** The answer to an upload that is refused early must reach the client, not a reset. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import http from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import * as undici from 'undici'
import { refuse } from '../../src/domain/errors.ts'
import type { Step } from '../../src/http/context.ts'
import { openBody } from '../../src/http/request-body.ts'
import { parseAnswer, rawClient, zeros } from '../support/raw-http.ts'
import { tempDir } from '../support/temp-dir.ts'
import { webApp } from '../support/web-app.ts'

const mebibyte = 1024 * 1024
const limit = 10_000

/** Refuses by the head if it can, and while counting otherwise, as the object store does. */
const upload: Step = async ctx => {
  const { maxBytes, ...body } = openBody(ctx, { maxBytes: limit })
  const stream = body.stream()
  let size = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) refuse('too_large', `More than ${maxBytes} bytes`, { fields: { max_bytes: maxBytes } })
  }
  ctx.body = { size }
}

const refuseAll: Step = () => refuse('grant_refused', 'No')

for (const chunked of [false, true]) {
  const framing = chunked ? 'without Content-Length' : 'with Content-Length'

  test.serial(`curl sending 200 MiB ${framing} gets to read the 413`, async t => {
    const { url } = await webApp(t, upload)
    const file = await sparseFile(t, 200 * mebibyte)
    // "Expect:" turns curl's own waiting off, so that it is in the middle of sending.
    const { status, body, exitCode } = await curl(url, [
      ...['-T', file, '-H', 'Expect:'],
      ...(chunked ? ['-H', 'Transfer-Encoding: chunked'] : []),
    ])
    t.is(status, 413)
    t.like(JSON.parse(body), { errcode: 'M_TOO_LARGE', max_bytes: limit })
    t.is(exitCode, 0)
  })

  test.serial(`curl waiting for 100 Continue ${framing} gets to read the 413`, async t => {
    const { url } = await webApp(t, upload)
    const file = await sparseFile(t, 200 * mebibyte)
    const { status, body, exitCode } = await curl(url, [
      ...['-T', file, '-H', 'Expect: 100-continue'],
      ...(chunked ? ['-H', 'Transfer-Encoding: chunked'] : []),
    ])
    t.is(status, 413)
    t.like(JSON.parse(body), { errcode: 'M_TOO_LARGE' })
    t.is(exitCode, 0)
  })

  test.serial(`node:http sending 200 MiB ${framing} gets to read the 413`, async t => {
    const { url } = await webApp(t, upload)
    const request = http.request(url, {
      method: 'PUT',
      headers: chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': 200 * mebibyte },
    })
    request.on('error', () => {})
    zeros(200 * mebibyte).pipe(request)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    t.is(response.statusCode, 413)
    t.is(response.headers.connection, 'close')
    t.like(JSON.parse(await text(response)), { errcode: 'M_TOO_LARGE' })
  })

  test.serial(`undici sending 200 MiB ${framing} gets to read the 413`, async t => {
    const { url } = await webApp(t, upload)
    const { statusCode, body } = await undici.request(url, {
      method: 'PUT',
      body: zeros(200 * mebibyte),
      headers: chunked ? {} : { 'content-length': String(200 * mebibyte) },
    })
    t.is(statusCode, 413)
    t.like(await body.json(), { errcode: 'M_TOO_LARGE' })
  })

  test.serial(`a client that reads nothing before it has sent 200 MiB ${framing} gets to read the 413`, async t => {
    const { port } = await webApp(t, upload)
    const socket = rawClient(t, port)
    const head = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${200 * mebibyte}`
    socket.write(`PUT / HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n`)
    socket.pause()
    const piece = Buffer.alloc(mebibyte)
    for (let sent = 0; sent < 200; sent += 1) {
      if (chunked) socket.write(`${mebibyte.toString(16)}\r\n`)
      const more = socket.write(piece)
      if (chunked) socket.write('\r\n')
      if (!more) await once(socket, 'drain')
    }
    if (chunked) socket.write('0\r\n\r\n')
    const { status, body } = parseAnswer(await text(socket))
    t.is(status, 413)
    t.like(JSON.parse(body), { errcode: 'M_TOO_LARGE' })
  })
}

test.serial('fetch sending 200 MiB from memory gets to read the 413', async t => {
  const { url } = await webApp(t, upload)
  const response = await fetch(url, { method: 'PUT', body: Buffer.alloc(200 * mebibyte) })
  t.is(response.status, 413)
  t.like(await response.json(), { errcode: 'M_TOO_LARGE', max_bytes: limit })
})

test.serial('a refusal before the body is looked at reaches a client in the middle of sending', async t => {
  const { url } = await webApp(t, refuseAll)
  const response = await fetch(url, { method: 'PUT', body: Buffer.alloc(50 * mebibyte) })
  t.is(response.status, 403)
  t.like(await response.json(), { errcode: 'M_FORBIDDEN' })
})

async function sparseFile(t: ExecutionContext, size: number): Promise<string> {
  const path = join(tempDir(t), 'zeros')
  const file = await open(path, 'w')
  await file.truncate(size)
  await file.close()
  return path
}

interface CurlResult {
  readonly status: number
  readonly body: string
  readonly exitCode: number | null
}

async function curl(url: string, args: readonly string[]): Promise<CurlResult> {
  const child = spawn('curl', ['-s', '-w', '\n%{http_code}', ...args, `${url}/file`])
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<[number | null]>])
  const end = output.lastIndexOf('\n')
  return { status: Number(output.slice(end + 1)), body: output.slice(0, end), exitCode }
}
