//! Whole runs in virtual time: repeatable, conserving, and as busy as the profile says.

mod beside;
mod interrupted;
mod waiting;

use callcore::{
    kommun::RegionCode,
    scenario::{Scenario, Surge},
    time::Span,
};
use jiff::civil::date;
use simulator::{Plan, PlanError, RunError, Summary, replay, simulate};

fn scenario(name: &str, text: &str) -> Scenario {
    Scenario::from_toml(text, name).expect("a shipped scenario")
}

fn today() -> Scenario {
    scenario("today.toml", include_str!("../../../scenarios/today.toml"))
}

fn day_of(scenario: &Scenario, seed: u64) -> Summary {
    let plan = Plan::new(scenario, date(2019, 3, 4), 1, seed);
    simulate(scenario, &plan).expect("the books balance")
}

fn conserves(summary: &Summary) {
    let calls = &summary.calls;
    let by_way = calls.answered + calls.abandoned + calls.blocked + calls.external + calls.failed;
    assert_eq!(calls.offered, by_way);
    assert_eq!(calls.offered, summary.by_route.values().sum::<u64>());
    assert_eq!(calls.external, summary.provider_calls.values().sum::<u64>());
    assert_eq!(
        calls.answered,
        summary
            .queues
            .values()
            .map(|queue| queue.answered)
            .sum::<u64>()
    );
    for (name, queue) in &summary.queues {
        let ended = queue.answered + queue.abandoned + queue.blocked;
        assert_eq!(queue.offered, ended, "{name}");
        assert!(queue.service.occupancy <= 1.0, "{name}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_another_day() {
    let scenario = today();
    let (one, again, other) = (
        day_of(&scenario, 1),
        day_of(&scenario, 1),
        day_of(&scenario, 2),
    );
    assert_eq!(one.digest, again.digest);
    assert_eq!((one.calls, one.queues), (again.calls, again.queues));
    assert_ne!(one.digest, other.digest);
}

#[test]
fn a_monday_has_nine_tenths_of_a_mean_days_calls() {
    let summary = day_of(&today(), 3);
    conserves(&summary);
    // 2019 has 1 % more of weekend and holiday than the mean week.
    let expected = 4.9e6 / 365.0 * 0.9 / 1.011;
    let deviation = (summary.calls.offered as f64 - expected) / expected.sqrt();
    assert!(
        deviation.abs() < 5.0,
        "{} of {expected}",
        summary.calls.offered
    );
    assert_eq!(summary.calls.external, 0);
    assert_eq!(
        summary.recorded.values().sum::<u64>(),
        summary.calls.answered
    );
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let scenario = today();
    let on = |threads| {
        let plan = Plan {
            threads,
            replications: 2,
            ..Plan::new(&scenario, date(2026, 3, 28), 2, 7)
        };
        let mut summary = simulate(&scenario, &plan).expect("the books balance");
        (summary.calls_per_cpu_second, summary.cpu_seconds) = (0.0, 0.0);
        summary
    };
    let (one, two) = (on(1), on(2));
    assert_eq!(one, two);
    assert_eq!(one, on(5));
}

#[test]
fn the_calls_of_all_runs_are_counted_for_what_a_second_did() {
    let scenario = today();
    let one = Plan::new(&scenario, date(2026, 3, 2), 1, 1);
    let alone = simulate(&scenario, &one).expect("the books balance");
    assert_eq!(alone.calls_of_all_runs, alone.calls.offered);
    let three = Plan {
        replications: 3,
        ..one
    };
    let all = simulate(&scenario, &three).expect("the books balance");
    assert_eq!(all.calls.offered, alone.calls.offered);
    let of_each = all.calls_of_all_runs as f64 / alone.calls.offered as f64;
    assert!((2.9..3.1).contains(&of_each), "{of_each}");
}

#[test]
fn what_cannot_be_run_is_refused_with_a_remedy() {
    let scenario = today();
    let refused = |change: &dyn Fn(&mut Plan), scenario: &Scenario| {
        let mut plan = Plan::new(scenario, date(2026, 3, 2), 1, 1);
        change(&mut plan);
        match simulate(scenario, &plan) {
            Err(RunError::Plan(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let days = refused(&|plan| plan.days = 0, &scenario);
    assert_eq!(days, PlanError::Days(0));
    let year = refused(&|plan| plan.start = date(9999, 1, 1), &scenario);
    assert_eq!(year, PlanError::Year(9999));
    let many = refused(&|plan| plan.calls_per_hour = Some(3.6e10), &scenario);
    assert!(matches!(many, PlanError::Calls { .. }), "{many}");
    // Ten years of a year's five million calls are few enough, but not a hundred times as many.
    let storm = |plan: &mut Plan| {
        plan.days = 3650;
        let (from, until) = plan.window();
        plan.settings.surges = vec![Surge {
            name: "storm".into(),
            from,
            until,
            factor: 100.0,
            regions: Vec::new(),
        }];
    };
    let surges = refused(&storm, &scenario);
    assert!(matches!(surges, PlanError::Calls { .. }), "{surges}");
    let said = RegionCode::parse("01").expect("a region");
    let one_region = |plan: &mut Plan| {
        plan.days = 365;
        plan.settings.calls_by_region = vec![(said, u32::MAX)];
    };
    let more_than_all = refused(&one_region, &scenario);
    assert!(
        matches!(more_than_all, PlanError::Calls { .. }),
        "{more_than_all}"
    );
    let list = "time,kommun,talk_s\n2026-03-03T10:00,0180,60\n2026-03-04T10:00,0180,60\n";
    let of_other_days = |plan: &mut Plan| plan.replay = replay::read(list, plan).expect("a list");
    let elsewhere = refused(&of_other_days, &scenario);
    assert!(
        elsewhere
            .to_string()
            .contains("from 2026-03-03 to 2026-03-04"),
        "{elsewhere}"
    );
    let none = refused(&|plan| plan.calls_per_hour = Some(0.0), &scenario);
    assert_eq!(none, PlanError::NoCalls);
    let mut hasty = today();
    hasty.queues[3].ring_max = Span::from_secs(2);
    let unanswered = refused(&|_| {}, &hasty);
    assert!(
        matches!(&unanswered, PlanError::RingsTooShort { line, .. } if *line > 0),
        "{unanswered}"
    );
    let mut empty = today();
    empty.agents.clear();
    let nobody = refused(&|_| {}, &empty);
    assert!(
        matches!(&nobody, PlanError::NoNurses { line, .. } if *line > 0),
        "{nobody}"
    );
}

#[test]
fn the_last_day_that_can_be_run_is_the_last_of_its_year() {
    let scenario = today();
    let run = |start, days| simulate(&scenario, &Plan::new(&scenario, start, days, 1));
    let last = run(date(2150, 12, 31), 1).expect("the books balance");
    assert_eq!(last.until, "2151-01-01T00:00:00");
    conserves(&last);
    let beyond = run(date(2150, 12, 31), 2).expect_err("its holidays aren't known");
    assert!(beyond.to_string().contains("the year 2151"), "{beyond}");
}
