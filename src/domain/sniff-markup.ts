/**
 * Finds HTML, SVG, XML and scripts by their first characters, where libraries that know binary signatures see nothing. After the
 * WHATWG's MIME sniffing standard (§7.1, "scriptable types"), but looking past comments, XML declarations and document types to the
 * first element, so that an SVG with a comment in front is not taken for a page.
 */
import type { Detection } from './content-type-policy.ts'

/** Far enough for a licence in a comment and a document type with its entities. */
const reach = 16 * 1024

/** Elements with which a page or a piece of one begins: the standard's, and others that load or run something. */
const pageElements: ReadonlySet<string> = new Set([
  ...['a', 'b', 'body', 'br', 'div', 'font', 'h1', 'head', 'html', 'iframe', 'p', 'script', 'style', 'table', 'title'],
  ...['base', 'embed', 'form', 'frameset', 'img', 'link', 'math', 'meta', 'object'],
])

/** @param head the first bytes of the content */
export function sniffMarkup(head: Uint8Array): Detection | undefined {
  if (!mayBeginMarkup(decode(head.subarray(0, firstLook)).trimStart())) return undefined
  const text = decode(head.subarray(0, reach)).trimStart()
  if (/^#![ \t]*\//.test(text)) return certain('text/x-shellscript')
  if (!text.startsWith('<')) return undefined
  const { rest, hasDeclaration, documentType } = skipProlog(text)
  if (documentType === 'html') return certain('text/html')
  if (documentType === 'svg') return certain('image/svg+xml')
  const element = /^<([a-z][\w.:-]*)(?=[\s/>])/i.exec(rest)?.[1]?.toLowerCase()
  if (element === 'svg' || element?.endsWith(':svg')) return certain('image/svg+xml')
  if (element === 'html') return certain('text/html')
  if (hasDeclaration) return certain('application/xml')
  if (element !== undefined && pageElements.has(element)) return certain('text/html')
  // A browser would take a lone comment for a page. So may it be, but Markdown begins like that as well.
  return text.startsWith('<!--') ? { contentType: 'text/html', isCertain: false } : undefined
}

/** Bytes; even, for the encodings that take two for each character. */
const firstLook = 64

/**
 * Most uploads are no text at all, and to decode 16 KiB of a photograph as if it were costs more than everything else that complete does.
 * The last character of what was looked at may be half of one, and what is white so far may go on to be.
 */
function mayBeginMarkup(start: string): boolean {
  return start.length <= 1 || start.startsWith('<') || start.startsWith('#!')
}

function certain(contentType: string): Detection {
  return { contentType, isCertain: true }
}

function decode(bytes: Uint8Array): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8'
  return new TextDecoder(encoding).decode(bytes)
}

interface Prolog {
  readonly rest: string
  readonly hasDeclaration: boolean
  readonly documentType: string | undefined
}

/** What may stand before the first element; each of the expressions matches at the beginning or not at all. */
function skipProlog(text: string): Prolog {
  let rest = text
  let hasDeclaration = false
  for (;;) {
    const documentType = /^<!doctype\s+([\w:.-]+)/i.exec(rest)?.[1]?.toLowerCase()
    if (documentType === 'html' || documentType === 'svg') return { rest, hasDeclaration, documentType }
    hasDeclaration ||= /^<\?xml\s/i.test(rest)
    const end = endOfPart(rest)
    if (end === undefined) return { rest, hasDeclaration, documentType: undefined }
    rest = rest.slice(end).trimStart()
  }
}

/** @returns undefined when the text begins with none of the parts of a prolog, or its end is out of reach */
function endOfPart(text: string): number | undefined {
  if (text.startsWith('<!--')) return after(text, '-->', 4)
  if (text.startsWith('<?')) return after(text, '?>', 2)
  if (!/^<!doctype\s/i.test(text)) return undefined
  const bracket = text.indexOf('[')
  const end = text.indexOf('>')
  return bracket !== -1 && bracket < end ? after(text, ']>', bracket) : after(text, '>', 0)
}

function after(text: string, end: string, from: number): number | undefined {
  const index = text.indexOf(end, from)
  return index === -1 ? undefined : index + end.length
}
