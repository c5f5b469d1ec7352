import test from 'ava'
import fc from 'fast-check'
import {
  type ContentTypePolicy,
  judgeContentType,
  mindsDetection,
  type TypeJudgement,
} from '../../src/domain/content-type-policy.ts'

const strict: ContentTypePolicy = { mismatch: 'reject', allow: [], deny: [] }

function judge(declared: string | undefined, found?: string, policy: Partial<ContentTypePolicy> = {}): TypeJudgement {
  const detected = found === undefined ? undefined : { contentType: found, isCertain: true }
  return judgeContentType({ declared, detected, policy: { ...strict, ...policy } })
}

/** Only by a signature that other bytes might have by chance. */
function judgeGuess(declared: string, found: string): TypeJudgement {
  return judgeContentType({ declared, detected: { contentType: found, isCertain: false }, policy: strict })
}

function served(judgement: TypeJudgement): string {
  return judgement.verdict === 'accept' ? judgement.contentType : 'rejected'
}

const docx = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'

test('content that is what it was declared to be keeps its type to the letter', t => {
  const pairs = [
    ['image/png', 'image/png'],
    ['IMAGE/PNG', 'image/png'],
    ['image/jpeg; quality=high', 'image/jpeg'],
    ['audio/ogg; codecs=opus', 'audio/ogg'],
  ] as const
  for (const [declared, found] of pairs) t.is(served(judge(declared, found)), declared)
})

test('other names of the same type are kept', t => {
  const pairs = [
    ['image/jpg', 'image/jpeg'],
    ['image/pjpeg', 'image/jpeg'],
    ['image/x-png', 'image/png'],
    ['image/apng', 'image/png'],
    ['image/png', 'image/apng'],
    ['image/svg', 'image/svg+xml'],
    ['audio/mp3', 'audio/mpeg'],
    ['audio/x-wav', 'audio/wav'],
    ['video/avi', 'video/vnd.avi'],
    ['text/xml', 'application/xml'],
    ['application/xhtml+xml', 'text/html'],
    ['application/x-zip-compressed', 'application/zip'],
    ['font/otf', 'font/ttf'],
  ] as const
  for (const [declared, found] of pairs) t.is(served(judge(declared, found)), declared)
})

test('formats that share a container are kept', t => {
  const pairs = [
    [docx, 'application/zip'],
    [docx, 'application/x-cfb'],
    ['application/vnd.oasis.opendocument.text', 'application/zip'],
    ['application/vnd.android.package-archive', 'application/java-archive'],
    ['application/epub+zip', 'application/zip'],
    ['application/x-krita', 'application/zip'],
    ['model/3mf', 'application/zip'],
    ['application/msword', 'application/x-cfb'],
    ['application/vnd.ms-outlook', 'application/x-cfb'],
    ['application/rss+xml', 'application/xml'],
    ['image/svg+xml', 'application/xml'],
    ['image/svg+xml', 'application/gzip'],
    ['application/x-tar', 'application/gzip'],
    ['image/heic', 'image/heif'],
    ['image/avif', 'image/heif'],
    ['audio/mp4', 'video/mp4'],
    ['audio/webm;codecs=opus', 'video/webm'],
    ['video/mp4', 'video/quicktime'],
    ['video/x-matroska', 'video/webm'],
    ['audio/ogg', 'application/ogg'],
    ['image/x-canon-cr2', 'image/tiff'],
  ] as const
  for (const [declared, found] of pairs) t.is(served(judge(declared, found)), declared)
})

test('another format of the same kind is served as what it is', t => {
  const pairs = [
    ['image/png', 'image/jpeg', 'image/jpeg'],
    ['image/webp', 'image/gif', 'image/gif'],
    ['image/x-unheard-of', 'image/png', 'image/png'],
    ['audio/mpeg', 'video/mp4', 'audio/mp4'],
    ['audio/wav', 'application/ogg', 'audio/ogg'],
    ['video/mp4', 'video/webm', 'video/webm'],
    ['video/mp4', 'video/vnd.avi', 'video/x-msvideo'],
    ['application/pdf', docx, docx],
    ['application/pdf', 'application/x-deb', 'application/x-deb'],
    ['text/plain', 'text/html', 'text/html'],
    ['text/csv; header=present', 'text/html', 'text/html'],
    ['application/json', 'text/html', 'text/html'],
  ] as const
  for (const [declared, found, expected] of pairs)
    t.is(served(judge(declared, found)), expected, `${declared} ${found}`)
})

test('content of another kind is refused, and the reason names both', t => {
  const pairs = [
    ['image/png', 'text/html'],
    ['image/png', 'application/zip'],
    ['image/jpeg', 'application/x-elf'],
    ['image/jpeg', 'application/x-msdownload'],
    ['image/gif', 'application/x-deb'],
    ['image/webp', 'video/mp4'],
    ['image/svg+xml', 'text/html'],
    ['image/png', 'text/x-shellscript'],
    ['video/mp4', 'image/png'],
    ['text/plain', 'application/x-elf'],
    ['text/plain', 'application/zip'],
    ['application/pdf', 'image/jpeg'],
    ['application/pdf', 'text/html'],
    ['font/woff2', 'image/png'],
  ] as const
  for (const [declared, found] of pairs) {
    t.deepEqual(judge(declared, found), {
      verdict: 'reject',
      reason: `The content was declared as ${declared}, but it is ${found}`,
    })
  }
})

test('content that lacks the signature of its declared type is served as bytes', t => {
  for (const declared of [
    'image/png',
    'image/jpg',
    'video/mp4',
    'application/pdf',
    'application/zip',
    docx,
    'font/woff2',
  ]) {
    t.is(served(judge(declared)), 'application/octet-stream', declared)
  }
})

test('where nothing can be detected and nothing needs to be, the declared type is kept', t => {
  const types = [
    'text/plain',
    'Text/Plain; charset=utf-8',
    'text/markdown',
    'application/json',
    'audio/mpeg',
    'image/x-tga',
    'message/rfc822',
  ]
  for (const declared of types) t.is(served(judge(declared)), declared)
})

test('types that we do not know may hold anything', t => {
  const types = [
    'img/png',
    'application/x-whatever',
    'application/vnd.ms-excel',
    'x-world/x-vrml',
    'binary/octet-stream',
    'multipart/x-thing',
  ]
  for (const declared of types) {
    for (const found of [undefined, 'image/png', 'application/zip', 'text/html'])
      t.is(served(judge(declared, found)), declared)
  }
})

test('encrypted attachments pass, whatever their bytes look like', t => {
  for (const found of [undefined, 'image/png', 'application/x-elf', 'text/html']) {
    t.is(served(judge('application/octet-stream', found)), 'application/octet-stream')
  }
})

test('text is text: media shown as text do no harm, and scripts begin many languages', t => {
  const pairs = [
    ['Text/Plain; charset=utf-8', 'image/png'],
    ['text/plain', 'audio/mpeg'],
    ['text/plain', 'application/xml'],
    ['text/plain', 'image/svg+xml'],
    ['text/x-python', 'text/x-shellscript'],
    ['application/javascript', 'text/x-shellscript'],
    ['text/markdown', 'text/html'],
    ['text/x-handlebars', 'text/html'],
    ['text/html', 'image/svg+xml'],
    ['text/html', 'application/xml'],
  ] as const
  for (const [declared, found] of pairs) t.is(served(judge(declared, found)), declared, `${declared} ${found}`)
})

test('a guess confirms and corrects, but never refuses', t => {
  t.is(served(judgeGuess('audio/mpeg', 'audio/mpeg')), 'audio/mpeg')
  t.is(served(judgeGuess('application/x-msdownload', 'application/x-msdownload')), 'application/x-msdownload')
  t.is(served(judgeGuess('audio/wav', 'audio/mpeg')), 'audio/mpeg')
  t.is(served(judgeGuess('image/png', 'application/x-msdownload')), 'application/octet-stream')
  t.is(served(judgeGuess('text/plain', 'application/x-msdownload')), 'text/plain')
  t.is(served(judgeGuess('text/markdown', 'model/stl')), 'text/markdown')
})

test('what is no media type, or an endless one, is bytes', t => {
  const nonsense = [
    undefined,
    '',
    ' ',
    'png',
    'image/',
    '/png',
    'image/png\r\nX: y',
    'image/png, text/html',
    'a b/c',
    `text/${'x'.repeat(251)}`,
  ]
  for (const declared of nonsense) t.is(served(judge(declared, 'image/png')), 'application/octet-stream', declared)
  const longest = `text/${'x'.repeat(250)}`
  t.is(served(judge(longest)), longest)
})

test('relabel serves as bytes what would be refused, and changes nothing else', t => {
  const policy = { mismatch: 'relabel' } as const
  t.is(served(judge('image/png', 'text/html', policy)), 'application/octet-stream')
  t.is(served(judge('image/png', 'image/jpeg', policy)), 'image/jpeg')
  t.is(served(judge('image/png', 'image/png', policy)), 'image/png')
  t.is(served(judge('image/png', undefined, policy)), 'application/octet-stream')
})

test('off keeps whatever was declared, as long as it is a type', t => {
  const policy = { mismatch: 'off' } as const
  for (const found of [undefined, 'text/html', 'image/jpeg'])
    t.is(served(judge('image/png', found, policy)), 'image/png')
  t.is(served(judge('nonsense', 'image/png', policy)), 'application/octet-stream')
})

test('deny refuses by type and by kind, and says what it found', t => {
  const policy = { deny: ['video/*', 'image/svg+xml'] }
  t.deepEqual(judge('video/mp4; codecs=av1', 'video/mp4', policy), {
    verdict: 'reject',
    reason: 'Content of type video/mp4 is not accepted here',
  })
  t.deepEqual(judge('video/webm', 'video/mp4', policy), {
    verdict: 'reject',
    reason: 'Content of type video/mp4 is not accepted here (declared as video/webm)',
  })
  t.is(judge('image/svg', 'image/svg+xml', policy).verdict, 'reject', 'an alias')
  t.is(served(judge('image/png', 'image/png', policy)), 'image/png')
})

test('deny sees through a false name, in every mode', t => {
  for (const mismatch of ['reject', 'relabel', 'off'] as const) {
    const policy = { mismatch, deny: ['text/html', 'application/x-elf'] }
    for (const declared of [
      'text/plain',
      'text/markdown',
      'application/octet-stream',
      'application/x-whatever',
      undefined,
    ]) {
      t.is(judge(declared, 'text/html', policy).verdict, 'reject', `${declared} ${mismatch}`)
    }
    t.is(judge('application/octet-stream', 'application/x-elf', policy).verdict, 'reject')
    t.is(judge('text/html', undefined, policy).verdict, 'reject')
  }
})

test('deny does not mistake a voice message for the video that its container suggests', t => {
  const policy = { deny: ['video/*', 'application/zip'] }
  t.is(served(judge('audio/webm', 'video/webm', policy)), 'audio/webm')
  t.is(served(judge(docx, 'application/zip', policy)), docx)
  t.is(judge('application/x-whatever', 'application/zip', policy).verdict, 'reject')
})

test('a guess does not deny: one encrypted file in some thousands looks like sound', t => {
  const policy = { ...strict, deny: ['audio/*'] }
  const judgement = judgeContentType({
    declared: 'application/octet-stream',
    detected: { contentType: 'audio/mpeg', isCertain: false },
    policy,
  })
  t.is(served(judgement), 'application/octet-stream')
})

test('denying application/octet-stream refuses encrypted attachments, and what would become bytes', t => {
  const policy = { deny: ['application/octet-stream'] }
  t.is(judge('application/octet-stream', undefined, policy).verdict, 'reject')
  t.is(judge('image/png', undefined, policy).verdict, 'reject')
  t.is(judge(undefined, 'image/png', policy).verdict, 'reject')
})

test('allow is judged on what would be served, without a way around it', t => {
  const policy = { allow: ['image/*', 'text/plain'] }
  t.is(served(judge('image/png', 'image/png', policy)), 'image/png')
  t.is(served(judge('Text/Plain; charset=utf-8', undefined, policy)), 'Text/Plain; charset=utf-8')
  t.is(judge('text/plain', 'text/html', policy).verdict, 'reject')
  t.is(judge('application/octet-stream', undefined, policy).verdict, 'reject')
  t.is(judge('image/png', undefined, policy).verdict, 'reject', 'would be served as bytes')
  t.is(
    served(judge('image/png', undefined, { allow: ['image/*', 'application/octet-stream'] })),
    'application/octet-stream',
  )
})

test('deny wins over allow', t => {
  const policy = { allow: ['image/*'], deny: ['image/gif'] }
  t.is(judge('image/gif', 'image/gif', policy).verdict, 'reject')
  t.is(judge('image/png', 'image/gif', policy).verdict, 'reject')
  t.is(served(judge('image/png', 'image/png', policy)), 'image/png')
})

test('where it does not mind, it judges alike whatever is found', t => {
  const declared = fc.option(
    fc.constantFrom('', 'image/png', 'application/octet-stream', 'Application/Octet-Stream; a=b', 'x'),
    {
      nil: undefined,
    },
  )
  const found = fc.record({
    contentType: fc.constantFrom('image/png', 'text/html', 'application/zip', 'audio/mpeg'),
    isCertain: fc.boolean(),
  })
  const policies = fc.record({
    mismatch: fc.constantFrom('reject' as const, 'relabel' as const, 'off' as const),
    allow: fc.subarray(['image/*', 'application/octet-stream']),
    deny: fc.subarray(['text/html', 'application/octet-stream']),
  })
  let unminded = 0
  fc.assert(
    fc.property(declared, found, policies, (type, detected, policy) => {
      if (mindsDetection({ declared: type, policy })) return
      unminded += 1
      t.deepEqual(
        judgeContentType({ declared: type, detected, policy }),
        judgeContentType({ declared: type, detected: undefined, policy }),
      )
    }),
    { numRuns: 500 },
  )
  t.true(unminded > 50)
})

test('whatever is declared and found, what is served is a media type, and nothing throws', t => {
  const types = fc.constantFrom(
    'image/png',
    'text/html',
    'application/zip',
    'video/mp4',
    'application/x-elf',
    'font/ttf',
    'a/b',
  )
  const declared = fc.oneof(types, fc.string(), fc.string({ unit: 'binary' }), fc.constant(undefined))
  const detected = fc.option(fc.record({ contentType: types, isCertain: fc.boolean() }), { nil: undefined })
  const mismatch = fc.constantFrom('reject' as const, 'relabel' as const, 'off' as const)
  fc.assert(
    fc.property(declared, detected, mismatch, (declaredType, found, mode) => {
      const judgement = judgeContentType({
        declared: declaredType,
        detected: found,
        policy: { ...strict, mismatch: mode },
      })
      if (judgement.verdict === 'reject')
        return mode === 'reject' && judgement.reason.includes(found?.contentType ?? '?')
      return /^[\x21-\x7e]+\/[\x20-\x7e]+$/.test(judgement.contentType)
    }),
    { numRuns: 500 },
  )
  t.pass()
})
