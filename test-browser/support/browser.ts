/** A Chromium, pages in it, and what those pages really send. */
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Browser, type BrowserContextOptions, type CDPSession, chromium, type Page } from 'playwright-core'
import type { Server } from './server.ts'

/** Besides --headless, which the launch adds, and a fresh profile for each launch. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const commonNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

/** @throws Error saying what to install: a suite that skips itself would look like one that has passed */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium(), headless: true, args: flags, timeout: 120_000 })
}

function findChromium(): string {
  const chosen = process.env.CHROMIUM_PATH
  if (chosen !== undefined) {
    if (existsSync(chosen)) return chosen
    throw new Error(`CHROMIUM_PATH is ${chosen}, and there is no such file`)
  }
  const directories = (process.env.PATH ?? '').split(delimiter)
  const found = directories.flatMap(directory => commonNames.map(name => join(directory, name))).find(existsSync)
  if (found !== undefined) return found
  throw new Error(
    `The browser tests need Chromium, and none of ${commonNames.join(', ')} is on the PATH. ` +
      'Install it ("apt-get install chromium" on Debian and Ubuntu), or set CHROMIUM_PATH to its binary.',
  )
}

export interface SentRequest {
  readonly url: string
  readonly method: string
  /** Names in lower case, as they went over the wire; undefined until they have. */
  headers: Readonly<Record<string, string>> | undefined
}

export interface OpenPage {
  readonly page: Page
  /** Everything sent so far. Taken from the network log, because interception would keep preflights from being sent at all. */
  readonly sent: readonly SentRequest[]
  /** Uncaught errors and violations of the security policy; a good page has none. */
  readonly complaints: readonly string[]
  /** Bytes per second from now on. */
  slowUploadsTo(bytesPerSecond: number): Promise<void>
  atFullSpeed(): Promise<void>
  /** Kept in the directory that SLUICE_SCREENSHOTS names, if it does. */
  screenshot(name: string): Promise<void>
}

/** @param fragment after the `#` of the address @param options of the browser context, e.g. the size of the window */
export async function openPage(
  t: ExecutionContext,
  browser: Browser,
  server: Server,
  { fragment = '', ...options }: BrowserContextOptions & { readonly fragment?: string } = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(90_000)

  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(error.message))
  page.on('console', message => {
    if (message.text().includes('Content Security Policy')) complaints.push(message.text())
  })

  const network = await context.newCDPSession(page)
  const sent = await listen(network)
  const throttle = (uploadThroughput: number): Promise<void> =>
    network.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput,
    })

  await page.goto(`${server.apiUrl}/${fragment === '' ? '' : `#${fragment}`}`)
  return {
    page,
    sent,
    complaints,
    slowUploadsTo: throttle,
    atFullSpeed: () => throttle(-1),
    screenshot: name => keepScreenshot(page, name),
  }
}

async function listen(network: CDPSession): Promise<SentRequest[]> {
  const sent: SentRequest[] = []
  const byId = new Map<string, SentRequest>()
  // The two events of a request come in either order.
  const early = new Map<string, SentRequest['headers']>()
  network.on('Network.requestWillBeSent', ({ requestId, request }) => {
    const entry = { url: request.url, method: request.method, headers: early.get(requestId) }
    byId.set(requestId, entry)
    sent.push(entry)
  })
  network.on('Network.requestWillBeSentExtraInfo', ({ requestId, headers }) => {
    const lowered = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
    const entry = byId.get(requestId)
    if (entry === undefined) early.set(requestId, lowered)
    else entry.headers = lowered
  })
  await network.send('Network.enable')
  return sent
}

async function keepScreenshot(page: Page, name: string): Promise<void> {
  const directory = process.env.SLUICE_SCREENSHOTS
  if (directory === undefined) return
  mkdirSync(directory, { recursive: true })
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true })
}
