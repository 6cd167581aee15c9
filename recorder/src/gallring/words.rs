//! Verdicts in words: a code for programs, a sentence for people.

use callcore::{
    retention::{KeepReason, ObjectClass, Verdict},
    scenario::Scenario,
};

/// Why something goes or stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Why {
    /// For programs.
    pub(super) code: &'static str,
    /// For people.
    pub(super) sentence: String,
    /// The diary number of the decision it rests on; empty when there is none.
    pub(super) decision: String,
}

/// What a verdict says of things of this controller.
pub(super) fn why(scenario: &Scenario, controller: &str, verdict: Option<&Verdict>) -> Why {
    let reason = match verdict {
        None => {
            return plain(
                "not-in-scenario",
                format!(
                    "the scenario has no rule for this class of {controller}, or doesn't know {controller}: nobody may erase it"
                ),
            );
        }
        Some(Verdict::Erase(permit)) => {
            return decided(scenario, "due", permit.decision(), "permits it to go");
        }
        Some(Verdict::Keep { reason, .. }) => *reason,
    };
    match reason {
        KeepReason::BeforeFloor(day) => {
            plain("before-floor", format!("may go on {day} at the earliest"))
        }
        KeepReason::Held => plain(
            "held",
            "somebody has ordered that it stay (`vaxel recordings holds`)".to_owned(),
        ),
        KeepReason::Paused(place) => {
            let pause = &scenario.pauses[place];
            let until = pause.until.map(|day| format!(" until {day}"));
            let sentence = format!(
                "paused since {}{}: {}",
                pause.from,
                until.unwrap_or_default(),
                pause.reason
            );
            plain("paused", sentence)
        }
        KeepReason::NoDecision => plain(
            "no-decision",
            format!(
                "{controller} has decided nothing, and a processor erases only when told to (BTV)"
            ),
        ),
        KeepReason::DecidedToKeep(place) => {
            decided(scenario, "decided-to-keep", place, "says that it stays")
        }
        KeepReason::NotHandedOver(place) => decided(
            scenario,
            "not-handed-over",
            place,
            "wants it handed over first, and no receipt has come (`vaxel handover`)",
        ),
        KeepReason::Inseparable { class, decision } => {
            inseparable(scenario, controller, class, decision)
        }
    }
}

/// Why recordings stay that might go: who spoke in them would go with them, and stays for this reason.
pub(super) fn numbers_stay(numbers: Why) -> Why {
    Why {
        code: "numbers-stay",
        sentence: format!(
            "may go, but its telephone numbers would go with it, and they stay: {}",
            numbers.sentence
        ),
        decision: numbers.decision,
    }
}

fn inseparable(
    scenario: &Scenario,
    controller: &str,
    class: ObjectClass,
    decision: Option<usize>,
) -> Why {
    let rule = scenario.org_by_id(controller).and_then(|controller| {
        scenario.retention_window(controller, class, jiff::civil::Date::constant(2020, 1, 1))
    });
    let rule = rule.map_or(String::new(), |(_, rule)| {
        format!(" (at least {}: {})", rule.earliest, rule.basis)
    });
    let apart = format!("can't be told apart from {}{rule}", class.name());
    match decision {
        Some(place) => decided(
            scenario,
            "inseparable",
            place,
            &format!("keeps it, since it {apart}"),
        ),
        None => plain(
            "inseparable",
            format!("{apart}, and {controller} has decided nothing about that"),
        ),
    }
}

fn decided(scenario: &Scenario, code: &'static str, place: usize, what: &str) -> Why {
    let decision = &scenario.decisions[place];
    let note = if decision.note.is_empty() {
        String::new()
    } else {
        format!(" ({})", decision.note)
    };
    Why {
        code,
        sentence: format!(
            "{} of {} {what}{note}",
            decision.diary_number, decision.date
        ),
        decision: decision.diary_number.to_string(),
    }
}

fn plain(code: &'static str, sentence: String) -> Why {
    Why {
        code,
        sentence,
        decision: String::new(),
    }
}
