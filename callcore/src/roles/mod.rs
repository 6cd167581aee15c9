//! Roles as data: for each operation on personal data who does it, for whom, and on what ground.
//!
//! Everything here is derived from the scenario; nothing is declared twice. `vaxel ropa` writes the register of
//! processing activities (GDPR Art. 30) from it.

mod observed;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::{
    check::{Way, region_controllers, store_controllers, ways},
    retention::ObjectClass,
    route::Destination,
    scenario::{AgreementId, OrgId, Queue, Scenario},
};

pub use observed::{Comparison, Observed, compare};

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// The caller's telephone number.
    Number,
    /// Which kommun the caller calls from.
    KommunId,
    /// What is said.
    Voice,
    /// Care notes in the patient record.
    Notes,
    /// What is known about a call afterwards: personnummer, contact reason, codes, time (IMY-REPORT p. 9).
    CallInformation,
    /// Who read what.
    AccessLog,
}

impl Datum {
    /// The data of a call, in the order they come to be.
    pub const OF_A_CALL: [Self; 5] = [
        Self::Number,
        Self::KommunId,
        Self::Voice,
        Self::Notes,
        Self::CallInformation,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::KommunId => "kommun-id",
            Self::Voice => "voice",
            Self::Notes => "notes",
            Self::CallInformation => "call-information",
            Self::AccessLog => "access-log",
        }
    }

    const fn of_class(class: ObjectClass) -> Self {
        match class {
            ObjectClass::Audio => Self::Voice,
            ObjectClass::TelephoneNumber => Self::Number,
            ObjectClass::AccessLog => Self::AccessLog,
            ObjectClass::JournalDocument | ObjectClass::TextConversation => Self::Notes,
        }
    }
}

/// What is done with personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Taken from the caller, or from somebody else.
    Collect,
    /// Used to decide who answers.
    Route,
    /// Sent on to a care provider outside.
    Forward,
    /// Recorded.
    Record,
    /// Kept.
    Store,
    /// Read or heard.
    Read,
    /// Given to the controller for good.
    HandOver,
    /// Erased.
    Erase,
}

impl Operation {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::Route => "route",
            Self::Forward => "forward",
            Self::Record => "record",
            Self::Store => "store",
            Self::Read => "read",
            Self::HandOver => "hand over",
            Self::Erase => "erase",
        }
    }
}

/// Who does an operation, for whom, on what ground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// What is done.
    pub operation: Operation,
    /// With which data.
    pub data: Vec<Datum>,
    /// Who does it.
    pub by: OrgId,
    /// Who is controller for it; the same as `by` when it acts for itself.
    pub controller: OrgId,
    /// What for.
    pub purpose: Box<str>,
    /// The ground, as the scenario states it: a legal basis, a decision; empty when it states none.
    pub basis: Box<str>,
    /// The agreement that makes the one the processor of the other; `None` when it acts for itself, or has none.
    pub agreement: Option<AgreementId>,
    /// To whom the data go, when they go to somebody else.
    pub recipient: Option<OrgId>,
    /// The names of the routes, queues or stores it is done at.
    pub at: BTreeSet<Box<str>>,
}

/// Every role in a scenario, in the order of controllers and operations. Decisions count as they are on `today`.
pub fn roles(scenario: &Scenario, today: Date) -> Vec<Role> {
    let ways = ways(scenario);
    let mut found = Found::new(scenario);
    found.routing(&ways);
    found.answering(&ways);
    found.collections();
    found.stores(&ways, today);
    found.roles.into_values().collect()
}

/// The agreement by which one organisation works for another, itself or as a sub-processor, for that purpose if one is.
pub fn agreement_between(
    scenario: &Scenario,
    controller: OrgId,
    processor: OrgId,
    purpose: &str,
) -> Option<AgreementId> {
    let between = || {
        (0..)
            .map(AgreementId)
            .zip(&scenario.agreements)
            .filter(|(_, agreement)| {
                agreement.controller == controller
                    && (agreement.processor == processor
                        || agreement.sub_processors.contains(&processor))
            })
    };
    let for_it =
        between().find(|(_, agreement)| agreement.purposes.iter().any(|known| **known == *purpose));
    for_it.or_else(|| between().next()).map(|(id, _)| id)
}

/// Roles that differ only in where they are played are one.
type Key = (OrgId, Operation, OrgId, Option<OrgId>, Vec<Datum>, Box<str>);

struct Found<'s> {
    scenario: &'s Scenario,
    roles: BTreeMap<Key, Role>,
}

/// What is done, before it is known under which agreement.
struct Act<'a> {
    operation: Operation,
    data: &'a [Datum],
    by: OrgId,
    controller: OrgId,
    recipient: Option<OrgId>,
    purpose: &'a str,
    basis: &'a str,
    /// The purpose as agreements name it.
    agreed: &'a str,
}

impl<'s> Found<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        Self {
            scenario,
            roles: BTreeMap::new(),
        }
    }

    fn add(&mut self, act: &Act<'_>, at: &str) {
        let agreement = (act.by != act.controller)
            .then(|| agreement_between(self.scenario, act.controller, act.by, act.agreed))
            .flatten();
        let key = (
            act.controller,
            act.operation,
            act.by,
            act.recipient,
            act.data.to_vec(),
            act.basis.into(),
        );
        let role = self.roles.entry(key).or_insert_with(|| Role {
            operation: act.operation,
            data: act.data.to_vec(),
            by: act.by,
            controller: act.controller,
            purpose: act.purpose.into(),
            basis: act.basis.into(),
            agreement,
            recipient: act.recipient,
            at: BTreeSet::new(),
        });
        role.at.insert(at.into());
    }

    /// The switch collects number and kommun-ID, routes by them, and sends calls on, for the caller's region.
    fn routing(&mut self, ways: &[Way]) {
        for way in ways {
            let route = self.scenario.routes.route(way.route);
            for controller in region_controllers(self.scenario, route) {
                let act = Act {
                    operation: Operation::Collect,
                    data: &[Datum::Number, Datum::KommunId],
                    by: self.scenario.operator,
                    controller,
                    recipient: None,
                    purpose: "to let the right care provider answer",
                    basis: "",
                    agreed: "routing",
                };
                self.add(&act, &route.name);
                self.add(
                    &Act {
                        operation: Operation::Route,
                        ..act
                    },
                    &route.name,
                );
                if let Destination::External(external) = way.to {
                    let provider = self.scenario.provider(external.provider);
                    let forward = Act {
                        operation: Operation::Forward,
                        recipient: Some(provider.organisation),
                        ..act
                    };
                    self.add(&forward, &route.name);
                }
            }
        }
    }

    /// Those who answer are controllers for what is said and noted.
    fn answering(&mut self, ways: &[Way]) {
        for way in ways {
            match way.to {
                Destination::Queue(queue) => self.queue(self.scenario.queue(queue)),
                Destination::External(external) => {
                    let provider = self.scenario.provider(external.provider);
                    let org = provider.organisation;
                    let care = Act {
                        operation: Operation::Collect,
                        data: &[Datum::Voice, Datum::Notes, Datum::CallInformation],
                        by: org,
                        controller: org,
                        recipient: None,
                        purpose: "care",
                        basis: "",
                        agreed: "care",
                    };
                    self.add(&care, &provider.name);
                    if provider.records {
                        let record = Act {
                            operation: Operation::Record,
                            data: &[Datum::Voice],
                            ..care
                        };
                        self.add(&record, &provider.name);
                    }
                }
            }
        }
    }

    fn queue(&mut self, queue: &Queue) {
        let care = Act {
            operation: Operation::Collect,
            data: &[Datum::Voice, Datum::Notes, Datum::CallInformation],
            by: queue.answered_by.unwrap_or(queue.controller),
            controller: queue.controller,
            recipient: None,
            purpose: "care",
            basis: &queue.basis,
            agreed: "care",
        };
        self.add(&care, &queue.name);
        if queue.recording {
            let record = Act {
                operation: Operation::Record,
                data: &[Datum::Voice],
                by: self.scenario.operator,
                purpose: &queue.purpose,
                agreed: "recording",
                ..care
            };
            self.add(&record, &queue.name);
        }
    }

    fn collections(&mut self) {
        for collection in &self.scenario.collections {
            let act = Act {
                operation: Operation::Collect,
                data: &[Datum::CallInformation],
                by: collection.controller,
                controller: collection.controller,
                recipient: None,
                purpose: &collection.purpose,
                basis: "",
                agreed: "",
            };
            self.add(&act, &self.scenario.org(collection.from).id);
        }
    }

    fn stores(&mut self, ways: &[Way], today: Date) {
        for store in &self.scenario.stores {
            let data: BTreeSet<Datum> = store.holds.iter().copied().map(Datum::of_class).collect();
            let data: Vec<Datum> = data.into_iter().collect();
            for controller in store_controllers(self.scenario, ways, store) {
                let act = Act {
                    operation: Operation::Store,
                    data: &data,
                    by: store.operator,
                    controller,
                    recipient: None,
                    purpose: "to keep what the law and the controller say is kept",
                    basis: "",
                    agreed: "storage",
                };
                self.add(&act, &store.name);
                let read = Act {
                    operation: Operation::Read,
                    by: controller,
                    purpose: "follow-up, extracts, the patient's own access",
                    ..act
                };
                self.add(&read, &store.name);
                for &class in &store.holds {
                    self.decided(&act, controller, class, today, &store.name);
                }
            }
        }
    }

    /// Erasure and hand-over, as the controller's latest decision on the class says.
    fn decided(
        &mut self,
        store: &Act<'_>,
        controller: OrgId,
        class: ObjectClass,
        today: Date,
        at: &str,
    ) {
        let scenario = self.scenario;
        let Some(decision) = scenario.decision_in_force(controller, class, today) else {
            return;
        };
        let operation = match &*decision.permits {
            "erase" => Operation::Erase,
            "hand-over" => Operation::HandOver,
            _ => return,
        };
        let act = Act {
            operation,
            data: &[Datum::of_class(class)],
            recipient: (operation == Operation::HandOver).then_some(controller),
            basis: &decision.diary_number,
            purpose: "as the controller decided",
            ..*store
        };
        self.add(&act, at);
    }
}
