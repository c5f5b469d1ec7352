/**
 * `node cycles.ts DIR`: create, PUT and complete with everything that makes them durable and with nothing else: the same schema, one
 * COMMIT with its sync for the writes of a turn, small bodies as rows, others as synced files, and one signature for each URL. No token
 * is looked at, no limit, no type, nothing is logged, and nothing that goes wrong is handled. What it reaches is what Node and SQLite
 * leave to whoever does all that.
 */
import { generateKeyPairSync, hash, sign } from 'node:crypto'
import { closeSync, fdatasync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { migrations } from '../../src/database/migrations.ts'
import { smallObjectLimit } from '../../src/storage/small-objects.ts'
import { answer, listen } from './answer.ts'

const [dir = '.'] = process.argv.slice(2)
const owner = '@bench:localhost'
const ttl = 86_400_000
const contentType = 'application/octet-stream'
const { privateKey } = generateKeyPairSync('ed25519')

const sql = new BetterSqlite3(join(dir, 'bare.db'))
sql.pragma('journal_mode = WAL')
sql.pragma('synchronous = FULL')
sql.pragma('cache_size = -65536')
for (const step of migrations) sql.exec(step)
mkdirSync(join(dir, 'objects'))

const begin = sql.prepare('BEGIN IMMEDIATE')
const commit = sql.prepare('COMMIT')
const reserve = sql.prepare(
  'INSERT INTO pending (media_id, owner, created_at, frozen, expires_at) VALUES (?, ?, ?, 0, ?)',
)
const keep = sql.prepare('INSERT INTO small_object (sha256, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING')
const record = sql.prepare(
  'UPDATE pending SET sha256 = ?, size = ?, content_type = ?, uploaded_at = ? WHERE media_id = ?',
)
const publish = sql.prepare(
  `INSERT INTO media (media_id, owner, state, created_at, ended_at, frozen, size, sha256, content_type)
   SELECT media_id, owner, 'ready', created_at, ?, frozen, size, sha256, content_type FROM pending WHERE media_id = ?`,
)
const forget = sql.prepare('DELETE FROM pending WHERE media_id = ?')

let waiting: { readonly work: () => void; readonly done: () => void }[] = []

function write(work: () => void): Promise<void> {
  return new Promise(done => {
    waiting.push({ work, done })
    if (waiting.length === 1) setImmediate(flush)
  })
}

function flush(): void {
  const group = waiting
  waiting = []
  begin.run()
  for (const { work } of group) work()
  commit.run()
  for (const { done } of group) done()
}

let ids = 0
const newId = () => `${Date.now().toString(36)}${(ids++).toString(36).padStart(6, '0')}`

function signed(text: string): Promise<string> {
  return new Promise((resolve, reject) =>
    sign(null, Buffer.from(text), privateKey, (error, signature) =>
      error === null ? resolve(signature.toString('base64url')) : reject(error),
    ),
  )
}

function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  return new Promise(resolve =>
    req.on('data', chunk => chunks.push(chunk)).on('end', () => resolve(Buffer.concat(chunks))),
  )
}

function writeFile(name: string, bytes: Buffer): Promise<void> {
  const path = join(dir, name)
  const file = openSync(path, 'wx')
  writeSync(file, bytes)
  return new Promise((resolve, reject) =>
    fdatasync(file, error => {
      if (error !== null) return reject(error)
      closeSync(file)
      renameSync(path, join(dir, 'objects', name))
      resolve()
    }),
  )
}

const api = createServer(async (req, res) => {
  req.resume()
  const now = Date.now()
  if (req.url?.endsWith('/create')) {
    const id = newId()
    await write(() => void reserve.run(id, owner, now, now + ttl))
    const url = `http://127.0.0.1:${edgePort}/media-repo/upload/${id}?signed=${await signed(id)}`
    return answer(
      res,
      JSON.stringify({ content_uri: `mxc://localhost/${id}`, unused_expires_at: now + ttl, upload_url: url }),
    )
  }
  const id = /\/([^/]+)\/complete$/.exec(req.url ?? '')?.[1]
  await write(() => {
    publish.run(now, id)
    forget.run(id)
  })
  answer(res)
})

const edge = createServer(async (req, res) => {
  const id = /\/upload\/([^/?]+)/.exec(req.url ?? '')?.[1]
  const bytes = await bodyOf(req)
  const digest = hash('sha256', bytes, 'buffer')
  const isSmall = bytes.length <= smallObjectLimit
  if (!isSmall) await writeFile(digest.toString('hex'), bytes)
  await write(() => {
    if (isSmall) keep.run(digest, bytes)
    record.run(digest, bytes.length, contentType, Date.now(), id)
  })
  answer(res)
})

const [, edgePort] = await listen(api, edge)
