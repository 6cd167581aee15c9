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

/// All queues together, in steps of so many hours that the points can be told apart. A day is a Swedish one, of 23 to 25.
fn rows(results: &Results) -> (usize, Vec<HourRow>) {
    let (hours, warm_up) = (&results.hours.hours, results.hours.warm_up);
    let counted = hours.len().saturating_sub(warm_up);
    let days = hours.last().map_or(0, |last| last.day as usize + 1);
    let fits = |step: &&usize| match **step {
        1 => counted <= HOURLY_MAX,
        step => days.div_ceil(step / 24) <= POINTS_MAX,
    };
    let step = *STEPS.iter().find(fits).unwrap_or(&STEPS[3]);
    let point = |place: usize| match step {
        1 => place - warm_up,
        step => hours[place].day as usize / (step / 24),
    };
    let came = results.counted();
    let points = came.clone().last().map_or(0, |last| point(last) + 1);
    let mut rows = vec![HourRow::default(); points];
    for book in &results.books.queues {
        for (place, row) in came
            .clone()
            .zip(book.hours.get(came.clone()).unwrap_or_default())
        {
            rows[point(place)].add(row);
        }
    }
    // The last week may be half a one, and so may the day be in which a run was interrupted: neither is a fall.
    let is_half = if came.end < hours.len() {
        came.end > warm_up && point(came.end) + 1 == points
    } else {
        step > 1 && !days.is_multiple_of(step / 24)
    };
    if is_half && rows.len() > 1 {
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
                let place = self.first_of(point);
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

    /// The first hour that a point stands for.
    fn first_of(&self, point: usize) -> usize {
        let day = match self.step {
            1 => return self.hours.warm_up + point,
            step => (point * (step / 24)) as u32,
        };
        let hours = &self.hours.hours;
        hours
            .partition_point(|hour| hour.day < day)
            .max(self.hours.warm_up)
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
    // A name may hold a point of its own: only the factor's becomes a comma in Swedish.
    let told = |point: &str| {
        let one = |surge: &Surge| {
            let regions: Vec<&str> = surge.regions.iter().map(|region| region.code()).collect();
            let whose = if regions.is_empty() {
                String::new()
            } else {
                format!(" ({})", regions.join(", "))
            };
            let (from, until) = (day(surge.from), day(surge.until));
            let factor = surge.factor.to_string().replace('.', point);
            format!("{}{whose} {from} – {until}, × {factor}", surge.name)
        };
        surges.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    Words::new(&told("."), &told(","))
}

#[cfg(test)]
mod tests {
    use callcore::time::Span;
    use jiff::civil::date;

    use super::*;
    use crate::{Plan, tests::today};

    #[test]
    fn a_day_is_a_day_also_when_it_has_an_hour_too_few_or_too_many() {
        let scenario = today();
        for start in [date(2026, 3, 27), date(2026, 10, 23)] {
            let plan = Plan::new(&scenario, start, 4, 1);
            let stop = std::sync::atomic::AtomicBool::new(false);
            let results = crate::run::run(&scenario, &[], &plan, &stop, |_| {});
            let results = results.expect("it balances");
            let (step, rows) = rows(&results);
            assert_eq!((step, rows.len()), (24, 4));
            let shown: u32 = rows.iter().map(|row| row.offered).sum();
            assert_eq!(u64::from(shown), results.summary.calls.offered);
            let labels = Axis::new(&results.hours, step, rows.len()).labels();
            let last = start.saturating_add(jiff::Span::new().days(3));
            assert_eq!(labels[LABELS - 1].1, last.strftime("%m-%d").to_string());
        }
    }

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
