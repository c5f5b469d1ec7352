/**
 * What the first bytes of some content say that it is. `file-type` knows the signatures. Here is what keeps a library's guess from
 * deciding over somebody's upload: signatures of two or three letters, and words in prose, do not count for more than they prove.
 */
import { type FileTypeResult, fileTypeFromBuffer } from 'file-type'
import type { Detection } from '../domain/content-type-policy.ts'
import { essenceOf } from '../domain/media-type.ts'
import { sniffMarkup } from '../domain/sniff-markup.ts'

/**
 * Bytes. Office documents need some 600 (measured on what openpyxl, python-docx and others write), since archive members have names.
 * What is in memory also bounds the time: an archive of nothing but empty members takes some milliseconds here, and some hundred in
 * four times as much.
 */
const detectionReach = 16 * 1024

/** @param head the first bytes of the content, `detectionReach` of them where there are so many. Never rejects. */
export async function detectType(head: Uint8Array): Promise<Detection | undefined> {
  const markup = sniffMarkup(head)
  if (markup !== undefined) return markup
  // Spares file-type from unpacking it to see whether there is a tar inside.
  if (beginsWith(head, [0x1f, 0x8b, 0x08])) return { contentType: 'application/gzip', isCertain: true }
  // What it throws on odd bytes, it throws because it can not tell.
  const found = await fileTypeFromBuffer(head.subarray(0, detectionReach)).catch(() => undefined)
  if (found === undefined) return cutShort(head)
  if (isProse(head) && !textFormats.has(found.ext)) return undefined
  return {
    contentType: essenceOf(found.mime),
    isCertain: isCertain(found.ext, Buffer.from(head.buffer, head.byteOffset, head.byteLength)),
  }
}

type Extension = FileTypeResult['ext']

/** Formats whose signature is text. All others that seem to be found in prose are words: "BMW", "GIF or PNG", "MZ". */
const textFormats: ReadonlySet<Extension> = new Set<Extension>([
  'pdf',
  'ps',
  'eps',
  'rtf',
  'xml',
  'vcf',
  'ics',
  'vtt',
  'stl',
  'deb',
  'ar',
])

/**
 * Signatures so short that one encrypted file in some two thousand has them, or that are words. For those with a function the bytes
 * that follow can confirm it.
 */
const doubtful: ReadonlyMap<Extension, (head: Buffer) => boolean> = new Map<Extension, (head: Buffer) => boolean>([
  ['bmp', hasBitmapHeader],
  ['exe', hasExecutableHeader],
  ['gif', head => /^GIF8[79]a/.test(head.toString('latin1', 0, 6))],
  ['bz2', head => head.toString('hex', 4, 10) === '314159265359'],
  ['aif', head => /^AIF[FC]$/.test(head.toString('latin1', 8, 12))],
  ['ps', head => head.toString('latin1', 0, 4) === '%!PS'],
  ['mp3', head => head.toString('latin1', 0, 3) === 'ID3'],
  ...(
    [
      'mp1',
      'mp2',
      'aac',
      'ac3',
      'mts',
      'dmg',
      'Z',
      'cpio',
      'arj',
      'jxr',
      'mpc',
      'swf',
      'jxl',
      'ico',
      'cur',
      'eot',
      'stl',
    ] as const
  ).map(ext => [ext, () => false] as const),
])

function isCertain(ext: Extension, head: Buffer): boolean {
  return doubtful.get(ext)?.(head) ?? true
}

/** The size of the second header is that of one of the versions that exist, and there is one colour plane. */
function hasBitmapHeader(head: Buffer): boolean {
  if (head.length < 30) return false
  const size = head.readUInt32LE(14)
  const planes = head.readUInt16LE(size === 12 ? 22 : 26)
  return [12, 40, 52, 56, 64, 108, 124].includes(size) && planes === 1
}

/** The DOS header points to another one, as in everything that runs on Windows. */
function hasExecutableHeader(head: Buffer): boolean {
  const offset = head.length < 64 ? 0 : head.readUInt32LE(60)
  return offset >= 4 && ['PE', 'NE', 'LE', 'LX'].includes(head.toString('latin1', offset, offset + 2))
}

/** Signatures that file-type sees but does not report, when what it wants to read next lies beyond our first bytes. */
function cutShort(head: Uint8Array): Detection | undefined {
  if (beginsWith(head, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))
    return { contentType: 'image/png', isCertain: true }
  if (beginsWith(head, [0x49, 0x49, 0x2a, 0x00]) || beginsWith(head, [0x4d, 0x4d, 0x00, 0x2a])) {
    return { contentType: 'image/tiff', isCertain: true }
  }
  if (beginsWith(head, [0x4f, 0x67, 0x67, 0x53, 0x00])) return { contentType: 'application/ogg', isCertain: true }
  if (beginsWith(head, [0x1a, 0x45, 0xdf, 0xa3])) return { contentType: 'video/matroska', isCertain: true }
  // ID3 with a version that exists; padding or junk may follow before the sound begins.
  if (beginsWith(head, [0x49, 0x44, 0x33]) && (head[3] ?? 0xff) <= 4)
    return { contentType: 'audio/mpeg', isCertain: true }
  // A PDF may have anything in its first kilobyte, as long as its header is somewhere there (ISO 32000-1, annex H).
  if (Buffer.from(head.subarray(0, 1024)).includes('%PDF-')) return { contentType: 'application/pdf', isCertain: false }
  return undefined
}

function beginsWith(head: Uint8Array, signature: readonly number[]): boolean {
  return head.length >= signature.length && signature.every((byte, index) => head[index] === byte)
}

/** True for UTF-8 without control characters but those of layout and terminals. */
function isProse(head: Uint8Array): boolean {
  const sample = head.subarray(0, 4096)
  if (sample.some(byte => byte < 0x20 && !(byte >= 0x09 && byte <= 0x0d) && byte !== 0x1b)) return false
  try {
    // As a stream, because the sample may end in the middle of a character.
    new TextDecoder('utf-8', { fatal: true }).decode(sample, { stream: true })
    return true
  } catch {
    return false
  }
}
