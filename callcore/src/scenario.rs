//! A scenario: one TOML file that says who takes part, who answers whom, and what is kept how long.
//!
//! [`Scenario`] exists only valid. The reader's raw types stay private to this module; a broken file is refused
//! whole, with the line and a remedy (invariant 8).

use jiff::civil::Date;

use crate::{
    kommun::RegionCode,
    organisation::{Agreement, Organisation},
    retention::{ObjectClass, Period},
    time::Span,
};

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
    /// How long an agent is busy after a call.
    pub wrap_up: Span,
    /// How long an agent's phone rings before the call goes back to the head of the queue.
    pub ring_max: Span,
    /// How many callers may wait; the next is turned away with an announcement.
    pub len_max: usize,
    /// What is played once while the caller begins to wait.
    pub announcement: Option<AnnouncementId>,
    /// What is played over and over while the caller waits.
    pub music: Option<AnnouncementId>,
    /// Mean patience of a simulated caller.
    pub patience_mean: Span,
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
    pub at: crate::time::Time,
    /// The route that must win.
    pub route: Box<str>,
    /// Whether the call must be recorded here; `None` when the test doesn't say.
    pub recorded: Option<bool>,
}

/// A whole configuration, checked. Lists are addressed by the ids above.
#[derive(Debug)]
pub struct Scenario {
    /// The organisation that runs this switch.
    pub operator: OrgId,
    /// Who takes part.
    pub organisations: Vec<Organisation>,
    /// Who works for whom.
    pub agreements: Vec<Agreement>,
    /// What is played.
    pub announcements: Vec<Announcement>,
    /// The queues of this switch.
    pub queues: Vec<Queue>,
    /// Every answering place, by [`AgentId`].
    pub agents: Vec<Agent>,
    /// Care providers outside.
    pub providers: Vec<Provider>,
    /// Retention rules.
    pub retention: Vec<Retention>,
    /// Recorded decisions.
    pub decisions: Vec<ControllerDecision>,
    /// The recorder, when there is one.
    pub recorder: Option<RecorderSettings>,
    /// Where the switch listens.
    pub listen: Listen,
    /// Tests inside the file.
    pub expectations: Vec<Expectation>,
    /// The compiled routes.
    pub routes: crate::route::Table,
}
