//! How often callers call, from where, and how they are.

use jiff::civil::date;

use super::*;
use crate::tests::today;

fn callers_of(plan: &Plan, source: Source) -> Vec<Caller> {
    Callers::new(plan, &Arc::new(Hours::new(plan)), source, plan.seed).collect()
}

fn region(code: &str) -> Source {
    Source::Region(RegionCode::parse(code).expect("a region"))
}

#[test]
fn callers_come_in_order_from_where_people_live_and_talk_as_long_as_said() {
    let plan = Plan::new(&today(), date(2026, 3, 2), 7, 7);
    let callers = callers_of(&plan, region("01"));
    assert!(callers.is_sorted_by_key(|caller| caller.at));
    let expected = 4.9e6 / 365.0 * 7.0 * 0.234;
    assert!(
        (callers.len() as f64 / expected - 1.0).abs() < 0.05,
        "{}",
        callers.len()
    );
    let city = callers
        .iter()
        .filter(|caller| caller.home.code() == "0180")
        .count();
    let share = city as f64 / callers.len() as f64;
    assert!((share - 0.40).abs() < 0.02, "{share}");
    let talk: f64 = callers.iter().map(|caller| caller.talk.as_secs_f64()).sum();
    assert!((talk / callers.len() as f64 - 420.0).abs() < 8.0);
    let files: f64 = callers.iter().map(|caller| f64::from(caller.files)).sum();
    assert!((files / callers.len() as f64 - 3.5).abs() < 0.05);
    assert!(
        callers
            .iter()
            .all(|caller| (1..=10).contains(&caller.files))
    );
}

#[test]
fn patience_has_the_mean_that_is_said_whatever_its_shape() {
    let mut plan = Plan::new(&today(), date(2026, 3, 2), 1, 7);
    for shape in [0.5, 1.0, 2.0] {
        plan.settings.patience_shape = shape;
        let (draws, mut rng) = (Draws::new(&plan), stream(1, Purpose::Patience, "test"));
        let sum: f64 = (0..100_000).map(|_| draws.patience(&mut rng)).sum();
        assert!((sum / 1e5 - 1.0).abs() < 0.03, "{shape}: {sum}");
    }
}

#[test]
fn a_surge_doubles_the_calls_of_its_region_and_hours_only() {
    let mut plan = Plan::new(&today(), date(2026, 3, 2), 1, 7);
    let from = plan.window().0;
    plan.settings.surges = vec![Surge {
        name: "storm".into(),
        from: from + Span::from_secs(12 * 3600),
        until: from + Span::from_secs(13 * 3600 + 1800),
        factor: 3.0,
        regions: RegionCode::parse("21").into_iter().collect(),
    }];
    let hours = Arc::new(Hours::new(&plan));
    let storm = Callers::new(&plan, &hours, region("21"), 1);
    let calm = Callers::new(&plan, &hours, region("20"), 1);
    let ratio = |hour| storm.rate_of(hour) / calm.rate_of(hour);
    assert!((ratio(12) / ratio(11) - 3.0).abs() < 1e-9);
    assert!((ratio(13) / ratio(11) - 2.0).abs() < 1e-9);
    assert!((ratio(14) / ratio(11) - 1.0).abs() < 1e-9);
}

#[test]
fn missing_and_wrong_ids_come_in_their_shares() {
    let mut plan = Plan::new(&today(), date(2026, 3, 2), 7, 7);
    plan.settings.missing_share = 0.1;
    plan.settings.wrong_share = 0.09;
    let missing = callers_of(&plan, Source::Missing);
    let expected = Hours::new(&plan).expected();
    assert!((missing.len() as f64 / expected - 0.1).abs() < 0.005);
    assert!(
        missing
            .iter()
            .all(|caller| caller.origin.kommun().is_none())
    );
    let gotland = callers_of(&plan, region("09"));
    let strangers = gotland
        .iter()
        .filter(|caller| caller.home.code() != "0980")
        .count();
    let share = strangers as f64 / gotland.len() as f64;
    assert!((share - 0.1).abs() < 0.05, "{share}");
}

#[test]
fn what_a_region_is_said_to_call_is_taken_from_the_others() {
    let mut plan = Plan::new(&today(), date(2026, 3, 2), 1, 7);
    let stockholm = RegionCode::parse("01").expect("a region");
    plan.settings.calls_by_region = vec![(stockholm, 2_450_000)];
    let sum: f64 = kommun::regions()
        .iter()
        .map(|region| region_share(&plan, region.code))
        .sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert!((region_share(&plan, stockholm) - 0.5).abs() < 1e-9);
}

#[test]
fn everyone_comes_in_order_and_is_not_drawn_before_being_asked_for() {
    let mut plan = Plan::new(&today(), date(2026, 3, 2), 1, 7);
    let all: Vec<Caller> = everyone(&plan).collect();
    assert!(all.is_sorted_by_key(|caller| caller.at));
    let sources = Source::all(&plan).into_iter();
    let apart: usize = sources.map(|source| callers_of(&plan, source).len()).sum();
    assert_eq!(all.len(), apart);
    // So many that nobody can hold them.
    plan.days = 3650;
    plan.traffic.calls_per_year = u32::MAX;
    assert_eq!(everyone(&plan).take(1000).count(), 1000);
}
