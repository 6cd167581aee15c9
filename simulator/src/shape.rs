//! How busy an hour is against the others of its day, and a day against the others of its year.

use std::sync::LazyLock;

use callcore::calendar;
use jiff::civil::{Date, Weekday};

use crate::plan::Plan;

const SHAPE: &str = include_str!("../../data/call_shape_assumption.csv");

pub(crate) fn is_workday(date: Date) -> bool {
    !(matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) || is_holiday(date))
}

fn is_holiday(date: Date) -> bool {
    calendar::is_red_day(date) || calendar::is_free_eve(date)
}

pub(crate) fn day_factor(plan: &Plan, date: Date) -> f64 {
    let traffic = &plan.traffic;
    let month = usize::from(date.month().unsigned_abs()) - 1;
    let of_week = match date.weekday() {
        // Every Sunday is a red day by law; what makes it busy is that it's a Sunday.
        Weekday::Sunday => traffic.weekend_factor,
        _ if is_holiday(date) => traffic.holiday_factor,
        Weekday::Saturday => traffic.weekend_factor,
        // What an ordinary week's mean leaves for its five other days: 0.90 with the default of 1.25.
        _ => ((7.0 - 2.0 * traffic.weekend_factor) / 5.0).max(0.0),
    };
    of_week * plan.settings.month_factors[month]
}

/// The mean of the factors of a year's days, so that the year as a whole has the calls it is said to have.
pub(crate) fn mean_day_factor(plan: &Plan, year: i16) -> f64 {
    let first = Date::new(year, 1, 1).unwrap_or(Date::ZERO);
    let days = i32::from(first.days_in_year());
    let sum: f64 = first
        .series(jiff::Span::new().days(1))
        .take(days as usize)
        .map(|date| day_factor(plan, date))
        .sum();
    if sum > 0.0 {
        sum / f64::from(days)
    } else {
        1.0
    }
}

/// The share of a day's calls that come in this hour of it.
pub(crate) fn share_of_day(workday: bool, hour: usize) -> f64 {
    static SHARES: LazyLock<[[f64; 24]; 2]> =
        LazyLock::new(|| ["weekend_holiday", "weekday"].map(read_shape));
    SHARES[usize::from(workday)][hour.min(23)]
}

/// The 24 shares of a kind of day, brought to a sum of 1: the file rounds them to four places.
fn read_shape(day_type: &str) -> [f64; 24] {
    let mut shares = [0.0; 24];
    for line in SHAPE.lines().skip(1) {
        let mut cells = line.split(',');
        if cells.next() != Some(day_type) {
            continue;
        }
        let hour = cells.next().and_then(|hour| hour.parse::<usize>().ok());
        let share = cells.next().and_then(|share| share.parse::<f64>().ok());
        if let (Some(slot), Some(share)) = (hour.and_then(|hour| shares.get_mut(hour)), share) {
            *slot = share;
        }
    }
    let sum: f64 = shares.iter().sum();
    shares.map(|share| share / sum)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::tests::today;

    #[test]
    fn the_shape_has_a_share_for_every_hour() {
        for day_type in ["weekday", "weekend_holiday"] {
            let shares = read_shape(day_type);
            assert!(
                shares.iter().all(|&share| share > 0.005 && share < 0.1),
                "{shares:?}"
            );
        }
    }

    #[test]
    fn holidays_are_busier_than_weekdays() {
        let plan = &Plan::new(&today(), date(2026, 3, 2), 1, 1);
        assert_eq!(day_factor(plan, date(2026, 3, 2)), 0.9);
        assert_eq!(day_factor(plan, date(2026, 3, 7)), 1.25);
        assert_eq!(day_factor(plan, date(2026, 12, 24)), 1.3);
        assert!(!is_workday(date(2026, 12, 25)));
    }
}
