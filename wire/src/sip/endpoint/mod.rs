//! An endpoint: every transaction and dialog of one SIP element, driven from outside.
//!
//! Three verbs carry time: [`Endpoint::handle`], [`Endpoint::poll_output`], [`Endpoint::wake`]; a driver that has more datagrams
//! than it reads at once asks [`Endpoint::turns_away`] before it keeps one. The rest are what a user agent says, in the order a
//! call meets them:
//!
//! | verb | when | what follows |
//! |---|---|---|
//! | [`Endpoint::invite`] | any time | `Progress`, then `Answered` or `Rejected` |
//! | [`Endpoint::ack`] | `Answered` or `Changed` after we made no offer | |
//! | [`Endpoint::progress`] | after `Incoming` | |
//! | [`Endpoint::answer`], [`Endpoint::answer_with`] | after `Incoming` | `Confirmed` |
//! | [`Endpoint::reject`], [`Endpoint::redirect`] | after `Incoming` | nothing: the session is over |
//! | [`Endpoint::change`] | the session is up | `Changed` |
//! | [`Endpoint::accept_change`], [`Endpoint::reject_change`] | after `ChangeRequested` | `ChangeConfirmed` |
//! | [`Endpoint::inform`] | the session is up | nothing |
//! | [`Endpoint::refer`] | the session is up | `ReferAnswered`, `ReferProgress` |
//! | [`Endpoint::accept_refer`] and [`Endpoint::report_refer`], or [`Endpoint::reject_refer`] | after `Referred` | |
//! | [`Endpoint::end`] | any time | `Ended` |
//! | [`Endpoint::respond_to`] | after `Request` | nothing |
//!
//! A session is one INVITE dialog (or its attempt), from first message to last. It ends once: by `reject` or
//! `redirect`, or with one `Rejected` or one `Ended`.
//!
//! By itself, where the configuration says so, it acknowledges reliable 18x and sends them (RFC 3262), keeps sessions alive
//! and ends those whose peer is gone (RFC 4028), and tries again a change that met another (RFC 3261 section 14.1).
//! To peers that ask who it is it answers as [`Endpoint::prove`] says.
//!
//! What it doesn't do: look up names (a next hop is an address), encrypt, ask others who they are, keep registrations.

mod again;
mod border;
mod called;
mod caller;
mod client;
mod clients;
mod config;
mod connections;
mod dialog;
mod early;
mod ident;
mod inside;
mod keep;
mod local;
mod lost;
mod offers;
mod outside;
mod overload;
mod ping;
mod proof;
mod receive;
mod refer;
mod refresh;
mod reliable;
mod replaces;
mod responses;
mod route;
mod servers;
mod session;
mod table;
mod timers;
mod transaction;

use std::{collections::VecDeque, net::SocketAddr};

use bytes::Bytes;

pub use border::{
    ConnectionId, Counters, Ending, Event, Flow, Input, Invite, Output, PingId, RequestId,
    SessionError, SessionId, Timer, TransportKind, Unanswered, Wake,
};
pub use config::{Config, SessionTimer};
pub use local::{Local, LocalAddress};

use self::{
    client::{Client, ClientKey},
    connections::Connections,
    ident::{Key, Names},
    local::Locals,
    route::Hop,
    servers::Server,
    session::Session,
    table::Table,
    timers::{Entry, Owner, Timers},
    transaction::Rules,
};
use crate::{sip::message::HeaderValue, time::Time};

/// Outputs waiting to be fetched. A driver fetches after each input, so this many mean it doesn't: no datagram
/// is read and nothing more is sent until it does.
const OUTPUTS_MAX: usize = 65_536;

/// Every transaction and dialog of one SIP element.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    /// What every message says of us, made once.
    own: Own,
    names: Names,
    timers: Timers,
    outputs: VecDeque<Output>,
    net: Connections,
    clients: Table<ClientKey, Box<Client>>,
    servers: Table<Key, Box<Server>>,
    /// INVITEs that might come a second time by another way (RFC 3261 section 8.2.2.2).
    merged: Table<Key, Key>,
    sessions: Table<SessionId, Box<Session>>,
    by_tag: Table<u64, SessionId>,
    next_session: u64,
    draining: bool,
    /// New calls that are still let in.
    admission: u32,
    /// ACKs for calls that were turned away may come until then.
    turned_away_until: Time,
    counters: Counters,
}

/// Values of our own header fields, and our addresses; cloning a value only counts a reference.
#[derive(Debug)]
struct Own {
    /// User-Agent and Server; `None`: not told.
    product: Option<HeaderValue>,
    allow: HeaderValue,
    /// `None`: no extension.
    supported: Option<HeaderValue>,
    locals: Locals,
}

impl Own {
    fn new(config: &Config) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| HeaderValue::from(text));
        let (allow, supported) = (allow(config), supported(config));
        Self {
            product: some(&config.product),
            allow: HeaderValue::from(allow.as_str()),
            supported: some(&supported.join(", ")),
            locals: Locals::new(config),
        }
    }
}

/// What can be done in a session (RFC 3261 section 20.5): all that is, and nothing that isn't.
fn allow(config: &Config) -> String {
    let mut methods = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY, MESSAGE".to_owned();
    let more = [
        (config.reliable, ", PRACK"),
        (config.transfers, ", REFER"),
        (config.registrar, ", REGISTER"),
    ];
    methods.extend(more.into_iter().filter(|(is, _)| *is).map(|(_, name)| name));
    methods
}

/// Every extension that is understood.
fn supported(config: &Config) -> Vec<&str> {
    let own = [
        (config.reliable, reliable::OPTION_TAG),
        (config.session_timer.is_some(), refresh::OPTION_TAG),
        (config.transfers, replaces::OPTION_TAG),
    ];
    let users = config.supported.iter().map(|tag| &**tag);
    users
        .chain(own.into_iter().filter(|(is, _)| *is).map(|(_, tag)| tag))
        .collect()
}

impl Endpoint {
    /// An endpoint with nothing under way.
    pub fn new(config: Config) -> Self {
        Self {
            own: Own::new(&config),
            names: Names::new(&config),
            config,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            net: Connections::new(),
            clients: Table::new(),
            servers: Table::new(),
            merged: Table::new(),
            sessions: Table::new(),
            by_tag: Table::new(),
            next_session: 1,
            draining: false,
            admission: u32::MAX,
            turned_away_until: Time::default(),
            counters: Counters::default(),
        }
    }

    /// Takes what happened. Then fetch the outputs.
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        match input {
            Input::Datagram { local, peer, bytes } => self.on_datagram(now, local, peer, bytes),
            Input::Connected {
                connection,
                local,
                peer,
                kind,
            } => self.on_connected(now, connection, (local, peer, kind)),
            Input::Stream { connection, bytes } => self.on_stream(now, connection, bytes),
            Input::Message { connection, bytes } => self.on_stream_message(now, connection, bytes),
            Input::Closed { connection } => self.on_closed(now, connection),
            Input::Unreachable { local, peer } => self.on_way_lost(now, Flow::Udp { local, peer }),
            Input::TimePassed => self.on_time(now),
        }
    }

    /// What to do next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call with [`Input::TimePassed`], and for which timer. Ask after the outputs are fetched.
    pub fn wake(&self) -> Option<Wake> {
        self.timers.wake()
    }

    /// A peer at this address that is called by TLS must from now on prove to be `name`; else the address itself. A connection where
    /// it proved to be somebody else isn't used again for what begins from now on.
    pub fn expect_name(&mut self, peer: std::net::SocketAddr, name: &str) {
        self.net.expect_name(peer, name);
    }

    /// Refuses new calls with 503 (true), or takes them again. Sessions there are go on.
    pub const fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// Lets in so many new calls from now on; the next is answered 503 with Retry-After and leaves nothing behind.
    /// Without a call of this there is no such limit.
    pub const fn set_admission(&mut self, calls: u32) {
        self.admission = calls;
    }

    /// How many of them may still come.
    pub const fn admission(&self) -> u32 {
        self.admission
    }

    /// Whether there is a connection between these ends.
    pub fn is_connected(&self, ends: (Local, SocketAddr, TransportKind)) -> bool {
        self.net.is_open(ends)
    }

    /// Whether a session that we began is still without any response at all.
    pub fn is_unheard(&self, id: SessionId) -> bool {
        let phase = self.sessions.get(&id).map(|session| &session.phase);
        matches!(phase, Some(session::Phase::Calling { .. }))
    }

    /// Whether a call to us can still be answered: it wasn't taken back, nor answered before.
    pub fn is_to_be_answered(&self, id: SessionId) -> bool {
        let phase = self.sessions.get(&id).map(|session| &session.phase);
        matches!(phase, Some(session::Phase::Ringing { .. }))
    }

    /// Sessions that haven't ended.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Transactions under way, or lingering to absorb repetitions.
    pub fn transactions(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// Entries in all tables, the lookups beside the things themselves included: 0 when no session, transaction or
    /// connection is left, or something leaks.
    pub fn entries(&self) -> usize {
        self.sessions()
            + self.by_tag.len()
            + self.transactions()
            + self.merged.len()
            + self.net.entries()
    }

    /// Stream connections open or asked for.
    pub fn connections(&self) -> usize {
        self.net.len()
    }

    /// What was refused, dropped or repeated.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The Call-ID of a session, to find it in a trace.
    pub fn call_id(&self, session: SessionId) -> Option<&str> {
        self.sessions
            .get(&session)
            .map(|session| session.call_id.as_str())
    }

    fn on_time(&mut self, now: Time) {
        while let Some(Entry {
            at, timer, owner, ..
        }) = self.timers.due(now)
        {
            match owner {
                Owner::Client(key) => self.on_client_timer(now, key, timer, at),
                Owner::Server(key) => self.on_server_timer(now, key, timer, at),
                Owner::Session(session) => self.on_session_timer(now, session, timer, at),
                Owner::Connection(id) if timer == Timer::KeepAlive => {
                    self.on_keep_alive(now, id, at)
                }
                Owner::Connection(connection) => self.on_stalled(now, connection, at),
            }
        }
    }

    const fn rules(&self, flow: Flow) -> Rules {
        Rules {
            t1: self.config.t1,
            reliable: flow.is_reliable(),
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        if self.outputs.len() < OUTPUTS_MAX {
            self.outputs.push_back(Output::Transmit { flow, bytes });
        } else {
            self.counters.shed += 1;
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
