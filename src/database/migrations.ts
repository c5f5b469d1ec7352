/**
 * The schema, as the ordered list of steps that led to it. A step that has shipped is never edited; the next one is appended.
 * `PRAGMA user_version` counts the steps a file has seen.
 *
 * Two tables hold what others would call one: pending ids live apart from finished media, because they come and go all day while
 * media only grows. The sweep and the pending count then touch a small table however large the catalog is (measured: 15 × cheaper).
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE pending (
    media_id     TEXT PRIMARY KEY,
    owner        TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    frozen       INTEGER NOT NULL CHECK (frozen IN (0, 1)),
    -- Together null (pending) or together set (uploaded).
    sha256       BLOB CHECK (length(sha256) = 32),
    size         INTEGER CHECK (size >= 0),
    content_type TEXT,
    uploaded_at  INTEGER,
    -- Room in the owner's quota for an upload under way, and which one that is.
    held_bytes   INTEGER CHECK (held_bytes >= 0),
    held_by      TEXT,
    CHECK ((held_bytes IS NULL) = (held_by IS NULL)),
    CHECK ((sha256 IS NULL) = (size IS NULL) AND (sha256 IS NULL) = (content_type IS NULL) AND (sha256 IS NULL) = (uploaded_at IS NULL))
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pending_by_expiry ON pending (expires_at);
  CREATE INDEX pending_by_owner  ON pending (owner, expires_at);
  CREATE INDEX pending_by_object ON pending (sha256) WHERE sha256 IS NOT NULL;

  CREATE TABLE media (
    media_id     TEXT PRIMARY KEY,
    owner        TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('ready', 'rejected', 'deleted')),
    created_at   INTEGER NOT NULL,
    ended_at     INTEGER NOT NULL,
    frozen       INTEGER NOT NULL CHECK (frozen IN (0, 1)),
    -- ready, and what is deleted after that
    size         INTEGER CHECK (size >= 0),
    -- ready only
    sha256       BLOB CHECK (length(sha256) = 32),
    content_type TEXT,
    file_name    TEXT,
    width        INTEGER,
    height       INTEGER,
    -- 1: the picture does not stand for itself as its thumbnail
    needs_rendering INTEGER CHECK (needs_rendering = 1),
    -- rejected only
    code         TEXT,
    reason       TEXT,
    -- deleted only; the row stays, so that the id is never given out again
    deleted_at   INTEGER
  ) STRICT;
  -- Holds all that is needed to add up what a user uploaded since a moment, or has in all.
  CREATE INDEX media_by_owner  ON media (owner, ended_at, state, size);
  CREATE INDEX media_by_object ON media (sha256) WHERE sha256 IS NOT NULL;

  CREATE TABLE thumbnail (
    source        BLOB NOT NULL CHECK (length(source) = 32),
    width         INTEGER NOT NULL,
    height        INTEGER NOT NULL,
    method        TEXT NOT NULL CHECK (method IN ('crop', 'scale')),
    actual_width  INTEGER NOT NULL,
    actual_height INTEGER NOT NULL,
    content_type  TEXT NOT NULL,
    sha256        BLOB NOT NULL CHECK (length(sha256) = 32),
    size          INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (source, width, height, method)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX thumbnail_by_object ON thumbnail (sha256);

  -- Objects small enough to be rows; the store's own table, in the same file so that one commit covers row and bytes.
  CREATE TABLE small_object (
    sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    bytes  BLOB NOT NULL
  ) STRICT;

  -- What counts towards each user's quota. Written by the triggers of the catalog, which come with the first quota.
  CREATE TABLE usage (
    owner         TEXT PRIMARY KEY,
    ready_bytes   INTEGER NOT NULL DEFAULT 0,
    ready_count   INTEGER NOT NULL DEFAULT 0,
    pending_bytes INTEGER NOT NULL DEFAULT 0,
    pending_count INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;

  -- The journal of deletion: objects that lost a row. Looked at once more, then removed, by the reaper; survives a crash.
  CREATE TABLE unwanted_object (
    sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- When the upload began, so that of several to one id the newest wins, in whichever process they come in. Null: recorded before there
  -- was this column.
  ALTER TABLE pending ADD COLUMN upload_began INTEGER;

  -- Which store this is the index of. No row: it has not been served since there was this table.
  CREATE TABLE store (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    store_id TEXT NOT NULL
  ) STRICT;
  `,
]
