//! A national day in virtual time: about 13 400 calls. The goal is well under a second.

#![allow(
    missing_docs,
    reason = "criterion's macro makes an undocumented function"
)]

use std::hint::black_box;

use callcore::scenario::Scenario;
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::civil::date;
use simulator::{Plan, simulate};

fn national_day(criterion: &mut Criterion) {
    let text = include_str!("../../scenarios/today.toml");
    let scenario = Scenario::from_toml(text, "today.toml").expect("a shipped scenario");
    let plan = Plan::new(&scenario, date(2026, 3, 2), 1, 1);
    let mut group = criterion.benchmark_group("simulate");
    group.sample_size(10);
    group.bench_function("national day", |bencher| {
        bencher.iter(|| simulate(&scenario, black_box(&plan)).expect("the books balance"));
    });
    group.finish();
}

criterion_group!(benches, national_day);
criterion_main!(benches);
