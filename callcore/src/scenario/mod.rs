//! A scenario: one TOML file that says who takes part, who answers whom, and what is kept how long.
//!
//! [`Scenario`] exists only valid. The reader's raw types stay private to this module; a broken file is refused
//! whole, with the line and a remedy (invariant 8).

mod error;
mod nearest;
mod raw;
mod read;
mod values;

use jiff::civil::Date;

use crate::{
    kommun::RegionCode,
    organisation::{Agreement, Organisation},
    origin::Origin,
    retention::{CountedFrom, ObjectClass, Period, RetentionWindow},
    route::{Decision, Destination, Table},
    time::{Span, Time},
};

pub use error::{Fault, ScenarioError};

/// The longest scenario that is read, in bytes. Sweden with every kommun on a line of its own is a tenth of it.
pub const SCENARIO_LEN_MAX: usize = 4 * 1024 * 1024;

/// The most entries of one list: ids are 16 bits, and a check of every rule against every other stays quick.
pub const LIST_LEN_MAX: usize = 10_000;

/// The most agents of a whole scenario: each costs the live switch a possible media session.
pub const AGENTS_MAX: usize = 100_000;

/// The longest name or id: they end in metric labels and file names.
pub const NAME_LEN_MAX: usize = 64;

macro_rules! index_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u16);

        impl $name {
            /// Its place in the scenario's list, from 0.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index_id!(/** An organisation of the scenario. */ OrgId);
index_id!(/** A route of the scenario. */ RouteId);
index_id!(/** A queue of the scenario. */ QueueId);
index_id!(/** A provider of the scenario. */ ProviderId);
index_id!(/** An announcement of the scenario. */ AnnouncementId);
index_id!(/** An agreement of the scenario. */ AgreementId);

/// An agent: an answering place of one queue. Numbered through the whole scenario, queue by queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(pub u32);

/// An answering place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The queue it works for.
    pub queue: QueueId,
    /// How it is reached.
    pub contact: Contact,
}

/// How an agent is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// A simulated nurse inside the switch, with speech-like audio.
    Simulated,
    /// A fixed SIP contact, such as `sip:queue@127.0.0.1:5180`.
    Sip(Box<str>),
}

/// A queue: where the callers of a region wait for its nurses.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// Its name.
    pub name: Box<str>,
    /// The region it serves; `None` for one that serves several.
    pub region: Option<RegionCode>,
    /// Who is controller for what is said and recorded.
    pub controller: OrgId,
    /// Whether calls are recorded.
    pub recording: bool,
    /// The agreement under which this switch's operator records, when it isn't the controller itself.
    pub agreement: Option<AgreementId>,
    /// Why calls are recorded; `patient-safety-and-quality` unless the scenario says otherwise.
    pub purpose: Box<str>,
    /// The legal basis of the recording, cited; empty when the scenario doesn't say.
    pub basis: Box<str>,
    /// How long an agent is busy after a call.
    pub wrap_up: Span,
    /// How long an agent's phone rings before the call goes back to the head of the queue.
    pub ring_max: Span,
    /// How many callers may wait; the next is turned away with an announcement.
    pub len_max: usize,
    /// The longest expected wait at which callers are still let in.
    pub wait_max: Span,
    /// What is played once while the caller begins to wait.
    pub announcement: Option<AnnouncementId>,
    /// What is played over and over while the caller waits.
    pub music: Option<AnnouncementId>,
    /// What a caller hears who is turned away; `None` for the switch's own ([`Scenario::busy`]).
    pub busy_announcement: Option<AnnouncementId>,
    /// Mean patience of a simulated caller.
    pub patience_mean: Span,
    /// Where callers go that this queue turns away, in order; empty to turn them away for good.
    pub overflow: Vec<Destination>,
}

/// A care provider outside this switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name.
    pub name: Box<str>,
    /// The organisation that answers.
    pub organisation: OrgId,
    /// SIP targets, tried in order.
    pub targets: Vec<Box<str>>,
    /// How long each may ring.
    pub ring_max: Span,
}

/// Something that is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Its name.
    pub name: Box<str>,
    /// The audio file, as the scenario names it; looked for beside the scenario, then among the built-in ones.
    pub file: Box<str>,
    /// What it says, for people and for the checker.
    pub text: Box<str>,
    /// What it informs the caller of: `number-and-kommun-id`, `recording`, `care-provider`.
    pub informs: Vec<Box<str>>,
}

/// How long a class of data stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Of what.
    pub class: ObjectClass,
    /// For which controller; `None` for every one.
    pub controller: Option<OrgId>,
    /// The floor.
    pub earliest: Period,
    /// The ceiling.
    pub latest: Option<Period>,
    /// From which day both are counted.
    pub counted_from: CountedFrom,
    /// The citation.
    pub basis: Box<str>,
}

/// What a controller decided about its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerDecision {
    /// Whose.
    pub controller: OrgId,
    /// Its diary number.
    pub diary_number: Box<str>,
    /// When.
    pub date: Date,
    /// What it permits: `erase`, `hand-over` or `keep`.
    pub permits: Box<str>,
    /// For which classes.
    pub classes: Vec<ObjectClass>,
    /// What a reader should know about it.
    pub note: Box<str>,
}

/// A time in which nothing may be erased, as in September 2021 (BTV).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Whose data; `None` for everyone's.
    pub controller: Option<OrgId>,
    /// Its first day.
    pub from: Date,
    /// The first day after it; `None` while it lasts.
    pub until: Option<Date>,
    /// Why.
    pub reason: Box<str>,
}

/// The traffic that simulation and load generation offer. Defaults are national figures from `data/call_profile.csv`.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// Calls offered in a year: 4 900 000 (row r001, 2019).
    pub calls_per_year: u32,
    /// Mean talk time: 420 s (row r092, an assumption); log-normal.
    pub talk_mean: Span,
    /// Its standard deviation: 240 s (row r093, an assumption).
    pub talk_sd: Span,
    /// Calls of a Saturday or Sunday against a mean day: 1.25 (row r101, an assumption).
    pub weekend_factor: f64,
    /// Calls of a holiday against a mean day: 1.3 (row r102, an assumption).
    pub holiday_factor: f64,
    /// The regions whose people call; empty for all of Sweden.
    pub regions: Vec<RegionCode>,
}

/// The lines on which the entries of a scenario stand, counted from 1, each list parallel to the scenario's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// Of [`Scenario::organisations`].
    pub organisations: Vec<u32>,
    /// Of [`Scenario::agreements`].
    pub agreements: Vec<u32>,
    /// Of [`Scenario::announcements`].
    pub announcements: Vec<u32>,
    /// Of the routes.
    pub routes: Vec<u32>,
    /// Of [`Scenario::queues`].
    pub queues: Vec<u32>,
    /// Of [`Scenario::providers`].
    pub providers: Vec<u32>,
    /// Of [`Scenario::retention`].
    pub retention: Vec<u32>,
    /// Of [`Scenario::decisions`].
    pub decisions: Vec<u32>,
    /// Of [`Scenario::pauses`].
    pub pauses: Vec<u32>,
    /// Of [`Scenario::expectations`].
    pub expectations: Vec<u32>,
}

/// Where our own recorder is and what it keeps where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderSettings {
    /// The SIPREC server's address, `sip:recorder@127.0.0.1:5070`.
    pub siprec: Box<str>,
    /// The folder of the store.
    pub store: Box<str>,
    /// The folder of the keys; never inside the store.
    pub keys: Box<str>,
    /// The address of its web API, `127.0.0.1:1178`.
    pub api: Box<str>,
}

/// Where the switch listens and whom it believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// SIP over UDP and TCP.
    pub sip: std::net::SocketAddr,
    /// Dashboard, API, metrics.
    pub web: std::net::SocketAddr,
    /// Networks whose kommun-ID and caller number are believed, as `address/prefix`.
    pub trusted: Vec<(std::net::IpAddr, u8)>,
}

/// A test inside the file: this kommun at this moment goes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The kommun-ID as it would come with the call.
    pub kommun: Box<str>,
    /// The moment.
    pub at: Time,
    /// The route that must win.
    pub route: Box<str>,
    /// Whether the call must be recorded here; `None` when the test doesn't say.
    pub recorded: Option<bool>,
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
#[derive(Debug)]
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
    /// Where the switch listens.
    pub listen: Listen,
    /// What simulation offers.
    pub traffic: Traffic,
    /// Tests inside the file.
    pub expectations: Vec<Expectation>,
    /// The compiled routes.
    pub routes: Table,
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
    pub fn queue(&self, id: QueueId) -> &Queue {
        &self.queues[id.index()]
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

impl Expectation {
    /// Where such a call comes from.
    pub fn origin(&self) -> Origin {
        Origin::from_code(&self.kommun)
    }
}
