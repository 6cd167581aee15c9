//! Callers who wait, give up, are sent on, called back or call again, and the nurses they wait for.

use std::sync::atomic::AtomicBool;

use jiff::civil::date;
use simulator::{Plan, Summary, run, simulate};

use super::{conserves, day_of, scenario, today};

/// docs/simulate.md: the day of snow, with and without Gävleborg's help.
#[test]
fn who_helps_a_neighbour_waits_longer_and_fewer_are_turned_away_there() {
    let alone = include_str!("../../../scenarios/winter.toml");
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
fn too_few_agents_show_as_waits_and_lost_callers() {
    let text =
        include_str!("../../../scenarios/today.toml").replace("simulated = 62", "simulated = 30");
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
    let text = include_str!("../../../scenarios/today.toml");
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
    let text = include_str!("../../../scenarios/erlang-check.toml");
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
fn fewer_nurses_at_night_and_breaks_show_in_waits_and_those_who_give_up_call_again() {
    let text = include_str!("../../../scenarios/today.toml").to_owned()
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
    let text = include_str!("../../../scenarios/today.toml").replace(
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
    let text = include_str!("../../../scenarios/today.toml")
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
    let text = include_str!("../../../scenarios/today.toml")
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

/// A run ends at midnight, when a roster has few or none: those who were promised a call get it when somebody comes.
#[test]
fn who_was_promised_a_call_is_called_back_by_the_shift_after_the_runs_end() {
    let text = include_str!("../../../scenarios/today.toml").replace(
        "agents = [{ simulated = 62 }],",
        "agents = [{ simulated = 62 }], callback = { after_expected_wait_s = 120, at_most = 40, offer = \"queue\" },",
    );
    let of = |staffing: &str| {
        let text =
            format!("{text}\n[simulation]\n[[simulation.staffing]]\n{staffing}\nshare = 0.0\n");
        day_of(&scenario("roster.toml", &text), 8)
    };
    let (by_day, never) = (of("hours = \"jourtid\""), of(""));
    for summary in [&by_day, &never] {
        let (found, calls) = (&summary.callbacks, &summary.calls);
        assert!(found.promised > 10, "{found:?}");
        assert_eq!(found.promised, found.reached + found.unreached);
        let ways = calls.answered + calls.abandoned + calls.blocked + calls.unreached;
        assert_eq!((calls.offered, calls.failed), (ways, 0));
        assert!(summary.service.occupancy <= 1.0);
    }
    let tried = by_day.callbacks.tried;
    assert!(by_day.callbacks.reached * 10 > tried * 8, "{tried}");
    assert_eq!((never.callbacks.tried, never.calls.answered), (0, 0));
}

/// Of four signals one ends unanswered: the next nurse who is rung for the same caller is no slower for that.
#[test]
fn each_nurse_who_is_rung_takes_a_time_of_her_own_to_answer() {
    let text = include_str!("../../../scenarios/erlang-check.toml")
        .replacen("answer_s = [0, 0]", "answer_s = [5, 25]", 1)
        .replacen("simulated = 30", "simulated = 60", 1);
    let scenario = scenario("slow.toml", &text);
    let plan = Plan::new(&scenario, date(2026, 3, 31), 1, 1);
    let summary = simulate(&scenario, &plan).expect("the books balance");
    let calls = &summary.calls;
    assert!(calls.abandoned * 50 < calls.offered, "{calls:?}");
    // A quarter of all signals end unanswered after 20 s: of 27 nurses who talk at any time, 1.1 more are rung.
    let load = 200.0 / 7.5 + 200.0 / 3600.0 * (12.5 + 20.0 / 3.0);
    let busy = summary.service.occupancy * 60.0;
    assert!((busy / load - 1.0).abs() < 0.04, "{busy} of {load}");
}
