//! What the switch shows of itself: figures and states, no telephone number anywhere in it.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use tokio::sync::{broadcast, watch};
use transport::WebSocketDoor;

/// A window on a running gateway for dashboards and metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// What stays the same while one table is in force; replaced with the table.
    pub fixed: watch::Receiver<Arc<Fixed>>,
    /// The state of calls and queues, renewed a few times a second while anything changes.
    pub live: watch::Receiver<Arc<Live>>,
    /// One message for each call as it is routed.
    pub arrivals: broadcast::Sender<Arrival>,
    /// The gateway's metrics.
    pub metrics: prometheus::Registry,
    /// Whether new calls are taken: false while starting and while draining.
    pub ready: watch::Receiver<bool>,
    /// Where WebSockets that speak SIP go in; `None`: nowhere.
    pub web_sockets: Option<WebSocketDoor>,
}

/// Who takes part and who answers where.
#[derive(Debug, Clone, Serialize)]
pub struct Fixed {
    /// Where a phone on this machine calls the switch, as `127.0.0.1:5060`.
    pub sip: String,
    /// The scenario's file name without its folder.
    pub scenario: String,
    /// The digest of the routing table in force.
    pub digest: String,
    /// The organisation that runs this switch.
    pub operator: Party,
    /// Everybody in the scenario.
    pub organisations: Vec<Party>,
    /// Each kommun, in order of code, also those that nobody answers now.
    pub kommuner: Vec<KommunView>,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Party {
    /// The scenario's id for it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `region`, `processor`, `care-provider` or `sub-processor`.
    pub kind: &'static str,
}

/// Who answers a kommun's calls now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KommunView {
    /// Four digits.
    pub id: String,
    /// Its name.
    pub name: &'static str,
    /// The region's two digits.
    pub region: String,
    /// The region's name.
    pub region_name: &'static str,
    /// The route that wins now; empty when none does.
    pub route: String,
    /// The organisation that answers: the queue's controller, or the provider's; empty when nobody does.
    pub answers: String,
    /// Whether its calls leave this switch.
    pub external: bool,
    /// Whether its calls are recorded here.
    pub recorded: bool,
}

/// What a program took over from the one before it in the same process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Callers who are to be called back.
    pub callbacks: u64,
    /// Phones that are registered.
    pub phones: u64,
    /// Agents in wrap-up.
    pub writing: u64,
    /// Phones of users whom the scenario doesn't name any more.
    pub lost: u64,
}

/// The state of the moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Live {
    /// The switch's clock, RFC 3339 in Swedish time (a scenario may run in 2018).
    pub clock: String,
    /// Whether new calls are taken: not while the switch starts, and no more once it drains.
    pub takes_calls: bool,
    /// Whether the recorder answers; `None` before it was asked, and where there is none.
    pub recorder_up: Option<bool>,
    /// What became last of it, or of a recording by it: `no_answer`, `unreachable`, `refused`, `ended`, `not_heard` or `own`.
    pub recorder_why: Option<&'static str>,
    /// Calls in progress, newest first, cut at 200.
    pub calls: Vec<CallView>,
    /// How many are in progress in all.
    pub calls_now: usize,
    /// The queues.
    pub queues: Vec<QueueView>,
    /// Providers whose targets are asked whether they are there.
    pub providers: Vec<ProviderView>,
    /// Since the start.
    pub totals: Totals,
}

/// A call in progress.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallView {
    /// The switch's number for it.
    pub id: u64,
    /// The kommun-ID; empty when it isn't known.
    pub kommun: String,
    /// `known`, `unknown`, `invalid` or `conflict`.
    pub origin: &'static str,
    /// The route that won.
    pub route: String,
    /// `announcement`, `waiting`, `ringing`, `talking`, `promised` and `calling_back` (the caller hung up and is called
    /// back), `leaving` (to a provider), `external` (with the provider).
    pub state: &'static str,
    /// Seconds since the call came.
    pub age_s: u64,
    /// `recording`, `gap` (should be, but the recorder is lost), `later` (once a nurse answers), `never` (external) or
    /// `no`.
    pub recording: &'static str,
    /// Who is controller of what is said now; empty before anybody answers.
    pub controller: String,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Its controller.
    pub controller: String,
    /// Callers waiting on the line.
    pub waiting: usize,
    /// Seconds the first of them has waited.
    pub longest_wait_s: u64,
    /// Callers who are to be called back instead of waiting.
    pub promised: usize,
    /// Seconds that the next caller will probably wait; `null` while nobody is there to answer.
    pub expected_wait_s: Option<u64>,
    /// Agents free.
    pub agents_ready: usize,
    /// Agents ringing, talking or in wrap-up.
    pub agents_busy: usize,
}

/// A provider, and whether its targets answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderView {
    /// Its name.
    pub name: String,
    /// The targets that are asked, in the scenario's order.
    pub targets: Vec<TargetView>,
}

/// A provider's target. Its address stays in the scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetView {
    /// Its place in the scenario, from 0.
    pub target: u16,
    /// `up`, `down`, or `unknown` while it has answered nothing yet; calls go to one that is unknown.
    pub state: &'static str,
    /// Since when, by the switch's clock.
    pub since: String,
    /// Why it is down: `no_answer`, `unreachable` (its name leads nowhere, or its connection can't be opened), or the status
    /// it answers, such as `503`.
    pub why: Option<String>,
    /// What it answered last.
    pub last_answer: Option<LastAnswer>,
}

/// A target's last answer to OPTIONS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastAnswer {
    /// The status.
    pub status: u16,
    /// When it came, by the switch's clock.
    pub at: String,
}

/// Counted since the start. The keys are the fixed ones of `vaxel demo --json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Calls that reached the switch.
    pub offered: u64,
    /// Calls that were answered and ended well, or were handed over.
    pub completed: u64,
    /// Calls that ended any other way.
    pub failed: u64,
    /// Offered calls by the route that won.
    pub by_route: BTreeMap<String, u64>,
    /// Recordings confirmed by the recorder, by controller.
    pub recorded: BTreeMap<String, u64>,
    /// Recordings made here of calls that left for a provider. Always 0: counted, not assumed.
    pub recorded_at_switch_for_provider: u64,
    /// Calls that ended, by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// New calls answered 503, at overload or while none are taken; they are not among the offered.
    pub not_admitted: u64,
    /// Times a recording was lost in mid-call.
    pub recording_gaps: u64,
    /// Offered calls that neither ended nor are in progress. Always 0.
    pub unaccounted: u64,
}

/// A call as it is routed: what makes a dot light up on the map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// The call.
    pub call: u64,
    /// The kommun-ID; empty when it isn't known.
    pub kommun: String,
    /// The route that won.
    pub route: String,
    /// The organisation that will answer.
    pub answers: String,
    /// Whether it leaves this switch.
    pub external: bool,
}
