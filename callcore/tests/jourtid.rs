//! Jourtid and the holidays of a century and a half, by another computation than the calendar's: Gauss's Easter, holidays by hand, and
//! summer time by the rule of the European Union. Each hour of each day is asked, by a route of a scenario.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::collections::BTreeSet;

use callcore::{origin::Origin, scenario::Scenario, time::Time};
use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday, date},
};

const SCENARIO: &str = r#"
organisation = [{ id = "inera", name = "Inera AB", kind = "processor" }]
queue = [{ name = "all", controller = "inera", agents = [{ simulated = 1 }] }]
route = [
  { name = "on-call", all = true, unknown = true, invalid = true, conflict = true, queue = "all", hours = "jourtid" },
  { name = "day", all = true, unknown = true, invalid = true, conflict = true, queue = "all" },
]
operator = { organisation = "inera" }
"#;

/// Easter Day by Gauss, in the form of 1816 with the moon's correction: not the form that the calendar uses.
fn easter_by_gauss(year: i16) -> Date {
    let y = i64::from(year);
    let (a, b, c) = (y % 19, y % 4, y % 7);
    let k = y / 100;
    let p = (13 + 8 * k) / 25;
    let q = k / 4;
    let m = (15 - p + k - q) % 30;
    let n = (4 + k - q) % 7;
    let d = (19 * a + m) % 30;
    let e = (2 * b + 4 * c + 6 * d + n) % 7;
    let after_22_march = match (d, e) {
        (29, 6) => 28,
        (28, 6) if (11 * m + 11) % 30 < 19 => 27,
        _ => d + e,
    };
    date(year, 3, 22)
        .checked_add(after_22_march.days())
        .expect("a day of spring")
}

fn first(weekday: Weekday, from: Date) -> Date {
    let mut days = std::iter::successors(Some(from), |day| day.tomorrow().ok());
    days.find(|day| day.weekday() == weekday)
        .expect("within a week")
}

/// Red days and free eves of a year, as a person would list them: the law as it stands since 2005.
fn free_days(year: i16) -> BTreeSet<Date> {
    let easter = easter_by_gauss(year);
    let from_easter = |days: i64| easter.checked_add(days.days()).expect("a day");
    let midsummer = first(Weekday::Saturday, date(year, 6, 20));
    BTreeSet::from([
        date(year, 1, 1),
        date(year, 1, 6),
        from_easter(-2),
        easter,
        from_easter(1),
        date(year, 5, 1),
        from_easter(39),
        from_easter(49),
        date(year, 6, 6),
        midsummer.yesterday().expect("a day"),
        midsummer,
        first(Weekday::Saturday, date(year, 10, 31)),
        date(year, 12, 24),
        date(year, 12, 25),
        date(year, 12, 26),
        date(year, 12, 31),
    ])
}

fn last_sunday(year: i16, month: i8) -> Date {
    let last = date(year, month, 31);
    let back = i64::from(last.weekday().to_sunday_zero_offset());
    last.checked_sub(back.days()).expect("a day")
}

/// What a Swedish clock shows at an hour of UTC: the day and the hour (directive 2000/84/EC).
fn swedish(day: Date, hour: i64) -> (Date, i64) {
    let year = day.year();
    let at = (day, hour);
    let summer = (last_sunday(year, 3), 1) <= at && at < (last_sunday(year, 10), 1);
    let shown = hour + if summer { 2 } else { 1 };
    match shown {
        24.. => (day.tomorrow().expect("a day"), shown - 24),
        _ => (day, shown),
    }
}

#[test]
fn easter_is_the_same_by_gauss() {
    for year in 1900..=2299 {
        assert_eq!(
            callcore::calendar::easter(year),
            Some(easter_by_gauss(year)),
            "{year}"
        );
    }
}

#[test]
fn jourtid_of_each_hour_from_2000_to_2150() {
    let scenario = Scenario::from_toml(SCENARIO, "test").unwrap_or_else(|error| panic!("{error}"));
    let mut free: BTreeSet<Date> = (2000..=2151).flat_map(free_days).collect();
    free.insert(date(1999, 12, 31));
    let begins: Timestamp = "2000-01-01T00:00:00Z".parse().expect("a moment");
    let mut second = begins.as_second();
    let mut day = date(2000, 1, 1);
    while day.year() <= 2150 {
        for hour in 0..24 {
            let (shown_day, shown_hour) = swedish(day, hour);
            let is_free = free.contains(&shown_day)
                || matches!(shown_day.weekday(), Weekday::Saturday | Weekday::Sunday);
            let expected = is_free || !(8..17).contains(&shown_hour);
            let at = Time::from_micros(second * 1_000_000);
            let decision = scenario.routes.decide(Origin::from_code("0180"), at);
            let route = decision.expect("everybody has a route").route;
            let found = &*scenario.routes.route(route).name == "on-call";
            assert_eq!(
                found, expected,
                "{shown_day} {shown_hour}:00 on a Swedish clock"
            );
            second += 3600;
        }
        day = day.tomorrow().expect("a day");
    }
}
