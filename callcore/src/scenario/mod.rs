//! A scenario: one TOML file that says who takes part, who answers whom, and what is kept how long.
//!
//! [`Scenario`] exists only valid. The reader's raw types stay private to this module; a broken file is refused
//! whole, with the line and a remedy (invariant 8).

mod duties;
mod entries;
mod error;
mod ids;
mod nearest;
mod ports;
mod raw;
mod read;
mod simulation;
mod values;
mod waiting;

use jiff::civil::Date;

use crate::{
    organisation::{Agreement, Organisation},
    retention::{ObjectClass, RetentionWindow},
    route::{Decision, Destination, Table},
};

pub use duties::{
    Backup, BackupPlan, Collection, Information, Reach, Sanction, Stated, Store, Told,
    UttagSettings,
};
pub use entries::{
    Agent, Announcement, Contact, ControllerDecision, Expectation, HOLIDAY_FACTOR_MAX,
    LISTEN_ADDRESSES_MAX, Lines, Listen, Media, Pause, Ping, Provider, Queue, RecorderSettings,
    Retention, SEGMENTS_MAX, Srtp, TlsSettings, Traffic, WEEKEND_FACTOR_MAX,
};
pub use error::{Fault, ScenarioError};
pub use ids::{AgentId, AgreementId, AnnouncementId, OrgId, ProviderId, QueueId, RouteId};
pub use ports::{AudioPorts, AudioPortsError};
pub use simulation::{Simulation, Staffing, Surge};
pub use waiting::{Callback, Choice, Menu, Overload, Speak};

/// The longest scenario that is read, in bytes. Sweden with every kommun on a line of its own is a tenth of it.
pub const SCENARIO_LEN_MAX: usize = 4 * 1024 * 1024;

/// The most entries of one list: ids are 16 bits, and a check of every rule against every other stays quick.
pub const LIST_LEN_MAX: usize = 10_000;

/// The most agents of a whole scenario: each costs the live switch a possible media session.
pub const AGENTS_MAX: usize = 100_000;

/// The longest name or id: they end in metric labels and file names.
pub const NAME_LEN_MAX: usize = 64;

/// The JSON Schema of scenario files, as text: what `vaxel routes schema` prints.
pub fn json_schema() -> String {
    raw::json_schema()
}

/// An expectation that the table doesn't meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// Its place in [`Scenario::expectations`].
    pub expectation: usize,
    /// The route that wins instead, or the expected one with a recording that isn't; `None` when none wins.
    pub route: Option<RouteId>,
    /// Whether the call is recorded here.
    pub recorded: bool,
}

/// A whole configuration, checked. Lists are addressed by the ids above.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file it was read from, as the caller named it.
    pub file: Box<str>,
    /// The organisation that runs this switch.
    pub operator: OrgId,
    /// Who takes part.
    pub organisations: Vec<Organisation>,
    /// Who works for whom.
    pub agreements: Vec<Agreement>,
    /// What is played.
    pub announcements: Vec<Announcement>,
    /// What a caller hears when nobody can take the call.
    pub no_answer: Option<AnnouncementId>,
    /// What a caller hears who is turned away from a full queue that has no announcement of its own.
    pub busy: Option<AnnouncementId>,
    /// The queues of this switch.
    pub queues: Vec<Queue>,
    /// Every answering place, by [`AgentId`], queue by queue.
    pub agents: Vec<Agent>,
    /// Care providers outside.
    pub providers: Vec<Provider>,
    /// Retention rules.
    pub retention: Vec<Retention>,
    /// Recorded decisions.
    pub decisions: Vec<ControllerDecision>,
    /// Times in which nothing may be erased.
    pub pauses: Vec<Pause>,
    /// The recorder, when there is one.
    pub recorder: Option<RecorderSettings>,
    /// How extracts of personal data are ordered; `None` when they aren't.
    pub uttag: Option<UttagSettings>,
    /// Where the switch listens.
    pub listen: Listen,
    /// When new calls are refused.
    pub overload: Overload,
    /// What is asked of calls' audio.
    pub media: Media,
    /// What simulation offers.
    pub traffic: Traffic,
    /// How it is simulated.
    pub simulation: Simulation,
    /// Tests inside the file.
    pub expectations: Vec<Expectation>,
    /// The compiled routes.
    pub routes: Table,
    /// Information given to callers otherwise than in a call.
    pub information: Vec<Information>,
    /// Data collected from others than the caller.
    pub collections: Vec<Collection>,
    /// Where personal data are kept.
    pub stores: Vec<Store>,
    /// Sanctions decided in the case that the scenario describes.
    pub sanctions: Vec<Sanction>,
    /// Routes that ask for a recording although their calls leave this switch. None can be had; the checker says so.
    pub recording_asked: Vec<RouteId>,
    /// Where everything stands in the file.
    pub lines: Lines,
}

impl Scenario {
    /// Reads a scenario. `file` is only for messages.
    ///
    /// # Errors
    /// Every fault that could be told, with its line and a remedy; nothing is half read.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ScenarioError> {
        read::scenario(text, file)
    }

    /// One organisation.
    pub fn org(&self, id: OrgId) -> &Organisation {
        &self.organisations[id.index()]
    }

    /// The organisation with this short name.
    pub fn org_by_id(&self, id: &str) -> Option<OrgId> {
        (0..)
            .map(OrgId)
            .zip(&self.organisations)
            .find(|(_, org)| *org.id == *id)
            .map(|(id, _)| id)
    }

    /// One agreement.
    pub fn agreement(&self, id: AgreementId) -> &Agreement {
        &self.agreements[id.index()]
    }

    /// One queue.
    #[inline]
    pub fn queue(&self, id: QueueId) -> &Queue {
        &self.queues[id.index()]
    }

    /// The queue at this place in [`Scenario::queues`].
    pub const fn queue_by_place(&self, place: usize) -> QueueId {
        debug_assert!(place < LIST_LEN_MAX, "lists are limited when they are read");
        QueueId(place as u16)
    }

    /// The queue with this name.
    pub fn queue_by_name(&self, name: &str) -> Option<QueueId> {
        (0..)
            .map(QueueId)
            .zip(&self.queues)
            .find(|(_, queue)| *queue.name == *name)
            .map(|(id, _)| id)
    }

    /// One provider.
    pub fn provider(&self, id: ProviderId) -> &Provider {
        &self.providers[id.index()]
    }

    /// One announcement.
    pub fn announcement(&self, id: AnnouncementId) -> &Announcement {
        &self.announcements[id.index()]
    }

    /// The name of a route.
    pub fn route_name(&self, id: RouteId) -> &str {
        &self.routes.route(id).name
    }

    /// The route with this name.
    pub fn route_by_name(&self, name: &str) -> Option<RouteId> {
        (0..)
            .map(RouteId)
            .zip(self.routes.routes())
            .find(|(_, route)| *route.name == *name)
            .map(|(id, _)| id)
    }

    /// One answering place.
    pub fn agent(&self, id: AgentId) -> &Agent {
        &self.agents[id.0 as usize]
    }

    /// The answering places of a queue: always a run of consecutive ids.
    pub fn agents_of(&self, queue: QueueId) -> impl Iterator<Item = AgentId> {
        let first = self.agents.partition_point(|agent| agent.queue < queue) as u32;
        let end = self.agents.partition_point(|agent| agent.queue <= queue) as u32;
        (first..end).map(AgentId)
    }

    /// Whether a call with this decision is recorded here. An external one never is.
    pub fn records(&self, decision: &Decision) -> bool {
        match decision.to {
            Destination::Queue(queue) => self.queue(queue).recording,
            Destination::External(_) => false,
        }
    }

    /// How long this controller's data of this class stay, counted from that day, and the rule that says so.
    /// A rule of the controller's own goes before a general one; `None` when there is neither.
    pub fn retention_window(
        &self,
        controller: OrgId,
        class: ObjectClass,
        counted_from: Date,
    ) -> Option<(RetentionWindow, &Retention)> {
        let of_class = || self.retention.iter().filter(|rule| rule.class == class);
        let own = of_class().find(|rule| rule.controller == Some(controller));
        let rule = own.or_else(|| of_class().find(|rule| rule.controller.is_none()))?;
        let latest = rule.latest.map(|latest| latest.after(counted_from));
        Some((
            RetentionWindow::new(rule.earliest.after(counted_from), latest)?,
            rule,
        ))
    }

    /// What the controller has decided on this class, as it is in force on a day.
    pub fn decision_in_force(
        &self,
        controller: OrgId,
        class: ObjectClass,
        today: Date,
    ) -> Option<&ControllerDecision> {
        let place = self.deciding(controller, class, today)?;
        Some(&self.decisions[place])
    }

    /// The place of that decision. A later decision replaces an earlier one; of two of one day that contradict each other the one
    /// that keeps more holds (V0506), for what was erased doesn't come back; of two that agree, the one further down in the file. One
    /// that has run out leaves nothing behind: what it replaced doesn't come back.
    pub(crate) fn deciding(
        &self,
        controller: OrgId,
        class: ObjectClass,
        today: Date,
    ) -> Option<usize> {
        let speaks = |decision: &ControllerDecision| {
            decision.controller == controller
                && decision.date <= today
                && decision.classes.contains(&class)
        };
        let on_it = self
            .decisions
            .iter()
            .enumerate()
            .filter(|(_, decision)| speaks(decision));
        let (place, latest) =
            on_it.max_by_key(|(_, decision)| (decision.date, decision.keeps()))?;
        latest
            .until
            .is_none_or(|until| today < until)
            .then_some(place)
    }

    /// The tests inside the file that fail.
    pub fn unmet(&self) -> Vec<Unmet> {
        let unmet = |(place, expectation): (usize, &Expectation)| {
            let decision = self.routes.decide(expectation.origin(), expectation.at);
            let route = decision.map(|decision| decision.route);
            let recorded = decision.is_some_and(|decision| self.records(&decision));
            let met = route.is_some_and(|route| self.route_name(route) == &*expectation.route)
                && expectation
                    .recorded
                    .is_none_or(|expected| expected == recorded);
            (!met).then_some(Unmet {
                expectation: place,
                route,
                recorded,
            })
        };
        self.expectations
            .iter()
            .enumerate()
            .filter_map(unmet)
            .collect()
    }
}
