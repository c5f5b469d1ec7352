/**
 * Whether content may be what it was declared to be, and under which type it is served.
 */
import { canonicalType, hasSignature, isOpenEnded, isSameFormat, kindsOf, nameInPlaceOf } from './media-formats.ts'
import { essenceOf, servedType } from './media-type.ts'

/** What the bytes look like. */
export interface Detection {
  /** Lower case, without parameters. */
  readonly contentType: string
  /**
   * False when the signature is so short that prose or ciphertext may begin with it. Such a guess may confirm what was declared, but
   * is never a reason to refuse: a rejected media id is burnt.
   */
  readonly isCertain: boolean
}

export interface ContentTypePolicy {
  /** What happens to content of another kind than declared: refused, served as application/octet-stream, or not looked at. */
  readonly mismatch: 'reject' | 'relabel' | 'off'
  /** Lower-case patterns such as `image/*`; empty allow means everything. Deny wins. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

export interface TypeQuestion {
  /** By the uploader, verbatim; undefined or empty when nothing was declared. */
  readonly declared: string | undefined
  readonly detected: Detection | undefined
  readonly policy: ContentTypePolicy
}

export type TypeJudgement =
  | { readonly verdict: 'accept'; readonly contentType: string }
  /** `reason` is public: it says what was declared and what was found. */
  | { readonly verdict: 'reject'; readonly reason: string }

const opaque = 'application/octet-stream'

/** Longer than any registered type with its parameters. */
const longestType = 255

/** What is kept is kept to the letter (fact sheet §7.1: what the uploader sent, "or reasonably close"). Pure; never throws. */
export function judgeContentType({ declared, detected, policy }: TypeQuestion): TypeJudgement {
  const label = labelOf(declared)
  const finding = compare(essenceOf(label), detected)
  const contentType = policy.mismatch === 'off' ? label : servedInstead(label, finding)
  if (contentType === undefined && policy.mismatch === 'reject') {
    return { verdict: 'reject', reason: `The content was declared as ${label}, but it is ${detected?.contentType}` }
  }
  return admit(contentType ?? opaque, label, finding, detected, policy)
}

/** False when nothing that may be detected would change the judgement, as for most encrypted attachments. */
export function mindsDetection({ declared, policy }: Omit<TypeQuestion, 'detected'>): boolean {
  return essenceOf(labelOf(declared)) !== opaque || policy.deny.length > 0
}

/** What was declared, as far as it is a media type at all. */
function labelOf(declared: string | undefined): string {
  return declared === undefined || declared.length > longestType ? opaque : servedType(declared)
}

/**
 * `agrees`: found what was declared · `unlike`: found another format of the same kind · `foreign`: found another kind ·
 * `lacking`: found nothing, though what was declared has a signature · `open`: nothing found that would decide it
 */
type Finding =
  | { readonly outcome: 'agrees' | 'foreign' | 'lacking' | 'open' }
  | { readonly outcome: 'unlike'; readonly contentType: string }

function compare(declared: string, detected: Detection | undefined): Finding {
  // Encrypted attachments: random bytes may look like anything.
  if (declared === opaque) return { outcome: 'open' }
  if (detected === undefined) return { outcome: hasSignature(declared) ? 'lacking' : 'open' }
  const found = detected.contentType
  if (isSameFormat(declared, found)) return { outcome: 'agrees' }
  if (isOpenEnded(declared) || mayHold(declared, found)) return { outcome: 'open' }
  // Whoever declares an SVG means a picture, so that a page is foreign to it, although both are text.
  const [meant] = kindsOf(declared)
  if (kindsOf(found).some(kind => kind === meant)) {
    return { outcome: 'unlike', contentType: nameInPlaceOf(declared, found) }
  }
  if (detected.isCertain) return { outcome: 'foreign' }
  return { outcome: hasSignature(declared) ? 'lacking' : 'open' }
}

/** Text that can not be HTML, so that HTML under its name is served as what it is. */
const plainText: ReadonlySet<string> = new Set([
  'text/plain',
  'text/css',
  'text/csv',
  'text/calendar',
  'text/javascript',
  'text/tab-separated-values',
  'text/vcard',
  'text/vtt',
])

/** True where what was found may well be what the declared type is about, or does no harm under its name. */
function mayHold(declared: string, found: string): boolean {
  const foundKinds = kindsOf(found)
  if (kindsOf(declared)[0] !== 'text') return false
  // `#!` begins texts of many types.
  if (found === 'text/x-shellscript') return true
  // Any markup may stand in a page; and a page is a legal beginning of Markdown and of every template language.
  if (canonicalType(declared) === 'text/html') return foundKinds.includes('text')
  if (found === 'text/html') return declared.startsWith('text/') && declared !== 'text/xml' && !plainText.has(declared)
  // `text/plain` is what programs say that do not know better, and what is shown as text can not do anything. Complement uploads
  // a PNG as text/plain and wants it back like that.
  return declared === 'text/plain' && !foundKinds.includes('application')
}

/** @returns undefined when the content is of another kind than declared */
function servedInstead(label: string, finding: Finding): string | undefined {
  switch (finding.outcome) {
    case 'agrees':
    case 'open':
      return label
    case 'unlike':
      return finding.contentType
    case 'lacking':
      return opaque
    case 'foreign':
      return undefined
  }
}

function admit(
  contentType: string,
  label: string,
  finding: Finding,
  detected: Detection | undefined,
  policy: ContentTypePolicy,
): TypeJudgement {
  const served = essenceOf(contentType)
  // What was found counts too, lest a forbidden type come in under another name. Not where it agrees: a voice message in a WebM
  // container is not the video that its first bytes suggest.
  const judged =
    detected?.isCertain === true && finding.outcome !== 'agrees' ? [served, detected.contentType] : [served]
  const denied = judged.find(type => policy.deny.some(pattern => matches(pattern, type)))
  if (denied !== undefined) return refusal(denied, label)
  if (policy.allow.length > 0 && !policy.allow.some(pattern => matches(pattern, served))) return refusal(served, label)
  return { verdict: 'accept', contentType }
}

function refusal(type: string, label: string): TypeJudgement {
  const origin = essenceOf(label) === type ? '' : ` (declared as ${label})`
  return { verdict: 'reject', reason: `Content of type ${type} is not accepted here${origin}` }
}

/** @param pattern an essence, or a kind as `image/*`; aliases of a type match what they stand for */
function matches(pattern: string, essence: string): boolean {
  if (pattern === '*/*') return true
  const names = [essence, canonicalType(essence)]
  if (pattern.endsWith('/*')) return names.some(name => name.startsWith(pattern.slice(0, -1)))
  return names.includes(canonicalType(pattern))
}
