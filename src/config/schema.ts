/**
 * The configuration as operators write it: every key with its form, its default in the operator's own notation, and one sentence
 * that becomes the manual (`documentation.ts`). What keys demand of each other is in `agreement.ts`.
 */
import * as z from 'zod/mini'
import { toServerName, toUserId } from '../domain/identifiers.ts'
import { toAddress, toBaseUrl, toBytes, toMilliseconds, toNetwork } from './notations.ts'

/** The upper bounds of what decides how long a signed URL lives: a key may outlive the settings under which it signed. */
export const longest = { unusedTtl: '30d', signedTtl: '7d' } as const

/** The sentence about each key. */
export const manual = z.registry<{ meaning: string }>()

function explained<Form extends z.core.$ZodType>(form: Form, meaning: string): Form {
  manual.add(form, { meaning })
  return form
}

function key<Form extends z.core.SomeType>(form: Form, written: z.core.input<Form>, meaning: string) {
  return explained(z.prefault(form, written), meaning)
}

function optionalKey<Form extends z.core.SomeType>(form: Form, meaning: string) {
  return explained(z.optional(form), meaning)
}

/** Messages are written here in full, so that none of them can repeat the value it is about: it may be a secret. */
function demand(text: string) {
  return { error: (issue: { readonly input?: unknown }) => (issue.input === undefined ? 'is required' : text) }
}

/** Text that `read` turns into a value or does not understand. */
function text<Value>(read: (written: string) => Value | undefined, form: string) {
  return z.pipe(
    z.string(demand(form)),
    z.transform((written: string, payload): Value => {
      const value = read(written)
      if (value !== undefined) return value
      payload.issues.push({ code: 'custom', message: form, input: written })
      return z.NEVER
    }),
  )
}

/** A number that `read` finds in what was written, within bounds. */
function amount(read: (written: unknown) => number | undefined, least: number, most: number, form: string) {
  return z.pipe(
    z.transform((written: unknown) => read(written) ?? Number.NaN),
    z.number(form).check(z.minimum(least, form), z.maximum(most, form)),
  )
}

function duration(least: string, most: string) {
  const form = `must be a duration from ${least} to ${most}, such as 500ms, 30s, 10m, 24h or 7d; a bare number counts seconds`
  return amount(toMilliseconds, toMilliseconds(least) ?? Number.NaN, toMilliseconds(most) ?? Number.NaN, form)
}

function size(least: number, most: string) {
  const form = `must be a size from ${least} byte to ${most}, such as 500kB, 100MiB or 1GiB; a bare number counts bytes`
  return amount(toBytes, least, toBytes(most) ?? Number.NaN, form)
}

/** Values from the environment are text, so digits in quotes count as a number everywhere. */
function toNumber(written: unknown): number | undefined {
  if (typeof written === 'number') return written
  return typeof written === 'string' && /^\d+(?:\.\d+)?$/.test(written) ? Number(written) : undefined
}

function toInteger(written: unknown): number | undefined {
  const value = toNumber(written)
  return Number.isInteger(value) ? value : undefined
}

function count(least: number, most: number) {
  return amount(toInteger, least, most, `must be a whole number from ${least} to ${most}`)
}

function rate(least: number, most: number) {
  return amount(toNumber, least, most, `must be a number from ${least} to ${most}`)
}

const flag = z.pipe(
  z.transform((written: unknown) => (written === 'true' ? true : written === 'false' ? false : written)),
  z.boolean('must be true or false'),
)

function oneOf<const Choice extends string>(choices: readonly Choice[]) {
  return z.enum(choices, `must be one of ${choices.join(', ')}`)
}

function section<const Shape extends z.core.$ZodShape>(shape: Shape) {
  return z.strictObject(shape, demand('must be a section with keys of its own'))
}

const address = text(
  toAddress,
  'must be host:port such as 127.0.0.1:8090 or "[::1]:8090" (in quotes), with a port from 0 to 65535',
)
const baseUrl = text(
  toBaseUrl,
  'must be an http:// or https:// URL without user name, query or fragment, such as https://matrix.example.com',
)
const infoUri = text(
  written => (/^https?:\/\/\S+$/i.test(written) && URL.canParse(written) ? written : undefined),
  'must be an http:// or https:// URL',
)
const internalPath = text(
  written => (/^\/(?!_matrix\/|media-repo\/)(?:[\w~-]+\/)+$/.test(written) ? written : undefined),
  'must be a path that begins and ends with a slash and that nothing else has, such as /sluice-objects/',
)
const serverName = text(toServerName, 'must be a Matrix server name such as example.com or example.com:8448')
const userId = text(toUserId, 'must be a full Matrix user id such as "@me:example.com" (in quotes)')
const directory = text(
  written => (written === '' || written.includes('\0') ? undefined : written),
  'must be the path of a directory',
)
const token = text(
  written => (/^[\x21-\x7e]{8,}$/.test(written) ? written : undefined),
  'must be text of at least 8 characters without spaces; put it in quotes if it is all digits',
)
const typePattern = text(
  written =>
    /^[a-z0-9][\w!#$&^.+-]*\/(?:\*|[a-z0-9][\w!#$&^.+-]*)$/i.test(written) ? written.toLowerCase() : undefined,
  'must be a content type such as image/png or a pattern such as image/*',
)
const typePatterns = z.array(typePattern, demand('must be a list such as ["image/*", "video/mp4"]'))

const userPattern = text(
  written => (/^@[^\s\0]*$/.test(written) || written === '*' ? written : undefined),
  'must be a user id in which * stands for anything, such as "@bridge_*:example.com" (in quotes)',
)
const userPatterns = z.array(userPattern, demand('must be a list such as ["@bridge_*:example.com"]'))
const serverPattern = text(
  written => (toServerName(written.replace(/^\*\./, '')) === undefined ? undefined : written),
  'must be a server name such as example.org or a pattern such as *.example.org',
)
const serverPatterns = z.array(serverPattern, demand('must be a list such as ["example.org", "*.example.net"]'))
const network = text(toNetwork, 'must be a network such as 192.168.0.0/16 or fd00::/8')
const networks = z.array(network, demand('must be a list such as ["192.168.0.0/16"]'))

const staticToken = section({
  token: explained(token, 'The access token itself, at least 8 characters.'),
  user_id: explained(userId, 'Whom the token stands for; a user of `server_name`.'),
  admin: key(flag, false, 'Whether this user may do what only administrators may.'),
})

const storedBytes = size(1, '8000TiB')
const storedCount = count(1, 1_000_000_000)
const quotaWindow = section({
  per: explained(duration('1s', '366d'), 'How long the window is; it ends now and moves on with the clock.'),
  max_bytes: optionalKey(storedBytes, 'How many bytes one user may upload within the window.'),
  max_count: optionalKey(storedCount, 'How many files one user may upload within the window.'),
})

/** One day more would not fit the timers of Node (2^31 - 1 ms). */
const longestTimer = '24d'

export const settingsSchema = section({
  server_name: key(
    serverName,
    'localhost',
    'The name in `mxc://` URIs and user ids; the same as that of the homeserver, and never changed later.',
  ),
  data_dir: key(
    directory,
    './data',
    'Where everything durable lives, and nothing anywhere else; relative to the directory that Sluice is started in.',
  ),
  api: z.prefault(
    section({
      listen: key(address, '127.0.0.1:8090', 'Where clients and other homeservers come in; port 0 takes a free one.'),
      public_url: optionalKey(baseUrl, 'The URL under which clients reach the API; without it, the listening address.'),
      trusted_proxies: key(
        networks,
        ['127.0.0.0/8', '::1/128'],
        'Networks of the proxies whose X-Forwarded-For is believed.',
      ),
    }),
    {},
  ),
  edge: z.prefault(
    section({
      listen: key(
        address,
        '127.0.0.1:8091',
        'Where signed URLs are answered, for a CDN or proxy in front; port 0 takes a free one.',
      ),
      public_url: optionalKey(
        baseUrl,
        'The URL that upload and download URLs begin with; without it, the listening address.',
      ),
      offer_upload_url: key(flag, true, 'Whether creating a media hands out an upload URL on the edge.'),
      workers: key(
        count(0, 64),
        0,
        'How many processes of their own serve the edge; 0: the one that serves everything else, which is faster for small uploads on two cores.',
      ),
    }),
    {},
  ),
  homeserver: z.optional(
    section({
      url: explained(baseUrl, 'Where the homeserver answers, past this gateway; without it Sluice stands alone.'),
      timeout: key(duration('1ms', '10m'), '30s', 'How long the homeserver may take to begin its answer.'),
    }),
  ),
  auth: z.prefault(
    section({
      tokens: key(
        z.array(staticToken, demand('must be a list of entries with token and user_id')),
        [],
        'Access tokens that are valid whatever the homeserver says, and the only ones without a homeserver.',
      ),
      query_token: key(flag, true, 'Whether `?access_token=` is read as well as the Authorization header.'),
      cache_ttl: key(
        duration('0s', '1h'),
        '60s',
        'How long an answer of the homeserver about a token is believed; 0 asks every time.',
      ),
    }),
    {},
  ),
  limits: z.prefault(
    section({
      max_upload_bytes: key(size(1, '8TiB'), '100MiB', 'The largest content that is accepted.'),
      min_free_bytes: key(
        size(0, '8TiB'),
        '512MiB',
        'Nothing new is taken when less of the disk would be left than this, uploads under way counted in; downloads go on.',
      ),
      max_pending_per_user: key(count(1, 1_000_000), 100, 'How many unfinished media ids one user may have.'),
      unused_ttl: key(
        duration('1s', longest.unusedTtl),
        '24h',
        'How long an unfinished media id and its upload URL live.',
      ),
      create_per_second: key(
        rate(0.001, 1_000_000),
        10,
        'How many media ids one user may create per second in the long run.',
      ),
      create_burst: key(count(1, 1_000_000), 50, 'How many media ids one user may create at once after a rest.'),
      requests_per_second: key(
        rate(0.001, 1_000_000),
        100,
        'How many downloads and thumbnails one user, or without a token one address, may ask for per second in the long run.',
      ),
      requests_burst: key(
        count(1, 1_000_000),
        2000,
        'How many downloads and thumbnails may be asked for at once after a rest; a long room full of pictures is a thousand.',
      ),
      exempt_users: key(
        userPatterns,
        [],
        'Users, such as those of a bridge, whom the rates and the number of unfinished media ids do not concern; `*` stands for anything.',
      ),
      quota: z.prefault(
        section({
          max_bytes: optionalKey(
            storedBytes,
            'How many bytes one user may have stored; the same bytes from two users count for both. Deleting gives room back.',
          ),
          max_count: optionalKey(storedCount, 'How many files one user may have stored.'),
          windows: key(
            z.array(quotaWindow, demand('must be a list such as [{ per: 24h, max_bytes: 1GiB }]')),
            [],
            'How much one user may upload within some time, deleted since or not.',
          ),
          info_uri: optionalKey(
            infoUri,
            'A page about these limits for people; refusals then are `M_USER_LIMIT_EXCEEDED` and lead there.',
          ),
        }),
        {},
      ),
      quota_exempt: key(
        userPatterns,
        [],
        'Users whom the quota does not concern, such as those of a bridge; `*` stands for anything.',
      ),
      idle_timeout: key(
        duration('1ms', '1h'),
        '60s',
        'Silence, in either direction, after which a connection that should carry a body is given up.',
      ),
      max_waiters: key(
        count(0, 1_000_000),
        1000,
        'How many requests may wait at once for media that is not there yet.',
      ),
    }),
    {},
  ),
  content_types: z.prefault(
    section({
      mismatch: key(
        oneOf(['reject', 'relabel', 'off']),
        'reject',
        'What happens to content that is not what was declared: refuse it, serve it as what it is, or do not look.',
      ),
      allow: key(typePatterns, [], 'Types that are accepted, such as `image/*`; empty accepts everything.'),
      deny: key(typePatterns, [], 'Types that are refused, even where `allow` has them.'),
    }),
    {},
  ),
  thumbnails: z.prefault(
    section({
      max_pixels: key(
        count(1, 1_000_000_000),
        32_000_000,
        'Pictures with more pixels than this get no thumbnail; of an animation, one frame counts.',
      ),
      timeout: key(duration('1ms', '10m'), '20s', 'How long the thumbnails of one picture may take.'),
      concurrency: key(count(1, 64), 2, 'How many pictures are worked on at once.'),
      quality: key(count(1, 100), 80, 'Quality of lossy thumbnails, from 1 to 100.'),
    }),
    {},
  ),
  downloads: z.prefault(
    section({
      redirect: key(flag, false, 'Whether authenticated clients are redirected to signed URLs on the edge.'),
      accel_redirect: optionalKey(
        internalPath,
        'The internal path, such as `/sluice-objects/`, under which the nginx in front sends files from `objects/` itself; it needs docs/examples/nginx-accel.conf.',
      ),
      legacy: key(
        oneOf(['off', 'frozen', 'open']),
        'frozen',
        'What downloads without a token may see: nothing, media created while this was open, or also what is created now.',
      ),
      signed_ttl: key(
        duration('1s', longest.signedTtl),
        '10m',
        'How long a signed download URL lives at least; within a window of this length it is the same for everyone.',
      ),
      default_wait: key(
        duration('0s', '1h'),
        '20s',
        'How long a download waits for pending media when the client does not say.',
      ),
      max_wait: key(
        duration('0s', '1h'),
        '60s',
        'The longest wait that a client may ask for; at least `default_wait`.',
      ),
    }),
    {},
  ),
  federation: z.prefault(
    section({
      allow: key(serverPatterns, [], 'Servers that may fetch media, such as `*.example.org`; empty means all.'),
      deny: key(serverPatterns, [], 'Servers that may not fetch media, even where `allow` has them.'),
      redirect: key(
        flag,
        false,
        'Whether other servers are sent to signed URLs; not all of them can follow, and `edge.public_url` must be https.',
      ),
      requests_per_second: key(
        rate(0.001, 1_000_000),
        50,
        'How many media one server may fetch per second in the long run.',
      ),
      requests_burst: key(count(1, 1_000_000), 500, 'How many media one server may fetch at once after a rest.'),
      allowed_networks: key(
        networks,
        [],
        'Private networks in which other servers may be looked for nevertheless, such as `192.168.0.0/16`.',
      ),
    }),
    {},
  ),
  scrub: z.prefault(
    section({
      enabled: key(
        flag,
        true,
        'Whether everything that is stored is read now and then, to notice a disk that loses bytes.',
      ),
      rate: key(size(1, '1TiB'), '1MiB', 'How much of it is read in a second.'),
      interval: key(
        duration('1m', '3650d'),
        '30d',
        'How long after its beginning a reading of everything begins anew.',
      ),
    }),
    {},
  ),
  shutdown_grace: key(
    duration('0s', longestTimer),
    '30s',
    'How long requests in flight may take to finish after SIGTERM.',
  ),
  log: z.prefault(
    section({
      level: key(
        oneOf(['debug', 'info', 'warn', 'error', 'silent']),
        'info',
        'The least important lines that are logged.',
      ),
    }),
    {},
  ),
})

/** Parsed, but still in the file's own names. */
export type Settings = z.output<typeof settingsSchema>
