//! What the page shows of a rule set: who takes part, and where each kommun's calls go now.

use callcore::{
    kommun::{self, kommuner},
    origin::Origin,
    route::{Decision, Destination},
    scenario::{OrgId, Scenario},
    time::Time,
};

use crate::view::{Fixed, KommunView, Party};

/// The organisation that answers a call so decided, and is controller of what is said.
pub(crate) fn answering(scenario: &Scenario, decision: &Decision) -> OrgId {
    match decision.to {
        Destination::Queue(queue) => scenario.queue(queue).controller,
        Destination::External(external) => scenario.provider(external.provider).organisation,
    }
}

/// That view, at a moment.
pub(crate) fn fixed_view(scenario: &Scenario, name: &str, now: Time) -> Fixed {
    let party = |organisation: &callcore::organisation::Organisation| Party {
        id: organisation.id.to_string(),
        name: organisation.name.to_string(),
        kind: organisation.kind.name(),
    };
    let kommuner = kommuner()
        .iter()
        .filter_map(|entry| {
            let decision = scenario.routes.decide(Origin::Known(entry.id), now)?;
            let recorded =
                matches!(decision.to, Destination::Queue(queue) if scenario.queue(queue).recording);
            Some(KommunView {
                id: entry.id.to_string(),
                name: entry.name,
                region: entry.region.to_string(),
                region_name: kommun::region(entry.region).name,
                route: scenario.route_name(decision.route).to_owned(),
                answers: scenario.org(answering(scenario, &decision)).id.to_string(),
                external: matches!(decision.to, Destination::External(_)),
                recorded,
            })
        })
        .collect();
    Fixed {
        scenario: name.to_owned(),
        digest: scenario.routes.digest().to_string(),
        operator: party(scenario.org(scenario.operator)),
        organisations: scenario.organisations.iter().map(party).collect(),
        kommuner,
    }
}
