//! How long one routing decision takes. The aim is under 50 ns: routing must never be what a call waits for.
//!
//! `cargo bench -p callcore --bench route`

use std::hint::black_box;

use callcore::{
    kommun::kommuner,
    origin::{Origin, UnknownReason},
    scenario::Scenario,
    time::Time,
};
use criterion::{Criterion, criterion_group, criterion_main};

const SHIPPED: [(&str, &str); 3] = [
    ("today", include_str!("../../scenarios/today.toml")),
    ("imy-2019", include_str!("../../scenarios/imy-2019.toml")),
    (
        "medhelp-2019 (with hours)",
        include_str!("../../scenarios/medhelp-2019.toml"),
    ),
];

/// Calls from everywhere, spread over the years 2018 to 2027 with a stride that meets every hour.
fn calls() -> Vec<(Origin, Time)> {
    const FIRST_MICROS: i64 = 1_514_764_800_000_000;
    const STRIDE_MICROS: i64 = 76_543_210_987;
    let moment = |n: i64| Time::from_micros(FIRST_MICROS + n * STRIDE_MICROS);
    let origins = kommuner().iter().map(|kommun| Origin::Known(kommun.id));
    let origins = origins.chain([Origin::Unknown(UnknownReason::Missing)]);
    (0..4096)
        .zip(origins.cycle())
        .map(|(n, origin)| (origin, moment(n)))
        .collect()
}

fn decide(criterion: &mut Criterion) {
    let calls = calls();
    for (name, text) in SHIPPED {
        let Ok(scenario) = Scenario::from_toml(text, name) else {
            continue;
        };
        let mut next = calls.iter().cycle();
        criterion.bench_function(&format!("decide, {name}"), |bencher| {
            bencher.iter(|| {
                let (origin, at) = next.next().copied().unwrap_or((calls[0].0, calls[0].1));
                scenario.routes.decide(black_box(origin), black_box(at))
            });
        });
    }
    criterion.bench_function("read imy-2019.toml", |bencher| {
        bencher.iter(|| Scenario::from_toml(black_box(SHIPPED[1].1), "bench").is_ok());
    });
}

criterion_group!(benches, decide);
criterion_main!(benches);
