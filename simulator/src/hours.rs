//! The hours of a plan: how many calls each brings, and on which day it lies. Worked out once, so that no call asks
//! the calendar.

use callcore::time::{Span, Time};

use crate::{
    plan::Plan,
    shape::{day_factor, is_workday, mean_day_factor, share_of_day},
};

/// An hour, which Swedish time begins together with UTC's.
pub const HOUR: Span = Span::from_secs(3600);

/// One hour of the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hour {
    /// Calls that Sweden as a whole is expected to make in it, before surges.
    pub calls: f64,
    /// Which day since the plan's first, counted from 0; the warm-up counts as the first.
    pub day: u32,
    /// The hour of the week, Monday 00 first: 0 to 167.
    pub of_week: u8,
}

/// The hours from the beginning of the warm-up to the end of the last day.
#[derive(Debug, Clone)]
pub struct Hours {
    /// The first moment of the first.
    pub first: Time,
    /// One after the other.
    pub hours: Vec<Hour>,
    /// How many of them are warm-up.
    pub warm_up: usize,
}

impl Hours {
    /// The hours of a plan.
    pub fn new(plan: &Plan) -> Self {
        let (first, (start, end)) = (plan.begins(), plan.window());
        let (mut hours, mut at) = (Vec::new(), first);
        let mut today = None;
        let mut year = (0, 1.0);
        let mut days = 0;
        while at < end {
            let local = at.in_sweden();
            let date = local.date();
            if today.is_some_and(|today| today != date) && at > start {
                days += 1;
            }
            today = Some(date);
            if year.0 != date.year() {
                year = (date.year(), mean_day_factor(plan, date.year()));
            }
            hours.push(Hour {
                calls: calls(plan, date, local.hour(), year.1),
                day: days,
                of_week: local.weekday().to_monday_zero_offset().unsigned_abs() * 24
                    + local.hour().unsigned_abs(),
            });
            at = at + HOUR;
        }
        let warm_up = start.since(first).as_micros() / HOUR.as_micros();
        Self {
            first,
            hours,
            warm_up: usize::try_from(warm_up).unwrap_or(0),
        }
    }

    /// The place of the hour that a moment lies in; the last for what comes after.
    pub fn place(&self, at: Time) -> usize {
        let since = at.since(self.first).as_micros().unsigned_abs();
        let hours = since / HOUR.as_micros().unsigned_abs();
        (hours as usize).min(self.hours.len().saturating_sub(1))
    }

    /// An hour's first moment.
    pub fn begins(&self, place: usize) -> Time {
        self.first + Span::from_micros(place as i64 * HOUR.as_micros())
    }

    /// The first moment after an hour.
    pub fn ends(&self, place: usize) -> Time {
        self.first + Span::from_micros((place as i64 + 1) * HOUR.as_micros())
    }

    /// How many of the hours have come by a moment, the one under way among them.
    pub fn come(&self, until: Time) -> usize {
        let since = until.since(self.first).as_micros().unsigned_abs();
        let hours = since.div_ceil(HOUR.as_micros().unsigned_abs());
        (hours as usize).min(self.hours.len())
    }

    /// All calls that are expected.
    pub fn expected(&self) -> f64 {
        self.hours.iter().map(|hour| hour.calls).sum()
    }
}

fn calls(plan: &Plan, date: jiff::civil::Date, hour: i8, year_mean: f64) -> f64 {
    if let Some(calls) = plan.calls_per_hour {
        return calls;
    }
    let mean_day = f64::from(plan.traffic.calls_per_year) / f64::from(date.days_in_year());
    if plan.settings.flat {
        return mean_day / 24.0;
    }
    let day = mean_day * day_factor(plan, date) / year_mean;
    day * share_of_day(is_workday(date), hour.unsigned_abs() as usize)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::tests::today;

    #[test]
    fn a_year_expects_as_many_calls_as_the_plan_says() {
        for (year, days) in [(2019, 365), (2024, 366)] {
            let plan = Plan::new(&today(), date(year, 1, 1), days, 7);
            let hours = Hours::new(&plan);
            // The two daylight-saving days have an hour too few and an hour too many.
            assert!((hours.expected() / 4.9e6 - 1.0).abs() < 1e-3);
            assert_eq!(hours.hours.len(), 24 * days as usize);
            assert_eq!(hours.hours.last().map(|hour| hour.day), Some(days - 1));
        }
    }

    #[test]
    fn the_days_of_the_clock_changes_have_23_and_25_hours() {
        for (start, len) in [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)] {
            let plan = Plan::new(&today(), start, 1, 7);
            assert_eq!(Hours::new(&plan).hours.len(), len);
        }
    }

    #[test]
    fn a_warm_up_lies_before_the_first_day() {
        let mut plan = Plan::new(&today(), date(2026, 3, 2), 2, 7);
        plan.settings.warm_up = Span::from_secs(90 * 60);
        let hours = Hours::new(&plan);
        assert_eq!((hours.warm_up, hours.hours.len()), (2, 50));
        assert_eq!(hours.hours[3].day, 0);
        assert_eq!(hours.hours[26].day, 1);
    }
}
