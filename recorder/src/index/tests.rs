//! What the index holds, and what it refuses.

use std::fs;

use super::*;
use crate::{place::Place, tally::Tally, vault::test_tag};

#[path = "../../tests/place/mod.rs"]
pub(super) mod postgres;

pub(super) struct Bench {
    _place: tempfile::TempDir,
    pub(super) vault: Vault,
    pub(super) index: Index,
}

pub(super) fn bench() -> Bench {
    let place = tempfile::tempdir().expect("a folder");
    let mut at = Place::folders(&place.path().join("store"), &place.path().join("keys"));
    at.index = postgres::index_of(place.path()).map_or(IndexPlace::InStore, IndexPlace::Postgres);
    let vault = Vault::open_place(at).expect("fresh");
    let index = Index::open(&vault).expect("fresh");
    Bench {
        _place: place,
        vault,
        index,
    }
}

/// In a file, whatever the other tests run on.
fn sqlite() -> Bench {
    let place = tempfile::tempdir().expect("a folder");
    let vault =
        Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
    let index = Index::open(&vault).expect("fresh");
    Bench {
        _place: place,
        vault,
        index,
    }
}

pub(super) fn closing(state: State) -> Closing {
    Closing {
        state,
        ended: "2026-11-22T03:00:00Z".parse().expect("a moment"),
        bytes: 4321,
        tally: Tally {
            packets: 100,
            packets_lost: 3,
            gaps: 1,
            end: 16_000,
            uncounted: false,
        },
        files: vec!["region-01/2026/11/x/1.vax".into()],
    }
}

/// A dump of PostgreSQL may be restored under the same number, as a copy of SQLite over the same file.
#[test]
fn each_start_marks_the_index_so_that_what_is_restored_is_another() {
    let Bench { _place, index, .. } = bench();
    let before = index.mark_start().expect("marked");
    let now = index.mark_start().expect("marked");
    assert_ne!(before, now);
    assert_eq!(index.identity().expect("read"), now);
}

#[test]
fn a_recording_opens_and_closes_once() {
    let Bench {
        index,
        vault: _,
        _place,
    } = bench();
    let (id, tag) = (
        RecordingId::random().expect("random"),
        test_tag("region-01"),
    );
    index.insert_open(id, &tag).expect("entered");
    let open = index.get(id).expect("there");
    assert_eq!(
        (open.state, &open.tag, open.ended),
        (State::Open, &tag, None)
    );
    assert!(index.close(id, &closing(State::Closed)).expect("written"));
    assert!(
        !index.close(id, &closing(State::Truncated)).expect("asked"),
        "it ends once"
    );
    let closed = index.get(id).expect("there");
    assert_eq!(closed.state, State::Closed);
    assert_eq!(
        (closed.bytes, closed.tally, closed.files),
        (
            4321,
            closing(State::Closed).tally,
            closing(State::Closed).files
        )
    );
    assert_eq!(index.left_open().expect("asked"), []);
}

#[test]
fn lists_are_newest_first_and_filtered() {
    let Bench {
        index,
        vault,
        _place,
    } = bench();
    for number in 0..6_u64 {
        let mut tag = test_tag(if number % 2 == 0 {
            "region-01"
        } else {
            "region-23"
        });
        tag.kommun = if number < 2 { "0180" } else { "0181" }.into();
        tag.started = callcore::time::Time::from_micros(tag.started.as_micros() + number as i64);
        tag.call = callcore::switch::CallId(number);
        index
            .insert_open(RecordingId::random().expect("random"), &tag)
            .expect("entered");
    }
    let calls = |filter: Filter| -> Vec<u64> {
        let reader = Index::open_existing(&vault).expect("read beside the writer");
        reader
            .list(&filter)
            .expect("listed")
            .into_iter()
            .map(|entry| entry.tag.call.0)
            .collect()
    };
    assert_eq!(calls(Filter::default()), [5, 4, 3, 2, 1, 0]);
    assert_eq!(
        calls(Filter {
            controller: Some("region-01".into()),
            ..Filter::default()
        }),
        [4, 2, 0]
    );
    assert_eq!(
        calls(Filter {
            kommun: Some("0180".into()),
            ..Filter::default()
        }),
        [1, 0]
    );
    assert_eq!(
        calls(Filter {
            limit: 2,
            ..Filter::default()
        }),
        [5, 4]
    );
}

#[test]
fn a_search_goes_on_page_by_page_and_by_time_region_and_call() {
    let Bench { index, .. } = bench();
    let begun: jiff::Timestamp = "2026-11-22T08:00:00Z".parse().expect("a moment");
    // Two begin at once: a page may end between them.
    let moment = |call: u64| begun + jiff::SignedDuration::from_secs((call as i64 / 2) * 60);
    for call in 0..6 {
        let mut tag = test_tag("region-01");
        tag.call = callcore::switch::CallId(call);
        tag.region = if call < 3 { "01" } else { "03" }.into();
        tag.started = moment(call).into();
        let id = RecordingId::random().expect("random");
        index.insert_open(id, &tag).expect("entered");
    }
    let calls = |filter: Filter| -> Vec<u64> {
        let found = index.list(&filter).expect("listed");
        found.into_iter().map(|entry| entry.tag.call.0).collect()
    };
    let all = calls(Filter::default());
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let filter = Filter {
            limit: 1,
            after,
            ..Filter::default()
        };
        let found = index.list(&filter).expect("listed");
        let Some(last) = found.last() else { break };
        paged.push(last.tag.call.0);
        after = Some((last.tag.started.timestamp(), last.id));
    }
    assert_eq!(paged, all);
    let mut region = calls(Filter {
        region: Some("01".into()),
        ..Filter::default()
    });
    region.sort_unstable();
    assert_eq!(region, [0, 1, 2]);
    let mut between = calls(Filter {
        from: Some(moment(2)),
        until: Some(moment(4)),
        ..Filter::default()
    });
    between.sort_unstable();
    assert_eq!(between, [2, 3]);
    let one = Filter {
        call: Some(5),
        ..Filter::default()
    };
    assert_eq!(calls(one), [5]);
}

#[test]
fn a_recording_is_found_by_the_beginning_of_its_id() {
    let Bench {
        index,
        vault: _,
        _place,
    } = bench();
    let ids = [
        "00112233445566778899aabbccddeeff",
        "00212233445566778899aabbccddeeff",
    ];
    for id in ids {
        index
            .insert_open(
                RecordingId::parse(id).expect("an id"),
                &test_tag("region-01"),
            )
            .expect("entered");
    }
    assert_eq!(index.find("001").expect("there").id.to_string(), ids[0]);
    assert!(matches!(index.find("00"), Err(IndexError::Ambiguous(_))));
    for nothing in ["ff", "", "' OR 1=1 --", "%"] {
        assert!(
            matches!(index.find(nothing), Err(IndexError::NotFound(_))),
            "{nothing:?}"
        );
    }
}

#[test]
fn figures_are_by_controller() {
    let Bench {
        index,
        vault: _,
        _place,
    } = bench();
    for (controller, close) in [
        ("region-01", true),
        ("region-01", true),
        ("region-23", true),
        ("region-23", false),
    ] {
        let id = RecordingId::random().expect("random");
        index
            .insert_open(id, &test_tag(controller))
            .expect("entered");
        if close {
            index.close(id, &closing(State::Closed)).expect("written");
        }
    }
    let figures = index.figures().expect("counted");
    assert_eq!(
        figures["region-01"],
        Stored {
            recordings: 2,
            bytes: 8642,
            seconds: 4.0,
            next_due: "2028-11-22".into()
        }
    );
    assert_eq!(figures["region-23"].recordings, 1);
}

#[test]
fn a_corrupt_index_is_refused_clearly() {
    let Bench {
        index,
        vault,
        _place,
    } = sqlite();
    drop(index);
    let path = vault.store().join(FILE);
    fs::write(&path, "this is no database, it is a text of some length").expect("ours");
    let refused = Index::open(&vault).expect_err("corrupt");
    assert!(matches!(refused, IndexError::Corrupt { .. }), "{refused}");
    assert!(matches!(
        Index::open_existing(&vault),
        Err(IndexError::Corrupt { .. })
    ));
}

/// The store of an index with many pages of rows, of which one was overwritten with zeros.
fn damaged_inside() -> (tempfile::TempDir, Vault) {
    let bench = sqlite();
    for _ in 0..500 {
        let id = RecordingId::random().expect("random");
        let entered = bench.index.insert_open(id, &test_tag("region-01"));
        entered.expect("entered");
    }
    let Bench {
        _place: place,
        vault,
        index,
    } = bench;
    index.close_whole().expect("closed");
    drop(index);
    let path = vault.store().join(FILE);
    let mut bytes = fs::read(&path).expect("readable");
    // Which route a call took stands in the rows only.
    let route = test_tag("region-01").route;
    let holds = |page: &&mut [u8]| {
        page.windows(route.len())
            .any(|part| part == route.as_bytes())
    };
    let mut pages = bytes.chunks_mut(4096).filter(holds);
    pages.nth(9).expect("a page of rows").fill(0);
    // In place: another file would be read through before it is used.
    fs::write(&path, bytes).expect("ours");
    (place, vault)
}

#[test]
fn a_closed_index_is_used_at_once_and_read_through_behind_that() {
    let (_place, vault) = damaged_inside();
    let mut index = Index::open(&vault).expect("nothing was read that is damaged");
    let found = index.take_check().expect("to be done").run();
    assert!(
        matches!(found, Err(IndexError::Corrupt { .. })),
        "{found:?}"
    );
    // From now on everybody knows.
    index.close_whole().expect("doesn't forget it");
    drop(index);
    for refused in [Index::open(&vault), Index::open_to_change(&vault)] {
        let refused = refused.map(|_| ()).expect_err("corrupt");
        assert!(matches!(refused, IndexError::Corrupt { .. }), "{refused}");
    }
}

#[test]
fn an_index_that_nobody_vouches_for_is_read_through_first() {
    let (_place, vault) = damaged_inside();
    fs::remove_file(vault.store().join("index.sqlite-state")).expect("there");
    let refused = Index::open(&vault).expect_err("corrupt");
    assert!(matches!(refused, IndexError::Corrupt { .. }), "{refused}");
}

#[test]
fn what_is_damaged_is_never_read_as_rows() {
    let (_place, vault) = damaged_inside();
    let index = Index::open_existing(&vault).expect("opens");
    let mut rows = 0;
    let read = index.left_open().map(|entries| rows = entries.len());
    assert!(
        matches!(read, Err(IndexError::Corrupt { .. })),
        "{rows} rows"
    );
}

/// What is stored by controller is kept in step by the database; this counts it.
fn counted(index: &Index) -> BTreeMap<String, (u64, u64)> {
    let sql = "SELECT controller, COUNT(*) AS recordings, CAST(SUM(bytes) AS BIGINT) AS bytes FROM recordings \
         WHERE state <> 'open' GROUP BY controller";
    let found = index.rows(sql, &[], |row| {
        let sums = (row.count("recordings")?, row.count("bytes")?);
        Ok((row.text("controller")?, sums))
    });
    found.expect("read").into_iter().collect()
}

fn shown(index: &Index) -> BTreeMap<String, (u64, u64)> {
    let figures = index.figures().expect("read").into_iter();
    figures
        .map(|(controller, one)| (controller, (one.recordings, one.bytes)))
        .collect()
}

#[test]
fn the_figures_follow_every_change() {
    let Bench { index, _place, .. } = bench();
    let mut ids = Vec::new();
    for number in 0..12 {
        let id = RecordingId::random().expect("random");
        let tag = test_tag(["region-01", "region-02", "region-03"][number % 3]);
        index.insert_open(id, &tag).expect("entered");
        if number != 11 {
            let state = [State::Closed, State::Truncated][number % 2];
            assert!(index.close(id, &closing(state)).expect("closed"));
        }
        index.close(id, &closing(State::Closed)).expect("once only");
        ids.push(id);
        assert_eq!(shown(&index), counted(&index), "after {number}");
    }
    // All of one controller and some of the others, being erased and gone.
    let gone: Vec<_> = (0..12)
        .filter(|n| n % 3 == 0 || *n > 7)
        .map(|n| ids[n])
        .collect();
    let marked = index
        .mark(Mark::Recording, &gone, "a decision")
        .expect("marked");
    assert_eq!(shown(&index), counted(&index));
    index.forget(Mark::Recording, &marked).expect("forgotten");
    assert_eq!(shown(&index), counted(&index));
    assert_eq!(shown(&index).len(), 2);
}

/// In PostgreSQL only: a folder has the store's own lock.
#[test]
fn who_opens_waits_a_moment_for_who_ends_and_not_for_who_stays() {
    let Bench {
        index,
        vault,
        _place,
    } = bench();
    if matches!(index.db, Db::Sqlite(_)) {
        return;
    }
    assert!(matches!(Index::open(&vault), Err(IndexError::InUse { .. })));
    std::thread::scope(|scope| {
        let next = scope.spawn(|| Index::open(&vault));
        drop(index);
        next.join().expect("no panic").expect("it is free");
    });
}

#[test]
fn a_later_version_is_refused() {
    let Bench {
        index,
        vault,
        _place,
    } = bench();
    let sql = match index.db {
        Db::Sqlite(_) => "PRAGMA user_version = 9",
        Db::Postgres(_) => "UPDATE vaxel_version SET version = 9",
    };
    index.db.change(vec![Change::new(sql, [])]).expect("ours");
    drop(index);
    assert!(matches!(
        Index::open(&vault),
        Err(IndexError::Version { found: 9, .. })
    ));
}

#[test]
fn no_index_is_no_store() {
    let place = tempfile::tempdir().expect("a folder");
    let vault =
        Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
    assert!(matches!(
        Index::open_existing(&vault),
        Err(IndexError::Missing { .. })
    ));
    fs::create_dir(vault.store().join(FILE)).expect("ours");
    assert!(matches!(
        Index::open(&vault),
        Err(IndexError::Unusable { .. })
    ));
}

#[test]
fn the_index_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let Bench {
        index,
        vault,
        _place,
    } = bench();
    index
        .insert_open(
            RecordingId::random().expect("random"),
            &test_tag("region-01"),
        )
        .expect("entered");
    let names = fs::read_dir(vault.store())
        .expect("readable")
        .map(|entry| entry.expect("readable"));
    for entry in names {
        let mode = entry.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
}
