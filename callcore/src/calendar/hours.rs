//! Weekly hours: which minutes of which kind of day are open.

use jiff::civil::{Date, DateTime, Weekday};

use super::{is_free_eve, is_red_day};

/// Minutes in a day of 24 hours, as hours are written. The two daylight-saving days differ; see `OpenTimes`.
const DAY_MINUTES: u16 = 24 * 60;

/// What kind of day it is for opening hours: red days and free eves are a kind of their own, whatever their weekday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayKind {
    /// Monday, neither red nor a free eve.
    Monday,
    /// Tuesday, likewise.
    Tuesday,
    /// Wednesday, likewise.
    Wednesday,
    /// Thursday, likewise.
    Thursday,
    /// Friday, likewise.
    Friday,
    /// Saturday, likewise.
    Saturday,
    /// A Sunday, red as they all are, unless it is a free eve.
    Sunday,
    /// A red day other than a Sunday, or one of the three free eves.
    Holiday,
}

/// From one minute of a day to another; past 24 hours it runs into the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opening {
    /// On days of this kind.
    pub day: DayKind,
    /// First open minute since midnight.
    pub from_minute: u16,
    /// First minute no longer open, since the same midnight; above 1440 it is on the next day.
    pub to_minute: u16,
}

/// Opening hours by kind of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    openings: Vec<Opening>,
}

impl DayKind {
    /// Every kind, Monday first.
    pub const ALL: [Self; 8] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
        Self::Holiday,
    ];

    /// The kind of a day.
    pub fn of(day: Date) -> Self {
        let weekday = day.weekday();
        if is_free_eve(day) || (is_red_day(day) && weekday != Weekday::Sunday) {
            return Self::Holiday;
        }
        Self::ALL[weekday.to_monday_zero_offset().unsigned_abs() as usize]
    }

    /// Its name in scenarios: `mon` to `sun`, and `holiday`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monday => "mon",
            Self::Tuesday => "tue",
            Self::Wednesday => "wed",
            Self::Thursday => "thu",
            Self::Friday => "fri",
            Self::Saturday => "sat",
            Self::Sunday => "sun",
            Self::Holiday => "holiday",
        }
    }
}

impl Hours {
    /// Opening hours. Openings may overlap and touch.
    pub fn new(mut openings: Vec<Opening>) -> Self {
        openings.sort();
        openings.dedup();
        Self { openings }
    }

    /// Jourtid: weekdays 17 to 08, and all day on Saturdays, Sundays, red days and the three free eves.
    /// An assumption (`data/jourtid.csv`): no single national rule was found.
    pub fn jourtid() -> Self {
        let whole = |day| {
            vec![Opening {
                day,
                from_minute: 0,
                to_minute: DAY_MINUTES,
            }]
        };
        let around_work = |day| {
            vec![
                Opening {
                    day,
                    from_minute: 0,
                    to_minute: 8 * 60,
                },
                Opening {
                    day,
                    from_minute: 17 * 60,
                    to_minute: DAY_MINUTES,
                },
            ]
        };
        let of_day = |day| {
            if day < DayKind::Saturday {
                around_work(day)
            } else {
                whole(day)
            }
        };
        Self::new(DayKind::ALL.into_iter().flat_map(of_day).collect())
    }

    /// The openings that begin on a day of this kind, earliest first.
    pub fn on(&self, day: DayKind) -> impl Iterator<Item = &Opening> {
        self.openings
            .iter()
            .filter(move |opening| opening.day == day)
    }

    /// Whether it is open when a clock on the wall shows this.
    pub fn is_open(&self, wall: DateTime) -> bool {
        let minute =
            u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs());
        self.holds(wall.date(), minute)
            || wall
                .date()
                .yesterday()
                .is_ok_and(|day| self.holds(day, minute + DAY_MINUTES))
    }

    fn holds(&self, day: Date, minute: u16) -> bool {
        self.on(DayKind::of(day))
            .any(|opening| (opening.from_minute..opening.to_minute).contains(&minute))
    }

    /// The hours in one line that two equal ones share; part of the routing digest.
    pub(crate) fn canonical(&self) -> String {
        let line = |o: &Opening| format!("{}:{}-{}", o.day.name(), o.from_minute, o.to_minute);
        self.openings.iter().map(line).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn jourtid_on_a_working_day() {
        let monday = date(2018, 11, 5);
        for (hour, minute, open) in [
            (0, 0, true),
            (7, 59, true),
            (8, 0, false),
            (16, 59, false),
            (17, 0, true),
        ] {
            assert_eq!(
                Hours::jourtid().is_open(monday.at(hour, minute, 0, 0)),
                open,
                "{hour}:{minute:02}"
            );
        }
    }

    #[test]
    fn jourtid_all_day_when_it_is_free() {
        let noon = |day: Date| day.at(12, 0, 0, 0);
        let saturday = date(2018, 11, 10);
        let all_free = [
            saturday,
            date(2018, 11, 11), // Sunday
            date(2018, 12, 24), // julafton, a Monday
            date(2019, 6, 21),  // midsommarafton
            date(2019, 5, 30),  // Kristi himmelsfärdsdag, a Thursday
        ];
        for day in all_free {
            assert!(Hours::jourtid().is_open(noon(day)), "{day}");
        }
        assert!(
            !Hours::jourtid().is_open(noon(date(2019, 5, 31))),
            "the Friday after is a working day"
        );
    }

    #[test]
    fn hours_may_run_over_midnight() {
        let night = Hours::new(vec![Opening {
            day: DayKind::Friday,
            from_minute: 22 * 60,
            to_minute: 30 * 60,
        }]);
        assert!(night.is_open(date(2018, 11, 9).at(23, 0, 0, 0)));
        assert!(
            night.is_open(date(2018, 11, 10).at(5, 59, 0, 0)),
            "Saturday morning belongs to Friday night"
        );
        assert!(!night.is_open(date(2018, 11, 10).at(6, 0, 0, 0)));
        assert!(!night.is_open(date(2018, 11, 9).at(5, 0, 0, 0)));
    }
}
