//! Measures gallring on a large store: `cargo run --release -p recorder --example gallring_rates -- ROWS ERASED [FOLDER]`.
//!
//! ROWS recordings stand in the index only (10 million is the goal); ERASED of a region with a decision have their keys and
//! files too, and are erased. The store stays in FOLDER, and its rows are used again by the next run there: filling and
//! measuring may be done at different times (ERASED 0: only filled). On a memory disk (`/dev/shm`) what is left is our own
//! cost. Without FOLDER it is made where the system keeps temporary files, and removed. Under `tests/with-postgres` the
//! index is in PostgreSQL.
#![expect(
    clippy::print_stdout,
    reason = "an example that prints what it measured"
)]

#[path = "../tests/stored/mod.rs"]
mod stored;

use std::{
    error::Error,
    ops::ControlFlow,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use callcore::{scenario::Scenario, tag::RecordingTag, time::Time};
use jiff::{Timestamp, civil::date};
use recorder::{
    gallring::{self, Step},
    index::{Closing, Filter, Index, State},
    names::{RecordingId, StreamLabel},
    place::{IndexPlace, Place},
    tally::Tally,
    vault::{Meta, Vault},
};
use rusqlite::Connection;
use stored::postgres;
use wire::g711::Law;

type Failure = Box<dyn Error + Send + Sync>;

const DAY_MICROS: i64 = 86_400_000_000;
/// Five years of days from November 2018.
const DAYS: u64 = 1826;
/// Recordings made side by side: each waits for the disk.
const MAKERS: u64 = 16;

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let mut number = |or| words.next().map_or(Ok(or), |text| text.parse::<u64>());
    let (rows, erased) = (number(100_000)?, number(2_000)?);
    let kept = words.next().map(PathBuf::from);
    let temporary = tempfile::tempdir()?;
    let place = kept.as_deref().unwrap_or(temporary.path());
    let folders = Place::folders(&place.join("store"), &place.join("keys"));
    let database = postgres::index_of(place);
    let vault = Vault::open_place(Place {
        index: database
            .clone()
            .map_or(IndexPlace::InStore, IndexPlace::Postgres),
        ..folders
    })?;
    let text = include_str!("../../scenarios/jamtland-2025.toml");
    let scenario = Scenario::from_toml(text, "jamtland-2025")?;

    let filled = place.join("filled");
    if !filled.exists() {
        drop(Index::open(&vault)?);
        enter(&vault, database.as_deref(), rows, &scenario)?;
        std::fs::write(&filled, "")?;
    }
    if erased == 0 {
        return Ok(());
    }
    timed("opened to change", 1, || {
        Index::open_to_change(&vault)?;
        Ok(())
    })?;
    timed("recordings made", erased, || make(&vault, erased))?;
    let index = timed("opened as a recorder does", 1, || Ok(Index::open(&vault)?))?;
    timed("figures for the start", 1, || {
        println!("  {} controllers", index.figures()?.len());
        Ok(())
    })?;
    for _ in 0..2 {
        timed("a page of a search", 1, || search(&index))?;
    }
    timed("a plan", 1, || plan(&vault, &index, &scenario))?;
    timed("erased with register", erased, || {
        erase(&vault, &index, &scenario)
    })?;
    println!("peak memory {}", peak_memory());
    Ok(())
}

/// Rows that stand in the index only.
fn enter(
    vault: &Vault,
    database: Option<&str>,
    rows: u64,
    scenario: &Scenario,
) -> Result<(), Failure> {
    let Some(url) = database else {
        return timed("rows entered", rows, || fill(vault, rows));
    };
    timed("rows entered", rows, || {
        postgres::run(url, &in_postgres(rows));
        Ok(())
    })?;
    let index = Index::open(vault)?;
    timed("a plan before the first VACUUM", 1, || {
        plan(vault, &index, scenario)
    })?;
    // As a database that has been at work has done by itself.
    postgres::run(url, "VACUUM ANALYZE recordings");
    Ok(())
}

fn timed<T>(
    what: &str,
    count: u64,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    let done = work()?;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {:.1} ms, {:.0} a second",
        took * 1e3,
        count as f64 / took
    );
    Ok(done)
}

fn plan(vault: &Vault, index: &Index, scenario: &Scenario) -> Result<(), Failure> {
    let plan = gallring::plan(vault, index, scenario, date(2025, 8, 1))?;
    println!("  {} groups, {} due", plan.groups.len(), plan.due);
    Ok(())
}

fn search(index: &Index) -> Result<(), Failure> {
    let filter = Filter {
        controller: Some("region-07".to_owned()),
        kommun: Some("0780".to_owned()),
        limit: 50,
        ..Filter::default()
    };
    println!("  {} rows", index.list(&filter)?.len());
    Ok(())
}

/// Erases all that is due, and tells what it waited for: the batch as a whole takes these steps.
fn erase(vault: &Vault, index: &Index, scenario: &Scenario) -> Result<(), Failure> {
    let whole = [
        Step::Marked,
        Step::Synced,
        Step::Registered,
        Step::Forgotten,
    ];
    let mut took = [Duration::ZERO; 4];
    let mut last = Instant::now();
    let mut on = |step: Step| {
        if let Some(place) = whole.iter().position(|known| *known == step) {
            took[place] += last.elapsed();
            last = Instant::now();
        }
        ControlFlow::Continue(())
    };
    let (day, now) = (date(2025, 8, 1), Timestamp::now());
    let report = gallring::run(vault, index, scenario, day, now, &mut on)?;
    println!("  {} recordings", report.recordings);
    for (step, took) in whole.iter().zip(took) {
        println!("  until {step:?}: {:.0} ms", took.as_secs_f64() * 1e3);
    }
    Ok(())
}

/// As Linux tells it; nothing elsewhere.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}

/// Room for the pages that rows are being added to, and for sorting what an index holds.
const FILL_CACHE_KIB: i64 = 256 << 10;
const ROWS_AT_ONCE: u64 = 100_000;

/// Rows of 20 regions, straight into the database: only the index is measured with them. Its own indexes are made again
/// when the rows are there, by sorting; ids come in order so that theirs grows at its end, and days are mixed, so that
/// what a search finds lies scattered over the file.
fn fill(vault: &Vault, rows: u64) -> Result<(), Failure> {
    let db = Connection::open(vault.store().join("index.sqlite"))?;
    db.pragma_update(None, "cache_size", -FILL_CACHE_KIB)?;
    db.pragma_update(None, "journal_mode", "OFF")?;
    db.pragma_update(None, "synchronous", "OFF")?;
    let indexes: Vec<(String, String)> = db
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (name, _) in &indexes {
        db.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    let days: Vec<RecordingTag> = (0..DAYS).map(|day| tag("", 0, day)).collect();
    let mut first = 0;
    while first < rows {
        let until = rows.min(first + ROWS_AT_ONCE);
        insert(&db, &days, first..until, rows)?;
        first = until;
    }
    for (_, sql) in &indexes {
        db.execute_batch(sql)?;
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    Ok(())
}

/// The same rows in PostgreSQL, by one statement; its indexes and the figures of what is stored are made after it.
fn in_postgres(rows: u64) -> String {
    format!(
        r#"
CREATE TEMPORARY TABLE known AS SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = current_schema() AND tablename = 'recordings' AND indexname NOT LIKE '%pkey';
DO $$ DECLARE one RECORD; BEGIN
    FOR one IN SELECT * FROM known LOOP EXECUTE 'DROP INDEX ' || one.indexname; END LOOP;
END $$;
ALTER TABLE recordings DISABLE TRIGGER USER;
INSERT INTO recordings (id, state, controller, processor, operator, region, kommun, purpose, basis, agreement, class,
    earliest, latest, route, "table", call, started, started_micros, ended, bytes)
SELECT lpad(to_hex(row), 32, '0'), 'closed', 'region-' || code, 'inera', 'inera', code, code || '80', 'p', 'b', 'a', 'audio',
    to_char(day + interval '2 years', 'YYYY-MM-DD'), to_char(day + interval '3 years', 'YYYY-MM-DD'), 'r', 't', row::text,
    to_char(began, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), (extract(epoch FROM began) * 1000000)::bigint,
    to_char(began, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 900000
FROM (SELECT row, lpad((row % 20 + 1)::text, 2, '0') AS code, day, day + interval '9 hours' + row % 40000000 * interval '1 millisecond'
        AS began
    FROM (SELECT row, timestamp '2018-11-05' + row * 31 % {DAYS} * interval '1 day' AS day
        FROM generate_series(0, {rows}::bigint - 1) AS row) AS days) AS rows;
ALTER TABLE recordings ENABLE TRIGGER USER;
INSERT INTO figures SELECT controller, class, day, earliest, latest, held, handed_over, numbers, COUNT(*), SUM(bytes), SUM(samples)
    FROM recordings GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
DO $$ DECLARE one RECORD; BEGIN FOR one IN SELECT * FROM known LOOP EXECUTE one.indexdef; END LOOP; END $$;"#
    )
}

fn insert(
    db: &Connection,
    days: &[RecordingTag],
    some: std::ops::Range<u64>,
    rows: u64,
) -> Result<(), Failure> {
    let all = db.unchecked_transaction()?;
    {
        let sql = "INSERT INTO recordings (id, state, controller, processor, operator, region, kommun, purpose, basis, \
             agreement, class, earliest, latest, route, \"table\", call, started, started_micros, ended, bytes) VALUES \
             (?1, 'closed', ?2, 'inera', 'inera', ?3, ?4, 'p', 'b', 'a', 'audio', ?5, ?6, 'r', 't', ?7, ?8, ?9, ?8, 900000)";
        let mut insert = all.prepare(sql)?;
        for row in some {
            let region = row % 20 + 1;
            let day = &days[(row * 31 % DAYS) as usize];
            let started = day.started.timestamp()
                + jiff::SignedDuration::from_millis((row % 40_000_000) as i64);
            insert.execute(rusqlite::params![
                format!("{:032x}", u128::MAX / u128::from(rows) * u128::from(row)),
                format!("region-{region:02}"),
                format!("{region:02}"),
                format!("{region:02}80"),
                day.earliest.to_string(),
                day.latest.map(|day| day.to_string()),
                row.to_string(),
                started.to_string(),
                started.as_microsecond(),
            ])?;
        }
    }
    Ok(all.commit()?)
}

/// Recordings with keys and files, several at a time.
fn make(vault: &Vault, recordings: u64) -> Result<(), Failure> {
    let next = AtomicU64::new(0);
    let maker = || {
        let index = Index::open_to_change(vault)?;
        loop {
            let call = next.fetch_add(1, Ordering::Relaxed);
            if call >= recordings {
                return Ok(());
            }
            record(vault, &index, call)?;
        }
    };
    // The first makes the controller's key.
    thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS).map(|_| scope.spawn(maker)).collect();
        let ended = makers.into_iter().map(|maker| match maker.join() {
            Ok(ended) => ended,
            Err(_) => Err("a maker panicked".into()),
        });
        ended
            .collect::<Vec<Result<(), Failure>>>()
            .into_iter()
            .collect()
    })
}

fn record(vault: &Vault, index: &Index, call: u64) -> Result<(), Failure> {
    let (id, tag) = (RecordingId::random()?, tag("region-23", call, call % 30));
    let recording = vault.begin(id, &tag)?;
    recording.write_meta(&Meta::default())?;
    index.insert_open(id, &tag)?;
    let mut files = Vec::new();
    for label in ["1", "2"] {
        let label = StreamLabel::parse(label)?;
        recording.stream_writer(&label, Law::A)?.finish()?;
        files.push(recording.file_name(&label));
    }
    let closing = Closing {
        state: State::Closed,
        ended: tag.started.timestamp(),
        bytes: 1000,
        tally: Tally::default(),
        files,
    };
    index.close(id, &closing)?;
    Ok(())
}

fn tag(controller: &str, call: u64, day: u64) -> RecordingTag {
    let first = 1_541_408_400_000_000;
    let started = Time::from_micros(first + day.cast_signed() * DAY_MICROS);
    let begun = started.in_sweden().date();
    let after = |years| callcore::retention::Period::Years(years).after(begun);
    RecordingTag {
        earliest: after(2),
        latest: Some(after(3)),
        started,
        ..stored::tag(controller, call)
    }
}
