//! Measures gallring on a large store: `cargo run --release -p recorder --example gallring_rates -- ROWS ERASED`.
//!
//! ROWS recordings stand in the index only (10 million is the goal); ERASED of a region with a decision have their keys and
//! files too, and are erased.
#![expect(
    clippy::print_stdout,
    reason = "an example that prints what it measured"
)]

#[path = "../tests/stored/mod.rs"]
mod stored;

use std::{error::Error, ops::ControlFlow, time::Instant};

use callcore::{scenario::Scenario, tag::RecordingTag, time::Time};
use jiff::{Timestamp, civil::date};
use recorder::{
    gallring,
    index::{Closing, Filter, Index, State},
    names::{RecordingId, StreamLabel},
    tally::Tally,
    vault::{Meta, Vault},
};
use wire::g711::Law;

const DAY_MICROS: i64 = 86_400_000_000;
/// Five years of days from November 2018.
const DAYS: u64 = 1826;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let rows = numbers.next().transpose()?.unwrap_or(100_000);
    let erased = numbers.next().transpose()?.unwrap_or(2_000);
    let place = tempfile::tempdir()?;
    let vault = Vault::open(&place.path().join("store"), &place.path().join("keys"))?;
    let index = Index::open(&vault)?;
    let text = include_str!("../../scenarios/jamtland-2025.toml");
    let scenario = Scenario::from_toml(text, "jamtland-2025")?;

    timed("rows entered", rows, || fill(&vault, rows))?;
    timed("recordings made", erased, || {
        (0..erased).try_for_each(|call| record(&vault, &index, call))
    })?;
    timed("a page of a search", 1, || {
        let filter = Filter {
            controller: Some("region-07".to_owned()),
            kommun: Some("0780".to_owned()),
            limit: 50,
            ..Filter::default()
        };
        let found = index.list(&filter)?.len();
        println!("  {found} rows");
        Ok(())
    })?;
    timed("a plan", 1, || {
        let plan = gallring::plan(&vault, &index, &scenario, date(2025, 8, 1))?;
        println!("  {} groups, {} due", plan.groups.len(), plan.due);
        Ok(())
    })?;
    timed("erased with register", erased, || {
        let mut on = |_| ControlFlow::Continue(());
        let (day, now) = (date(2025, 8, 1), Timestamp::now());
        let report = gallring::run(&vault, &index, &scenario, day, now, &mut on)?;
        println!("  {} recordings", report.recordings);
        Ok(())
    })
}

fn timed(
    what: &str,
    count: u64,
    work: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    work()?;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {:.1} ms, {:.0} a second",
        took * 1e3,
        count as f64 / took
    );
    Ok(())
}

/// Enough for ten million rows.
const FILL_CACHE_KIB: i64 = 6 << 20;

/// Rows of 20 regions, straight into the database: only the index is measured with them.
fn fill(vault: &Vault, rows: u64) -> Result<(), Box<dyn Error>> {
    let db = rusqlite::Connection::open(vault.store().join("index.sqlite"))?;
    // Ids are random: without room for the whole index, each row would have its page read and written anew.
    db.pragma_update(None, "cache_size", -FILL_CACHE_KIB)?;
    let all = db.unchecked_transaction()?;
    {
        let sql = "INSERT INTO recordings (id, state, controller, processor, operator, region, kommun, purpose, basis, \
             agreement, class, earliest, latest, route, \"table\", call, started, started_micros, ended, bytes) VALUES \
             (?1, 'closed', ?2, 'inera', 'inera', ?3, ?4, 'p', 'b', 'a', 'audio', ?5, ?6, 'r', 't', ?7, ?8, ?9, ?8, 900000)";
        let mut insert = all.prepare(sql)?;
        for row in 0..rows {
            let region = row % 20 + 1;
            let tag = tag(&format!("region-{region:02}"), row, row * 31 % DAYS);
            insert.execute(rusqlite::params![
                RecordingId::random()?.to_string(),
                &*tag.controller,
                format!("{region:02}"),
                format!("{region:02}80"),
                tag.earliest.to_string(),
                tag.latest.map(|day| day.to_string()),
                tag.call.0.to_string(),
                tag.started.timestamp().to_string(),
                tag.started.as_micros(),
            ])?;
        }
    }
    Ok(all.commit()?)
}

fn record(vault: &Vault, index: &Index, call: u64) -> Result<(), Box<dyn Error>> {
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
