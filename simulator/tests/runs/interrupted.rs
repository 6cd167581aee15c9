//! Runs that somebody interrupts: whole as far as they came, and said to be partial.

use std::sync::atomic::{AtomicBool, Ordering};

use callcore::scenario::Scenario;
use jiff::civil::date;
use simulator::{Plan, Results, run, simulate, tables};

use super::{conserves, scenario, today};

/// Conversations of four hours, and a run that is stopped after the first: nothing has ended but what was given up.
#[test]
fn a_run_that_is_stopped_counts_who_has_been_answered() {
    let text = include_str!("../../../scenarios/erlang-check.toml");
    let text = text.replacen("talk_mean_s = 480", "talk_mean_s = 14400", 1);
    let text = text.replacen("warm_up_h = 24", "warm_up_h = 0", 1);
    let scenario = scenario("long.toml", &text);
    let plan = Plan::new(&scenario, date(2026, 3, 2), 1, 1);
    let stop = AtomicBool::new(false);
    let results = run::run(&scenario, &[], &plan, &stop, |_| {
        stop.store(true, Ordering::Relaxed);
    });
    let results = results.expect("the books balance");
    let summary = results.summary;
    assert!(summary.partial);
    conserves(&summary);
    let (calls, service) = (summary.calls, summary.service);
    assert!(calls.answered > 10, "{calls:?}");
    assert!(service.service_level > 0.0, "{service:?}");
    assert!(service.occupancy > 0.1, "{service:?}");
}

/// A run that somebody interrupts once ten days are done.
fn interrupted(scenario: &Scenario, plan: &Plan) -> Results {
    let stop = AtomicBool::new(false);
    let after_ten_days = |seen: run::Progress| {
        if seen.days >= 10.0 {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let results = run::run(scenario, &[], plan, &stop, after_ten_days);
    results.expect("the books balance")
}

/// A day of many calls takes long enough to be sorry for.
#[test]
fn a_run_of_a_single_day_ends_soon_after_it_is_told_to() {
    let scenario = today();
    let plan = Plan::new(&scenario, date(2026, 3, 2), 1, 1);
    let results = run::run(&scenario, &[], &plan, &AtomicBool::new(true), |_| {});
    let summary = results.expect("the books balance").summary;
    assert!(summary.partial);
    assert_eq!(summary.until, "2026-03-02T01:00:00");
}

#[test]
fn an_interrupted_run_has_the_same_span_of_every_region_and_says_so() {
    let scenario = today();
    let plan = Plan::new(&scenario, date(2026, 3, 2), 12, 1);
    let summary = interrupted(&scenario, &plan).summary;
    assert!(summary.partial);
    assert_eq!(summary.until, "2026-03-12T12:00:00");
    assert!(summary.calls.offered > 100_000);
    let in_progress = summary.calls.failed;
    assert!(in_progress < 200, "{in_progress}");
}

/// What never came about is no hour without calls, and no nurse was there in it.
#[test]
fn an_interrupted_run_has_figures_of_the_hours_that_came_alone() {
    let scenario = today();
    let of = |days| Plan::new(&scenario, date(2026, 3, 2), days, 1);
    let cut = interrupted(&scenario, &of(20));
    let whole = run::run(&scenario, &[], &of(10), &AtomicBool::new(false), |_| {});
    let whole = whole.expect("the books balance");
    let axis = |results: &simulator::Results, title: &str| -> Vec<String> {
        let page = simulator::report::html(&scenario, results, "today");
        let (_, picture) = page.split_once(title).expect("it is there");
        let (picture, _) = picture.split_once("</section>").expect("it ends");
        let labels = picture.split("class=\"tick end\">").skip(1);
        let labels = labels.filter_map(|label| label.split('<').next());
        labels.map(str::to_owned).collect()
    };
    for title in [
        ">Arrivals by hour<",
        ">Nurses busy<",
        ">Calls through the run<",
    ] {
        assert_eq!(axis(&cut, title), axis(&whole, title), "{title}");
    }
    let lines = |results: &simulator::Results| {
        let mut text = Vec::new();
        tables::hours(&mut text, &scenario, results).expect("written");
        String::from_utf8(text).expect("text").lines().count()
    };
    assert_eq!(lines(&cut), lines(&whole));
}

/// Ten days and five hours over the change to summer time end at six o'clock: a night is no day.
#[test]
fn the_day_in_which_a_run_was_interrupted_is_not_drawn_as_a_fall() {
    let scenario = today();
    let plan = Plan::new(&scenario, date(2026, 3, 20), 41, 1);
    let results = interrupted(&scenario, &plan);
    assert_eq!(results.summary.until, "2026-03-30T06:00:00");
    let page = simulator::report::html(&scenario, &results, "today");
    let (_, picture) = page
        .split_once(">Calls through the run<")
        .expect("it is there");
    let (_, line) = picture.split_once("<polyline points=\"").expect("a line");
    let (points, _) = line.split_once('"').expect("points");
    let heights: Vec<f64> = points
        .split(' ')
        .filter_map(|point| point.split_once(',')?.1.parse().ok())
        .collect();
    assert_eq!(heights.len(), 10);
    assert!(heights.iter().all(|height| *height < 120.0), "{points}");
}

/// Twenty days were wanted and ten came about.
#[test]
fn the_stores_of_an_interrupted_run_are_drawn_up_to_where_it_came() {
    let scenario = today();
    let plan = Plan::new(&scenario, date(2026, 3, 2), 20, 1);
    let page = simulator::report::html(&scenario, &interrupted(&scenario, &plan), "today");
    let (_, stores) = page
        .split_once("What is stored through the years")
        .expect("drawn");
    let (picture, _) = stores.split_once("</svg>").expect("a picture");
    let labels: Vec<&str> = picture
        .split("class=\"tick mid\">")
        .skip(1)
        .filter_map(|label| label.split('<').next())
        .collect();
    assert_eq!(labels[..5], ["0", "2", "5", "8", "10"]);
}

#[test]
fn a_replication_that_was_interrupted_is_no_part_of_the_mean_and_the_run_says_so() {
    let scenario = today();
    let days = 12;
    let one = Plan::new(&scenario, date(2026, 3, 2), days, 1);
    let three = Plan {
        replications: 3,
        ..one.clone()
    };
    let stop = AtomicBool::new(false);
    let results = run::run(&scenario, &[], &three, &stop, |progress| {
        let second = progress.days > f64::from(days);
        stop.store(second, std::sync::atomic::Ordering::Relaxed);
    });
    let summary = results.expect("the books balance").summary;
    assert!(summary.partial);
    assert_eq!(summary.replications, 1);
    let alone = simulate(&scenario, &one).expect("the books balance");
    assert_eq!(summary.service, alone.service);
}

/// What has come in by then is in the list too, and the list ends the run when it can't be taken.
#[test]
fn an_interrupted_run_lists_every_call_that_is_over() {
    let scenario = today();
    let plan = Plan::new(&scenario, date(2026, 3, 2), 1, 1);
    let stop = AtomicBool::new(true);
    let mut listed = 0;
    let mut take = |rows: &[simulator::tally::CallRow]| {
        listed += rows.len() as u64;
        Ok(())
    };
    let results = run::run_listing(&scenario, &[], &plan, &stop, |_| {}, &mut take);
    let summary = results.expect("the books balance").summary;
    assert!(summary.partial);
    assert!(listed > 0 && listed <= summary.calls.offered, "{listed}");
    let mut full = |_: &[simulator::tally::CallRow]| Err("the disk is full".into());
    let results = run::run_listing(&scenario, &[], &plan, &stop, |_| {}, &mut full);
    let error = results.expect_err("nobody takes the list");
    assert_eq!(error.to_string(), "the disk is full");
}
