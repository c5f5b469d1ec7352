/** The page in the dark, on a telephone, and without a mouse. */
import test from 'ava'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser, openPage } from './support/browser.ts'
import { sidewaysPhoto } from './support/pictures.ts'
import { startServer } from './support/server.ts'

let browser: Browser
test.before(async () => {
  browser = await launchBrowser()
})
test.after.always(() => browser?.close())

const longName = `${'a-very-long-name-without-a-single-space-'.repeat(4)}.bin`

/** One of everything: a picture, a file with a long name, a refusal, an opened journal and the token form. */
async function fill(page: Page): Promise<void> {
  await page.setInputFiles('#files', [
    { name: 'Holiday.jpg', mimeType: 'image/jpeg', buffer: await sidewaysPhoto() },
    { name: longName, mimeType: 'application/octet-stream', buffer: Buffer.from('bytes') },
    { name: 'picture.png', mimeType: 'image/png', buffer: Buffer.from('<!doctype html><html><body></body></html>') },
  ])
  await page.getByRole('img', { name: 'Thumbnail of Holiday.jpg' }).waitFor()
  await page.locator('[data-phase="done"]').nth(1).waitFor()
  await page.locator('[data-phase="failed"]').waitFor()
  await page.getByText('What happened').last().click()
  await page.getByRole('button', { name: 'Change token' }).click()
}

test('nothing sticks out at a width of 360 pixels', async t => {
  const server = await startServer(t)
  const { page, complaints, screenshot } = await openPage(t, browser, server, {
    fragment: `token=${server.token}`,
    viewport: { width: 360, height: 780 },
    deviceScaleFactor: 2,
  })
  await screenshot('narrow-start')
  await fill(page)
  await screenshot('narrow-done')
  t.is(await page.evaluate('document.documentElement.scrollWidth'), 360)
  const cut = `[...document.querySelectorAll('button, code, p, h1, h3, input')].filter(element => {
    const { left, right, width } = element.getBoundingClientRect()
    return width > 1 && (left < 0 || right > 360)
  }).map(element => element.outerHTML)`
  t.deepEqual(await page.evaluate(cut), [])
  t.deepEqual(complaints, [])
})

test('it follows the system into the dark', async t => {
  const server = await startServer(t)
  const fragment = `token=${server.token}`
  const light = await openPage(t, browser, server, { fragment, colorScheme: 'light' })
  const dark = await openPage(t, browser, server, { fragment, colorScheme: 'dark' })
  await fill(dark.page)
  await dark.screenshot('dark-done')
  t.true((await brightness(light.page)) > 200)
  t.true((await brightness(dark.page)) < 60)
})

async function brightness(page: Page): Promise<number> {
  const colour: string = await page.locator('body').evaluate(body => {
    const view = body.ownerDocument.defaultView
    return view.getComputedStyle(body).backgroundColor
  })
  const channels = colour.match(/\d+/g)?.slice(0, 3).map(Number) ?? []
  return channels.reduce((sum, channel) => sum + channel, 0) / 3
}

test('the keyboard alone is enough to choose, cancel, try again, copy and clear away', async t => {
  const server = await startServer(t)
  const { page, slowUploadsTo, atFullSpeed } = await openPage(t, browser, server, {
    fragment: `token=${server.token}`,
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  await page.getByRole('button', { name: 'Change token' }).waitFor()
  const chooser = page.waitForEvent('filechooser')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await slowUploadsTo(30_000)
  await (await chooser).setFiles({ name: 'note.bin', mimeType: 'text/plain', buffer: Buffer.alloc(1_000_000, 'note ') })

  await page.getByRole('button', { name: 'Cancel' }).waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByText('Cancelled. Nothing was kept.').waitFor()
  await atFullSpeed()
  await page.keyboard.press('Enter')
  const uri = page.locator('.uri')
  await uri.waitFor()
  t.regex((await page.getByRole('status').textContent()) ?? '', /note\.bin: uploaded/)

  await page.getByRole('button', { name: 'Copy' }).focus()
  await page.keyboard.press('Enter')
  await page.getByText('Copied', { exact: true }).waitFor()
  t.is(await page.evaluate('navigator.clipboard.readText()'), await uri.textContent())

  await page.getByRole('button', { name: 'Remove' }).focus()
  await page.keyboard.press('Enter')
  t.is(await page.locator('.upload').count(), 0)
})
