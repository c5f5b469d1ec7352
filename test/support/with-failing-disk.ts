/**
 * A whole Sluice on a disk that a test can break and mend again: every call of the store goes through `fs`, the database is at hand, and
 * upkeep runs when the test says so.
 */
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { makeSqliteCatalog } from '../../src/catalog/sqlite-catalog.ts'
import { openLog } from '../../src/commands/log.ts'
import { parseConfig } from '../../src/config/parse-config.ts'
import { type Database, openDatabase } from '../../src/database/database.ts'
import { systemRandom } from '../../src/domain/clock.ts'
import { openListener } from '../../src/http/listener.ts'
import { makeArrivals } from '../../src/services/arrivals.ts'
import { makeAttempts } from '../../src/services/attempts.ts'
import { upkeep } from '../../src/services/expire-media.ts'
import { makeFreeSpace } from '../../src/services/free-space.ts'
import { makeGate } from '../../src/services/gate.ts'
import { makeRenderFailures } from '../../src/services/render-failures.ts'
import { makeSingleFlight } from '../../src/services/single-flight.ts'
import type { Foundation } from '../../src/start/foundation.ts'
import { makeApiHandler, makeEdgeHandler } from '../../src/start/handlers.ts'
import { openDiskStore } from '../../src/storage/disk-store.ts'
import { openSigningKeys } from '../../src/tokens/keyring.ts'
import { makeGrantSigner } from '../../src/tokens/sign-grant.ts'
import { makeGrantVerifier } from '../../src/tokens/verify-grant.ts'
import { type Call, type FaultyFileSystem, faultyFileSystem } from './faulty-file-system.ts'
import { inventory } from './inventory.ts'
import { type MediaClient, mediaClient } from './media-client.ts'
import { type MovableClock, movableClock } from './movable-clock.ts'
import { tempDir } from './temp-dir.ts'
import { until } from './until.ts'

export interface FailingDisk {
  readonly client: MediaClient
  readonly api: string
  readonly clock: MovableClock
  readonly database: Database
  readonly fs: FaultyFileSystem
  /** What happens to the calls of the store from now on; undefined: nothing. */
  breakDisk(interfere: ((call: Call) => void | Promise<void>) | undefined): void
  /** One run, as the timer would do it. */
  upkeep(): Promise<unknown>
  /** What upkeep leaves wrong, in words. */
  problems(): Promise<readonly string[]>
}

const token = 'token-of-me'

/** @param settings environment variables */
export async function withFailingDisk(
  t: ExecutionContext,
  settings: Readonly<Record<string, string>> = {},
): Promise<FailingDisk> {
  const dataDir = join(tempDir(t), 'data')
  const env = {
    SLUICE_DATA_DIR: dataDir,
    SLUICE_AUTH__TOKENS: JSON.stringify([{ token, user_id: '@me:localhost' }]),
    SLUICE_LIMITS__EXEMPT_USERS: '["*"]',
    SLUICE_LIMITS__MIN_FREE_BYTES: '0',
    SLUICE_LOG__LEVEL: 'silent',
    ...settings,
  }
  const config = parseConfig({ yaml: undefined, env, cwd: tempDir(t) })
  const clock = movableClock(Date.now())
  const log = openLog(config.log, { write: () => {} })
  let interfere: ((call: Call) => void | Promise<void>) | undefined
  const fs = faultyFileSystem(call => interfere?.(call))
  const { dataDir: dir } = config
  const keysDir = join(dir, 'keys')

  const keys = await openSigningKeys(keysDir, { clock, random: systemRandom })
  const database = openDatabase(join(dir, 'sluice.db'))
  t.teardown(() => database.close())
  const catalog = makeSqliteCatalog(database)
  const { isReferenced } = catalog
  const store = await openDiskStore({ dir, ...database, isReferenced, random: systemRandom, fs })
  const foundation: Foundation = {
    dataDir: dir,
    keysDir,
    clock,
    random: systemRandom,
    log,
    catalog,
    store,
    attempts: makeAttempts({ clock }),
    freeSpace: makeFreeSpace({ clock, look: async () => Number.MAX_SAFE_INTEGER }),
    completions: makeSingleFlight(),
    renderings: makeSingleFlight(),
    renderFailures: makeRenderFailures({ clock }),
  }

  const options = { config, foundation, arrivals: makeArrivals(config.limits), decoding: makeGate(1) }
  const { serverName } = config
  const verify = await makeGrantVerifier({ keysDir, serverName, clock })
  const listen = async (onRequest: RequestListener, surface: 'api' | 'edge'): Promise<string> => {
    const address = { host: '127.0.0.1', port: 0 }
    const listener = await openListener({ onRequest, address, surface, idleTimeout: config.limits.idleTimeout, log })
    t.teardown(() => listener.close(0))
    return listener.url
  }
  const edgeUrl = await listen(makeEdgeHandler({ ...options, verify }), 'edge')
  const sign = makeGrantSigner({ keys, serverName })
  const api = await listen(makeApiHandler({ ...options, sign, edgeUrl, pageDirectory: undefined }), 'api')

  const runUpkeep = () => upkeep(foundation, new AbortController().signal)
  return {
    client: mediaClient(api, token),
    api,
    clock,
    database,
    fs,
    breakDisk: next => {
      interfere = next
    },
    upkeep: runUpkeep,
    problems: async () => {
      await runUpkeep()
      await store.close()
      // The file of a download is closed when its client has everything already.
      await until(() => fs.openDescriptors() === 0).catch(() => {})
      const open = fs.openDescriptors() === 0 ? [] : [`${fs.openDescriptors()} files are still open`]
      return [...inventory(dir, database.sql), ...open]
    },
  }
}
