//! Every scenario that is shipped, changed at random: each must be refused with a line and a remedy, or be checked and simulated for a
//! day without a panic. The seed and the number of the change name each one.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::{panic::catch_unwind, sync::atomic::AtomicBool};

use callcore::{check, scenario::Scenario};
use jiff::civil::date;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use simulator::{Plan, RunError, run::run};

const SHIPPED: [&str; 7] = [
    include_str!("../../scenarios/today.toml"),
    include_str!("../../scenarios/imy-2019.toml"),
    include_str!("../../scenarios/medhelp-2019.toml"),
    include_str!("../../scenarios/winter.toml"),
    include_str!("../../scenarios/erlang-check.toml"),
    include_str!("../../scenarios/voice-nas-2019.toml"),
    include_str!("../../scenarios/jamtland-2025.toml"),
];

/// Of each scenario. `VAXEL_MUTATIONS` says how many more are wanted.
const CHANGES: u64 = 40;

/// A day of this many calls a year is simulated in no time, whatever the scenario asks for.
const CALLS_A_YEAR_MAX: u32 = 40_000;

/// Values at the edge of what numbers, days and texts can be.
const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "-1",
    "2",
    "7",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "0.0",
    "1e-9",
    "1e300",
    "nan",
];
const TEXTS: [&str; 18] = [
    "\"\"",
    "\" \"",
    "\"a\"",
    "\"0180\"",
    "\"01\"",
    "\"region-01\"",
    "\"jourtid\"",
    "\"24:00\"",
    "\"00:00\"",
    "\"02:30\"",
    "\"sip:a@127.0.0.1\"",
    "\"2026-03-29T02:30\"",
    "\"9999-12-31\"",
    "\"-009999-01-01\"",
    "\"1 day\"",
    "\"65535 years\"",
    "\"mon-sun\"",
    "\"\\u0000\"",
];
const DAYS: [&str; 8] = [
    "0000-01-01",
    "1582-10-15",
    "2005-01-01",
    "2026-03-29",
    "2026-10-25",
    "2150-12-31",
    "9999-12-31",
    "2028-02-29",
];

/// The places of the values of one kind: numbers, texts, days or truths.
fn places(
    text: &str,
    is_in: impl Fn(char) -> bool,
    starts: impl Fn(&str) -> bool,
) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = None;
    for (at, letter) in text.char_indices().chain([(text.len(), '\n')]) {
        match (from, is_in(letter)) {
            (None, true) => from = Some(at),
            (Some(begin), false) => {
                if starts(&text[begin..at]) {
                    found.push((begin, at));
                }
                from = None;
            }
            _ => {}
        }
    }
    found
}

fn quoted(text: &str) -> Vec<(usize, usize)> {
    let ends: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    let pairs = ends.chunks_exact(2).map(|pair| (pair[0], pair[1] + 1));
    pairs
        .filter(|(from, to)| !text[*from..*to].contains('\n'))
        .collect()
}

fn chosen<'a, T>(rng: &mut Pcg64, of: &'a [T]) -> Option<&'a T> {
    (!of.is_empty()).then(|| &of[rng.random_range(0..of.len())])
}

fn replaced(text: &str, (from, to): (usize, usize), by: &str) -> String {
    format!("{}{by}{}", &text[..from], &text[to..])
}

/// One change.
fn mutated(text: &str, rng: &mut Pcg64) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let word = |letter: char| letter.is_ascii_alphanumeric() || "_-:.+".contains(letter);
    let is_number = |word: &str| word.chars().all(|c| c.is_ascii_digit() || "._".contains(c));
    let is_day = |word: &str| {
        word.len() >= 10 && word.as_bytes()[4] == b'-' && word.as_bytes()[0].is_ascii_digit()
    };
    let swap = |rng: &mut Pcg64, places: &[(usize, usize)], by: &str| {
        chosen(rng, places).map(|place| replaced(text, *place, by))
    };
    let made = match rng.random_range(0..9) {
        0 | 1 => {
            let by = chosen(rng, &NUMBERS).expect("some");
            swap(rng, &places(text, word, is_number), by)
        }
        2 | 3 => {
            let by = chosen(rng, &TEXTS).expect("some");
            swap(rng, &quoted(text), by)
        }
        4 => {
            // One that stands elsewhere in the file: often valid, and seldom meant.
            let all = quoted(text);
            let by = chosen(rng, &all).map(|&(from, to)| text[from..to].to_owned());
            by.and_then(|by| swap(rng, &all, &by))
        }
        5 => {
            let by = chosen(rng, &DAYS).expect("some");
            swap(rng, &places(text, word, is_day), by)
        }
        6 => {
            let gone = rng.random_range(0..lines.len());
            let kept = lines.iter().enumerate().filter(|(at, _)| *at != gone);
            Some(kept.map(|(_, line)| format!("{line}\n")).collect())
        }
        7 => {
            let twice = rng.random_range(0..lines.len());
            let all = lines.iter().enumerate();
            Some(
                all.map(|(at, line)| format!("{line}\n").repeat(1 + usize::from(at == twice)))
                    .collect(),
            )
        }
        _ => {
            let truths: Vec<(usize, usize)> =
                places(text, word, |word| matches!(word, "true" | "false"));
            let place = chosen(rng, &truths).copied();
            place.map(|(from, to)| {
                let by = if &text[from..to] == "true" {
                    "false"
                } else {
                    "true"
                };
                replaced(text, (from, to), by)
            })
        }
    };
    made.unwrap_or_else(|| text.to_owned())
}

/// `Ok(true)`: it was valid. A panic is what is looked for.
fn tried(text: &str) -> Result<bool, String> {
    let mut scenario = match Scenario::from_toml(text, "mutated.toml") {
        Ok(scenario) => scenario,
        Err(error) => {
            let lines = text.lines().count().max(1);
            for fault in error.faults() {
                let is_told = !fault.message.is_empty() && !fault.remedy.is_empty();
                // After the last line there is one more, empty.
                if !is_told || fault.line == 0 || fault.line > lines + 1 {
                    return Err(format!("a fault without a line or a remedy: {fault:?}"));
                }
            }
            return Ok(false);
        }
    };
    let subject = check::Subject {
        scenario: &scenario,
        has_audio: &|_| true,
    };
    let _findings = check::check(&[subject], date(2026, 3, 29));
    scenario.traffic.calls_per_year = scenario.traffic.calls_per_year.min(CALLS_A_YEAR_MAX);
    scenario.simulation.calls_by_region.clear();
    scenario.simulation.warm_up = scenario
        .simulation
        .warm_up
        .min(callcore::time::Span::from_secs(3600));
    for surge in &mut scenario.simulation.surges {
        surge.factor = surge.factor.min(10.0);
    }
    for factor in &mut scenario.simulation.month_factors {
        *factor = factor.min(10.0);
    }
    let start = scenario.simulation.from.unwrap_or(date(2026, 3, 29));
    let plan = Plan {
        replications: 1,
        threads: 1,
        ..Plan::new(&scenario, start, 1, 1)
    };
    match run(&scenario, &[], &plan, &AtomicBool::new(false), |_| {}) {
        Ok(_) | Err(RunError::Plan(_)) => Ok(true),
        Err(error) => Err(format!("it doesn't balance: {error}")),
    }
}

#[test]
fn a_scenario_changed_at_random_is_refused_with_a_line_or_runs() {
    let changes = std::env::var("VAXEL_MUTATIONS").ok();
    let changes = changes
        .and_then(|text| text.parse().ok())
        .unwrap_or(CHANGES);
    let mut valid = 0;
    let mut wrong = Vec::new();
    for (place, shipped) in SHIPPED.iter().enumerate() {
        for seed in 0..changes {
            let mut rng = Pcg64::seed_from_u64(seed * SHIPPED.len() as u64 + place as u64);
            let mut text = (*shipped).to_owned();
            for _ in 0..rng.random_range(1..=3) {
                text = mutated(&text, &mut rng);
            }
            match catch_unwind(|| tried(&text)) {
                Ok(Ok(is_valid)) => valid += u64::from(is_valid),
                Ok(Err(why)) => wrong.push(format!("scenario {place}, seed {seed}: {why}")),
                Err(_) => wrong.push(format!("scenario {place}, seed {seed}: a panic")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        valid > changes,
        "most changes are refused, and {valid} is too few that aren't"
    );
}
