/**
 * Every path of the API with its aliases. The canonical one first; each alias has a known user or an older text behind it
 * (fact sheet §5).
 */

/** `/v1/…`, `/v3/…` and so on below the old media prefix, which Synapse and others serve in all its versions. */
function media(path: string, ...versions: readonly string[]): string[] {
  return versions.map(version => `/_matrix/media/${version}/${path}`)
}

/** The authenticated media API, stable since 1.11 and before that under the number of its proposal. */
function client(path: string): string[] {
  return [`/_matrix/client/v1/media/${path}`, `/_matrix/client/unstable/org.matrix.msc3916/media/${path}`]
}

const msc2246 = 'unstable/fi.mau.msc2246'
const msc3870 = 'unstable/com.beeper.msc3870'
/** A slip of the proposal, which clients that follow its text will repeat. */
const msc3880 = 'unstable/com.beeper.msc3880'

export const create = media('create', 'v1', 'v3', 'r0', msc2246, msc3870, msc3880)
export const complete = media('upload/:serverName/:mediaId/complete', msc3870, 'v1', 'v3', msc3880, msc2246)
export const upload = media('upload', 'v3', 'v1', 'r0')
export const uploadToId = media('upload/:serverName/:mediaId', 'v3', 'v1', 'r0', msc2246)
/** Under the name that it has. */
export const plainDownload = client('download/:serverName/:mediaId')
export const download = [...plainDownload, ...client('download/:serverName/:mediaId/:fileName')]
export const thumbnail = client('thumbnail/:serverName/:mediaId')
export const legacyDownload = [
  ...media('download/:serverName/:mediaId', 'v3', 'v1', 'r0'),
  ...media('download/:serverName/:mediaId/:fileName', 'v3', 'v1', 'r0'),
]
export const legacyThumbnail = media('thumbnail/:serverName/:mediaId', 'v3', 'v1', 'r0')
/** The stable form, its unstable one, and that of the first draft, which named the server once more. */
function federation(path: string): string[] {
  const prefix = '/_matrix/federation'
  return [
    `${prefix}/v1/media/${path}/:mediaId`,
    `${prefix}/unstable/org.matrix.msc3916.v2/media/${path}/:mediaId`,
    `${prefix}/unstable/org.matrix.msc3916/media/${path}/:serverName/:mediaId`,
  ]
}

export const federationDownload = federation('download')
export const federationThumbnail = federation('thumbnail')
export const redact = [
  '/_matrix/client/v1/media/redact/:serverName/:mediaId',
  // The proposal's own prefix, and the one that its number suggests.
  '/_matrix/client/unstable/uk.timedout.msc4322/media/redact/:serverName/:mediaId',
  '/_matrix/client/unstable/org.matrix.msc4322/media/redact/:serverName/:mediaId',
]
export const config = [...client('config'), ...media('config', 'v3', 'v1', 'r0')]
export const usage = media('usage', 'unstable/org.matrix.msc4034')
export const versions = '/_matrix/client/versions'
export const logout = ['/_matrix/client/v3/logout', '/_matrix/client/r0/logout']
export const logoutAll = ['/_matrix/client/v3/logout/all', '/_matrix/client/r0/logout/all']
