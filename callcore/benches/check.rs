//! What issue 3 promises of the checker and of comparisons: a national scenario is checked in under 100 ms, and a
//! year's five million calls are compared in under two seconds.

use std::hint::black_box;

use callcore::{
    check::{Subject, check},
    diff::{changes, moved},
    origin::Origin,
    route::Who,
    scenario::Scenario,
    time::Time,
};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::civil::date;

const THEN: &str = include_str!("../../scenarios/imy-2019.toml");
const NOW: &str = include_str!("../../scenarios/today.toml");

/// Five million calls: hours of two years, every kommun in each.
const CALLS: usize = 5_000_000;

fn scenario(text: &str) -> Scenario {
    Scenario::from_toml(text, "bench").unwrap_or_else(|error| panic!("{error}"))
}

fn calls() -> impl Iterator<Item = (Origin, Time)> {
    let origins: Vec<Origin> = Who::everyone()
        .filter_map(|who| match who {
            Who::Kommun(id) => Some(Origin::Known(id)),
            _ => None,
        })
        .collect();
    (0..CALLS).map(move |nth| {
        // 2019-01-01, and a call every six seconds and a bit.
        let at = 1_546_297_200_000_000 + nth as i64 * 6_307_200;
        (origins[nth * 7 % origins.len()], Time::from_micros(at))
    })
}

fn benches(c: &mut Criterion) {
    let (then, now) = (scenario(THEN), scenario(NOW));
    c.bench_function("read a national scenario", |b| {
        b.iter(|| scenario(black_box(THEN)))
    });
    c.bench_function("check a national scenario", |b| {
        let has_audio = |_: &str| true;
        b.iter(|| {
            let subject = Subject {
                scenario: &then,
                has_audio: &has_audio,
            };
            check(&[subject], date(2026, 11, 22)).findings.len()
        });
    });
    let year = |at: &str| -> Time {
        let stamp: jiff::Timestamp = at.parse().expect("a timestamp");
        stamp.into()
    };
    let (from, until) = (year("2018-12-31T23:00:00Z"), year("2019-12-31T23:00:00Z"));
    c.bench_function("changes of a year", |b| {
        b.iter(|| changes(&then, &now, from, until).len())
    });
    let mut slow = c.benchmark_group("diff");
    slow.sample_size(10);
    slow.bench_function("five million calls", |b| {
        b.iter(|| moved(&then, &now, calls()).moved.calls)
    });
    slow.finish();
}

criterion_group!(check_benches, benches);
criterion_main!(check_benches);
