//! Weekly hours compiled to moments, so that asking is a lookup and daylight saving is right by construction.

use std::{ops::Range, sync::LazyLock};

use jiff::{
    SignedDuration, ToSpan,
    civil::{Date, date},
    tz::TimeZone,
};

use super::{DayKind, Hours};
use crate::time::{Time, sweden};

/// The years that are compiled: those for which the holiday rules were checked (`data/PROVENANCE.md`).
/// Outside them the same answer is worked out from the wall clock.
const FIRST_DAY: Date = date(2005, 1, 1);
const LAST_DAY: Date = date(2050, 12, 31);

const HOUR_MICROS: i64 = 3600 * 1_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// Opening hours as sorted moments of change, with an index by day.
#[derive(Debug, Clone)]
pub(crate) struct OpenTimes {
    hours: Hours,
    begins: i64,
    /// Opens, closes, opens, closes ...
    changes: Vec<i64>,
    /// For each stretch of 24 hours since `begins`: how many changes lie before it.
    changes_before: Vec<u32>,
}

impl OpenTimes {
    pub(crate) fn new(hours: Hours) -> Self {
        let changes = flattened(intervals(&hours));
        let begins = midnight(FIRST_DAY);
        let days = (midnight(LAST_DAY) - begins) / DAY_MICROS;
        let mut changes_before = Vec::with_capacity(usize::try_from(days).unwrap_or(0));
        let mut passed = 0;
        for day in 0..days {
            let start = begins + day * DAY_MICROS;
            passed += changes[passed as usize..].partition_point(|&change| change < start) as u32;
            changes_before.push(passed);
        }
        Self {
            hours,
            begins,
            changes,
            changes_before,
        }
    }

    /// Whether it is open at a moment.
    pub(crate) fn is_open(&self, at: Time) -> bool {
        let since = at.as_micros().saturating_sub(self.begins);
        let day = usize::try_from(since.div_euclid(DAY_MICROS)).unwrap_or(usize::MAX);
        let Some(&before) = self.changes_before.get(day) else {
            return self.hours.is_open(at.in_sweden().datetime());
        };
        let today = self.changes[before as usize..]
            .iter()
            .take_while(|&&change| change <= at.as_micros())
            .count();
        (before as usize + today) % 2 == 1
    }

    /// Whether a moment lies in the compiled years.
    pub(crate) fn is_compiled(&self, at: Time) -> bool {
        let since = at.as_micros().saturating_sub(self.begins);
        let day = usize::try_from(since.div_euclid(DAY_MICROS));
        day.is_ok_and(|day| day < self.changes_before.len())
    }

    /// The moments of change in the compiled years, sorted.
    pub(crate) fn changes(&self) -> &[i64] {
        &self.changes
    }

    /// Moments of a time at which it may open or close by the clock on the wall, in no order: for what lies outside the compiled years.
    pub(crate) fn changes_by_wall(&self, from: Time, until: Time) -> Vec<Time> {
        let zone = sweden();
        let first = from.in_sweden().date();
        // An opening may have begun two days before.
        let first = first.checked_sub(2.days()).unwrap_or(first);
        let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
        let last = until.in_sweden().date();
        let mut found = Vec::new();
        for day in days.take_while(|day| *day <= last) {
            for opening in self.hours.on(DayKind::of(day)) {
                let ends = [opening.from_minute, opening.to_minute];
                found.extend(ends.map(|minute| moment(day, minute, &zone)));
            }
        }
        // In autumn an hour comes twice, and with it what happens then.
        let again: Vec<i64> = found.iter().map(|at| at + HOUR_MICROS).collect();
        found.extend(again);
        let turns = zone.following(from.timestamp());
        let turns = turns.map(|turn| turn.timestamp().as_microsecond());
        found.extend(turns.take_while(|at| *at < until.as_micros()));
        found.into_iter().map(Time::from_micros).collect()
    }

    /// The openings in the compiled years that end after a moment, in order.
    pub(crate) fn openings_from(&self, at: Time) -> impl Iterator<Item = Range<Time>> + use<'_> {
        let passed = self
            .changes
            .partition_point(|&change| change <= at.as_micros());
        // Of two changes the first opens.
        self.changes[passed / 2 * 2..]
            .chunks_exact(2)
            .map(|opening| Time::from_micros(opening[0])..Time::from_micros(opening[1]))
    }

    /// The first moment after another at which it opens.
    pub(crate) fn opens_after(&self, at: Time) -> Option<Time> {
        let mut openings = self.openings_from(at).map(|opening| opening.start);
        openings.find(|opens| *opens > at)
    }

    pub(crate) fn hours(&self) -> &Hours {
        &self.hours
    }
}

/// The compiled days with their kinds, which are the same for every calendar. The evening before the first may run into it.
static DAYS: LazyLock<Vec<(Date, DayKind)>> = LazyLock::new(|| {
    let first = FIRST_DAY.yesterday().unwrap_or(FIRST_DAY);
    let days = std::iter::successors(Some(first), |day| day.tomorrow().ok());
    days.take_while(|day| *day <= LAST_DAY)
        .map(|day| (day, DayKind::of(day)))
        .collect()
});

/// When each opening begins and ends, in order of the days it begins on.
fn intervals(hours: &Hours) -> Vec<(i64, i64)> {
    let zone = sweden();
    let mut found = Vec::new();
    for &(day, kind) in DAYS.iter() {
        for opening in hours.on(kind) {
            found.push((
                moment(day, opening.from_minute, &zone),
                moment(day, opening.to_minute, &zone),
            ));
        }
    }
    found.sort_unstable();
    found
}

/// Opens and closes in turn; what overlaps or touches is one opening.
fn flattened(intervals: Vec<(i64, i64)>) -> Vec<i64> {
    let mut changes: Vec<i64> = Vec::with_capacity(intervals.len() * 2);
    for (from, to) in intervals {
        match changes.last_mut() {
            Some(close) if from <= *close => *close = to.max(*close),
            _ if from < to => changes.extend([from, to]),
            _ => {}
        }
    }
    changes
}

/// The moment when a wall clock shows this minute of a day. One that the spring change leaves out is the moment of the change, so that
/// what comes later by the clock never comes earlier; of one that the autumn change repeats it is the first.
fn moment(day: Date, minute: u16, zone: &TimeZone) -> i64 {
    const DAY_MINUTES: u16 = 24 * 60;
    // From 24:00 to 24:00 is the whole next day.
    let later = i64::from(minute / DAY_MINUTES);
    let day = day.checked_add(later.days()).unwrap_or(day);
    let minute = minute % DAY_MINUTES;
    let (hour, minute) = ((minute / 60) as i8, (minute % 60) as i8);
    let wall = day.at(hour, minute, 0, 0).to_zoned(zone.clone());
    wall.map_or(0, |found| {
        let skipped = found.datetime() != day.at(hour, minute, 0, 0);
        let after = found.timestamp().checked_add(SignedDuration::from_secs(1));
        let after = after.ok().filter(|_| skipped);
        let change = after.and_then(|after| zone.preceding(after).next().map(|it| it.timestamp()));
        change.unwrap_or(found.timestamp()).as_microsecond()
    })
}

fn midnight(day: Date) -> i64 {
    moment(day, 0, &sweden())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Opening;

    fn at(text: &str) -> Time {
        let stamp: jiff::Timestamp = text.parse().expect("a timestamp");
        stamp.into()
    }

    /// The length in hours of the opening that holds at a moment.
    fn opening_hours(times: &OpenTimes, inside: Time) -> i64 {
        let place = times
            .changes
            .partition_point(|&change| change <= inside.as_micros());
        assert_eq!(place % 2, 1, "it is open then");
        (times.changes[place] - times.changes[place - 1]) / 3_600_000_000
    }

    #[test]
    fn the_nights_of_the_clock_changes_are_an_hour_shorter_and_longer() {
        let days = DayKind::ALL.map(|day| Opening {
            day,
            from_minute: 22 * 60,
            to_minute: 30 * 60,
        });
        let nights = OpenTimes::new(Hours::new(days.to_vec()));
        assert_eq!(opening_hours(&nights, at("2025-03-30T01:30:00Z")), 7);
        assert_eq!(opening_hours(&nights, at("2025-10-26T01:30:00Z")), 9);
        assert_eq!(opening_hours(&nights, at("2025-10-27T01:30:00Z")), 8);
    }

    /// The clock goes from 02:00 to 03:00: what begins or ends between does so then, and what is open from between until after 03:00 is
    /// open until then.
    #[test]
    fn a_time_that_the_spring_change_leaves_out_is_the_moment_of_the_change() {
        let open = |from_minute, to_minute| {
            let days = DayKind::ALL.map(|day| Opening {
                day,
                from_minute,
                to_minute,
            });
            OpenTimes::new(Hours::new(days.to_vec()))
        };
        let (before, after) = (open(60, 150), open(150, 195));
        for (time, early, late) in [
            ("2025-03-30T00:59:59Z", true, false),
            ("2025-03-30T01:00:00Z", false, true),
            ("2025-03-30T01:14:59Z", false, true),
            ("2025-03-30T01:15:00Z", false, false),
            ("2025-03-31T00:29:59Z", true, false),
            ("2025-03-31T00:30:00Z", false, true),
        ] {
            let is_open = (before.is_open(at(time)), after.is_open(at(time)));
            assert_eq!(is_open, (early, late), "{time}");
            let wall = at(time).in_sweden().datetime();
            let by_wall = (before.hours.is_open(wall), after.hours.is_open(wall));
            assert_eq!(is_open, by_wall, "{time}");
        }
    }

    #[test]
    fn from_the_end_of_a_day_to_the_end_of_a_day_is_the_whole_next_day() {
        let next_day = OpenTimes::new(Hours::new(vec![Opening {
            day: DayKind::Monday,
            from_minute: 24 * 60,
            to_minute: 48 * 60,
        }]));
        for (time, open) in [
            ("2025-06-02T21:59:59Z", false),
            ("2025-06-02T22:00:00Z", true),
            ("2025-06-03T21:59:59Z", true),
            ("2025-06-03T22:00:00Z", false),
        ] {
            assert_eq!(next_day.is_open(at(time)), open, "{time}");
            let wall = at(time).in_sweden().datetime();
            assert_eq!(next_day.hours.is_open(wall), open, "{time}");
        }
    }

    #[test]
    fn a_weekend_of_jourtid_is_an_hour_shorter_and_longer() {
        let jourtid = OpenTimes::new(Hours::jourtid());
        assert_eq!(
            opening_hours(&jourtid, at("2025-03-30T00:30:00Z")),
            62,
            "Friday 17 to Monday 08, 63 h less one"
        );
        assert_eq!(opening_hours(&jourtid, at("2025-10-26T00:30:00Z")), 64);
        assert!(
            jourtid.is_open(at("2025-03-31T05:59:59Z"))
                && !jourtid.is_open(at("2025-03-31T06:00:00Z"))
        );
        assert!(
            jourtid.is_open(at("2025-10-27T06:59:59Z"))
                && !jourtid.is_open(at("2025-10-27T07:00:00Z"))
        );
    }

    #[test]
    fn outside_the_compiled_years_the_wall_clock_answers() {
        let jourtid = OpenTimes::new(Hours::jourtid());
        assert!(
            !jourtid.is_open(at("2060-06-02T10:00:00Z")),
            "a Wednesday at noon"
        );
        assert!(jourtid.is_open(at("2060-06-02T20:00:00Z")));
        assert!(jourtid.is_open(at("1999-01-01T11:00:00Z")));
        for extreme in [i64::MIN, i64::MAX] {
            let time = Time::from_micros(extreme);
            assert_eq!(
                jourtid.is_open(time),
                jourtid.hours.is_open(time.in_sweden().datetime())
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn moments_and_wall_clock_agree(micros in 1_104_534_000_000_000_i64..2_556_000_000_000_000) {
            static JOURTID: std::sync::LazyLock<OpenTimes> = std::sync::LazyLock::new(|| OpenTimes::new(Hours::jourtid()));
            let time = Time::from_micros(micros);
            proptest::prop_assert_eq!(JOURTID.is_open(time), JOURTID.hours.is_open(time.in_sweden().datetime()));
        }
    }
}
