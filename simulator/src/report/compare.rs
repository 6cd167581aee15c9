//! Two runs beside each other.

use callcore::scenario::Scenario;
use serde_json::Value;

use crate::summary::{Interval, Results, Service, interval};

/// One figure in both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Its name, as in JSON: `calls.answered`, `queues.region-01.mean_wait_s`.
    pub name: String,
    /// In the other run.
    pub before: f64,
    /// In this one.
    pub after: f64,
}

/// Every figure that both runs have and that differs, in the order of their names.
pub fn compare(before: &Value, after: &Value) -> Vec<Comparison> {
    let mut found = Vec::new();
    walk("", before, after, &mut found);
    found
}

/// What differs from machine to machine and says nothing of the scenario.
const OF_THE_MACHINE: [&str; 5] = [
    "seconds",
    "calls_per_second",
    "calls_per_cpu_second",
    "cpu_seconds",
    "seed",
];

fn walk(name: &str, before: &Value, after: &Value, found: &mut Vec<Comparison>) {
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        for (key, value) in after {
            let full = if name.is_empty() {
                key.clone()
            } else {
                format!("{name}.{key}")
            };
            if let Some(other) = before.get(key)
                && !OF_THE_MACHINE.contains(&full.as_str())
            {
                walk(&full, other, value, found);
            }
        }
    } else if let (Some(before), Some(after)) = (before.as_f64(), after.as_f64())
        && before != after
    {
        found.push(Comparison {
            name: name.to_owned(),
            before,
            after,
        });
    }
}

/// How a figure differs between two runs that met the same callers.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its name, as in JSON.
    pub name: String,
    /// In the other run, as a mean over its replications.
    pub before: f64,
    /// In this one.
    pub after: f64,
    /// Where the mean of all such differences lies, with 95 % confidence: replication by replication, so that what both have of the same luck
    /// falls away. `None` with fewer than two replications.
    pub interval: Option<Interval>,
}

impl Difference {
    fn new(name: String, before: &[f64], after: &[f64]) -> Self {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let pairs = before
            .iter()
            .zip(after)
            .map(|(before, after)| after - before);
        Self {
            name,
            before: mean(before),
            after: mean(after),
            interval: (before.len().min(after.len()) > 1).then(|| interval(pairs)),
        }
    }

    /// Whether the runs differ by more than luck would have it; unknown with one replication.
    pub fn is_sure(&self) -> Option<bool> {
        let Interval { low, high, .. } = self.interval?;
        Some(low > 0.0 || high < 0.0)
    }
}

/// How the service differs between two runs of the same seed and span: all together, then queue by queue where both have
/// one of the name.
pub fn differences(
    (scenario_before, before): (&Scenario, &Results),
    (scenario_after, after): (&Scenario, &Results),
) -> Vec<Difference> {
    let figure = |results: &Results, queue: Option<usize>, place: usize| -> Vec<f64> {
        let of = |service: &Service| service.named()[place].1;
        let runs = results.runs.iter();
        runs.filter_map(|run| match queue {
            None => Some(of(&run.service)),
            Some(queue) => run.queues.get(queue).map(of),
        })
        .collect()
    };
    let names = Service::default().named().map(|(name, _)| name);
    let mut found = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let (before, after) = (figure(before, None, place), figure(after, None, place));
        found.push(Difference::new((*name).to_owned(), &before, &after));
    }
    for (at, queue) in scenario_after.queues.iter().enumerate() {
        let queues = &scenario_before.queues;
        let Some(other) = queues.iter().position(|other| other.name == queue.name) else {
            continue;
        };
        for (place, name) in names.iter().enumerate() {
            let (before, after) = (
                figure(before, Some(other), place),
                figure(after, Some(at), place),
            );
            let name = format!("queues.{}.{name}", queue.name);
            found.push(Difference::new(name, &before, &after));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Plan, run, tests::today};

    #[test]
    fn the_same_callers_under_two_rule_sets_show_a_small_difference_for_sure() {
        let scenario = today();
        let mut fewer = today();
        fewer.agents.retain({
            let mut seen = 0;
            move |agent| {
                // Two nurses of the first queue's 62 are gone.
                seen += u32::from(agent.queue.index() == 0);
                agent.queue.index() != 0 || seen > 2
            }
        });
        let results = |scenario: &Scenario| {
            let plan = Plan {
                replications: 4,
                threads: 2,
                ..Plan::new(scenario, jiff::civil::date(2026, 2, 1), 2, 9)
            };
            let stop = std::sync::atomic::AtomicBool::new(false);
            run::run(scenario, &[], &plan, &stop, |_| {}).expect("it balances")
        };
        let (before, after) = (results(&scenario), results(&fewer));
        let found = differences((&scenario, &before), (&fewer, &after));
        let of = |name: &str| found.iter().find(|one| one.name == name).expect("named");
        let busier = of("queues.region-01.occupancy");
        assert_eq!(busier.is_sure(), Some(true), "{busier:?}");
        let (one, width) = (busier.after - busier.before, busier.interval.expect("four"));
        assert!(one > 0.0 && width.high - width.low < one, "{busier:?}");
        let untouched = of("queues.region-03.mean_wait_s");
        assert_eq!(
            (untouched.after - untouched.before, untouched.is_sure()),
            (0.0, Some(false))
        );
    }

    #[test]
    fn what_differs_is_named_and_the_rest_left_out() {
        let before = json!({"calls": {"answered": 5, "offered": 9}, "seconds": 1.0, "digest": "a"});
        let after = json!({"calls": {"answered": 7, "offered": 9}, "seconds": 2.0, "digest": "b"});
        let found = compare(&before, &after);
        let [one] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (one.name.as_str(), one.before, one.after),
            ("calls.answered", 5.0, 7.0)
        );
    }
}
