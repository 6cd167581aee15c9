//! Processors and their agreements: there is one, it covers what is done, and it is in force while it is done.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::{Context, Finding, Way, region_controllers, security, ways::queues_reached};
use crate::{
    organisation::Agreement,
    route::Destination,
    scenario::{OrgId, Scenario},
    time::{Time, sweden},
};

/// Something that one organisation does with personal data for another.
#[derive(Debug, Clone)]
struct Processing {
    controller: OrgId,
    processor: OrgId,
    /// As agreements name it: `routing`, `recording`, `care`, `storage`.
    purpose: &'static str,
    /// Where the scenario says that it is done.
    line: u32,
    from: Option<Time>,
    until: Option<Time>,
}

/// Everything that is done for somebody else, as the scenario declares it.
fn processings(scenario: &Scenario, ways: &[Way]) -> Vec<Processing> {
    let mut found = routing(scenario);
    for queue in queues_reached(ways) {
        let entry = scenario.queue(queue);
        let line = scenario.lines.queues[queue.index()];
        let (from, until) = when(scenario, ways, Destination::Queue(queue));
        let mut add = |processor, purpose| {
            found.push(Processing {
                controller: entry.controller,
                processor,
                purpose,
                line,
                from,
                until,
            });
        };
        if entry.recording {
            add(scenario.operator, "recording");
        }
        if let Some(giver) = entry.answered_by {
            add(giver, "care");
        }
    }
    for (store, &line) in scenario.stores.iter().zip(&scenario.lines.stores) {
        let controllers = security::controllers(scenario, ways, store);
        found.extend(controllers.into_iter().map(|controller| Processing {
            controller,
            processor: store.operator,
            purpose: "storage",
            line,
            from: None,
            until: None,
        }));
    }
    found.retain(|processing| processing.controller != processing.processor);
    found
}

fn routing(scenario: &Scenario) -> Vec<Processing> {
    let routes = scenario.routes.routes().iter().zip(&scenario.lines.routes);
    routes
        .flat_map(|(route, &line)| {
            let controllers = region_controllers(scenario, route);
            controllers.into_iter().map(move |controller| Processing {
                controller,
                processor: scenario.operator,
                purpose: "routing",
                line,
                from: route.from,
                until: route.until,
            })
        })
        .collect()
}

/// From when until when calls can go there; `None` for no limit.
fn when(scenario: &Scenario, ways: &[Way], to: Destination) -> (Option<Time>, Option<Time>) {
    let leading = ways.iter().filter(|way| way.to == to);
    let times: Vec<_> = leading
        .map(|way| scenario.routes.route(way.route))
        .map(|route| (route.from, route.until))
        .collect();
    // `None` sorts before every moment, which is right for a beginning and wrong for an end.
    let from = times.iter().map(|(from, _)| *from).min().flatten();
    let endless = times.iter().any(|(_, until)| until.is_none());
    let until = times.iter().filter_map(|(_, until)| *until).max();
    (from, until.filter(|_| !endless))
}

/// V0202: there is no agreement. V0203: there is one, but not for this.
pub(super) fn missing_or_exceeded(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for processing in processings(scenario, &context.ways) {
        let Processing {
            controller,
            processor,
            purpose,
            line,
            ..
        } = processing;
        let between: Vec<_> = agreements(scenario, controller, processor).collect();
        let (who, whom) = (context.name(processor), context.name(controller));
        match between.first() {
            None if told.insert((controller, processor, "")) => {
                let message = format!(
                    "{who} handles personal data for {whom} ({purpose}), and there is no agreement between them"
                );
                found.push(context.finding("V0202", controller, line, message));
            }
            Some((agreement, line))
                if !between
                    .iter()
                    .any(|(agreement, _)| covers(agreement, purpose))
                    && told.insert((controller, processor, purpose)) =>
            {
                let message = format!(
                    "{who} does {purpose} for {whom}, but `{}` is for {} only",
                    agreement.id,
                    agreement.purposes.join(", ")
                );
                found.push(context.finding("V0203", controller, *line, message));
            }
            _ => {}
        }
    }
    found
}

/// V0601: every agreement that would cover it has ended, or hadn't begun.
pub(super) fn out_of_date(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for processing in processings(scenario, &context.ways) {
        let covering: Vec<_> = agreements(scenario, processing.controller, processing.processor)
            .filter(|(agreement, _)| covers(agreement, processing.purpose))
            .collect();
        let stale = |agreement: &Agreement| stale(agreement, &processing, context.today);
        let Some((agreement, line)) = covering.last() else {
            continue;
        };
        if !covering
            .iter()
            .all(|(agreement, _)| stale(agreement).is_some())
        {
            continue;
        }
        if let Some(why) = stale(agreement)
            && told.insert(agreement.id.clone())
        {
            let message = format!(
                "`{}` {why}, and {} does {} for {} without it",
                agreement.id,
                context.name(processing.processor),
                processing.purpose,
                context.name(processing.controller)
            );
            found.push(context.finding("V0601", processing.controller, *line, message));
        }
    }
    found
}

fn stale(agreement: &Agreement, processing: &Processing, today: Date) -> Option<String> {
    let ended = agreement
        .until
        .filter(|&until| until <= today && processing.until.is_none_or(|end| end > begins(until)));
    if let Some(until) = ended {
        return Some(format!("ended on {until}"));
    }
    let early = processing
        .from
        .is_some_and(|from| from < begins(agreement.from));
    early.then(|| format!("began only on {}", agreement.from))
}

fn begins(day: Date) -> Time {
    // A day that has no midnight in the zone is beyond the years that a clock can show.
    day.to_zoned(sweden())
        .map_or(Time::from_micros(i64::MAX), |zoned| {
            zoned.timestamp().into()
        })
}

/// The agreements by which one works for the other, itself or as a sub-processor, with their lines.
fn agreements(
    scenario: &Scenario,
    controller: OrgId,
    processor: OrgId,
) -> impl Iterator<Item = (&Agreement, u32)> {
    let lines = scenario.lines.agreements.iter().copied();
    scenario
        .agreements
        .iter()
        .zip(lines)
        .filter(move |(agreement, _)| {
            agreement.controller == controller
                && (agreement.processor == processor
                    || agreement.sub_processors.contains(&processor))
        })
}

fn covers(agreement: &Agreement, purpose: &str) -> bool {
    agreement.purposes.iter().any(|known| **known == *purpose)
}
