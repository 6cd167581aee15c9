//! Swedish days and hours: red days, the free eves, and jourtid (on-call hours).
//! Source: `data/holidays.csv` (lag 1989:253 as it stands since 2005) and `data/jourtid.csv`.

mod hours;
mod open_times;

use std::sync::LazyLock;

use jiff::{ToSpan, civil::Date, civil::Weekday};

use crate::csv;

pub use hours::{DayKind, Hours, Opening};
pub(crate) use open_times::OpenTimes;

/// Whether a day is a red day: a public holiday by law, every Sunday among them.
/// Years before 2005 are read by the law of today, which is wrong for 6 June and Whit Monday.
pub fn is_red_day(day: Date) -> bool {
    RULES
        .iter()
        .any(|(status, rule)| *status == Status::Red && rule.holds(day))
}

/// Whether a day is one of the three eves that are free by custom: midsommarafton, julafton, nyårsafton.
pub fn is_free_eve(day: Date) -> bool {
    RULES
        .iter()
        .any(|(status, rule)| *status == Status::FreeEve && rule.holds(day))
}

/// Easter Day from 1583 on, by the Gregorian computus (in the form of Meeus, Jones and Butcher).
pub fn easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (golden, century, in_century) = (y.rem_euclid(19), y.div_euclid(100), y.rem_euclid(100));
    let moon_shift = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - moon_shift + 15).rem_euclid(30);
    let to_sunday =
        (32 + 2 * (century % 4) + 2 * (in_century / 4) - epact - in_century % 4).rem_euclid(7);
    let late = (golden + 11 * epact + 22 * to_sunday) / 451;
    let march_days = epact + to_sunday - 7 * late + 114;
    let month = i8::try_from(march_days / 31).ok()?;
    let day = i8::try_from(march_days % 31 + 1).ok()?;
    Date::new(year, month, day).ok()
}

#[derive(PartialEq, Eq)]
enum Status {
    Red,
    FreeEve,
}

/// How the register says when a day falls.
enum Rule {
    Fixed(MonthDay),
    FromEaster(i64),
    WeekdayBetween(MonthDay, MonthDay, Weekday),
    Weekly(Weekday),
}

type MonthDay = (i8, i8);

impl Rule {
    fn holds(&self, day: Date) -> bool {
        match *self {
            Self::Fixed(month_day) => (day.month(), day.day()) == month_day,
            Self::FromEaster(offset) => {
                easter(day.year()).and_then(|easter| easter.checked_add(offset.days()).ok())
                    == Some(day)
            }
            Self::WeekdayBetween(first, last, weekday) => {
                day.weekday() == weekday && (first..=last).contains(&(day.month(), day.day()))
            }
            Self::Weekly(weekday) => day.weekday() == weekday,
        }
    }
}

/// A row that can't be read is left out; the tests below name every day.
static RULES: LazyLock<Vec<(Status, Rule)>> = LazyLock::new(|| {
    csv::rows(include_str!("../../../data/holidays.csv"))
        .filter_map(|row| read(&row))
        .collect()
});

fn read(row: &[&str]) -> Option<(Status, Rule)> {
    let status = match *row.get(5)? {
        "rod_dag" => Status::Red,
        "free_in_practice" => Status::FreeEve,
        _ => return None,
    };
    let (when, which) = (row[3], row[4]);
    let rule = match row[2] {
        "fixed" => Rule::Fixed(month_day(when)?),
        "easter" => Rule::FromEaster(which.parse().ok()?),
        "weekday_in_range" => {
            let (first, last) = when.split_once('/')?;
            Rule::WeekdayBetween(month_day(first)?, month_day(last)?, weekday(which)?)
        }
        "weekly" => Rule::Weekly(weekday(which)?),
        _ => return None,
    };
    Some((status, rule))
}

fn month_day(text: &str) -> Option<MonthDay> {
    let (month, day) = text.split_once('-')?;
    Some((month.parse().ok()?, day.parse().ok()?))
}

fn weekday(name: &str) -> Option<Weekday> {
    match name {
        "friday" => Some(Weekday::Friday),
        "saturday" => Some(Weekday::Saturday),
        "sunday" => Some(Weekday::Sunday),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// All red days of a year that are no Sundays of the ordinary kind, as a public almanac lists them.
    const RED_2027: [(i8, i8); 13] = [
        (1, 1),
        (1, 6),
        (3, 26),
        (3, 28),
        (3, 29),
        (5, 1),
        (5, 6),
        (5, 16),
        (6, 6),
        (6, 26),
        (11, 6),
        (12, 25),
        (12, 26),
    ];

    #[test]
    fn the_red_days_of_2027() {
        let mut day = date(2027, 1, 1);
        while day.year() == 2027 {
            let expected =
                RED_2027.contains(&(day.month(), day.day())) || day.weekday() == Weekday::Sunday;
            assert_eq!(is_red_day(day), expected, "{day}");
            day = day.tomorrow().expect("years go on");
        }
    }

    #[test]
    fn easter_in_many_years() {
        for (year, month, day) in [
            (2005, 3, 27),
            (2008, 3, 23),
            (2011, 4, 24),
            (2018, 4, 1),
            (2019, 4, 21),
            (2030, 4, 21),
            (2038, 4, 25),
        ] {
            assert_eq!(easter(year), Some(date(year, month, day)));
        }
        for year in 1583..=9999 {
            assert!(
                easter(year).is_some_and(|day| day.weekday() == Weekday::Sunday),
                "{year}"
            );
        }
    }

    #[test]
    fn midsommar_and_alla_helgons_dag_move() {
        for (year, midsommar, helgon) in [
            (2018, (6, 23), (11, 3)),
            (2020, (6, 20), (10, 31)),
            (2026, (6, 20), (10, 31)),
        ] {
            assert!(
                is_red_day(date(year, midsommar.0, midsommar.1)),
                "midsommardagen {year}"
            );
            assert!(
                is_free_eve(date(year, midsommar.0, midsommar.1 - 1)),
                "midsommarafton {year}"
            );
            assert!(
                is_red_day(date(year, helgon.0, helgon.1)),
                "alla helgons dag {year}"
            );
        }
    }

    #[test]
    fn eves_that_only_shorten_the_day_are_not_free() {
        assert!(is_free_eve(date(2025, 12, 24)) && is_free_eve(date(2025, 12, 31)));
        for short in [date(2025, 1, 5), date(2025, 4, 17), date(2025, 4, 30)] {
            assert!(!is_free_eve(short), "{short}");
        }
        assert!(
            !is_red_day(date(2025, 12, 24)),
            "julafton is no red day by law"
        );
    }
}
