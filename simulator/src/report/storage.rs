//! What is stored through the years, by controller and store.

use super::{
    pictures::frame,
    svg::{Series, areas},
    words::Words,
};
use crate::{keeping::Sample, summary::Results};

/// An area for each controller in each store, as far as the run came.
pub(super) fn picture(results: &Results) -> String {
    let held = held(results);
    let series = storage_series(&held);
    // As far as the run came: every store was looked at on the same days.
    let longest = held
        .iter()
        .map(|(_, samples)| *samples)
        .max_by_key(|samples| samples.len());
    let samples = longest.unwrap_or_default();
    let days = f64::from(samples.last().map_or(0, |last| last.day).max(1));
    let places: Vec<f64> = samples
        .iter()
        .map(|sample| f64::from(sample.day) / days)
        .collect();
    let labels: Vec<(f64, String)> = (0..=4)
        .map(|step| {
            let part = f64::from(step) / 4.0;
            (part, format!("{:.0}", part * days))
        })
        .collect();
    let unit = Words::new("day of the run; gigabytes", "dag i körningen; gigabyte");
    let note = Words::new(
        "Recordings by controller and store. Nothing is erased before its floor, nor without a decision of its controller.",
        "Inspelningar per personuppgiftsansvarig och lager. Inget gallras före golvet, eller utan den ansvariges beslut.",
    );
    let title = Words::new(
        "What is stored through the years",
        "Vad som lagras genom åren",
    );
    frame(&title, &note, &areas(&series, &places, &labels, &unit))
}

/// What each controller has in each store, day by day; who has most comes first.
fn held(results: &Results) -> Vec<(String, &[Sample])> {
    let mut held: Vec<(String, &[Sample])> = results
        .stores
        .iter()
        .flat_map(|(store, figures)| {
            figures.controllers.iter().map(move |(controller, held)| {
                (format!("{controller} ({store})"), held.series.as_slice())
            })
        })
        .collect();
    let most = |samples: &[Sample]| {
        samples
            .iter()
            .map(|sample| sample.gigabytes)
            .fold(0.0, f64::max)
    };
    held.sort_by(|one, other| most(other.1).total_cmp(&most(one.1)));
    held
}

/// An area for each of the first, one for the rest, and lines for what is past floor and ceiling.
fn storage_series(held: &[(String, &[Sample])]) -> Vec<Series> {
    /// More areas can't be told apart.
    const AREAS: usize = 6;
    let of = |sample: &Sample| sample.gigabytes;
    let longest = held.iter().map(|(_, samples)| samples.len()).max();
    let days = longest.unwrap_or(0);
    let line = |name, values, dashed| Series {
        name,
        values,
        dashed,
    };
    let (shown, others) = held.split_at(held.len().min(AREAS));
    let mut series: Vec<Series> = shown
        .iter()
        .map(|one| {
            line(
                Words::name(&one.0),
                summed(std::slice::from_ref(one), days, of),
                false,
            )
        })
        .collect();
    if !others.is_empty() {
        series.push(line(
            Words::new("the others", "övriga"),
            summed(others, days, of),
            false,
        ));
    }
    series.push(line(
        Words::new("past the floor: may be erased", "över golvet: får gallras"),
        summed(held, days, |sample| sample.past_floor),
        true,
    ));
    series.push(line(
        Words::new(
            "past the ceiling: must be gone",
            "över taket: ska vara borta",
        ),
        summed(held, days, |sample| sample.past_ceiling),
        true,
    ));
    series
}

/// Day by day, the sum over several, `days` of them.
fn summed(part: &[(String, &[Sample])], days: usize, of: fn(&Sample) -> f64) -> Vec<f64> {
    (0..days)
        .map(|day| {
            part.iter()
                .map(|(_, samples)| samples.get(day).map_or(0.0, of))
                .sum()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::{Plan, run, tests::today};

    /// Stores are looked at once a week and on the last day.
    #[test]
    fn a_day_lies_where_the_axis_says() {
        let scenario = today();
        let plan = Plan::new(&scenario, date(2026, 3, 2), 8, 1);
        let stop = std::sync::atomic::AtomicBool::new(false);
        let results = run::run(&scenario, &[], &plan, &stop, |_| {}).expect("it balances");
        let page = picture(&results);
        let (_, line) = page.split_once("<polyline points=\"").expect("a line");
        let (points, _) = line.split_once('"').expect("points");
        let places: Vec<f64> = points
            .split(' ')
            .filter_map(|point| point.split_once(',')?.0.parse().ok())
            .collect();
        let [first, week, last] = places[..] else {
            panic!("{points}");
        };
        assert!(((week - first) / (last - first) - 7.0 / 8.0).abs() < 0.001);
    }
}
