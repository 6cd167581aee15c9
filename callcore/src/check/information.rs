//! What callers are told (GDPR Art. 13 and 14).

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Finding, Way, region_controllers};
use crate::{
    route::{Destination, Route},
    scenario::{OrgId, Queue, QueueId, Told},
};

/// V0301: the region doesn't tell its callers how number and kommun-ID are used.
pub(super) fn number_and_kommun_id(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut silent = Silent::default();
    for way in context.ways.iter().filter(|way| way.first) {
        let route = scenario.routes.route(way.route);
        for controller in region_controllers(scenario, route) {
            if !is_told(context, way, controller, Told::NumberAndKommunId) {
                silent.add(
                    controller,
                    scenario.lines.routes[way.route.index()],
                    &route.name,
                );
            }
        }
    }
    silent.findings(context, "V0301", |controller, routes| {
        format!(
            "{controller} doesn't tell callers that it collects their number and kommun-ID to route the call ({routes})"
        )
    })
}

/// V0302: calls are recorded and the caller isn't told.
pub(super) fn recording(context: &Context<'_>) -> Vec<Finding> {
    let mut silent = Silent::default();
    for (way, queue, entry) in to_queues(context) {
        if entry.recording && !is_told(context, way, entry.controller, Told::Recording) {
            silent.add(
                entry.controller,
                context.scenario.lines.queues[queue.index()],
                context.scenario.route_name(way.route),
            );
        }
    }
    silent.findings(context, "V0302", |controller, routes| {
        format!("{controller} records calls and doesn't tell the callers ({routes})")
    })
}

/// V0303: somebody other than the caller's region is controller for the call, and the caller isn't told.
pub(super) fn care_provider(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut silent = Silent::default();
    for (way, _, entry) in to_queues(context) {
        let route = scenario.routes.route(way.route);
        let own = region_controllers(scenario, route).contains(&entry.controller);
        if !own && !is_told(context, way, entry.controller, Told::CareProvider) {
            silent.add(
                entry.controller,
                scenario.lines.routes[way.route.index()],
                &route.name,
            );
        }
    }
    silent.findings(context, "V0303", |controller, routes| {
        format!(
            "{controller} doesn't tell callers that it is the care provider and controller for the call, nor how it uses their data ({routes})"
        )
    })
}

/// V0304: a controller collects call information from a care provider, and callers aren't told.
pub(super) fn collection(context: &Context<'_>) -> Vec<Finding> {
    let scenario = context.scenario;
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for (collection, &line) in scenario.collections.iter().zip(&scenario.lines.collections) {
        let controller = collection.controller;
        let mut own_ways = context.ways.iter().filter(|way| {
            let route = scenario.routes.route(way.route);
            way.first && region_controllers(scenario, route).contains(&controller)
        });
        let by_announcement = own_ways.clone().next().is_some()
            && own_ways.all(|way| way.told.contains(&Told::CallInformation));
        let informed = by_announcement
            || scenario.information.iter().any(|info| {
                info.organisation == controller
                    && info.until.is_none()
                    && info.data.contains(&Told::CallInformation)
            });
        if !informed && told.insert((controller, collection.from)) {
            let message = format!(
                "{} collects {} from {} for {}, and doesn't tell the callers",
                context.name(controller),
                collection.data.join(", "),
                context.name(collection.from),
                collection.purpose
            );
            found.push(context.finding("V0304", controller, line, message));
        }
    }
    found
}

/// Controllers that are silent on some routes: one finding each, at the first.
#[derive(Default)]
struct Silent {
    by_controller: BTreeMap<OrgId, (u32, Vec<String>)>,
}

/// Routes named in one message; more are counted.
const NAMED_MAX: usize = 3;

impl Silent {
    fn add(&mut self, controller: OrgId, line: u32, route: &str) {
        let (first, routes) = self
            .by_controller
            .entry(controller)
            .or_insert((line, Vec::new()));
        *first = line.min(*first);
        if !routes.iter().any(|known| known == route) {
            routes.push(route.to_owned());
        }
    }

    fn findings(
        self,
        context: &Context<'_>,
        code: &'static str,
        message: impl Fn(&str, &str) -> String,
    ) -> Vec<Finding> {
        let finding = |(controller, (line, routes)): (OrgId, (u32, Vec<String>))| {
            let named: Vec<String> = routes
                .iter()
                .take(NAMED_MAX)
                .map(|route| format!("`{route}`"))
                .collect();
            let named = match routes.len().saturating_sub(NAMED_MAX) {
                0 => named.join(", "),
                more => format!("{} and {more} more", named.join(", ")),
            };
            let message = message(&context.name(controller), &named);
            context.finding(code, controller, line, message)
        };
        self.by_controller.into_iter().map(finding).collect()
    }
}

fn to_queues<'c>(context: &'c Context<'_>) -> impl Iterator<Item = (&'c Way, QueueId, &'c Queue)> {
    context.ways.iter().filter_map(|way| match way.to {
        Destination::Queue(queue) => Some((way, queue, context.scenario.queue(queue))),
        Destination::External(_) => None,
    })
}

/// Whether callers on this way are told, by the call's announcements or by information given all the time the route holds.
fn is_told(context: &Context<'_>, way: &Way, by: OrgId, what: Told) -> bool {
    let route = context.scenario.routes.route(way.route);
    way.told.contains(&what)
        || context.scenario.information.iter().any(|info| {
            info.organisation == by
                && info.data.contains(&what)
                && info.from.is_none_or(|from| begins_after(route, from))
                && info
                    .until
                    .is_none_or(|until| route.until.is_some_and(|end| end <= until))
        })
}

fn begins_after(route: &Route, from: crate::time::Time) -> bool {
    route.from.is_some_and(|begin| begin >= from)
}
