//! A clock that stands years ahead would have everything outstay its floor. It is believed while the days on which something happened
//! in the store, from the last run of gallring on, lie near each other up to today; else somebody must say what day it is. The first run
//! has nothing to be held against: a store that was filled with another date (`--at`) is erased by today's.

use std::{collections::BTreeSet, fs, io, path::PathBuf};

use jiff::{Timestamp, civil::Date};

use super::GallringError;
use crate::{
    access,
    index::Index,
    vault::{Vault, folder},
};

/// A run a quarter, and some days, where nothing is recorded any more; clocks that go wrong go wrong by years.
pub const GAP_DAYS_MAX: i32 = 100;
/// In the store: the day of the last run.
const RAN: &str = ".gallring-ran";

/// Refuses to go on by a clock that seems to have jumped, unless somebody says that it is that day. What was recorded since it jumped
/// doesn't hide that: the days between are without anything.
///
/// # Errors
/// When it has, another day was said than the clock's, or index or logs can't be read.
pub fn refuse_jump(
    vault: &Vault,
    index: &Index,
    now: Timestamp,
    said: Option<Date>,
) -> Result<(), GallringError> {
    let today = callcore::time::Time::from(now).in_sweden().date();
    match said {
        Some(said) if said == today => return Ok(()),
        Some(said) => return Err(GallringError::OtherDay { today, said }),
        None => {}
    }
    let Some(ran) = last_run(vault)? else {
        return Ok(());
    };
    let mut days = seen(vault, index)?;
    days.retain(|day| *day < today && *day > ran);
    days.insert(today);
    let mut last = ran;
    for next in days {
        let days = (next - last).get_days();
        if days > GAP_DAYS_MAX {
            return Err(GallringError::Jump {
                today,
                last,
                next,
                days,
            });
        }
        last = next;
    }
    Ok(())
}

/// Days of which there are recordings, and first days of months of which there are accesses.
fn seen(vault: &Vault, index: &Index) -> Result<BTreeSet<Date>, GallringError> {
    let recorded = index.alike()?.into_iter().map(|group| group.day);
    let logs = access::segments(vault.store())?.into_iter();
    let logs = logs.map(|log| format!("{}-01", log.month));
    Ok(recorded
        .chain(logs)
        .filter_map(|day| day.parse().ok())
        .collect())
}

fn last_run(vault: &Vault) -> Result<Option<Date>, GallringError> {
    let path = path(vault);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(folder::unusable(&path)(error).into()),
    }
}

/// Writes down that gallring ran.
pub(super) fn note(vault: &Vault, today: Date) -> Result<(), GallringError> {
    Ok(folder::write_private(
        &path(vault),
        format!("{today}\n").as_bytes(),
    )?)
}

fn path(vault: &Vault) -> PathBuf {
    vault.store().join(RAN)
}

#[cfg(test)]
mod tests {
    use callcore::tag::RecordingTag;
    use jiff::ToSpan;

    use super::*;
    use crate::{
        access::Access,
        index::{Closing, State},
        names::RecordingId,
        tally::Tally,
        vault::test_tag,
    };

    struct Bench {
        _place: tempfile::TempDir,
        vault: Vault,
        index: Index,
    }

    impl Bench {
        fn new() -> Self {
            let place = tempfile::tempdir().expect("a folder");
            let [store, keys] = ["store", "keys"].map(|name| place.path().join(name));
            let vault = Vault::open(&store, &keys).expect("fresh");
            let index = Index::open(&vault).expect("fresh");
            Self {
                _place: place,
                vault,
                index,
            }
        }

        fn recorded(&self, day: Date) {
            let tag = RecordingTag {
                started: callcore::time::Time::from(noon(day)),
                ..test_tag("region-01")
            };
            let id = RecordingId::random().expect("random");
            self.index.insert_open(id, &tag).expect("entered");
            let closing = Closing {
                state: State::Closed,
                ended: noon(day),
                bytes: 1,
                tally: Tally::default(),
                files: Vec::new(),
            };
            self.index.close(id, &closing).expect("closed");
        }

        fn jumped(&self, today: Date, said: Option<Date>) -> bool {
            match refuse_jump(&self.vault, &self.index, noon(today), said) {
                Ok(()) => false,
                Err(GallringError::Jump { .. }) => true,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn noon(day: Date) -> Timestamp {
        let at = day.at(12, 0, 0, 0).in_tz("UTC").expect("a moment");
        at.timestamp()
    }

    const DAY: Date = jiff::civil::date(2026, 11, 24);

    fn later(days: i32) -> Date {
        DAY.checked_add(days.days()).expect("a day")
    }

    #[test]
    fn a_clock_that_stands_years_ahead_is_not_believed() {
        let bench = Bench::new();
        bench.recorded(later(-4000));
        assert!(!bench.jumped(DAY, None), "nothing ever ran");
        note(&bench.vault, DAY).expect("written");
        assert!(!bench.jumped(later(GAP_DAYS_MAX), None));
        assert!(bench.jumped(later(GAP_DAYS_MAX + 1), None));
        let ahead = later(4000);
        // A recorder that goes on hides nothing.
        bench.recorded(ahead);
        assert!(bench.jumped(later(4001), None));
        // It is right again.
        assert!(!bench.jumped(later(1), None));
    }

    #[test]
    fn somebody_who_says_the_day_is_believed_and_not_asked_again() {
        let bench = Bench::new();
        note(&bench.vault, DAY).expect("written");
        let today = later(400);
        assert!(bench.jumped(today, None) && !bench.jumped(today, Some(today)));
        let other = refuse_jump(&bench.vault, &bench.index, noon(today), Some(DAY));
        assert!(matches!(other, Err(GallringError::OtherDay { .. })));
        note(&bench.vault, today).expect("written");
        assert!(!bench.jumped(later(401), None));
        assert!(bench.jumped(later(800), None));
    }

    #[test]
    fn accesses_show_that_time_went_by() {
        let bench = Bench::new();
        note(&bench.vault, DAY).expect("written");
        for days in [70, 140, 210] {
            let shown = Access {
                who: "ana".into(),
                controller: "region-01".into(),
                action: "show".into(),
                object: "00".into(),
                purpose: String::new(),
            };
            access::write(&bench.vault, noon(later(days)), &[shown]).expect("written");
        }
        assert!(!bench.jumped(later(250), None));
        assert!(bench.jumped(later(400), None));
    }
}
