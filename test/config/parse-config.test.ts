import test from 'ava'
import type { Config } from '../../src/config/config.ts'
import { ConfigError, parseConfig } from '../../src/config/parse-config.ts'

type Env = Record<string, string | undefined>

function parse(yaml?: string, env: Env = {}): Config {
  return parseConfig({ yaml, env, cwd: '/srv/sluice' })
}

/** path → message of every problem. */
function problems(yaml?: string, env: Env = {}): Record<string, string> {
  try {
    parse(yaml, env)
  } catch (error) {
    if (error instanceof ConfigError)
      return Object.fromEntries(error.problems.map(({ path, message }) => [path, message]))
    throw error
  }
  return {}
}

test('without file and environment the defaults stand alone on loopback', t => {
  t.deepEqual(parse(), {
    serverName: 'localhost',
    dataDir: '/srv/sluice/data',
    api: {
      listen: { host: '127.0.0.1', port: 8090 },
      publicUrl: undefined,
      trustedProxies: ['127.0.0.0/8', '::1/128'],
    },
    edge: { listen: { host: '127.0.0.1', port: 8091 }, publicUrl: undefined, offerUploadUrl: true, workers: 0 },
    homeserver: undefined,
    auth: { tokens: [], queryToken: true, cacheTtl: 60_000 },
    limits: {
      maxUploadBytes: 104_857_600,
      maxPendingPerUser: 100,
      unusedTtl: 86_400_000,
      createPerSecond: 10,
      createBurst: 50,
      requestsPerSecond: 100,
      requestsBurst: 2000,
      exemptUsers: [],
      quota: undefined,
      quotaExempt: [],
      idleTimeout: 60_000,
      maxWaiters: 1000,
      minFreeBytes: 512 * 1024 * 1024,
    },
    contentTypes: { mismatch: 'reject', allow: [], deny: [] },
    thumbnails: { maxPixels: 32_000_000, timeout: 20_000, concurrency: 2, quality: 80 },
    downloads: {
      redirect: false,
      accelRedirect: undefined,
      legacy: 'frozen',
      signedTtl: 600_000,
      defaultWait: 20_000,
      maxWait: 60_000,
    },
    federation: {
      allow: [],
      deny: [],
      redirect: false,
      requestsPerSecond: 50,
      requestsBurst: 500,
      allowedNetworks: [],
    },
    scrub: { enabled: true, rate: 1024 ** 2, interval: 30 * 86_400_000 },
    shutdownGrace: 30_000,
    log: { level: 'info' },
  } as unknown as Config)
})

test('an empty file, one of comments, and sections without keys are the defaults too', t => {
  for (const yaml of ['', '# later\n', '---\n', 'edge:\nlimits:\n  # unused_ttl: 1h\n'])
    t.deepEqual(parse(yaml), parse(), yaml)
})

test('a file sets what it names', t => {
  const config = parse(`
server_name: example.com:8448
data_dir: /var/lib/sluice
api: { listen: "[::1]:0", public_url: https://matrix.example.com/ }
edge: { offer_upload_url: false }
homeserver: { url: http://127.0.0.1:8008/, timeout: 5 }
auth:
  query_token: false
  tokens:
    - { token: correct-horse, user_id: "@me:example.com:8448", admin: true }
    - { token: battery-staple, user_id: "@you:example.com:8448" }
limits: { max_upload_bytes: 1GiB, unused_ttl: 30d, create_per_second: 0.5 }
content_types: { mismatch: off, allow: ["Image/*", audio/ogg] }
`)
  t.is(config.serverName as string, 'example.com:8448')
  t.is(config.dataDir, '/var/lib/sluice')
  t.like(config.api, { listen: { host: '::1', port: 0 }, publicUrl: 'https://matrix.example.com' })
  t.false(config.edge.offerUploadUrl)
  t.deepEqual(config.homeserver, { url: 'http://127.0.0.1:8008', timeout: 5000 })
  t.deepEqual(config.auth, {
    tokens: [
      { token: 'correct-horse', userId: '@me:example.com:8448', admin: true },
      { token: 'battery-staple', userId: '@you:example.com:8448', admin: false },
    ],
    queryToken: false,
    cacheTtl: 60_000,
  } as unknown as Config['auth'])
  t.is(config.limits.maxUploadBytes, 2 ** 30)
  t.is(config.limits.unusedTtl, 30 * 86_400_000)
  t.is(config.limits.createPerSecond, 0.5)
  t.deepEqual(config.contentTypes, { mismatch: 'off', allow: ['image/*', 'audio/ogg'], deny: [] })
})

test('the environment wins over the file, key by key', t => {
  const config = parse(
    'edge: { listen: 127.0.0.1:1111, public_url: https://file.example }\ncontent_types: { allow: [text/plain] }',
    {
      SLUICE_EDGE__PUBLIC_URL: 'https://env.example/',
      SLUICE_AUTH__QUERY_TOKEN: 'false',
      SLUICE_THUMBNAILS__QUALITY: '55',
      SLUICE_LIMITS__MAX_UPLOAD_BYTES: '5MB',
      SLUICE_CONTENT_TYPES__ALLOW: '["image/*"]',
      SLUICE_AUTH__TOKENS: '[{"token": "correct-horse", "user_id": "@me:localhost", "admin": true}]',
      HOME: '/root',
      sluice_data_dir: '/elsewhere',
    },
  )
  t.deepEqual(config.edge, {
    listen: { host: '127.0.0.1', port: 1111 },
    publicUrl: 'https://env.example',
    offerUploadUrl: true,
    workers: 0,
  })
  t.false(config.auth.queryToken)
  t.is(config.auth.tokens[0]?.token, 'correct-horse')
  t.is(config.thumbnails.quality, 55)
  t.is(config.limits.maxUploadBytes, 5_000_000)
  t.deepEqual(config.contentTypes.allow, ['image/*'])
  t.is(config.dataDir, '/srv/sluice/data')
})

test('a section in one variable leaves the other keys of the file, and a variable for one key beats it', t => {
  const { downloads } = parse('downloads: { redirect: true, signed_ttl: 1m, default_wait: 1s }', {
    SLUICE_DOWNLOADS__DEFAULT_WAIT: '3s',
    SLUICE_DOWNLOADS: '{"signed_ttl": "2m", "default_wait": "2s"}',
  })
  t.deepEqual(downloads, {
    redirect: true,
    accelRedirect: undefined,
    legacy: 'frozen',
    signedTtl: 120_000,
    defaultWait: 3000,
    maxWait: 60_000,
  })
})

test('a variable that is set to nothing is not set, and null takes back what the file says', t => {
  const yaml = 'homeserver: { url: http://127.0.0.1:8008 }'
  t.is(parse(yaml, { SLUICE_HOMESERVER__URL: '', SLUICE_EDGE: undefined }).homeserver?.url, 'http://127.0.0.1:8008')
  t.is(parse(yaml, { SLUICE_HOMESERVER: 'null' }).homeserver, undefined)
})

test('a problem names the variable only where the variable set the value', t => {
  const found = problems('downloads: { signed_ttl: long, redirect: perhaps }', {
    SLUICE_DOWNLOADS: '{"redirect": "no"}',
  })
  t.deepEqual(Object.keys(found).toSorted(), ['downloads.redirect (SLUICE_DOWNLOADS)', 'downloads.signed_ttl'])
})

test('every problem of file and environment comes at once, each with its path', t => {
  const found = problems(
    `
server_name: not a name
homeserver: { timeout: 1s }
auth: { tokens: [{ token: short, user_id: me }, { token: 12345678, user_id: "@me:localhost" }] }
edge: { listen: [::1], public_url: https://e.example/?q }
limits: { max_upload_bytes: 1XB, unused_ttl: 31d, max_waiters: 1.5 }
content_types: { mismatch: maybe, allow: image/png, deny: [png] }
log: loud
shutdown_grace: true
`,
    {
      SLUICE_THUMBNAILS__QUALITY: '101',
      SLUICE_AUTH__QUERY_TOKEN: 'yes',
      SLUICE_API: '{"listen": "8090"}',
      SLUICE_DOWNLOADS: 'no',
    },
  )
  t.deepEqual(Object.keys(found).toSorted(), [
    'SLUICE_DOWNLOADS',
    'api.listen (SLUICE_API)',
    'auth.query_token (SLUICE_AUTH__QUERY_TOKEN)',
    'auth.tokens[0].token',
    'auth.tokens[0].user_id',
    'auth.tokens[1].token',
    'content_types.allow',
    'content_types.deny[0]',
    'content_types.mismatch',
    'edge.listen',
    'edge.public_url',
    'homeserver.url',
    'limits.max_upload_bytes',
    'limits.max_waiters',
    'limits.unused_ttl',
    'log',
    'server_name',
    'shutdown_grace',
    'thumbnails.quality (SLUICE_THUMBNAILS__QUALITY)',
  ])
  t.is(found['homeserver.url'], 'is required')
  t.is(found['thumbnails.quality (SLUICE_THUMBNAILS__QUALITY)'], 'must be a whole number from 1 to 100')
  t.regex(found['limits.unused_ttl'] ?? '', /from 1s to 30d/)
})

test('the error itself lists the problems, one a line', t => {
  const error = t.throws(() => parse('log: { level: loud }\ndata_dir: 3'), { instanceOf: ConfigError })
  t.is(error?.message.split('\n').length, 3)
  t.regex(error?.message ?? '', /^ {2}log\.level: must be one of debug, info, warn, error, silent$/m)
})

test('an unknown key is a problem, with the key that was probably meant', t => {
  t.deepEqual(
    problems('sever_name: x\nedge: { publicUrl: x }\nmax_upload_bytes: 1\nlog: { colour: x }\n__proto__: { log: 1 }'),
    {
      sever_name: 'is not known; did you mean server_name?',
      'edge.publicUrl': 'is not known; did you mean edge.public_url?',
      max_upload_bytes: 'is not known; did you mean limits.max_upload_bytes?',
      'log.colour': 'is not known',
      ['__proto__']: 'is not known',
    },
  )
})

test('an unknown variable is a problem, with the variable that was probably meant', t => {
  t.deepEqual(
    problems('', {
      SLUICE_EDGE_PUBLIC_URL: 'x',
      SLUICE_DATADIR: 'x',
      SLUICE_COLOUR: '',
      SLUICE_EDGE: '{"listn": "x"}',
    }),
    {
      SLUICE_EDGE_PUBLIC_URL: 'is not known; did you mean SLUICE_EDGE__PUBLIC_URL?',
      SLUICE_DATADIR: 'is not known; did you mean SLUICE_DATA_DIR?',
      SLUICE_COLOUR: 'is not known',
      'edge.listn (SLUICE_EDGE)': 'is not known; did you mean edge.listen?',
    },
  )
})

test('what settings demand of each other is checked even when other settings are wrong', t => {
  t.deepEqual(
    problems(
      `
edge: { listen: 127.0.0.1:8090 }
downloads: { default_wait: 30s }
auth:
  tokens:
    - { token: correct-horse, user_id: "@me:elsewhere" }
    - { token: correct-horse, user_id: "@me:localhost" }
colour: 1
content_types: { mismatch: maybe }
limits: 3
`,
      { SLUICE_DOWNLOADS__MAX_WAIT: '20s' },
    ),
    {
      'edge.listen': 'must not be the same address as api.listen',
      'downloads.max_wait (SLUICE_DOWNLOADS__MAX_WAIT)': 'must not be shorter than downloads.default_wait',
      'auth.tokens[0].user_id': 'must be a user of this server: what follows the colon is not server_name',
      'auth.tokens[1].token': 'is the same token as in auth.tokens[0]',
      colour: 'is not known',
      'content_types.mismatch': 'must be one of reject, relabel, off',
      limits: 'must be a section with keys of its own',
    },
  )
})

test('a quota: totals, windows, a page about them, and users whom it does not concern', t => {
  const { quota, quotaExempt } = parse(`
limits:
  quota:
    max_bytes: 10GiB
    max_count: 5000
    windows: [ { per: 24h, max_bytes: 1GiB }, { per: 1h, max_count: 100 } ]
    info_uri: https://example.com/limits?lang=en
  quota_exempt: ["@bridge_*", "@me:localhost"]
`).limits
  t.deepEqual(quota, {
    maxBytes: 10 * 1024 ** 3,
    maxCount: 5000,
    windows: [
      { per: 86_400_000, maxBytes: 1024 ** 3, maxCount: undefined },
      { per: 3_600_000, maxBytes: undefined, maxCount: 100 },
    ],
    infoUri: 'https://example.com/limits?lang=en',
  })
  t.deepEqual(quotaExempt, ['@bridge_*', '@me:localhost'])
  const windows = parse('', { SLUICE_LIMITS__QUOTA__WINDOWS: '[{"per": "1h", "max_count": 3}]' }).limits.quota?.windows
  t.deepEqual(windows, [{ per: 3_600_000, maxBytes: undefined, maxCount: 3 }])
})

test('a quota that limits nothing is none', t => {
  for (const quota of ['{}', '{ windows: [] }', '{ info_uri: "https://example.com/" }'])
    t.is(parse(`limits: { quota: ${quota} }`).limits.quota, undefined, quota)
})

test('a window without a length or without a limit is a problem, and so is a user id that is none', t => {
  t.deepEqual(
    problems('limits: { quota: { windows: [{ per: 1h }, { max_count: 1 }], max_count: 0 }, quota_exempt: [bridge] }'),
    {
      'limits.quota.windows[1].per':
        'must be a duration from 1s to 366d, such as 500ms, 30s, 10m, 24h or 7d; a bare number counts seconds',
      'limits.quota.max_count': 'must be a whole number from 1 to 1000000000',
      'limits.quota_exempt[0]':
        'must be a user id in which * stands for anything, such as "@bridge_*:example.com" (in quotes)',
    },
  )
  t.deepEqual(problems('limits: { quota: { windows: [{ per: 1h }] } }'), {
    'limits.quota.windows[0]': 'must have max_bytes, max_count or both',
  })
})

test('a setting that is wrong on its own is not compared with others', t => {
  t.deepEqual(
    Object.keys(problems('server_name: "?"\nauth: { tokens: [{ token: correct-horse, user_id: "@me:localhost" }] }')),
    ['server_name'],
  )
  t.deepEqual(Object.keys(problems('downloads: { default_wait: 30s, max_wait: 1 week }')), ['downloads.max_wait'])
  t.deepEqual(Object.keys(problems('auth: 3\napi: { listen: 1 }')).toSorted(), ['api.listen', 'auth'])
})

test('both listeners may ask for port 0, or for one port on two hosts', t => {
  t.deepEqual(problems('api: { listen: 127.0.0.1:0 }\nedge: { listen: 127.0.0.1:0 }'), {})
  t.deepEqual(problems('api: { listen: 127.0.0.1:80 }\nedge: { listen: 127.0.0.2:80 }'), {})
})

test('no message repeats a secret', t => {
  const secret = 'hunter2-hunter2'
  const sources: [string, Env?][] = [
    [`auth: { tokens: [{ token: "${secret} ", user_id: "@me:elsewhere" }] }`],
    [`auth: { tokens: [{ token: ${secret}, user_id: ${secret}, admin: ${secret} }] }`],
    [`auth: { tokens: [{ ${secret}: "@me:localhost" }] }`],
    [`auth: { tokens: [${secret}] }`],
    [`auth: { tokens: ${secret} }`],
    [`auth: { tokens: { ${secret}: 1 } }`],
    [`auth: { tokens: [{ token: *${secret}, user_id: "@me:localhost" }] }`],
    [`auth: { tokens: [{ token: !${secret}, user_id: "@me:localhost" }] }`],
    [`auth: { tokens: [{ token: \`${secret}, user_id: 1 }] }`],
    [`auth: { tokens: [{ token: "${secret}, user_id: 1 }] }`],
    [`auth:\n  tokens:\n    - token: ${secret}: x`],
    [
      `auth: { tokens: [{ token: ${secret}, user_id: "@a:localhost" }, { token: ${secret}, user_id: "@a:localhost" }] }`,
    ],
    [`auth: { tokens: [{ token: ${secret}, token: ${secret}, user_id: "@a:localhost" }] }`],
    ['', { SLUICE_AUTH__TOKENS: secret }],
    ['', { SLUICE_AUTH__TOKENS: `[{"token": "${secret}", "user_id": "@me:elsewhere"}]` }],
    ['', { SLUICE_AUTH: `{"tokens": "${secret}"` }],
  ]
  for (const [yaml, env] of sources) {
    const error = t.throws(() => parse(yaml, env), { instanceOf: ConfigError }, yaml)
    t.false(JSON.stringify([error?.message, error?.problems]).includes('hunter2'), error?.message)
  }
})

test('a mistake in the YAML is told with its line and column', t => {
  t.deepEqual(Object.keys(problems('api:\n\tlisten: x')), ['line 2:1'])
  t.deepEqual(Object.keys(problems('edge:\n  listen: [::1]:80')), ['line 2:16'])
  t.deepEqual(problems('log: { level: info }\n---\nlog: { level: warn }'), {
    'line 2:1': 'the file holds more than one YAML document',
  })
  t.deepEqual(problems('- api'), { 'line 1:1': 'the file must consist of keys with values' })
  t.deepEqual(problems('? [a]\n: 1'), { 'line 1:3': 'a key must be a plain word' })
})

test('next to a file that is not YAML, the variables are looked at on their own', t => {
  const yaml = 'homeserver: { url: http://127.0.0.1:8008 }\nlog: { level: "info }'
  const found = problems(yaml, {
    SLUICE_HOMESERVER__TIMEOUT: '1s',
    SLUICE_DOWNLOADS__MAX_WAIT: '1s',
    SLUICE_LOG__LEVEL: 'loud',
  })
  t.deepEqual(Object.keys(found), ['line 2:22', 'log.level (SLUICE_LOG__LEVEL)'])
})

test('a key that appears twice is a problem with its path and place', t => {
  t.deepEqual(
    problems(
      'log: { level: info, level: warn }\nedge:\nedge: {}\nauth: { tokens: [{ admin: true, admin: true, token: correct-horse, user_id: "@me:localhost" }] }',
    ),
    {
      edge: 'appears twice (line 3:1)',
      'log.level': 'appears twice (line 1:21)',
      'auth.tokens[0].admin': 'appears twice (line 4:33)',
    },
  )
})

test('aliases are refused before they are resolved, however much they would stand for', t => {
  const lines = [
    'a0: &a0 [x]',
    ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`),
  ]
  t.regex(problems(lines.join('\n'))['line 2:10'] ?? '', /^aliases are not taken/)
  t.regex(problems('a: &a [*a]')['line 1:8'] ?? '', /^aliases are not taken/)
})

test('a text nested without measure is a problem and not a crash', t => {
  t.is(Object.keys(problems('['.repeat(5000))).length, 1)
  t.is(Object.keys(problems(`${'{a: '.repeat(2000)}1${'}'.repeat(2000)}`)).length, 1)
})
