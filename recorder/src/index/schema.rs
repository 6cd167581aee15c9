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

/// SQLite, version 3: what is stored, by controller and first day it may go, so that a start reads no rows to tell. Kept in
/// step by the database itself, whoever writes.
pub(super) const SCHEMA_3: &str = "
CREATE TABLE stored (
    controller TEXT NOT NULL, earliest TEXT NOT NULL,
    recordings INTEGER NOT NULL, bytes INTEGER NOT NULL, samples INTEGER NOT NULL,
    PRIMARY KEY (controller, earliest)
) STRICT, WITHOUT ROWID;
INSERT INTO stored SELECT controller, earliest, COUNT(*), SUM(bytes), SUM(samples) FROM recordings
    WHERE state <> 'open' GROUP BY controller, earliest;
CREATE TRIGGER stored_closed AFTER UPDATE OF state ON recordings WHEN OLD.state = 'open' AND NEW.state <> 'open' BEGIN
    INSERT INTO stored VALUES (NEW.controller, NEW.earliest, 1, NEW.bytes, NEW.samples)
        ON CONFLICT (controller, earliest) DO UPDATE SET recordings = recordings + 1,
        bytes = bytes + excluded.bytes, samples = samples + excluded.samples;
END;
CREATE TRIGGER stored_entered AFTER INSERT ON recordings WHEN NEW.state <> 'open' BEGIN
    INSERT INTO stored VALUES (NEW.controller, NEW.earliest, 1, NEW.bytes, NEW.samples)
        ON CONFLICT (controller, earliest) DO UPDATE SET recordings = recordings + 1,
        bytes = bytes + excluded.bytes, samples = samples + excluded.samples;
END;
CREATE TRIGGER stored_erased AFTER DELETE ON recordings WHEN OLD.state <> 'open' BEGIN
    UPDATE stored SET recordings = recordings - 1, bytes = bytes - OLD.bytes, samples = samples - OLD.samples
        WHERE controller = OLD.controller AND earliest = OLD.earliest;
    DELETE FROM stored WHERE controller = OLD.controller AND earliest = OLD.earliest AND recordings <= 0;
END;
PRAGMA user_version = 3;
";

/// SQLite, version 4. What is being erased stands in narrow tables of its own: marking a row would change each of its
/// indexes. And the figures are so fine that they answer gallring's plan, which had to read an index of every recording.
/// `erasing` in the recordings is empty from now on; two indexes still name it, and making those anew would take minutes.
pub(super) const SCHEMA_4: &str = "
CREATE TABLE marked_recordings (id TEXT PRIMARY KEY NOT NULL, decision TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE marked_numbers (id TEXT PRIMARY KEY NOT NULL, decision TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO marked_recordings SELECT id, erasing FROM recordings INDEXED BY recordings_erasing WHERE erasing IS NOT NULL;
INSERT INTO marked_numbers SELECT id, substr(numbers, 9) FROM recordings INDEXED BY recordings_numbers_erasing
    WHERE numbers LIKE 'erasing%';
UPDATE recordings SET erasing = NULL WHERE id IN (SELECT id FROM marked_recordings);
UPDATE recordings SET numbers = 'kept' WHERE id IN (SELECT id FROM marked_numbers);
DROP INDEX recordings_erasing;
DROP INDEX recordings_numbers_erasing;
DROP TRIGGER stored_closed;
DROP TRIGGER stored_entered;
DROP TRIGGER stored_erased;
DROP TABLE stored;
CREATE TABLE figures (
    controller TEXT NOT NULL, class TEXT NOT NULL, day TEXT NOT NULL, earliest TEXT NOT NULL, latest TEXT NOT NULL,
    held INTEGER NOT NULL, handed_over TEXT NOT NULL, numbers TEXT NOT NULL,
    recordings INTEGER NOT NULL, bytes INTEGER NOT NULL, samples INTEGER NOT NULL,
    PRIMARY KEY (controller, class, day, earliest, latest, held, handed_over, numbers)
) STRICT, WITHOUT ROWID;
INSERT INTO figures SELECT controller, class, substr(started, 1, 10), earliest, latest, held, handed_over, numbers,
    1, bytes, samples FROM recordings WHERE state <> 'open'
    ON CONFLICT DO UPDATE SET recordings = recordings + 1, bytes = bytes + excluded.bytes, samples = samples + excluded.samples;
CREATE TRIGGER figures_entered AFTER INSERT ON recordings WHEN NEW.state <> 'open' BEGIN
    INSERT INTO figures VALUES (NEW.controller, NEW.class, substr(NEW.started, 1, 10), NEW.earliest, NEW.latest, NEW.held,
        NEW.handed_over, NEW.numbers, 1, NEW.bytes, NEW.samples)
        ON CONFLICT DO UPDATE SET recordings = recordings + 1,
        bytes = bytes + excluded.bytes, samples = samples + excluded.samples;
END;
CREATE TRIGGER figures_into AFTER UPDATE ON recordings WHEN NEW.state <> 'open' BEGIN
    INSERT INTO figures VALUES (NEW.controller, NEW.class, substr(NEW.started, 1, 10), NEW.earliest, NEW.latest, NEW.held,
        NEW.handed_over, NEW.numbers, 1, NEW.bytes, NEW.samples)
        ON CONFLICT DO UPDATE SET recordings = recordings + 1,
        bytes = bytes + excluded.bytes, samples = samples + excluded.samples;
END;
CREATE TRIGGER figures_out_of AFTER UPDATE ON recordings WHEN OLD.state <> 'open' BEGIN
    UPDATE figures SET recordings = recordings - 1, bytes = bytes - OLD.bytes, samples = samples - OLD.samples
        WHERE controller = OLD.controller AND class = OLD.class AND day = substr(OLD.started, 1, 10)
        AND earliest = OLD.earliest AND latest = OLD.latest AND held = OLD.held AND handed_over = OLD.handed_over
        AND numbers = OLD.numbers;
    DELETE FROM figures WHERE controller = OLD.controller AND class = OLD.class AND day = substr(OLD.started, 1, 10)
        AND earliest = OLD.earliest AND latest = OLD.latest AND held = OLD.held AND handed_over = OLD.handed_over
        AND numbers = OLD.numbers AND recordings = 0;
END;
CREATE TRIGGER figures_erased AFTER DELETE ON recordings WHEN OLD.state <> 'open' BEGIN
    UPDATE figures SET recordings = recordings - 1, bytes = bytes - OLD.bytes, samples = samples - OLD.samples
        WHERE controller = OLD.controller AND class = OLD.class AND day = substr(OLD.started, 1, 10)
        AND earliest = OLD.earliest AND latest = OLD.latest AND held = OLD.held AND handed_over = OLD.handed_over
        AND numbers = OLD.numbers;
    DELETE FROM figures WHERE controller = OLD.controller AND class = OLD.class AND day = substr(OLD.started, 1, 10)
        AND earliest = OLD.earliest AND latest = OLD.latest AND held = OLD.held AND handed_over = OLD.handed_over
        AND numbers = OLD.numbers AND recordings = 0;
END;
PRAGMA user_version = 4;
";

/// Indexes that an earlier program can do without; in both.
pub(super) const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS recordings_call ON recordings (call, started_micros);
CREATE INDEX IF NOT EXISTS recordings_region ON recordings (region, started_micros);
";

/// What a recorder that started last has marked the file with: a copy of before that has another mark.
pub(super) const STARTS: &str = "
CREATE TABLE IF NOT EXISTS starts (mark TEXT NOT NULL);
";

/// PostgreSQL, the same, by a name that no other program's table has.
pub(super) const POSTGRES_STARTS: &str = "
CREATE TABLE vaxel_starts (mark TEXT NOT NULL);
";

/// PostgreSQL, as in [`SCHEMA`]. Texts compare by their bytes, as in SQLite, whatever language the database was made for.
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

/// PostgreSQL, version 3. By statement, not by row: a thousand rows that go together change a day's figures once.
pub(super) const POSTGRES_3: &str = r#"
CREATE TABLE stored (
    controller TEXT COLLATE "C" NOT NULL, earliest TEXT COLLATE "C" NOT NULL,
    recordings BIGINT NOT NULL, bytes BIGINT NOT NULL, samples BIGINT NOT NULL,
    PRIMARY KEY (controller, earliest)
);
INSERT INTO stored SELECT controller, earliest, COUNT(*), SUM(bytes), SUM(samples) FROM recordings
    WHERE state <> 'open' GROUP BY controller, earliest;
CREATE FUNCTION vaxel_stored() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE stored SET recordings = stored.recordings - gone.recordings, bytes = stored.bytes - gone.bytes,
            samples = stored.samples - gone.samples
            FROM (SELECT controller, earliest, COUNT(*) AS recordings, SUM(bytes) AS bytes, SUM(samples) AS samples
                FROM before WHERE state <> 'open' GROUP BY controller, earliest) AS gone
            WHERE stored.controller = gone.controller AND stored.earliest = gone.earliest;
        DELETE FROM stored USING before WHERE stored.controller = before.controller
            AND stored.earliest = before.earliest AND stored.recordings <= 0;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO stored SELECT controller, earliest, COUNT(*), SUM(bytes), SUM(samples)
            FROM after WHERE state <> 'open' GROUP BY controller, earliest
            ON CONFLICT (controller, earliest) DO UPDATE SET recordings = stored.recordings + excluded.recordings,
            bytes = stored.bytes + excluded.bytes, samples = stored.samples + excluded.samples;
    ELSE
        INSERT INTO stored SELECT after.controller, after.earliest, COUNT(*), SUM(after.bytes), SUM(after.samples)
            FROM after JOIN before USING (id) WHERE before.state = 'open' AND after.state <> 'open'
            GROUP BY after.controller, after.earliest
            ON CONFLICT (controller, earliest) DO UPDATE SET recordings = stored.recordings + excluded.recordings,
            bytes = stored.bytes + excluded.bytes, samples = stored.samples + excluded.samples;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stored_closed AFTER UPDATE ON recordings
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION vaxel_stored();
CREATE TRIGGER stored_entered AFTER INSERT ON recordings
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION vaxel_stored();
CREATE TRIGGER stored_erased AFTER DELETE ON recordings
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION vaxel_stored();
UPDATE vaxel_version SET version = 3;
"#;

/// PostgreSQL, version 4, the same. Groups change in their order, so that two who change many never wait for each other.
pub(super) const POSTGRES_4: &str = r#"
DROP TRIGGER stored_closed ON recordings;
DROP TRIGGER stored_entered ON recordings;
DROP TRIGGER stored_erased ON recordings;
DROP FUNCTION vaxel_stored;
DROP TABLE stored;
CREATE TABLE marked_recordings (id TEXT COLLATE "C" PRIMARY KEY NOT NULL, decision TEXT NOT NULL);
CREATE TABLE marked_numbers (id TEXT COLLATE "C" PRIMARY KEY NOT NULL, decision TEXT NOT NULL);
INSERT INTO marked_recordings SELECT id, erasing FROM recordings WHERE erasing IS NOT NULL;
INSERT INTO marked_numbers SELECT id, substr(numbers, 9) FROM recordings WHERE numbers LIKE 'erasing%';
UPDATE recordings SET erasing = NULL WHERE erasing IS NOT NULL;
UPDATE recordings SET numbers = 'kept' WHERE numbers LIKE 'erasing%';
DROP INDEX recordings_erasing;
DROP INDEX recordings_numbers_erasing;
CREATE TABLE figures (
    controller TEXT COLLATE "C" NOT NULL, class TEXT COLLATE "C" NOT NULL, day TEXT COLLATE "C" NOT NULL,
    earliest TEXT COLLATE "C" NOT NULL, latest TEXT COLLATE "C" NOT NULL, held BIGINT NOT NULL,
    handed_over TEXT COLLATE "C" NOT NULL, numbers TEXT COLLATE "C" NOT NULL,
    recordings BIGINT NOT NULL, bytes BIGINT NOT NULL, samples BIGINT NOT NULL,
    PRIMARY KEY (controller, class, day, earliest, latest, held, handed_over, numbers)
);
INSERT INTO figures SELECT controller, class, day, earliest, latest, held, handed_over, numbers, COUNT(*), SUM(bytes), SUM(samples)
    FROM recordings WHERE state <> 'open' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
CREATE FUNCTION vaxel_figures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO figures SELECT controller, class, day, earliest, latest, held, handed_over, numbers,
            COUNT(*), SUM(bytes), SUM(samples) FROM after WHERE state <> 'open'
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
            ON CONFLICT (controller, class, day, earliest, latest, held, handed_over, numbers) DO UPDATE
            SET recordings = figures.recordings + excluded.recordings, bytes = figures.bytes + excluded.bytes,
            samples = figures.samples + excluded.samples;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO figures SELECT controller, class, day, earliest, latest, held, handed_over, numbers,
            -COUNT(*), -SUM(bytes), -SUM(samples) FROM before WHERE state <> 'open'
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
            ON CONFLICT (controller, class, day, earliest, latest, held, handed_over, numbers) DO UPDATE
            SET recordings = figures.recordings + excluded.recordings, bytes = figures.bytes + excluded.bytes,
            samples = figures.samples + excluded.samples;
    ELSE
        INSERT INTO figures SELECT controller, class, day, earliest, latest, held, handed_over, numbers,
            SUM(sign), SUM(sign * bytes), SUM(sign * samples)
            FROM (SELECT 1 AS sign, * FROM after UNION ALL SELECT -1, * FROM before) AS changed WHERE state <> 'open'
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
            HAVING SUM(sign) <> 0 OR SUM(sign * bytes) <> 0 OR SUM(sign * samples) <> 0
            ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
            ON CONFLICT (controller, class, day, earliest, latest, held, handed_over, numbers) DO UPDATE
            SET recordings = figures.recordings + excluded.recordings, bytes = figures.bytes + excluded.bytes,
            samples = figures.samples + excluded.samples;
    END IF;
    -- In two: to one condition that names it, "before" would have to be there.
    IF TG_OP <> 'INSERT' THEN
        IF EXISTS (SELECT 1 FROM before WHERE state <> 'open') THEN
            DELETE FROM figures USING (SELECT DISTINCT controller, class, day, earliest, latest, held, handed_over, numbers
                FROM before WHERE state <> 'open') AS gone
                WHERE figures.controller = gone.controller AND figures.class = gone.class AND figures.day = gone.day
                AND figures.earliest = gone.earliest AND figures.latest = gone.latest AND figures.held = gone.held
                AND figures.handed_over = gone.handed_over AND figures.numbers = gone.numbers AND figures.recordings = 0;
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER figures_changed AFTER UPDATE ON recordings
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION vaxel_figures();
CREATE TRIGGER figures_entered AFTER INSERT ON recordings
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION vaxel_figures();
CREATE TRIGGER figures_erased AFTER DELETE ON recordings
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION vaxel_figures();
UPDATE vaxel_version SET version = 4;
"#;
