//! What the lists of a scenario hold.

use jiff::civil::Date;

use super::{AgreementId, AnnouncementId, AudioPorts, Callback, OrgId, QueueId, Speak};
use crate::{
    kommun::RegionCode,
    origin::Origin,
    retention::{CountedFrom, ObjectClass, Period},
    route::Destination,
    sources::Source,
    time::{Span, Time},
};

/// An answering place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The queue it works for.
    pub queue: QueueId,
    /// How it is reached.
    pub contact: Contact,
    /// Whether the audio of its phone is encrypted.
    pub srtp: Srtp,
    /// The file of who this switch is to a fixed contact, should it ask.
    pub credentials: Option<Box<str>>,
}

/// Whether what the switch sends, to phones and providers that it calls or to a recorder, is offered encrypted (SRTP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Srtp {
    /// Plain RTP only.
    #[default]
    Off,
    /// Plain RTP with keys beside it: who can, encrypts (RFC 8643).
    Offer,
    /// Encrypted or no call.
    Require,
}

impl Srtp {
    /// As scenarios name them.
    pub(super) const NAMES: [(&str, Self); 3] = [
        ("off", Self::Off),
        ("offer", Self::Offer),
        ("require", Self::Require),
    ];
}

/// How an agent is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// A simulated nurse inside the switch, with speech-like audio.
    Simulated,
    /// A fixed SIP contact, such as `sip:queue@127.0.0.1:5180`.
    Sip(Box<str>),
    /// A phone that registers as this user; away until it has.
    Registers(Box<str>),
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
    /// Whose nurses answer, when they aren't the controller's own.
    pub answered_by: Option<OrgId>,
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
    /// What a caller hears who is turned away; `None` for the switch's own ([`Scenario::busy`](super::Scenario::busy)).
    pub busy_announcement: Option<AnnouncementId>,
    /// Mean patience of a simulated caller.
    pub patience_mean: Span,
    /// Where callers go that this queue turns away, in order; empty to turn them away for good.
    pub overflow: Vec<Destination>,
    /// What a waiting caller is told about place and wait, when anything is.
    pub speak: Option<Speak>,
    /// The offer to be called back, when there is one.
    pub callback: Option<Callback>,
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
    /// Whether it records the calls it answers, on its own behalf and in its own system.
    pub records: bool,
    /// How its targets are asked whether they are there; `None`: they aren't asked.
    pub ping: Option<Ping>,
    /// Whether the audio of relayed calls to it is encrypted; in `direct` the caller's own offer goes on.
    pub srtp: Srtp,
    /// The file of who this switch is to it, should it ask.
    pub credentials: Option<Box<str>>,
}

/// What is asked of calls' audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media {
    /// A call ends when one side has sent no RTP for so long, though it is neither held nor holds; `None`: it may be silent for ever.
    pub silence_max: Option<Span>,
}

/// How a provider's targets are asked whether they are there (OPTIONS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// How often each is asked.
    pub every: Span,
    /// Answers that fail to come, in a row, until it counts as down.
    pub down_after: u8,
    /// Answers that come, in a row, until it counts as up again.
    pub up_after: u8,
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
    /// What it informs the caller of: the names of [`Told`](super::Told).
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
    /// The first day it no longer holds; `None` while it does.
    pub until: Option<Date>,
    /// What it permits: `erase`, `hand-over` or `keep`.
    pub permits: Box<str>,
    /// For which classes.
    pub classes: Vec<ObjectClass>,
    /// What a reader should know about it.
    pub note: Box<str>,
}

impl ControllerDecision {
    /// How much it keeps, beside others.
    pub(crate) fn keeps(&self) -> u8 {
        match &*self.permits {
            "erase" => 0,
            "hand-over" => 1,
            _ => 2,
        }
    }
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

/// Above this the two days of a weekend would have more calls than their week.
pub const WEEKEND_FACTOR_MAX: f64 = 3.5;
/// Above this a holiday would have more calls than its week.
pub const HOLIDAY_FACTOR_MAX: f64 = 7.0;

/// The lines on which the entries of a scenario stand, counted from 1, each list parallel to the scenario's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// Of [`Scenario::organisations`](super::Scenario::organisations).
    pub organisations: Vec<u32>,
    /// Of [`Scenario::agreements`](super::Scenario::agreements).
    pub agreements: Vec<u32>,
    /// Of [`Scenario::announcements`](super::Scenario::announcements).
    pub announcements: Vec<u32>,
    /// Of the routes.
    pub routes: Vec<u32>,
    /// Of [`Scenario::queues`](super::Scenario::queues).
    pub queues: Vec<u32>,
    /// Of [`Scenario::providers`](super::Scenario::providers).
    pub providers: Vec<u32>,
    /// Of [`Scenario::retention`](super::Scenario::retention).
    pub retention: Vec<u32>,
    /// Of [`Scenario::decisions`](super::Scenario::decisions).
    pub decisions: Vec<u32>,
    /// Of [`Scenario::pauses`](super::Scenario::pauses).
    pub pauses: Vec<u32>,
    /// Of [`Scenario::expectations`](super::Scenario::expectations).
    pub expectations: Vec<u32>,
    /// Of [`Scenario::information`](super::Scenario::information).
    pub information: Vec<u32>,
    /// Of [`Scenario::collections`](super::Scenario::collections).
    pub collections: Vec<u32>,
    /// Of [`Scenario::stores`](super::Scenario::stores).
    pub stores: Vec<u32>,
    /// Of [`Scenario::sanctions`](super::Scenario::sanctions).
    pub sanctions: Vec<u32>,
}

/// Where our own recorder is and what it keeps where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecorderSettings {
    /// The SIPREC server's address, `sip:recorder@127.0.0.1:5070`.
    pub siprec: Box<str>,
    /// The folder of the store, or `s3://bucket/prefix`.
    pub store: Box<str>,
    /// The folder of the keys; never inside the store.
    pub keys: Box<str>,
    /// The index: `postgres://user@host/database`, a file of SQLite, or `None` for SQLite in the store.
    pub index: Option<Box<str>>,
    /// With a store in S3, the folder where recordings wait until they are safe there.
    pub spool: Option<Box<str>>,
    /// A file, readable by this user only, with the names and secrets that S3 and PostgreSQL ask for; else the environment.
    pub credentials: Option<Box<str>>,
    /// Who may record here and for which controllers, by their ids; empty: anybody for all of them.
    pub peers: Vec<(std::net::IpAddr, Vec<Box<str>>)>,
    /// Recording clients that send no tag: their recordings are tagged as calls of that queue.
    pub untagged: Vec<(std::net::IpAddr, QueueId)>,
    /// SIPREC by TLS.
    pub tls: Option<TlsSettings>,
    /// Recordings of one call, hold and transfer counted in; `None`: [`SEGMENTS_MAX`].
    pub segments_max: Option<u8>,
    /// Whether audio comes encrypted; `None`: where the signalling is, by TLS, so that keys can be told.
    pub srtp: Option<Srtp>,
    /// The UDP ports that audio comes to; `None`: the recorder's own.
    pub rtp_ports: Option<AudioPorts>,
    /// The address of its web API, `127.0.0.1:1178`.
    pub api: Box<str>,
    /// The API's certificate and those that vouch for it, a PEM file; `None` to serve without TLS, on loopback only.
    pub certificate: Option<Box<str>>,
    /// The certificate's key, a PEM file that nobody else may read.
    pub certificate_key: Option<Box<str>>,
    /// The folder where a switch says of each call whether it should have been recorded, for reconciliation.
    pub calls: Option<Box<str>>,
}

/// Recordings of one call when the scenario doesn't say: hold and transfer begin another until there are so many, the most
/// of 2019 (IMY-REPORT p. 3). A phone that toggles hold must not fill the store with files.
pub const SEGMENTS_MAX: u8 = 10;

/// Addresses that a switch listens on, each by two sockets: a gateway stands between an inside network and a few carriers', each
/// by IPv4 and IPv6.
pub const LISTEN_ADDRESSES_MAX: usize = 8;

/// Where the switch listens and whom it believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// SIP over UDP and TCP: at least one address, and [`LISTEN_ADDRESSES_MAX`] at most.
    pub sip: Vec<std::net::SocketAddr>,
    /// Dashboard, API, metrics.
    pub web: std::net::SocketAddr,
    /// Networks whose kommun-ID and caller number are believed, as `address/prefix`.
    pub trusted: Vec<(std::net::IpAddr, u8)>,
    /// Networks whose descriptions (SDP) tell exactly where their audio comes from: such peers' legs share ports.
    pub rtp_shared: Vec<(std::net::IpAddr, u8)>,
    /// The UDP ports for audio, at each address.
    pub rtp_ports: AudioPorts,
    /// What is offered to callers who leave the offer to us, or are called back.
    pub srtp: Srtp,
    /// The sources of a kommun-ID that are read, in the order of their trust.
    pub kommun_sources: Vec<Source>,
    /// SIP over TLS.
    pub tls: Option<TlsSettings>,
    /// The file of those who may register, or call from outside the trusted networks.
    pub credentials: Option<Box<str>>,
    /// The realm of those who register here.
    pub realm: Box<str>,
    /// The file of who we are to trunks that ask.
    pub own_credentials: Option<Box<str>>,
    /// The name server that is asked where targets are; `None`: the system's.
    pub dns: Option<std::net::SocketAddr>,
}

/// SIP over TLS: where, and by which files. Paths are as the scenario names them; looked for beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Where it listens: at least one address, and [`LISTEN_ADDRESSES_MAX`] at most.
    pub addresses: Vec<std::net::SocketAddr>,
    /// The certificate chain, PEM.
    pub certificate: Box<str>,
    /// Its private key, PEM.
    pub key: Box<str>,
    /// The CA certificates, PEM, that peers' certificates must lead to; `None`: nobody is asked for one, and nobody is
    /// called by TLS.
    pub peers_ca: Option<Box<str>>,
    /// Names in peers' certificates that are believed like trusted networks.
    pub trusted_names: Vec<Box<str>>,
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

impl Expectation {
    /// Where such a call comes from.
    pub fn origin(&self) -> Origin {
        Origin::from_code(&self.kommun)
    }
}
