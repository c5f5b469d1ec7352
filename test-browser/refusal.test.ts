/** When the server says no, the page says what the server said. */
import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Browser, Page, Response } from 'playwright-core'
import { tempDir } from '../test/support/temp-dir.ts'
import { launchBrowser, openPage } from './support/browser.ts'
import { startServer } from './support/server.ts'

let browser: Browser
test.before(async () => {
  browser = await launchBrowser()
})
test.after.always(() => browser?.close())

const MiB = 1024 ** 2

function upload(page: Page, name: string) {
  return page.locator('.upload', { has: page.getByRole('heading', { name, exact: true }) })
}

interface Refusal {
  readonly errcode: string
  readonly error: string
}

function answerTo(page: Page, method: string, part: string): Promise<Response> {
  return page.waitForResponse(response => response.request().method() === method && response.url().includes(part))
}

test('a file over the limit gets the sentence of the server, not a network error', async t => {
  const server = await startServer(t, { SLUICE_LIMITS__MAX_UPLOAD_BYTES: '1MiB' })
  const { page, complaints, screenshot } = await openPage(t, browser, server, { fragment: `token=${server.token}` })
  const path = join(tempDir(t), 'huge.bin')
  writeFileSync(path, Buffer.alloc(40 * MiB))

  const answer = answerTo(page, 'PUT', '/media-repo/upload/')
  await page.setInputFiles('#files', path)
  const item = upload(page, 'huge.bin')
  await item.locator('.failure').waitFor()
  await screenshot('too-large')

  t.is((await answer).status(), 413)
  const said = await refusalOfPut(server.apiUrl, server.token, path)
  t.is(said.errcode, 'M_TOO_LARGE')
  t.is(await item.locator('.sentence').textContent(), `${said.error} ${said.errcode}`)
  t.is(await item.locator('.advice').textContent(), 'This file has 40 MiB; the limit is 1 MiB.')
  t.is(await item.getByRole('button', { name: 'Try' }).isVisible(), false, 'the same file would be refused again')
  t.deepEqual(complaints, [])
})

/** The browser's log does not keep the body of an answer that came before the request was out; so the same is asked again. */
async function refusalOfPut(apiUrl: string, token: string, path: string): Promise<Refusal> {
  const created = await fetch(`${apiUrl}/_matrix/media/v1/create`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
  })
  const { upload_url } = (await created.json()) as { upload_url: string }
  const answer = await fetch(upload_url, {
    method: 'PUT',
    body: createReadStream(path),
    duplex: 'half',
    headers: { 'Content-Length': String(40 * MiB) },
  })
  return (await answer.json()) as Refusal
}

test('a wrong token is refused in the words of the server, and with the right one the upload goes on', async t => {
  const server = await startServer(t)
  const { page, sent, complaints, screenshot } = await openPage(t, browser, server, { fragment: 'token=wrong' })
  await page.getByRole('button', { name: 'Change token' }).waitFor()
  t.is(page.url(), `${server.apiUrl}/`)

  const answer = answerTo(page, 'POST', '/create')
  await page.setInputFiles('#files', { name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('a note') })
  const item = upload(page, 'note.txt')
  await item.locator('.failure').waitFor()
  await screenshot('wrong-token')
  const { errcode, error } = (await (await answer).json()) as Refusal
  t.is(errcode, 'M_UNKNOWN_TOKEN')
  t.is(await item.locator('.sentence').textContent(), `${error} ${errcode}`)
  t.is(await page.locator('#token-error').textContent(), `${error} (${errcode})`)

  const field = page.getByLabel('Access token')
  t.is(await field.getAttribute('type'), 'password')
  await field.fill(server.token)
  await page.keyboard.press('Enter')
  await item.locator('.uri').waitFor()
  t.is(await page.locator('#token-form').isVisible(), false)
  t.is(page.url(), `${server.apiUrl}/`)
  t.deepEqual(
    sent.filter(({ url }) => url.includes(server.token)),
    [],
    'the token is in no URL',
  )
  t.deepEqual(complaints, [])

  await page.reload()
  await page.setInputFiles('#files', { name: 'again.txt', mimeType: 'text/plain', buffer: Buffer.from('a note') })
  await upload(page, 'again.txt').locator('.uri').waitFor()
  t.is(await page.locator('#token-form').isVisible(), false, 'this tab remembers it')
})

test('a file that comes before there is a token waits for it', async t => {
  const server = await startServer(t)
  const { page } = await openPage(t, browser, server)
  await page.setInputFiles('#files', { name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('a note') })
  const item = upload(page, 'note.txt')
  await item.getByText('Waiting for the access token').waitFor()
  await page.keyboard.type(server.token)
  await page.keyboard.press('Enter')
  await item.locator('.uri').waitFor()
  t.pass()
})

test('a picture that is a web page is refused with the reason of the server', async t => {
  const server = await startServer(t)
  const { page, screenshot } = await openPage(t, browser, server, { fragment: `token=${server.token}` })
  const answer = answerTo(page, 'POST', '/complete')
  const html = Buffer.from('<!doctype html><html><body><script>alert(document.domain)</script></body></html>')
  await page.setInputFiles('#files', { name: 'picture.png', mimeType: 'image/png', buffer: html })
  const item = upload(page, 'picture.png')
  await item.locator('.failure').waitFor()
  await screenshot('refused-type')

  t.is((await answer).status(), 403)
  const { errcode, error } = (await (await answer).json()) as Refusal
  t.is(await item.locator('.sentence').textContent(), `${error} ${errcode}`)
  t.true(error.includes('image/png'), error)
  t.is(await item.getByRole('button', { name: 'Try' }).isVisible(), false)
  t.is(await item.locator('.uri').isVisible(), false)
})

test('who uploads too fast is told how long to wait, and need not do anything else', async t => {
  const server = await startServer(t, { SLUICE_LIMITS__CREATE_PER_SECOND: '0.1', SLUICE_LIMITS__CREATE_BURST: '1' })
  const { page, screenshot } = await openPage(t, browser, server, { fragment: `token=${server.token}` })
  const refused = page.waitForResponse(response => response.status() === 429)
  const files = ['one.txt', 'two.txt'].map(name => ({ name, mimeType: 'text/plain', buffer: Buffer.from(name) }))
  await page.setInputFiles('#files', files)
  const item = upload(page, 'two.txt')
  await item.getByText(/Trying again in \d+ s\./).waitFor()
  await screenshot('too-fast')
  const { errcode, error } = (await (await refused).json()) as Refusal
  t.is(await item.locator('.sentence').textContent(), `${error} ${errcode}`)
  await item.locator('.uri').waitFor()
  await upload(page, 'one.txt').locator('.uri').waitFor()
})
