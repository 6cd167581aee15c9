//! How the run went through its days: what a mean over all of them hides, such as a week of influenza.

use callcore::{scenario::Surge, time::Time};

use super::{
    pictures::frame,
    svg::{Band, Series, lines},
    words::Words,
};
use crate::{
    hours::Hours,
    summary::{Results, share},
    tally::HourRow,
};

/// Points of a line at most: more can't be told apart on half a page.
const POINTS_MAX: usize = 400;
/// Hours between two points: an hour, a day, a week, four weeks.
const STEPS: [usize; 4] = [1, 24, 7 * 24, 28 * 24];
/// A run of three days is shown hour by hour.
const HOURLY_MAX: usize = 3 * 24;
/// Labels of the axis.
const LABELS: usize = 5;

/// How many called, and how many of them were answered in time.
pub(super) fn pictures(surges: &[Surge], results: &Results) -> (String, String) {
    let (step, rows) = rows(results);
    let calls = rows.iter().map(|row| f64::from(row.offered)).collect();
    let mut level = 100.0;
    // Where nobody called the line goes on as it was.
    let levels = rows.iter().map(|row| {
        if row.joined > 0 {
            level = 100.0 * share(f64::from(row.in_time), f64::from(row.joined));
        }
        level
    });
    let axis = Axis::new(&results.hours, step, rows.len());
    let bands = axis.bands(surges);
    let each = every(step);
    let picture = |title: Words, values: Vec<f64>, unit: Words| {
        let line = [Series {
            name: unit.clone(),
            values,
            dashed: false,
        }];
        let picture = lines(&line, &bands, &axis.labels(), &Words::name(""));
        frame(&title, &named(surges), &picture)
    };
    (
        picture(
            Words::new("Calls through the run", "Samtal genom körningen"),
            calls,
            Words::new(
                &format!("calls to queues here, {}", each.0),
                &format!("samtal till köer här, {}", each.1),
            ),
        ),
        picture(
            Words::new(
                "Answered within 180 s through the run",
                "Besvarade inom 180 s genom körningen",
            ),
            levels.collect(),
            Words::new(
                &format!("% of those in queues, {}", each.0),
                &format!("% av dem i köer, {}", each.1),
            ),
        ),
    )
}

/// All queues together, in steps of so many hours that the points can be told apart.
fn rows(results: &Results) -> (usize, Vec<HourRow>) {
    let warm_up = results.hours.warm_up;
    let hours = results.hours.hours.len().saturating_sub(warm_up);
    let fits = |step: &&usize| match **step {
        1 => hours <= HOURLY_MAX,
        step => hours.div_ceil(step) <= POINTS_MAX,
    };
    let step = *STEPS.iter().find(fits).unwrap_or(&STEPS[3]);
    let mut rows = vec![HourRow::default(); hours.div_ceil(step)];
    for book in &results.books.queues {
        for (place, row) in book.hours.iter().skip(warm_up).enumerate() {
            if let Some(sum) = rows.get_mut(place / step) {
                sum.add(row);
            }
        }
    }
    // The last week may be half a one, and an interrupted run has days that never came: neither is a fall.
    if !hours.is_multiple_of(step) && rows.len() > 1 {
        rows.pop();
    }
    while results.summary.partial && rows.last().is_some_and(|row| row.offered == 0) {
        rows.pop();
    }
    (step, rows)
}

const fn every(step: usize) -> (&'static str, &'static str) {
    match step {
        1 => ("hour by hour", "timme för timme"),
        24 => ("day by day", "dag för dag"),
        168 => ("week by week", "vecka för vecka"),
        _ => ("four weeks at a time", "fyra veckor i taget"),
    }
}

/// Where a moment lies among the points.
struct Axis<'a> {
    hours: &'a Hours,
    step: usize,
    points: usize,
}

impl<'a> Axis<'a> {
    const fn new(hours: &'a Hours, step: usize, points: usize) -> Self {
        Self {
            hours,
            step,
            points,
        }
    }

    fn labels(&self) -> Vec<(f64, String)> {
        let last = self.points.saturating_sub(1).max(1);
        (0..LABELS)
            .map(|label| {
                let point = last * label / (LABELS - 1);
                let place = self.hours.warm_up + point * self.step;
                let local = self.hours.begins(place).in_sweden().datetime();
                let said = match self.step {
                    1 => local.strftime("%H:00"),
                    24 => local.strftime("%m-%d"),
                    _ => local.strftime("%Y-%m"),
                };
                (point as f64 / last as f64, said.to_string())
            })
            .collect()
    }

    /// The surges that lie within the run.
    fn bands(&self, surges: &[Surge]) -> Vec<Band> {
        let last = self.points.saturating_sub(1).max(1) as f64;
        let place = |at: Time| {
            let since = self.hours.begins(self.hours.warm_up);
            let hours = at.since(since).as_secs_f64() / 3600.0;
            // A point stands for the time after it, a band for where it lies in that.
            ((hours / self.step as f64 - 0.5) / last).clamp(0.0, 1.0)
        };
        let bands = surges.iter().map(|surge| Band {
            name: Words::name(&surge.name),
            from: place(surge.from),
            to: place(surge.until),
        });
        bands.filter(|band| band.from < band.to).collect()
    }
}

fn named(surges: &[Surge]) -> Words {
    if surges.is_empty() {
        return Words::name("");
    }
    let day = |at: Time| at.in_sweden().datetime().strftime("%Y-%m-%d %H:%M");
    let all: Vec<String> = surges
        .iter()
        .map(|surge| {
            let regions: Vec<&str> = surge.regions.iter().map(|region| region.code()).collect();
            let whose = if regions.is_empty() {
                String::new()
            } else {
                format!(" ({})", regions.join(", "))
            };
            let (from, until) = (day(surge.from), day(surge.until));
            format!("{}{whose} {from} – {until}, × {}", surge.name, surge.factor)
        })
        .collect();
    Words::name(&all.join("; "))
}

#[cfg(test)]
mod tests {
    use callcore::time::Span;
    use jiff::civil::date;

    use super::*;
    use crate::{Plan, tests::today};

    fn hours_of(days: u32) -> Hours {
        Hours::new(&Plan::new(&today(), date(2026, 2, 1), days, 1))
    }

    #[test]
    fn a_surge_is_marked_round_the_point_of_its_day_and_one_outside_is_not() {
        let hours = hours_of(11);
        let axis = Axis::new(&hours, 24, 11);
        let day = |day: i64| hours.begins(0) + Span::from_micros(day * 24 * 3_600_000_000);
        let surge = |from: i64, until: i64| Surge {
            name: "snow".into(),
            from: day(from),
            until: day(until),
            factor: 2.0,
            regions: Vec::new(),
        };
        let bands = axis.bands(&[surge(5, 6), surge(-9, -3), surge(40, 50)]);
        let [band] = bands.as_slice() else {
            panic!("{} bands", bands.len());
        };
        assert_eq!((band.from, band.to), (0.45, 0.55));
    }

    #[test]
    fn labels_say_hours_of_a_day_days_of_a_year_and_months_of_ten() {
        let said = |days: u32, step: usize| {
            let hours = hours_of(days);
            let points = hours.hours.len() / step;
            let labels = Axis::new(&hours, step, points).labels();
            (labels[0].1.clone(), labels[LABELS - 1].1.clone())
        };
        assert_eq!(said(1, 1), ("00:00".to_owned(), "23:00".to_owned()));
        assert_eq!(said(28, 24), ("02-01".to_owned(), "02-28".to_owned()));
        assert_eq!(said(3650, 28 * 24).1, "2035-12");
    }
}
