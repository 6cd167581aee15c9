//! How long data stay: rules that can't both be kept, erasure without a decision, decisions that have run out.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};

use super::{Context, Finding, security, ways::queues_reached};
use crate::{
    retention::ObjectClass,
    scenario::{ControllerDecision, OrgId, Retention, Scenario},
};

/// A day to count periods from when two are compared.
const PROBE: Date = date(2020, 1, 1);

/// V0502: a controller's own rule against the general one, or two classes of a store that can't be told apart.
pub(super) fn conflict(context: &Context<'_>) -> Vec<Finding> {
    let mut found = own_against_general(context);
    found.extend(inseparable(context));
    found
}

fn own_against_general(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut found = Vec::new();
    for (own, &line) in scenario.retention.iter().zip(&scenario.lines.retention) {
        let Some(controller) = own.controller else {
            continue;
        };
        let mut general = scenario
            .retention
            .iter()
            .filter(|rule| rule.controller.is_none() && rule.class == own.class);
        if let Some(general) = general.find(|general| !agree(own, general))
            && !decided(context, controller, &[own.class])
        {
            let message = format!(
                "{} keeps `{}` by {} ({}), which can't be kept together with {} ({}), and no decision settles it",
                context.name(controller),
                own.class.name(),
                own.basis,
                periods(own),
                general.basis,
                periods(general),
            );
            found.push(context.finding("V0502", controller, line, message));
        }
    }
    found
}

fn inseparable(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut found = Vec::new();
    let stores = scenario.stores.iter().zip(&scenario.lines.stores);
    for (store, &line) in stores.filter(|(store, _)| store.inseparable) {
        for controller in security::controllers(scenario, &context.ways, store) {
            let rules: Vec<&Retention> = store
                .holds
                .iter()
                .filter_map(|&class| rule_for(scenario, controller, class))
                .collect();
            let clash = rules.iter().enumerate().find_map(|(nth, one)| {
                let other = rules[..nth].iter().find(|other| !agree(one, other))?;
                Some((*one, *other))
            });
            if let Some((one, other)) = clash
                && !decided(context, controller, &[one.class, other.class])
            {
                let message = format!(
                    "what `{}` holds of {} is both `{}` ({}: {}) and `{}` ({}: {}), which can't both be kept, and no decision settles it",
                    store.name,
                    context.name(controller),
                    one.class.name(),
                    one.basis,
                    periods(one),
                    other.class.name(),
                    other.basis,
                    periods(other),
                );
                found.push(context.finding("V0502", controller, line, message));
            }
        }
    }
    found
}

fn periods(rule: &Retention) -> String {
    match rule.latest {
        Some(latest) => format!("{} to {latest}", rule.earliest),
        None => format!("at least {}", rule.earliest),
    }
}

/// Whether there is a day that both rules allow.
fn agree(one: &Retention, other: &Retention) -> bool {
    let above = |floor: &Retention, ceiling: &Retention| {
        ceiling
            .latest
            .is_some_and(|latest| floor.earliest.after(PROBE) > latest.after(PROBE))
    };
    !above(one, other) && !above(other, one)
}

/// The rule that binds a controller: its own before the general one.
fn rule_for(scenario: &Scenario, controller: OrgId, class: ObjectClass) -> Option<&Retention> {
    scenario
        .retention_window(controller, class, PROBE)
        .map(|(_, rule)| rule)
}

/// Whether the controller has a decision in force that speaks of one of these classes.
fn decided(context: &Context<'_>, controller: OrgId, classes: &[ObjectClass]) -> bool {
    context.scenario.decisions.iter().any(|decision| {
        decision.controller == controller
            && in_force(decision, context.today)
            && decision.classes.iter().any(|class| classes.contains(class))
    })
}

fn in_force(decision: &ControllerDecision, today: Date) -> bool {
    decision.date <= today && decision.until.is_none_or(|until| today < until)
}

/// V0503: a store erases by itself, and somebody whose data it holds hasn't decided that.
pub(super) fn erasure_undecided(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut found = Vec::new();
    for store in scenario.stores.iter().filter(|store| store.erases.value) {
        let undecided: Vec<String> = security::controllers(scenario, &context.ways, store)
            .into_iter()
            .filter(|&controller| {
                let classes = store.holds.iter();
                classes
                    .into_iter()
                    .any(|&class| !may_erase(context, controller, class))
            })
            .map(|controller| context.name(controller))
            .collect();
        if !undecided.is_empty() {
            let message = format!(
                "`{}` erases by itself, and there is no decision that lets it by {}",
                store.name,
                undecided.join(", ")
            );
            let line = store.erases.line;
            found.push(context.finding("V0503", store.operator, line, message));
        }
    }
    found
}

/// Whether the controller's latest decision on the class permits erasure, or hand-over with erasure after it.
fn may_erase(context: &Context<'_>, controller: OrgId, class: ObjectClass) -> bool {
    context
        .scenario
        .decision_in_force(controller, class, context.today)
        .is_some_and(|decision| &*decision.permits != "keep")
}

/// V0504: calls are recorded for a controller, and no rule says how long.
pub(super) fn no_rule(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for queue in queues_reached(&context.ways) {
        let entry = scenario.queue(queue);
        let ruled = rule_for(scenario, entry.controller, ObjectClass::Audio).is_some();
        if entry.recording && !ruled && told.insert(entry.controller) {
            let message = format!(
                "no rule says how long recordings of {} stay",
                context.name(entry.controller)
            );
            let line = scenario.lines.queues[queue.index()];
            found.push(context.finding("V0504", entry.controller, line, message));
        }
    }
    found
}

/// V0505: recordings may go, and the telephone numbers that are sealed with them may not: then neither goes.
pub(super) fn numbers_stay(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut found = Vec::new();
    for controller in recorded_for(context) {
        let place = scenario.deciding(controller, ObjectClass::Audio, context.today);
        let Some(place) = place.filter(|&at| &*scenario.decisions[at].permits != "keep") else {
            continue;
        };
        let why = if rule_for(scenario, controller, ObjectClass::TelephoneNumber).is_none() {
            "no rule says how long they stay"
        } else if !may_erase(context, controller, ObjectClass::TelephoneNumber) {
            "no decision in force lets them go"
        } else {
            continue;
        };
        let message = format!(
            "the decision {} lets recordings of {} go, and nothing is erased under it: their telephone numbers are sealed with them, and {why}",
            scenario.decisions[place].diary_number,
            context.name(controller),
        );
        let line = scenario.lines.decisions[place];
        found.push(context.finding("V0505", controller, line, message));
    }
    found
}

/// The controllers whose calls are recorded here.
fn recorded_for(context: &Context<'_>) -> BTreeSet<OrgId> {
    let queues = queues_reached(&context.ways).into_iter();
    let entries = queues.map(|queue| context.scenario.queue(queue));
    let recorded = entries.filter(|entry| entry.recording);
    recorded.map(|entry| entry.controller).collect()
}

/// V0506: two decisions of one day say differently of one class. The one that keeps more holds.
pub(super) fn contradiction(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let decisions = || scenario.decisions.iter().zip(&scenario.lines.decisions);
    let mut found = Vec::new();
    for (nth, (decision, &line)) in decisions().enumerate() {
        let contradicts = |other: &ControllerDecision| {
            let both = |class: &&ObjectClass| other.classes.contains(class);
            let same = (other.controller, other.date) == (decision.controller, decision.date);
            let class = decision.classes.iter().find(both)?;
            (same && other.permits != decision.permits).then_some(*class)
        };
        let mut before = decisions().take(nth);
        if let Some((other, class)) =
            before.find_map(|(other, _)| Some((other, contradicts(other)?)))
        {
            let holds = if other.keeps() > decision.keeps() {
                other
            } else {
                decision
            };
            let message = format!(
                "{} and {} of {} are of one day, {}, and say `{}` and `{}` of `{}`: {} holds, which keeps more",
                other.diary_number,
                decision.diary_number,
                context.name(decision.controller),
                decision.date,
                other.permits,
                decision.permits,
                class.name(),
                holds.diary_number,
            );
            found.push(context.finding("V0506", decision.controller, line, message));
        }
    }
    found
}

/// V0602: a decision has run out and no later one takes its place.
pub(super) fn decision_out_of_date(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let replaced = |old: &ControllerDecision| {
        old.classes.iter().all(|class| {
            scenario.decisions.iter().any(|new| {
                new.controller == old.controller
                    && new.date > old.date
                    && new.classes.contains(class)
            })
        })
    };
    let mut found = Vec::new();
    for (decision, &line) in scenario.decisions.iter().zip(&scenario.lines.decisions) {
        if let Some(until) = decision.until
            && until <= context.today
            && !replaced(decision)
        {
            let message = format!(
                "the decision {} of {} ran out on {until}, and no later one replaces it",
                decision.diary_number,
                context.name(decision.controller)
            );
            found.push(context.finding("V0602", decision.controller, line, message));
        }
    }
    found
}
