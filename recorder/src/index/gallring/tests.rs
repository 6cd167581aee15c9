//! What is marked is left out everywhere, figures are what the rows are, and a hold and a mark never both stand.

use std::collections::BTreeSet;

use super::*;
use crate::{
    index::{
        Filter, State, VERSION,
        db::Db,
        schema,
        tests::{Bench, bench, closing, postgres},
    },
    place::{IndexPlace, Place},
    vault::{Vault, test_tag},
};

impl Bench {
    fn closed(&self, controller: &str) -> RecordingId {
        let id = RecordingId::random().expect("random");
        let entered = self.index.insert_open(id, &test_tag(controller));
        entered.expect("entered");
        let closed = self.index.close(id, &closing(State::Closed));
        assert!(closed.expect("written"));
        id
    }
}

impl Index {
    fn at_rest(&self) -> (u64, u64) {
        let recordings = self.alike().expect("read");
        let numbers = self.numbers_alike().expect("read");
        (
            recordings.iter().map(|group| group.recordings).sum(),
            numbers.iter().map(|group| group.recordings).sum(),
        )
    }

    fn listed(&self) -> BTreeSet<RecordingId> {
        let all = self.list(&Filter::default()).expect("listed");
        all.into_iter().map(|entry| entry.id).collect()
    }

    fn marks(&self, what: Mark) -> Vec<(RecordingId, String)> {
        let marked = self.marked(what).expect("read").into_iter();
        marked
            .map(|(entry, decision)| (entry.id, decision))
            .collect()
    }
}

/// Asserts that the groups are those of the rows, and that what is found of each is what it counts.
fn agree(index: &Index, when: &str) {
    let alike = index.alike().expect("read");
    let rows = |sql: &str| {
        let found = index.rows(sql, &[], |row| row.count("recordings"));
        let mut found = found.expect("read");
        found.sort_unstable();
        found
    };
    let mut counted: Vec<u64> = alike.iter().map(|group| group.recordings).collect();
    counted.sort_unstable();
    let sql = format!(
        "SELECT COUNT(*) AS recordings FROM recordings WHERE {AT_REST} \
         GROUP BY controller, class, day, earliest, latest, held, handed_over, numbers"
    );
    assert_eq!(counted, rows(&sql), "{when}");
    for group in &alike {
        let found = index.some_alike(group, None, 100).expect("read");
        assert_eq!(found.len() as u64, group.recordings, "{when}: {group:?}");
        let bytes: u64 = found.iter().map(|entry| entry.bytes).sum();
        assert_eq!(bytes, group.bytes, "{when}: {group:?}");
    }
    let numbers = index.numbers_alike().expect("read");
    let mut counted: Vec<u64> = numbers.iter().map(|group| group.recordings).collect();
    counted.sort_unstable();
    let sql = format!(
        "SELECT COUNT(*) AS recordings FROM recordings WHERE {AT_REST} AND {NUMBERS_KEPT} \
         GROUP BY controller, day, held, handed_over"
    );
    assert_eq!(counted, rows(&sql), "{when}");
    for group in &numbers {
        let found = index.some_numbers(group, None, 100).expect("read");
        assert_eq!(found.len() as u64, group.recordings, "{when}: {group:?}");
    }
}

#[test]
fn what_is_marked_is_left_out_everywhere_until_the_mark_is_taken_back() {
    let bench = bench();
    let (one, other) = (bench.closed("region-01"), bench.closed("region-01"));
    let index = &bench.index;
    let group = index.alike().expect("read").remove(0);
    let days = index.numbers_alike().expect("read").remove(0);
    assert_eq!(index.at_rest(), (2, 2));
    let mark = |what| index.mark(what, &[one], "RS/1").expect("written");
    assert_eq!(mark(Mark::Recording), [one]);
    assert_eq!(mark(Mark::Recording), [], "once");
    assert_eq!(mark(Mark::Numbers), [], "they go with it");
    agree(index, "marked");
    assert_eq!(index.marks(Mark::Recording), [(one, "RS/1".to_owned())]);
    assert_eq!(index.at_rest(), (1, 1));
    assert_eq!(index.listed(), BTreeSet::from([other]));
    let mut every = Vec::new();
    index.every(|entry| every.push(entry.id)).expect("read");
    assert_eq!(every, [other]);
    let some = index.some_alike(&group, None, 9).expect("read");
    assert_eq!(some.len(), 1);
    let some = index.some_numbers(&days, None, 9).expect("read");
    assert_eq!(some.len(), 1);
    let held = index.hold(one, "too late", "anna", jiff::Timestamp::now());
    assert!(!held.expect("written"));
    assert_eq!(index.holds().expect("read"), []);

    index.unmark(Mark::Recording, &[one]).expect("written");
    assert_eq!(index.marks(Mark::Recording), []);
    assert_eq!(index.listed(), BTreeSet::from([one, other]));
    assert_eq!(mark(Mark::Numbers), [one]);
    agree(index, "numbers marked");
    assert_eq!(index.marks(Mark::Numbers), [(one, "RS/1".to_owned())]);
    assert_eq!(index.at_rest(), (2, 1));
    index.unmark(Mark::Numbers, &[one]).expect("written");
    assert_eq!(index.at_rest(), (2, 2));
}

/// Who was told that it stays relies on it.
#[test]
fn a_hold_waits_for_the_disk() {
    let bench = bench();
    let one = bench.closed("region-01");
    let opened = Index::open_to_change(&bench.vault).expect("opens");
    let held = opened.hold(one, "a dispute", "anna", jiff::Timestamp::now());
    assert!(held.expect("written"));
    if matches!(opened.db, Db::Sqlite(_)) {
        let waits = opened.rows("PRAGMA synchronous", &[], |row| row.count("synchronous"));
        assert_eq!(waits.expect("read"), [2], "FULL");
    }
}

#[test]
fn the_groups_follow_every_change() {
    let bench = bench();
    let index = &bench.index;
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(bench.closed(["region-01", "region-02", "region-03"][number % 3]));
    }
    let open = RecordingId::random().expect("random");
    index
        .insert_open(open, &test_tag("region-01"))
        .expect("entered");
    agree(index, "entered");
    let now = jiff::Timestamp::now();
    assert!(index.hold(ids[0], "a dispute", "anna", now).expect("held"));
    agree(index, "held");
    index.handed_over(&ids[..4], "receipt-1").expect("written");
    agree(index, "handed over");
    index.release(ids[0], "anna", now).expect("written");
    agree(index, "released");
    let numbers = index.mark(Mark::Numbers, &ids[2..6], "RS/1");
    let numbers = numbers.expect("marked");
    assert_eq!(numbers.len(), 4);
    agree(index, "numbers marked");
    index.forget(Mark::Numbers, &numbers).expect("forgotten");
    agree(index, "numbers forgotten");
    let gone = index.mark(Mark::Recording, &ids[..7], "RS/1");
    let gone = gone.expect("marked");
    agree(index, "marked");
    index.forget(Mark::Recording, &gone).expect("forgotten");
    agree(index, "forgotten");
    assert_eq!(index.at_rest(), (5, 5));
    for what in [Mark::Recording, Mark::Numbers] {
        assert_eq!(index.marks(what), []);
    }
    // Of what there is none, no figure is left.
    let left = index.rows("SELECT recordings FROM figures", &[], |row| {
        row.count("recordings")
    });
    assert!(left.expect("read").iter().all(|count| *count > 0));
}

#[test]
fn a_hold_and_a_mark_at_the_same_moment_never_both_stand() {
    let bench = bench();
    let ids: Vec<_> = (0..60).map(|_| bench.closed("region-01")).collect();
    let (vault, each) = (&bench.vault, &ids);
    let hold_each = || -> BTreeSet<RecordingId> {
        let index = Index::open_to_change(vault).expect("opened");
        let now = jiff::Timestamp::now();
        let hold = |id: &&RecordingId| index.hold(**id, "why", "anna", now).expect("asked");
        each.iter().filter(hold).copied().collect()
    };
    let (mut marked, mut held) = (BTreeSet::new(), BTreeSet::new());
    std::thread::scope(|scope| {
        let holding = scope.spawn(hold_each);
        let index = Index::open_to_change(vault).expect("opened");
        for id in &ids {
            marked.extend(index.mark(Mark::Recording, &[*id], "RS/1").expect("asked"));
        }
        held = holding.join().expect("no panic");
    });
    assert!(marked.is_disjoint(&held), "{marked:?} {held:?}");
    assert_eq!(marked.len() + held.len(), ids.len(), "each is one of them");
}

/// A store as an earlier version left it: one recording as it was closed, one being erased, one whose numbers are being erased,
/// one whose numbers are, and one being written.
fn of_version(version: u32, place: &std::path::Path) -> Vault {
    let mut at = Place::folders(&place.join("store"), &place.join("keys"));
    let rows = [
        ("closed", "NULL", "kept"),
        ("closed", "'RS/1'", "kept"),
        ("closed", "NULL", "erasing RS/2"),
        ("truncated", "NULL", "erased"),
        ("open", "NULL", "kept"),
    ];
    let rows = rows.iter().enumerate().map(|(at, (state, erasing, numbers))| {
        format!(
            "INSERT INTO recordings (id, state, controller, processor, operator, region, kommun, purpose, basis, agreement, \
             class, earliest, latest, route, \"table\", call, started, started_micros, bytes, erasing, numbers) VALUES \
             ('{at:032x}', '{state}', 'region-01', 'p', 'o', '01', '0180', 'recording', 'b', 'a', 'audio', '2028-11-22', \
             '2029-11-22', 'r', 't', '{at}', '2026-11-22T08:00:0{at}Z', {at}, 100, {erasing}, '{numbers}');"
        )
    });
    let rows: String = rows.collect();
    let url = postgres::index_of(place);
    at.index = url
        .clone()
        .map_or(IndexPlace::InStore, IndexPlace::Postgres);
    let vault = Vault::open_place(at).expect("fresh");
    // Rows before the last step: it counts them, or the triggers that it makes do.
    match url {
        Some(url) => {
            let last = if version == 3 { schema::POSTGRES_3 } else { "" };
            let script = [schema::POSTGRES, schema::INDEXES, last, &rows].concat();
            postgres::run(&url, &script);
        }
        None => {
            let db = rusqlite::Connection::open(vault.store().join("index.sqlite")).expect("ours");
            let last = if version == 3 { schema::SCHEMA_3 } else { "" };
            let script = [
                schema::SCHEMA,
                schema::SCHEMA_2,
                schema::INDEXES,
                last,
                &rows,
            ]
            .concat();
            db.execute_batch(&script).expect("made");
        }
    }
    vault
}

#[test]
fn an_index_of_a_version_before_is_brought_up_to_date_with_its_marks() {
    for version in 2..VERSION {
        let place = tempfile::tempdir().expect("a folder");
        let vault = of_version(version, place.path());
        let index = Index::open(&vault).expect("brought up to date");
        let id = |number: u128| RecordingId::parse(&format!("{number:032x}")).expect("an id");
        agree(&index, "brought up");
        assert_eq!(index.marks(Mark::Recording), [(id(1), "RS/1".to_owned())]);
        assert_eq!(index.marks(Mark::Numbers), [(id(2), "RS/2".to_owned())]);
        assert_eq!(index.at_rest(), (3, 1), "from {version}");
        assert!(!index.listed().contains(&id(1)));
        let figures = index.figures().expect("read");
        assert_eq!(
            (figures["region-01"].recordings, figures["region-01"].bytes),
            (4, 400)
        );
        index.unmark(Mark::Recording, &[id(1)]).expect("written");
        index.unmark(Mark::Numbers, &[id(2)]).expect("written");
        agree(&index, "taken back");
        assert_eq!(index.at_rest(), (4, 3), "from {version}");
        let closed = index.close(id(4), &closing(State::Closed));
        assert!(closed.expect("written"));
        assert_eq!(index.at_rest(), (5, 4), "from {version}");
        // A second opening finds nothing to do.
        let is_file = matches!(index.db, Db::Sqlite(_));
        drop(index);
        let again = Index::open(&vault).expect("opens");
        assert_eq!(again.at_rest(), (5, 4), "in a file: {is_file}");
    }
}
