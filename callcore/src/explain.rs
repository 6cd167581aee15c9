//! One decision and everything that goes with it: who answers, who is controller and processor of what, and why.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    check::{Way, region_controllers, store_controllers, ways},
    kommun::kommun,
    origin::Origin,
    retention::ObjectClass,
    roles::{Datum, agreement_between},
    route::{Decision, Destination, External, Losing, LosingReason, Who},
    scenario::{OrgId, Queue, Scenario},
    time::Time,
};

/// A decision as a lawyer and an engineer read it. Serialised, it is `vaxel routes explain --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The caller's kommun code; `None` when it isn't known.
    pub kommun: Option<String>,
    /// The code of the kommun's region.
    pub region: Option<String>,
    /// The route that won.
    pub route: String,
    /// The queue or provider the call goes to.
    pub destination: String,
    /// How it leaves this switch; `None` when it stays.
    pub handover: Option<&'static str>,
    /// Whether this switch has it recorded.
    pub recorded: bool,
    /// The organisation that records the call, here or in its own system; `None` when nobody is known to.
    pub recorded_by: Option<String>,
    /// Who is controller for each datum of the call.
    pub controllers: BTreeMap<&'static str, String>,
    /// Who handles each datum for its controller.
    pub processors: BTreeMap<&'static str, Vec<String>>,
    /// Every other rule and the first condition it failed, in file order.
    pub losing_rules: Vec<LosingRule>,
    /// The digest of the table that decided.
    pub digest: String,
    /// The agreement under which this switch's operator handles the call.
    pub agreement: Option<String>,
    /// What the caller hears first.
    pub announcement: Option<String>,
    /// How long the recording stays; `None` when there is none here.
    pub retention: Option<Kept>,
}

/// A rule that lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LosingRule {
    /// Its name.
    pub name: String,
    /// The first condition it failed.
    pub reason: String,
}

/// How long a recording stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The first day it may be erased, if a decision says so.
    pub earliest: String,
    /// The last day it may be there; `None` when there is no ceiling.
    pub latest: Option<String>,
    /// The citation.
    pub basis: String,
}

/// Explains what happens to a call from there at that moment; `None` when no rule holds.
pub fn explain(scenario: &Scenario, origin: Origin, at: Time) -> Option<Explained> {
    let explanation = scenario.routes.explain(origin, at);
    let decision = explanation.winner?;
    let call = Call::new(scenario, origin, &decision);
    let kommun = origin.kommun();
    Some(Explained {
        kommun: kommun.map(|id| id.to_string()),
        region: kommun.map(|id| crate::kommun::kommun(id).region.to_string()),
        route: scenario.route_name(decision.route).to_owned(),
        destination: call.destination(),
        handover: call.external().map(|external| external.handover.name()),
        recorded: scenario.records(&decision),
        recorded_by: call.recorded_by(),
        controllers: call.by_datum(|datum| call.id(call.controller(datum))),
        processors: call.by_datum(|datum| call.processors(datum)),
        losing_rules: explanation
            .losing
            .iter()
            .map(|losing| losing_rule(scenario, origin, losing))
            .collect(),
        digest: decision.digest.to_string(),
        agreement: call.agreement(),
        announcement: decision
            .announcement
            .map(|id| scenario.announcement(id).name.to_string()),
        retention: call.retention(at),
    })
}

struct Call<'s> {
    scenario: &'s Scenario,
    to: Destination,
    /// The controller for number and kommun-ID.
    region: OrgId,
    ways: Vec<Way>,
}

impl<'s> Call<'s> {
    fn new(scenario: &'s Scenario, origin: Origin, decision: &Decision) -> Self {
        let only = crate::route::Route {
            covers: [Who::from(origin)].into_iter().collect(),
            ..scenario.routes.route(decision.route).clone()
        };
        let region = region_controllers(scenario, &only).first().copied();
        Self {
            scenario,
            to: decision.to,
            region: region.unwrap_or_else(|| answering(scenario, decision.to)),
            ways: ways(scenario),
        }
    }

    fn external(&self) -> Option<External> {
        match self.to {
            Destination::External(external) => Some(external),
            Destination::Queue(_) => None,
        }
    }

    fn queue(&self) -> Option<&'s Queue> {
        match self.to {
            Destination::Queue(queue) => Some(self.scenario.queue(queue)),
            Destination::External(_) => None,
        }
    }

    fn destination(&self) -> String {
        match self.to {
            Destination::Queue(queue) => self.scenario.queue(queue).name.to_string(),
            Destination::External(external) => {
                self.scenario.provider(external.provider).name.to_string()
            }
        }
    }

    fn recorded_by(&self) -> Option<String> {
        let by = match self.to {
            Destination::Queue(queue) => self
                .scenario
                .queue(queue)
                .recording
                .then_some(self.scenario.operator),
            Destination::External(external) => {
                let provider = self.scenario.provider(external.provider);
                provider.records.then_some(provider.organisation)
            }
        };
        by.map(|org| self.id(org))
    }

    fn by_datum<T>(&self, of: impl Fn(Datum) -> T) -> BTreeMap<&'static str, T> {
        Datum::OF_A_CALL
            .into_iter()
            .map(|datum| (datum.name(), of(datum)))
            .collect()
    }

    fn controller(&self, datum: Datum) -> OrgId {
        let answering = answering(self.scenario, self.to);
        match datum {
            Datum::Number | Datum::KommunId => self.region,
            Datum::Voice | Datum::Notes | Datum::AccessLog => answering,
            Datum::CallInformation => {
                let mut collections = self.scenario.collections.iter();
                let collected = collections.any(|collection| {
                    collection.controller == self.region && collection.from == answering
                });
                if collected { self.region } else { answering }
            }
        }
    }

    fn processors(&self, datum: Datum) -> Vec<String> {
        let controller = self.controller(datum);
        let mut found = Vec::new();
        let mut add = |org: OrgId| {
            let id = self.id(org);
            if org != controller && !found.contains(&id) {
                found.push(id);
            }
        };
        match (datum, self.queue()) {
            (Datum::Number | Datum::KommunId, _) => add(self.scenario.operator),
            (Datum::Voice, Some(queue)) => {
                add(self.scenario.operator);
                queue.answered_by.into_iter().for_each(&mut add);
                self.stores(ObjectClass::Audio).for_each(add);
            }
            (Datum::Notes, Some(queue)) => {
                queue.answered_by.into_iter().for_each(&mut add);
                self.stores(ObjectClass::JournalDocument).for_each(add);
            }
            (Datum::CallInformation, Some(queue)) => queue.answered_by.into_iter().for_each(add),
            // What happens at a provider is told by its own scenario.
            (_, None) | (Datum::AccessLog, _) => {}
        }
        found
    }

    /// Who runs the stores that hold such data of the answering controller.
    fn stores(&self, class: ObjectClass) -> impl Iterator<Item = OrgId> {
        let answering = answering(self.scenario, self.to);
        let stores = self.scenario.stores.iter();
        stores
            .filter(move |store| {
                store.holds.contains(&class)
                    && store_controllers(self.scenario, &self.ways, store).contains(&answering)
            })
            .map(|store| store.operator)
    }

    fn agreement(&self) -> Option<String> {
        let id = match self.queue() {
            Some(queue) => queue.agreement.or_else(|| {
                agreement_between(
                    self.scenario,
                    queue.controller,
                    self.scenario.operator,
                    "recording",
                )
            }),
            None => agreement_between(
                self.scenario,
                self.region,
                self.scenario.operator,
                "routing",
            ),
        };
        id.map(|id| self.scenario.agreement(id).id.to_string())
    }

    fn retention(&self, at: Time) -> Option<Kept> {
        let queue = self.queue().filter(|queue| queue.recording)?;
        let day = at.in_sweden().date();
        let (window, rule) =
            self.scenario
                .retention_window(queue.controller, ObjectClass::Audio, day)?;
        Some(Kept {
            earliest: window.earliest().to_string(),
            latest: window.latest().map(|latest| latest.to_string()),
            basis: rule.basis.to_string(),
        })
    }

    fn id(&self, org: OrgId) -> String {
        self.scenario.org(org).id.to_string()
    }
}

/// Who is controller for what is said: whose queue it is, or the provider that answers.
fn answering(scenario: &Scenario, to: Destination) -> OrgId {
    match to {
        Destination::Queue(queue) => scenario.queue(queue).controller,
        Destination::External(external) => scenario.provider(external.provider).organisation,
    }
}

fn losing_rule(scenario: &Scenario, origin: Origin, losing: &Losing) -> LosingRule {
    let day = |at: Time| at.in_sweden().strftime("%Y-%m-%d %H:%M").to_string();
    let route = scenario.routes.route(losing.route);
    let reason = match losing.reason {
        LosingReason::OtherCallers => match origin.kommun() {
            Some(id) => format!("is not for callers from {id} {}", kommun(id).name),
            None => format!("is not for callers whose kommun is {}", origin.class()),
        },
        LosingReason::NotYet(from) => format!("holds only from {} on", day(from)),
        LosingReason::Over(until) => format!("held until {}", day(until)),
        LosingReason::OutsideHours => {
            let hours = route.hours.as_ref().map_or("", |hours| &*hours.name);
            format!("holds only in the hours `{hours}`")
        }
        LosingReason::Later(winner) => {
            format!(
                "would hold, but `{}` stands before it",
                scenario.route_name(winner)
            )
        }
    };
    LosingRule {
        name: route.name.to_string(),
        reason,
    }
}
