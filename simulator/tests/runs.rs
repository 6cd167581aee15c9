//! Whole runs in virtual time: repeatable, conserving, and as busy as the profile says.

use std::sync::atomic::{AtomicBool, Ordering};

use callcore::{
    kommun::RegionCode,
    scenario::{Scenario, Surge},
};
use jiff::civil::date;
use simulator::{
    Beside, Plan, PlanError, Results, RunError, Summary, replay, run, simulate, tables,
};

fn scenario(name: &str, text: &str) -> Scenario {
    Scenario::from_toml(text, name).expect("a shipped scenario")
}

fn today() -> Scenario {
    scenario("today.toml", include_str!("../../scenarios/today.toml"))
}

fn imy_2019() -> Scenario {
    scenario(
        "imy-2019.toml",
        include_str!("../../scenarios/imy-2019.toml"),
    )
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

/// Conversations of four hours, and a run that is stopped after the first: nothing has ended but what was given up.
#[test]
fn a_run_that_is_stopped_counts_who_has_been_answered() {
    let text = include_str!("../../scenarios/erlang-check.toml");
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

/// docs/simulate.md: the day of snow, with and without Gävleborg's help.
#[test]
fn who_helps_a_neighbour_waits_longer_and_fewer_are_turned_away_there() {
    let alone = include_str!("../../scenarios/winter.toml");
    let line = "name = \"region-20\"\n";
    let helped = alone.replacen(line, &format!("{line}overflow = [\"region-21\"]\n"), 1);
    assert_ne!(alone, helped);
    let [alone, helped] = [alone, &helped].map(|text| {
        let scenario = scenario("winter.toml", text);
        let plan = Plan::new(&scenario, date(2026, 2, 12), 1, 1);
        simulate(&scenario, &plan).expect("the books balance")
    });
    let figures = |summary: &Summary, queue: &str| {
        let queue = &summary.queues[queue];
        (queue.blocked, queue.service.mean_wait_s)
    };
    assert!(figures(&alone, "region-20").0 > 10 * figures(&helped, "region-20").0);
    assert!(figures(&alone, "region-21").1 < figures(&helped, "region-21").1);
    let elsewhere = "region-22";
    assert_eq!(figures(&alone, elsewhere), figures(&helped, elsewhere));
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
fn in_2019_the_three_regions_calls_left_and_none_of_them_was_recorded_here() {
    let summary = day_of(&imy_2019(), 4);
    conserves(&summary);
    assert!(summary.calls.external > 2_000, "{:?}", summary.calls);
    assert_eq!(summary.recorded_at_switch_for_provider, 0);
    assert_eq!(
        summary.recorded.values().sum::<u64>(),
        summary.calls.answered
    );
    for region in ["region-01", "region-04", "region-17"] {
        assert_eq!(summary.recorded.get(region), None);
    }
}

#[test]
fn too_few_agents_show_as_waits_and_lost_callers() {
    let text =
        include_str!("../../scenarios/today.toml").replace("simulated = 62", "simulated = 30");
    let scarce = day_of(&scenario("scarce.toml", &text), 5);
    let ample = day_of(&today(), 5);
    conserves(&scarce);
    let (scarce, ample) = (&scarce.queues["region-01"], &ample.queues["region-01"]);
    assert_eq!(
        scarce.offered, ample.offered,
        "the same callers under the same seed"
    );
    assert!(scarce.service.mean_wait_s > 3.0 * ample.service.mean_wait_s);
    assert!(scarce.abandoned > ample.abandoned);
}

#[test]
fn full_queues_overflow_and_the_figures_still_add_up() {
    let text = include_str!("../../scenarios/today.toml");
    let full = text.replace(
        "agents = [{ simulated = 62 }],",
        "agents = [{ simulated = 20 }], len_max = 5, overflow = [\"nationell\"],",
    );
    let summary = day_of(&scenario("overflow.toml", &full), 6);
    conserves(&summary);
    assert!(summary.calls.diverted > 100, "{:?}", summary.calls);
    assert!(summary.queues["nationell"].answered > 100);
}

/// Patience is the caller's: whoever is sent on doesn't get that of another queue's callers.
#[test]
fn a_caller_who_is_sent_on_has_the_patience_of_the_queue_that_was_called() {
    let text = include_str!("../../scenarios/erlang-check.toml");
    let one = "len_max = 1000000, wait_max_s = 4000000, patience_mean_s = 600 },";
    // Nobody of the second queue answers within the patience of anybody of the first.
    let two = "len_max = 0, overflow = [\"two\"], patience_mean_s = 30 },
  { name = \"two\", controller = \"region-09\", agents = [{ simulated = 1 }], wrap_up_s = 3600, patience_mean_s = 36000, len_max = 100000, wait_max_s = 4000000 },";
    let text = text.replacen(one, two, 1);
    let scenario = scenario("sent-on.toml", &text);
    let plan = Plan::new(&scenario, date(2026, 3, 31), 1, 1);
    let summary = simulate(&scenario, &plan).expect("the books balance");
    let second = &summary.queues["two"];
    assert!(second.abandoned > 100, "{second:?}");
    let wait_s = second.service.mean_wait_s;
    assert!((20.0..40.0).contains(&wait_s), "{wait_s}");
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

fn medhelp() -> Scenario {
    scenario(
        "medhelp-2019.toml",
        include_str!("../../scenarios/medhelp-2019.toml"),
    )
}

#[test]
fn medhelps_calls_are_stored_where_its_own_and_its_sub_processors_nurses_answer() {
    let (first, provider) = (imy_2019(), medhelp());
    let beside = [Beside::new(provider, &first).expect("it is its provider")];
    let plan = Plan::new(&first, date(2018, 11, 5), 7, 1);
    let results = run::run(&first, &beside, &plan, &AtomicBool::new(false), |_| {});
    let summary = results.expect("the books balance").summary;
    assert_eq!(summary.calls.external, summary.provider_calls["medhelp"]);
    let (nas, own) = (
        &summary.stores["voice-nas"],
        &summary.stores["medhelp-audio"],
    );
    assert_eq!(nas.processor, "voice");
    assert_eq!(nas.calls, summary.provider_calls["medicall"]);
    assert_eq!(own.calls, summary.queues["medhelp/medhelp"].answered);
    let answered = (nas.calls + own.calls) as f64;
    let share = nas.calls as f64 / answered;
    assert!((0.15..0.25).contains(&share), "{share}");
    assert!((nas.files as f64 / nas.calls as f64 - 3.5).abs() < 0.05);
    // Three million a year.
    let week = summary.provider_calls["medhelp"] as f64;
    assert!((week / 7.0 * 365.0 / 3.0e6 - 1.0).abs() < 0.05, "{week}");
    // What went to MedHelp is in no store of Inera's.
    for region in ["region-01", "region-04", "region-17"] {
        assert!(!summary.recorded.contains_key(region));
    }
}

/// Two operators may call a store of theirs by the same name, also when the same controller's calls are in both.
#[test]
fn stores_of_one_name_of_two_operators_have_a_line_each() {
    let first = imy_2019();
    let plan = Plan::new(&first, date(2018, 11, 5), 1, 1);
    let stores_beside = |provider: Scenario| {
        let beside = [Beside::new(provider, &first).expect("it is its provider")];
        let results = run::run(&first, &beside, &plan, &AtomicBool::new(false), |_| {});
        results.expect("the books balance").summary.stores
    };
    let apart = stores_beside(medhelp());
    let text = include_str!("../../scenarios/medhelp-2019.toml");
    let same_name = text.replace("\"medhelp-audio\"", "\"inera\"");
    let alike = stores_beside(scenario("medhelp-2019.toml", &same_name));
    assert_eq!(alike["inera"], apart["inera"]);
    assert_eq!(alike["medhelp/inera"], apart["medhelp-audio"]);
    assert_eq!(alike["voice-nas"], apart["voice-nas"]);
}

/// Solna's calls go to another provider than the rest of Stockholm's: one part of the run with two switches beside.
#[test]
fn each_of_two_providers_beside_gets_its_own_callers() {
    let others = [
        (
            "provider = [",
            "provider = [\n  { name = \"other\", organisation = \"other\", targets = [\"sip:1177@127.0.0.1:5090\"] },",
        ),
        (
            "  { id = \"medhelp\",",
            "  { id = \"other\", name = \"Other AB\", kind = \"care-provider\" },\n  { id = \"medhelp\",",
        ),
        (
            "route = [",
            "route = [\n  { name = \"solna\", kommun = \"0184\", provider = \"other\", handover = \"direct\" },",
        ),
    ];
    let mut text = include_str!("../../scenarios/imy-2019.toml").to_owned();
    for (from, to) in others {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let first = scenario("two.toml", &text);
    let other =
        include_str!("../../scenarios/medhelp-2019.toml").replace("\"medhelp\"", "\"other\"");
    let beside = [medhelp(), scenario("other.toml", &other)]
        .map(|it| Beside::new(it, &first).expect("its provider"));
    let plan = Plan::new(&first, date(2018, 11, 5), 1, 1);
    let results = run::run(&first, &beside, &plan, &AtomicBool::new(false), |_| {});
    let results = results.expect("the books balance");
    let came: Vec<u64> = results.beside.iter().map(|books| books.offered).collect();
    let went = |name: &str| results.summary.provider_calls[name];
    assert!(went("other") > 20, "{}", went("other"));
    assert_eq!(came, [went("medhelp"), went("other")]);
}

#[test]
fn a_provider_is_run_beside_once() {
    let first = imy_2019();
    let beside = [medhelp(), medhelp()].map(|it| Beside::new(it, &first).expect("its provider"));
    let plan = Plan::new(&first, date(2018, 11, 5), 1, 1);
    let refused = run::run(&first, &beside, &plan, &AtomicBool::new(false), |_| {}).err();
    let expected = PlanError::BesideTwice("medhelp".into());
    assert_eq!(refused, Some(RunError::Plan(expected)));
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
    let mut empty = today();
    empty.agents.clear();
    let nobody = refused(&|_| {}, &empty);
    assert!(
        matches!(&nobody, PlanError::NoNurses { line, .. } if *line > 0),
        "{nobody}"
    );
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
fn fewer_nurses_at_night_and_breaks_show_in_waits_and_those_who_give_up_call_again() {
    let text = include_str!("../../scenarios/today.toml").to_owned()
        + "\n[simulation]\nbreak_share = 0.1\nsick_share = 0.05\nredial_share = 0.5\n\
           [[simulation.staffing]]\nhours = \"jourtid\"\nshare = 0.35\n";
    let staffed = day_of(&scenario("staffed.toml", &text), 5);
    let ample = day_of(&today(), 5);
    conserves(&staffed);
    assert!(staffed.service.mean_wait_s > 2.0 * ample.service.mean_wait_s);
    assert!(staffed.calls.redialled > 0);
    assert_eq!(
        staffed.calls.offered - staffed.calls.redialled,
        ample.calls.offered,
        "the same callers under the same seed"
    );
}

#[test]
fn callers_who_are_called_back_are_conserved_and_decide_for_themselves() {
    let text = include_str!("../../scenarios/today.toml").replace(
        "agents = [{ simulated = 62 }],",
        "agents = [{ simulated = 30 }], callback = { after_expected_wait_s = 120, at_most = 40, offer = \"queue\" },",
    );
    let of = |set: &str| {
        let text = format!("{text}\n[simulation]\n{set}\n");
        day_of(&scenario("callback.toml", &text), 8)
    };
    let (some, none, nobody_answers) = (
        of(""),
        of("callback_share = 0.0"),
        of("callback_share = 1.0\ncallback_missed_share = 1.0"),
    );
    let found = &some.callbacks;
    assert!(found.offered > 100, "{found:?}");
    let share = found.promised as f64 / found.offered as f64;
    assert!((0.35..0.65).contains(&share), "{found:?}");
    assert_eq!(found.promised, found.reached + found.unreached);
    assert!(found.tried >= found.promised, "{found:?}");
    assert_eq!(found.unreached, some.calls.unreached);
    let calls = &some.calls;
    let ways = calls.answered + calls.abandoned + calls.blocked + calls.unreached + calls.failed;
    assert_eq!((calls.offered, calls.failed), (ways, 0));
    assert_eq!((none.callbacks.promised, none.calls.unreached), (0, 0));
    assert_eq!(none.calls.offered, calls.offered, "the same callers");
    assert!(nobody_answers.calls.unreached > 0);
    assert_eq!(nobody_answers.callbacks.reached, 0);
}

#[test]
fn nurses_are_busy_in_the_hours_in_which_they_are_there() {
    let text = include_str!("../../scenarios/today.toml")
        .replace("simulated = 62", "simulated = 25")
        + "\n[simulation]\nbreak_share = 0.1\nsick_share = 0.05\n\
           [[simulation.staffing]]\nhours = \"jourtid\"\nshare = 0.35\n";
    let scenario = scenario("scarce.toml", &text);
    let plan = Plan::new(&scenario, date(2019, 3, 4), 2, 5);
    let results = run::run(&scenario, &[], &plan, &AtomicBool::new(false), |_| {});
    let results = results.expect("the books balance");
    for book in &results.books.queues {
        let busy: f64 = (0..book.hours.len()).map(|hour| book.busy_s(hour)).sum();
        assert!((busy - book.tally.busy_s).abs() <= 1e-4 * busy, "{busy}");
        // Beyond those on duty are only those who finish a call when their shift or their turn is over.
        let over = book.hours.iter().map(|row| row.busy_s - row.staffed_s);
        let over: f32 = over.filter(|over| *over > 0.0).sum();
        assert!(f64::from(over) <= 0.05 * busy, "{over} of {busy}");
    }
}

#[test]
fn who_has_something_more_to_ask_had_not_given_up() {
    let text = include_str!("../../scenarios/today.toml")
        .replace("simulated = 62", "simulated = 30")
        + "\n[simulation]\nreturning_share = 0.2\nreturning_after_s = 600\n";
    let returning = day_of(&scenario("returning.toml", &text), 5);
    conserves(&returning);
    let once = text.replace("returning_share = 0.2", "returning_share = 0.0");
    let once = day_of(&scenario("once.toml", &once), 5);
    assert!(returning.calls.offered > once.calls.offered);
    assert!(returning.calls.abandoned > 0);
    assert_eq!(returning.calls.redialled, 0);
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
