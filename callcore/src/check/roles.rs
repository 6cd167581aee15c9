//! Who may do what: providers that can be controllers, care under secrecy, third countries, and calls that cross a boundary.

use std::collections::BTreeSet;

use super::{Context, Finding, Way, region_controllers, ways::queues_reached};
use crate::{
    organisation::OrganisationKind,
    route::Destination,
    scenario::{Choice, OrgId, Scenario},
};

/// The European Economic Area: the EU's 27 and Iceland, Liechtenstein, Norway. Data move freely within it.
const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS",
    "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// V0201: calls go to a provider that can't be controller for them.
pub(super) fn provider_without_ground(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for way in &context.ways {
        let Destination::External(external) = way.to else {
            continue;
        };
        let provider = scenario.provider(external.provider);
        let Some(lack) = lack_of_ground(scenario, provider.organisation) else {
            continue;
        };
        let route = scenario.routes.route(way.route);
        let mut actors = region_controllers(scenario, route);
        if actors.is_empty() {
            actors.insert(scenario.operator);
        }
        for actor in actors {
            if told.insert((provider.organisation, actor)) {
                let message = format!(
                    "`{}` sends calls to {}, which {lack} and can't be controller for them",
                    route.name,
                    context.name(provider.organisation),
                );
                let line = scenario.lines.routes[way.route.index()];
                found.push(context.finding("V0201", actor, line, message));
            }
        }
    }
    found
}

fn lack_of_ground(scenario: &Scenario, org: OrgId) -> Option<&'static str> {
    let org = scenario.org(org);
    match org.kind {
        OrganisationKind::Processor => Some("is a processor"),
        OrganisationKind::SubProcessor => Some("is a sub-processor"),
        _ if !org.health_care_secrecy => Some("stands outside Swedish health-care secrecy"),
        _ => None,
    }
}

/// V0204: somebody outside Swedish health-care secrecy answers callers.
pub(super) fn care_outside_secrecy(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    let mut care = |controller: OrgId, giver: OrgId, line: u32, when: &str| {
        let outside = !scenario.org(giver).health_care_secrecy && giver != controller;
        if outside && told.insert((controller, giver)) {
            let message = format!(
                "{} lets {} ({}) give care{when} and process health data, outside Swedish health-care law and its duty of secrecy; \
                 a processor agreement can't stand in for the legal ground",
                context.name(controller),
                context.name(giver),
                scenario.org(giver).country,
            );
            found.push(context.finding("V0204", controller, line, message));
        }
    };
    for queue in queues_reached(&context.ways) {
        let entry = scenario.queue(queue);
        if let Some(giver) = entry.answered_by {
            let when = hours_of(context, Destination::Queue(queue));
            care(
                entry.controller,
                giver,
                scenario.lines.queues[queue.index()],
                &when,
            );
        }
    }
    for (agreement, &line) in scenario.agreements.iter().zip(&scenario.lines.agreements) {
        for &giver in &agreement.gives_care {
            care(agreement.controller, giver, line, "");
        }
    }
    found
}

/// When calls go there, if all that do go there in the same named hours.
fn hours_of(context: &Context<'_>, to: Destination) -> String {
    let leading = context.ways.iter().filter(|way| way.to == to);
    let names: BTreeSet<Option<&str>> = leading
        .map(|way| {
            let hours = context.scenario.routes.route(way.route).hours.as_ref();
            hours.map(|hours| &*hours.name)
        })
        .collect();
    match names.first() {
        Some(Some(name)) if names.len() == 1 => format!(" in the hours `{name}`"),
        _ => String::new(),
    }
}

/// V0205: a processor outside the EEA, and nothing said of what lets the data leave.
pub(super) fn third_country(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut found = Vec::new();
    for (agreement, &line) in scenario.agreements.iter().zip(&scenario.lines.agreements) {
        if agreement.transfer.is_some() {
            continue;
        }
        for &processor in std::iter::once(&agreement.processor).chain(&agreement.sub_processors) {
            let org = scenario.org(processor);
            if !EEA.contains(&&*org.country) {
                let message = format!(
                    "under `{}` data go to {} in {}, outside the EEA, and nothing says what lets them",
                    agreement.id, org.name, org.country,
                );
                found.push(context.finding("V0205", agreement.controller, line, message));
            }
        }
    }
    found
}

/// V0206: a recording is asked for of calls that leave this switch.
pub(super) fn recording_asked(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let asked = scenario.recording_asked.iter();
    asked
        .map(|&id| {
            let message = format!(
                "`{}` asks for a recording of calls that leave this switch",
                scenario.route_name(id)
            );
            let line = scenario.lines.routes[id.index()];
            context.finding("V0206", scenario.operator, line, message)
        })
        .collect()
}

/// V0207: what is tried instead has another controller, lies outside, or is recorded otherwise.
pub(super) fn failover_crosses(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for route in context.ways.chunk_by(|a, b| a.route == b.route) {
        let [first, instead @ ..] = route else {
            continue;
        };
        for way in instead {
            let Some(crossing) = crossing(scenario, first, way) else {
                continue;
            };
            let (from, to) = (place(scenario, first.to), place(scenario, way.to));
            let how = match chosen_by_key(scenario, way) {
                true => "go by a key of their menu",
                false => "fall over",
            };
            let message = format!("calls of `{from}` {how} to `{to}`: {crossing}");
            if told.insert((from, to)) {
                let line = scenario.lines.routes[first.route.index()];
                found.push(context.finding("V0207", scenario.operator, line, message));
            }
        }
    }
    found
}

/// Whether callers choose that place themselves.
fn chosen_by_key(scenario: &Scenario, way: &Way) -> bool {
    let route = &scenario.routes.routes()[way.route.index()];
    let mut keys = route.menu.iter().flat_map(|menu| &menu.choices);
    keys.any(|(_, choice)| match choice {
        Choice::Queue(queue) => way.to == Destination::Queue(*queue),
        Choice::Callback | Choice::Continue => false,
    })
}

fn crossing(scenario: &Scenario, from: &Way, to: &Way) -> Option<&'static str> {
    match (from.to, to.to) {
        (Destination::Queue(_), Destination::External(_)) => {
            Some("out of this switch, to a provider")
        }
        (Destination::External(_), Destination::Queue(_)) => {
            Some("from a provider back into this switch")
        }
        (Destination::Queue(a), Destination::Queue(b)) => {
            let (a, b) = (scenario.queue(a), scenario.queue(b));
            if a.controller != b.controller {
                Some("to another controller")
            } else if a.recording != b.recording {
                Some("from recorded to unrecorded or back")
            } else {
                None
            }
        }
        (Destination::External(a), Destination::External(b)) => {
            let org = |provider| scenario.provider(provider).organisation;
            (org(a.provider) != org(b.provider)).then_some("to another controller")
        }
    }
}

fn place(scenario: &Scenario, to: Destination) -> &str {
    match to {
        Destination::Queue(queue) => &scenario.queue(queue).name,
        Destination::External(external) => &scenario.provider(external.provider).name,
    }
}
