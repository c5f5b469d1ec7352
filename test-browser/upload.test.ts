/** What a newcomer does first, in a real browser, from the API's origin to the edge's. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Browser, Page } from 'playwright-core'
import { tempDir } from '../test/support/temp-dir.ts'
import { launchBrowser, openPage, type SentRequest } from './support/browser.ts'
import { distance, sidewaysPhoto, swatchOfFile, swatchOfImage } from './support/pictures.ts'
import { type Server, startServer } from './support/server.ts'

let browser: Browser
test.before(async () => {
  browser = await launchBrowser()
})
test.after.always(() => browser?.close())

const MiB = 1024 ** 2
const photo = new URL('../assets/samples/photo.jpg', import.meta.url)

function upload(page: Page, name: string) {
  return page.locator('.upload', { has: page.getByRole('heading', { name, exact: true }) })
}

function puts(sent: readonly SentRequest[]): readonly SentRequest[] {
  return sent.filter(({ method }) => method === 'PUT')
}

/** As another client would, by the address the page shows. */
async function downloaded({ apiUrl, token }: Server, uri: string | null): Promise<Response> {
  const path = uri?.replace('mxc://', '')
  const response = await fetch(`${apiUrl}/_matrix/client/v1/media/download/${path}`, {
    headers: { Authorization: `Bearer ${token}` },
  })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return response
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('a photograph goes from the page to the edge, and its thumbnail and address are shown', async t => {
  const server = await startServer(t)
  const { page, sent, complaints, slowUploadsTo, screenshot } = await openPage(t, browser, server, {
    fragment: `token=${server.token}`,
  })
  await page.getByRole('button', { name: 'Change token' }).waitFor()
  t.is(page.url(), `${server.apiUrl}/`, 'the token is gone from the address bar')
  await screenshot('start')

  const bytes = readFileSync(photo)
  await slowUploadsTo(Math.ceil(bytes.length / 8))
  await page.setInputFiles('#files', { name: 'photo.jpg', mimeType: 'image/jpeg', buffer: bytes })
  const item = upload(page, 'photo.jpg')
  const seen = new Set<number>()
  const deadline = Date.now() + 120_000
  while (!(await item.locator('.uri').isVisible())) {
    if (Date.now() > deadline) throw new Error(`still not done: ${await item.innerText()}`)
    const value = await item.locator('progress').evaluate(progress => progress.value as number)
    if (value > 0 && value < 1 && seen.size === 1) await screenshot('uploading')
    seen.add(value)
    await page.waitForTimeout(20)
  }
  const between = [...seen].filter(value => value > 0 && value < 1)
  t.true(between.length >= 2, `progress was at ${[...seen].join(', ')}`)

  const image = item.getByRole('img', { name: 'Thumbnail of photo.jpg' })
  await image.waitFor()
  await screenshot('done')
  const shown = await swatchOfImage(image)
  const upright = await swatchOfFile(bytes, true)
  t.true(shown.width > 0)
  t.true(Math.abs(shown.width / shown.height - upright.width / upright.height) < 0.02)
  t.true(distance(shown, upright) < 12, `the colours differ by ${distance(shown, upright)}`)

  const uri = await item.locator('.uri').textContent()
  t.regex(uri ?? '', /^mxc:\/\/localhost\/[A-Za-z0-9_-]+$/)
  t.is(sha256(Buffer.from(await (await downloaded(server, uri)).arrayBuffer())), sha256(bytes))

  const [put, ...more] = puts(sent)
  t.deepEqual(more, [])
  t.is(new URL(put?.url ?? '').origin, new URL(server.edgeUrl).origin)
  t.not(new URL(server.edgeUrl).origin, new URL(server.apiUrl).origin)
  t.is(put?.headers?.origin, new URL(server.apiUrl).origin, 'the headers are those that were really sent')
  t.is(put?.headers?.['content-type'], 'image/jpeg')
  t.is(put?.headers?.authorization, undefined)
  const preflight = sent.find(({ method, url }) => method === 'OPTIONS' && url === put?.url)
  t.is(preflight?.headers?.['access-control-request-method'], 'PUT')
  t.false((preflight?.headers?.['access-control-request-headers'] ?? '').includes('authorization'))
  t.deepEqual(complaints, [])
})

test('a photograph taken with the telephone held upright is shown upright', async t => {
  const server = await startServer(t)
  const { page } = await openPage(t, browser, server, { fragment: `token=${server.token}` })
  const bytes = await sidewaysPhoto()
  await page.setInputFiles('#files', { name: 'sideways.jpg', mimeType: 'image/jpeg', buffer: bytes })
  const image = upload(page, 'sideways.jpg').getByRole('img', { name: 'Thumbnail of sideways.jpg' })
  await image.waitFor()
  const shown = await swatchOfImage(image)
  const upright = await swatchOfFile(bytes, true)
  t.true(shown.width > shown.height)
  t.true(distance(shown, upright) < 12, `the colours differ by ${distance(shown, upright)}`)
  t.true(distance(shown, await swatchOfFile(bytes, false)) > 24, 'lying on its side it would look different')
})

test('an upload that was cancelled half-way goes on to the same URL', async t => {
  const server = await startServer(t)
  const opened = await openPage(t, browser, server, { fragment: `token=${server.token}` })
  const { page, sent, slowUploadsTo, atFullSpeed, screenshot } = opened
  const bytes = Buffer.alloc(8 * MiB, 'sluice ')
  const path = join(tempDir(t), 'film.bin')
  writeFileSync(path, bytes)

  await slowUploadsTo(MiB / 3)
  await page.setInputFiles('#files', path)
  const item = upload(page, 'film.bin')
  await item.locator('.amount', { hasText: /^[1-7]\.\d MiB of 8\.0 MiB/ }).waitFor()
  await item.getByRole('button', { name: 'Cancel' }).click()
  await item.getByText('Cancelled').waitFor()
  t.is(await item.locator('.uri').isVisible(), false)
  await screenshot('cancelled')

  await atFullSpeed()
  await item.getByRole('button', { name: 'Try' }).click()
  await item.locator('.uri').waitFor()
  const uri = await item.locator('.uri').textContent()
  t.is(sha256(Buffer.from(await (await downloaded(server, uri)).arrayBuffer())), sha256(bytes))

  const urls = puts(sent).map(({ url }) => url)
  t.is(urls.length, 2)
  t.is(urls[0], urls[1])
  t.is(sent.filter(({ url }) => url.endsWith('/create')).length, 1)
})

test('when the edge can not be reached the page names it, and trying again is enough', async t => {
  const server = await startServer(t)
  const { page, screenshot } = await openPage(t, browser, server, { fragment: `token=${server.token}` })
  await page.route(`${server.edgeUrl}/**`, route => route.abort('connectionrefused'))
  await page.setInputFiles('#files', { name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('a note') })
  const item = upload(page, 'note.txt')
  await item.locator('.sentence', { hasText: `The connection to ${new URL(server.edgeUrl).origin} broke` }).waitFor()
  await screenshot('edge-unreachable')

  await page.unroute(`${server.edgeUrl}/**`)
  await item.getByRole('button', { name: 'Try' }).click()
  await item.locator('.uri').waitFor()
  t.is(await item.locator('.failure').isVisible(), false)
})

test('where upload URLs are switched off, the bytes go to the API', async t => {
  const server = await startServer(t, { SLUICE_EDGE__OFFER_UPLOAD_URL: 'false' })
  const { page, sent } = await openPage(t, browser, server, { fragment: `token=${server.token}` })
  await page.setInputFiles('#files', { name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('a note') })
  const uri = upload(page, 'note.txt').locator('.uri')
  await uri.waitFor()
  t.is(await (await downloaded(server, await uri.textContent())).text(), 'a note')
  t.deepEqual(
    puts(sent).map(({ url }) => new URL(url).origin),
    [new URL(server.apiUrl).origin],
  )
})

const names = ['two  words.txt', `it's "quoted" (1);.txt`, 'naïve – файл 🎉.txt', '100%25.txt']

for (const name of names) {
  test(`the name ${name} survives to the download`, async t => {
    const server = await startServer(t)
    const { page } = await openPage(t, browser, server, { fragment: `token=${server.token}` })
    await page.setInputFiles('#files', { name, mimeType: 'text/plain', buffer: Buffer.from(`this is ${name}`) })
    const item = upload(page, name)
    const asked = page.waitForResponse(response => response.url().includes('/media/download/'))
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      item.getByRole('button', { name: 'Download' }).click(),
    ])
    // What no file system of the common ones takes, Chromium itself replaces.
    t.is(download.suggestedFilename(), name.replaceAll('"', '_'))
    t.is(readFileSync(await download.path(), 'utf8'), `this is ${name}`)
    t.is(nameIn((await asked).headers()['content-disposition'] ?? ''), name, 'it is the server that remembers it')
  })
}

/** RFC 6266, all three forms. */
function nameIn(disposition: string): string | undefined {
  const extended = /filename\*=utf-8''([^;]+)/i.exec(disposition)?.[1]
  if (extended !== undefined) return decodeURIComponent(extended)
  const quoted = /filename="((?:[^"\\]|\\.)*)"/.exec(disposition)?.[1]
  return quoted?.replace(/\\(.)/g, '$1') ?? /filename=([^;]+)/.exec(disposition)?.[1]
}

test('several files that are dropped, and one that is pasted, all arrive', async t => {
  const server = await startServer(t)
  const { page, screenshot } = await openPage(t, browser, server, { fragment: `token=${server.token}` })
  const transfer = await page.evaluateHandle(`(() => {
    const transfer = new DataTransfer()
    for (const name of ['one.txt', 'two.txt', 'three.txt', 'four.txt']) {
      transfer.items.add(new File([name], name, { type: 'text/plain' }))
    }
    return transfer
  })()`)
  await page.dispatchEvent('.drop', 'dragover', { dataTransfer: transfer })
  await page.getByText('Let go to upload').waitFor()
  await screenshot('dragging')
  await page.dispatchEvent('footer', 'drop', { dataTransfer: transfer })
  t.is(await page.getByText('Let go to upload').isVisible(), false)

  await page.evaluate(`(() => {
    const clipboardData = new DataTransfer()
    clipboardData.items.add(new File(['pasted'], 'pasted.txt', { type: 'text/plain' }))
    dispatchEvent(new ClipboardEvent('paste', { clipboardData, cancelable: true }))
  })()`)
  for (const name of ['one.txt', 'two.txt', 'three.txt', 'four.txt', 'pasted.txt']) {
    await upload(page, name).locator('.uri').waitFor()
  }
  const uris = await page.locator('.uri').allTextContents()
  t.is(new Set(uris).size, 5)
})
