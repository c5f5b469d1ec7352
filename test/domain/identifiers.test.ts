import { randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { MediaError } from '../../src/domain/errors.ts'
import {
  contentUri,
  newMediaId,
  parseMediaId,
  parseServerName,
  toMediaId,
  toServerName,
  toUserId,
} from '../../src/domain/identifiers.ts'

/** The grammar of the specification, to the letter (fact sheet §2.2); it also matches `..` and 999.999.999.999. */
const grammar = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,255})(?::\d{1,5})?$/

/** What people and attackers write where a name should be. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('a', 'A', '0', '9', '.', '-', ':', '[', ']', '/', '%', '@', '_', '\n', '\0', 'ü', ' '),
  }),
)
const label = fc.stringMatching(/^[0-9A-Za-z-]{1,20}$/)
const port = fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined })
const host = fc.oneof(
  fc
    .array(label, { minLength: 1, maxLength: 5 })
    .map(labels => labels.join('.'))
    // Four numbers are an address, and not every four.
    .filter(name => !/^\d+(?:\.\d+){3}$/.test(name)),
  fc.ipV4(),
  fc.ipV6().map(address => `[${address}]`),
)
const serverName = fc.tuple(host, port).map(([name, number]) => (number === undefined ? name : `${name}:${number}`))

test('server names as the specification has them are taken as they are', t => {
  fc.assert(fc.property(serverName, name => toServerName(name) === name))
  for (const name of [
    'matrix.org',
    'matrix.org:8888',
    '1.2.3.4:1234',
    '[1234:5678::abcd]:5678',
    '[::1]',
    'localhost',
    'A.b-C',
  ])
    t.is(toServerName(name) as string, name)
})

test('whatever is taken for a server name fits the grammar, has no empty label, and stays one segment of a path', t => {
  fc.assert(
    fc.property(anyText, text => {
      const name = toServerName(text)
      if (name === undefined) return true
      const [first = ''] = name.split(/:\d+$/)
      return (
        name === text &&
        grammar.test(name) &&
        (first.startsWith('[') || first.split('.').every(part => part !== '')) &&
        new URL(`https://x/${name}/y`).pathname === `/${name}/y`
      )
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

test('what fits the grammar and can not be a server is none', t => {
  for (const name of [
    '',
    '.',
    '..',
    'a..b',
    '.a',
    'a.',
    'a:',
    'a:65536',
    'a:123456',
    'a:-1',
    'a:1:2',
    '999.1.1.1',
    '[]',
    '[:]',
    '[1::2::3]',
    '[1.2.3.4]',
    '::1',
    'a/b',
    'a%2Fb',
    'a b',
    'a\n',
    'ünicode.example',
    'user@host',
    `${'a.'.repeat(115)}a`,
  ]) {
    t.is(toServerName(name), undefined, JSON.stringify(name))
    t.is(t.throws(() => parseServerName(name), { instanceOf: MediaError })?.code, 'invalid_param')
  }
})

test('a media id is made of 64 characters and no others, up to 255 of them', t => {
  fc.assert(
    fc.property(anyText, text => (toMediaId(text) === undefined) !== (/^[\w-]+$/.test(text) && !text.includes('\n'))),
    { numRuns: 2000 },
  )
  t.is(toMediaId('a'.repeat(255)) as string, 'a'.repeat(255))
  for (const text of ['', 'a'.repeat(256), '..', 'a.b', 'a~b', 'a=', 'a/b', 'a%2Fb', 'a\n', 'é']) {
    t.is(toMediaId(text), undefined, text)
    t.is(t.throws(() => parseMediaId(text), { instanceOf: MediaError })?.code, 'not_found')
  }
  t.is(toMediaId('2024-01-31_abcdefghijklmnop') as string, '2024-01-31_abcdefghijklmnop', 'as Synapse has them')
})

test('a content URI of ours is what every client takes apart', t => {
  fc.assert(
    fc.property(serverName, name => {
      const mediaId = newMediaId(randomBytes, Date.now())
      const uri = contentUri(parseServerName(name), mediaId)
      const parts = uri.slice('mxc://'.length).split('/')
      return parts.length === 2 && parts[0] === name && parts[1] === mediaId && toMediaId(mediaId) === mediaId
    }),
  )
  t.regex(
    JSON.stringify({ content_uri: contentUri(parseServerName('a.b'), newMediaId(randomBytes, Date.now())) }),
    /"mxc:\/\/a\.b\//,
  )
})

test('a user id is opaque but for its sigil, its first colon, its server and its length', t => {
  const local = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(text => !/[:\0]/.test(text))
  fc.assert(
    fc.property(local, serverName, (name, server) => {
      const user = `@${name}:${server}`
      return (toUserId(user) === user) === Buffer.byteLength(user) <= 255
    }),
  )
  fc.assert(fc.property(anyText, text => [undefined, text].includes(toUserId(text))))
  for (const text of ['', '@', '@:a', 'a:b', '@a', '@a:', '@a\0b:c', '@a:b/c', `@${'a'.repeat(255)}:b`])
    t.is(toUserId(text), undefined, text)
  t.is(toUserId('@Old Style/ünïcode:example.com:8448') as string, '@Old Style/ünïcode:example.com:8448')
})
