//! The ways a call can take through a scenario, and what the caller has been told on each.

use std::collections::BTreeSet;

use crate::{
    organisation::OrganisationKind,
    route::{Destination, Route, Who},
    scenario::{AnnouncementId, Choice, OrgId, QueueId, RouteId, Scenario, Told},
};

/// A way from a route to a place that may answer.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// The route.
    pub(crate) route: RouteId,
    /// The place.
    pub(crate) to: Destination,
    /// Whether it is the route's own destination, not a failover, an overflow or a key of its menu.
    pub(crate) first: bool,
    /// What the call's own announcements have told the caller by then.
    pub(crate) told: BTreeSet<Told>,
}

/// Every way, route by route, the first destination before what is tried instead of it.
pub(crate) fn ways(scenario: &Scenario) -> Vec<Way> {
    let ids = (0..scenario.routes.routes().len() as u16).map(RouteId);
    ids.zip(scenario.routes.routes())
        .flat_map(|(id, route)| ways_of(scenario, id, route))
        .collect()
}

fn ways_of(scenario: &Scenario, id: RouteId, route: &Route) -> Vec<Way> {
    let mut places = vec![route.to];
    let add = |places: &mut Vec<Destination>, more: &[Destination]| {
        for place in more {
            if !places.contains(place) {
                places.push(*place);
            }
        }
    };
    add(&mut places, &route.failover);
    let keys = route.menu.iter().flat_map(|menu| &menu.choices);
    let chosen = keys.filter_map(|(_, choice)| match choice {
        Choice::Queue(queue) => Some(Destination::Queue(*queue)),
        Choice::Callback | Choice::Continue => None,
    });
    add(&mut places, &chosen.collect::<Vec<_>>());
    let mut seen = 0;
    while let Some(&place) = places.get(seen) {
        if let Destination::Queue(queue) = place {
            add(&mut places, &scenario.queue(queue).overflow);
        }
        seen += 1;
    }
    let way = |(nth, to): (usize, Destination)| Way {
        route: id,
        to,
        first: nth == 0,
        told: told(scenario, route.announcement, to),
    };
    places.into_iter().enumerate().map(way).collect()
}

fn told(scenario: &Scenario, first: Option<AnnouncementId>, to: Destination) -> BTreeSet<Told> {
    let then = match to {
        Destination::Queue(queue) => scenario.queue(queue).announcement,
        Destination::External(_) => None,
    };
    let played = first.into_iter().chain(then);
    let informs = played.flat_map(|id| &scenario.announcement(id).informs);
    informs
        .filter_map(|name| Told::ALL.into_iter().find(|told| told.name() == &**name))
        .collect()
}

/// The regions that are controllers for number and kommun-ID of a route's callers: those the callers live in, and for
/// callers of unknown kommun the one whose queue answers. None where the scenario knows no region, as at a provider.
pub(crate) fn region_controllers(scenario: &Scenario, route: &Route) -> BTreeSet<OrgId> {
    let mut found = BTreeSet::new();
    let mut by_region = None;
    for who in route.covers.iter() {
        let Who::Kommun(kommun) = who else {
            found.extend(answering_region(scenario, route.to));
            continue;
        };
        let region = crate::kommun::kommun(kommun).region;
        // Kommuner come in the order of their codes, so those of a region are neighbours.
        if by_region != Some(region) {
            by_region = Some(region);
            found.extend(region_org(scenario, region));
        }
    }
    found
}

fn region_org(scenario: &Scenario, region: crate::kommun::RegionCode) -> Option<OrgId> {
    let place = scenario
        .organisations
        .iter()
        .position(|org| org.region == Some(region))?;
    u16::try_from(place).ok().map(OrgId)
}

fn answering_region(scenario: &Scenario, to: Destination) -> Option<OrgId> {
    let Destination::Queue(queue) = to else {
        return None;
    };
    let controller = scenario.queue(queue).controller;
    (scenario.org(controller).kind == OrganisationKind::Region).then_some(controller)
}

/// The queues that calls can reach, each once.
pub(super) fn queues_reached(ways: &[Way]) -> BTreeSet<QueueId> {
    ways.iter()
        .filter_map(|way| match way.to {
            Destination::Queue(queue) => Some(queue),
            Destination::External(_) => None,
        })
        .collect()
}
