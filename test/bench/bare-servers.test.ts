import { hash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import BetterSqlite3 from 'better-sqlite3'
import { type BareOptions, startBare } from '../../bench/peers/bare.ts'
import { smallObjectLimit } from '../../src/storage/small-objects.ts'
import { tempDir } from '../support/temp-dir.ts'

// What they do has to be done in truth: they say what Node could reach.

async function bare(t: ExecutionContext, program: BareOptions['program'], ...args: readonly string[]) {
  const dir = join(tempDir(t), 'bare')
  mkdirSync(dir)
  const server = await startBare({ program, args: args.map(arg => (arg === 'DIR' ? dir : arg)), dir })
  t.teardown(() => server.stop())
  return { dir, urls: server.ports.map(port => `http://127.0.0.1:${port}`) }
}

test('the one that writes has the whole body in a file before it answers', async t => {
  const { dir, urls } = await bare(t, 'receive', 'DIR', 'write')
  const body = Buffer.alloc(3_000_001, 'body ')
  t.is((await fetch(`${urls[0]}/body-0`, { method: 'PUT', body })).status, 200)
  t.true(readFileSync(join(dir, 'body-0')).equals(body))
})

test('the one that only receives takes any body', async t => {
  const { urls } = await bare(t, 'receive', 'DIR')
  t.is((await fetch(`${urls[0]}/body-0`, { method: 'PUT', body: Buffer.alloc(3_000_001) })).status, 200)
})

for (const [kind, size] of [
  ['a row', 1000],
  ['a file', smallObjectLimit + 1],
] as const) {
  test(`a cycle leaves a media, and its bytes as ${kind}`, async t => {
    const { dir, urls } = await bare(t, 'cycles', 'DIR')
    const [api, edge] = urls
    const created = await (await fetch(`${api}/_matrix/media/v1/create`, { method: 'POST' })).json()
    const { content_uri: uri, upload_url: url } = created as { content_uri: string; upload_url: string }
    t.true(url.startsWith(`${edge}/`))
    const body = Buffer.alloc(size, 7)
    const digest = hash('sha256', body, 'buffer')
    t.is((await fetch(url, { method: 'PUT', body })).status, 200)
    t.is((await fetch(`${api}/upload/${uri.slice('mxc://'.length)}/complete`, { method: 'POST' })).status, 200)

    const sql = new BetterSqlite3(join(dir, 'bare.db'), { readonly: true })
    t.teardown(() => sql.close())
    t.deepEqual(sql.prepare('SELECT media_id, state, size, sha256 FROM media').all(), [
      { media_id: uri.slice('mxc://localhost/'.length), state: 'ready', size, sha256: digest },
    ])
    t.is(sql.prepare('SELECT count(*) FROM pending').pluck().get(), 0)
    const kept =
      size > smallObjectLimit
        ? readFileSync(join(dir, 'objects', digest.toString('hex')))
        : sql.prepare<[Buffer], Buffer>('SELECT bytes FROM small_object WHERE sha256 = ?').pluck().get(digest)
    t.true(kept?.equals(body))
  })
}

test('the one that sends asks for its token', async t => {
  const { urls } = await bare(t, 'download', '5000')
  t.is((await fetch(`${urls[0]}/`)).status, 401)
  const answer = await fetch(`${urls[0]}/`, { headers: { Authorization: 'Bearer nobody' } })
  t.is((await answer.arrayBuffer()).byteLength, 5000)
})
