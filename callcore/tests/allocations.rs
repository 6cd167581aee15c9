//! A routing decision is a lookup: it allocates nothing, whatever the origin and the hour.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use callcore::{
    kommun::kommuner,
    origin::{InvalidReason, Origin, UnknownReason},
    scenario::Scenario,
    time::Time,
};

const SCENARIOS: [(&str, &str); 3] = [
    ("today", include_str!("../../scenarios/today.toml")),
    ("imy-2019", include_str!("../../scenarios/imy-2019.toml")),
    (
        "medhelp-2019",
        include_str!("../../scenarios/medhelp-2019.toml"),
    ),
];

#[test]
fn a_decision_allocates_nothing() {
    for (name, text) in SCENARIOS {
        let scenario = Scenario::from_toml(text, name).expect("a shipped scenario");
        let odd = [
            Origin::Unknown(UnknownReason::Missing),
            Origin::Invalid(InvalidReason::Length),
        ];
        let origins = || {
            kommuner()
                .iter()
                .map(|kommun| Origin::Known(kommun.id))
                .chain(odd)
        };
        let noon = 1_541_415_600_000_000;
        // Calls a night, a day and eight years apart: calendar hours and effective dates both change.
        let moments =
            [0, 12 * 3600, 8 * 365 * 86_400].map(|s| Time::from_micros(noon + s * 1_000_000));
        let decide = || {
            let pairs = moments
                .iter()
                .flat_map(|at| origins().map(move |origin| (origin, *at)));
            pairs
                .filter(|(origin, at)| scenario.routes.decide(*origin, *at).is_some())
                .count()
        };
        assert_eq!(
            decide(),
            moments.len() * (kommuner().len() + odd.len()),
            "{name}"
        );
        let counted = allocation_counter::measure(|| {
            std::hint::black_box(decide());
        });
        assert_eq!(counted.count_total, 0, "{name}");
    }
}
