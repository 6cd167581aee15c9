//! The tables, in the words of SQLite and of PostgreSQL. Columns and their meaning are the same.

/// SQLite, version 1.
pub(super) const SCHEMA: &str = r#"
CREATE TABLE recordings (
    id TEXT PRIMARY KEY NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'closed', 'truncated')),
    controller TEXT NOT NULL, processor TEXT NOT NULL, operator TEXT NOT NULL,
    region TEXT NOT NULL, kommun TEXT NOT NULL,
    purpose TEXT NOT NULL, basis TEXT NOT NULL, agreement TEXT NOT NULL,
    class TEXT NOT NULL, earliest TEXT NOT NULL, latest TEXT NOT NULL,
    route TEXT NOT NULL, "table" TEXT NOT NULL, call TEXT NOT NULL,
    started TEXT NOT NULL, started_micros INTEGER NOT NULL,
    ended TEXT,
    bytes INTEGER NOT NULL DEFAULT 0, samples INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
    streams INTEGER NOT NULL DEFAULT 0, packets INTEGER NOT NULL DEFAULT 0,
    packets_lost INTEGER NOT NULL DEFAULT 0, gaps INTEGER NOT NULL DEFAULT 0,
    files TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX recordings_started ON recordings (started_micros);
CREATE INDEX recordings_controller ON recordings (controller, started_micros);
CREATE INDEX recordings_open ON recordings (state) WHERE state = 'open';
"#;

/// SQLite, version 2: what gallring needs to know. Its index answers the plan without touching a row: whatever is alike
/// stands together.
pub(super) const SCHEMA_2: &str = r#"
ALTER TABLE recordings ADD COLUMN month TEXT GENERATED ALWAYS AS (substr(started, 1, 7)) VIRTUAL;
ALTER TABLE recordings ADD COLUMN day TEXT GENERATED ALWAYS AS (substr(started, 1, 10)) VIRTUAL;
ALTER TABLE recordings ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recordings ADD COLUMN handed_over TEXT NOT NULL DEFAULT '';
ALTER TABLE recordings ADD COLUMN erasing TEXT;
ALTER TABLE recordings ADD COLUMN numbers TEXT NOT NULL DEFAULT 'kept';
CREATE TABLE holds (
    id TEXT NOT NULL, reason TEXT NOT NULL, placed TEXT NOT NULL, placed_by TEXT NOT NULL,
    released TEXT, released_by TEXT
) STRICT;
CREATE INDEX holds_id ON holds (id);
CREATE INDEX recordings_kommun ON recordings (kommun, started_micros);
CREATE INDEX recordings_alike ON recordings (controller, class, month, earliest, latest, held, handed_over, bytes)
    WHERE state <> 'open' AND erasing IS NULL;
CREATE INDEX recordings_numbers ON recordings (controller, day, held, handed_over)
    WHERE state <> 'open' AND erasing IS NULL AND numbers = 'kept';
CREATE INDEX recordings_erasing ON recordings (erasing) WHERE erasing IS NOT NULL;
CREATE INDEX recordings_numbers_erasing ON recordings (numbers) WHERE numbers LIKE 'erasing%';
PRAGMA user_version = 2;
"#;

/// Indexes that an earlier program can do without; in both.
pub(super) const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS recordings_call ON recordings (call, started_micros);
CREATE INDEX IF NOT EXISTS recordings_region ON recordings (region, started_micros);
";

/// PostgreSQL, the same. Texts compare by their bytes, as in SQLite, whatever language the database was made for.
pub(super) const POSTGRES: &str = r#"
CREATE TABLE recordings (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'closed', 'truncated')),
    controller TEXT NOT NULL, processor TEXT NOT NULL, operator TEXT NOT NULL,
    region TEXT NOT NULL, kommun TEXT NOT NULL,
    purpose TEXT NOT NULL, basis TEXT NOT NULL, agreement TEXT NOT NULL,
    class TEXT NOT NULL, earliest TEXT COLLATE "C" NOT NULL, latest TEXT COLLATE "C" NOT NULL,
    route TEXT NOT NULL, "table" TEXT NOT NULL, call TEXT NOT NULL,
    started TEXT NOT NULL, started_micros BIGINT NOT NULL,
    ended TEXT,
    bytes BIGINT NOT NULL DEFAULT 0, samples BIGINT NOT NULL DEFAULT 0,
    seconds DOUBLE PRECISION NOT NULL DEFAULT 0,
    streams BIGINT NOT NULL DEFAULT 0, packets BIGINT NOT NULL DEFAULT 0,
    packets_lost BIGINT NOT NULL DEFAULT 0, gaps BIGINT NOT NULL DEFAULT 0,
    files TEXT NOT NULL DEFAULT '[]',
    month TEXT GENERATED ALWAYS AS (substr(started, 1, 7)) STORED,
    day TEXT GENERATED ALWAYS AS (substr(started, 1, 10)) STORED,
    held BIGINT NOT NULL DEFAULT 0,
    handed_over TEXT NOT NULL DEFAULT '',
    erasing TEXT,
    numbers TEXT NOT NULL DEFAULT 'kept'
);
CREATE TABLE holds (
    id TEXT COLLATE "C" NOT NULL, reason TEXT NOT NULL, placed TEXT COLLATE "C" NOT NULL, placed_by TEXT NOT NULL,
    released TEXT, released_by TEXT
);
CREATE INDEX holds_id ON holds (id);
CREATE INDEX recordings_started ON recordings (started_micros DESC, id);
CREATE INDEX recordings_controller ON recordings (controller, started_micros DESC, id);
CREATE INDEX recordings_kommun ON recordings (kommun, started_micros DESC, id);
CREATE INDEX recordings_open ON recordings (state) WHERE state = 'open';
CREATE INDEX recordings_alike ON recordings (controller, class, month, earliest, latest, held, handed_over, bytes)
    WHERE state <> 'open' AND erasing IS NULL;
CREATE INDEX recordings_numbers ON recordings (controller, day, held, handed_over)
    WHERE state <> 'open' AND erasing IS NULL AND numbers = 'kept';
CREATE INDEX recordings_erasing ON recordings (erasing) WHERE erasing IS NOT NULL;
CREATE INDEX recordings_numbers_erasing ON recordings (numbers) WHERE numbers LIKE 'erasing%';
CREATE TABLE vaxel_version (version BIGINT NOT NULL);
INSERT INTO vaxel_version VALUES (2);
"#;
