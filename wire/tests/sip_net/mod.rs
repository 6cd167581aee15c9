//! A network in memory, in virtual time: endpoints, and raw peers that a test plays by hand.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file includes this and uses a part of it"
)]

pub mod acts;
mod expect;
mod raw;
mod text;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use wire::{
    sip::endpoint::{
        Config, ConnectionId, Endpoint, Event, Flow, Input, Invite, Local, Output, SessionId,
        SessionTimer,
    },
    time::Time,
};

/// What the network does to datagrams, in percent; and the delay of each, at random up to `delay_max`.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub loss: u64,
    pub duplication: u64,
    pub delay_min: Duration,
    pub delay_max: Duration,
}

pub use raw::{
    RawSession, end_raw, hang_up, raw_bye, raw_called, raw_caller, raw_session, raw_session_as,
    request, response, status, tag_of,
};
pub use text::{call, raw, read, reply, sdp, with_body};

pub const CALM: Weather = Weather {
    loss: 0,
    duplication: 0,
    delay_min: Duration::from_millis(10),
    delay_max: Duration::from_millis(10),
};

pub struct Node {
    pub address: SocketAddr,
    /// `None`: a raw peer.
    pub endpoint: Option<Endpoint>,
    pub events: VecDeque<Event>,
    /// Datagrams of a raw peer.
    pub inbox: VecDeque<Bytes>,
    /// Sessions that came to it.
    pub sessions: Vec<SessionId>,
    /// How often each session of it ended, by its number.
    pub endings: BTreeMap<SessionId, u32>,
}

enum Parcel {
    Datagram {
        from: SocketAddr,
        bytes: Bytes,
    },
    Connected {
        connection: ConnectionId,
        peer: SocketAddr,
    },
    Stream {
        connection: ConnectionId,
        bytes: Bytes,
    },
    Closed {
        connection: ConnectionId,
    },
}

type DropRule = Box<dyn FnMut(&str) -> bool>;

pub struct Net {
    pub now: Time,
    pub nodes: Vec<Node>,
    pub weather: Weather,
    /// Bytes of a stream delivered at once; 0: all.
    pub chunk: usize,
    /// How long each piece of a stream takes after the one before; zero: all come at once.
    pub pace: Duration,
    /// When the last piece that is under way comes, at each end of a stream.
    pours: BTreeMap<(usize, ConnectionId), Time>,
    /// Every message sent: from, to, first line.
    pub trace: Vec<(usize, String)>,
    /// Datagrams for which this is true are lost.
    pub drop_if: Option<DropRule>,
    parcels: BTreeMap<(Time, u64), (usize, Parcel)>,
    /// Each end of a stream: its node and the other end.
    streams: BTreeMap<(usize, ConnectionId), (usize, ConnectionId)>,
    order: u64,
    next_accepted: u64,
    mixer: u64,
}

pub const CALM_TIME: Time = Time(Duration::ZERO);

pub fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + node as u8], 5060))
}

pub fn config(node: usize) -> Config {
    Config::default_for(address(node), [node as u8 + 1; 32])
}

/// With every extension.
pub fn featured(node: usize) -> Config {
    Config {
        reliable: true,
        session_timer: Some(SessionTimer {
            expires: Duration::from_secs(600),
            min: Duration::from_secs(90),
        }),
        transfers: true,
        ..config(node)
    }
}

impl Net {
    /// That many endpoints.
    pub fn new(endpoints: usize) -> Self {
        let mut net = Self {
            now: Time::default(),
            nodes: Vec::new(),
            weather: CALM,
            chunk: 0,
            pace: Duration::ZERO,
            pours: BTreeMap::new(),
            trace: Vec::new(),
            drop_if: None,
            parcels: BTreeMap::new(),
            streams: BTreeMap::new(),
            order: 0,
            next_accepted: 0,
            mixer: 0,
        };
        for node in 0..endpoints {
            net.add(Some(Endpoint::new(config(node))));
        }
        net
    }

    /// That many endpoints with every extension.
    pub fn featured(endpoints: usize) -> Self {
        let mut net = Self::new(0);
        for node in 0..endpoints {
            net.add(Some(Endpoint::new(featured(node))));
        }
        net
    }

    pub fn seeded(mut self, seed: u64, weather: Weather) -> Self {
        self.mixer = seed;
        self.weather = weather;
        self
    }

    pub fn add(&mut self, endpoint: Option<Endpoint>) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node {
            address: address(node),
            endpoint,
            events: VecDeque::new(),
            inbox: VecDeque::new(),
            sessions: Vec::new(),
            endings: BTreeMap::new(),
        });
        node
    }

    /// The next number of a seeded mixer (SplitMix64).
    pub fn random(&mut self) -> u64 {
        self.mixer = self.mixer.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.mixer;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn ep(&mut self, node: usize) -> &mut Endpoint {
        self.nodes[node].endpoint.as_mut().expect("an endpoint")
    }

    /// Does something at an endpoint and carries out what it asks for.
    pub fn at<T>(&mut self, node: usize, act: impl FnOnce(&mut Endpoint, Time) -> T) -> T {
        let now = self.now;
        let result = act(self.ep(node), now);
        self.drain(node);
        result
    }

    /// A raw peer sends a datagram.
    pub fn send_raw(&mut self, from: usize, to: usize, text: &str) {
        let from = self.nodes[from].address;
        let to = self.nodes[to].address;
        self.carry(from, to, &Bytes::copy_from_slice(text.as_bytes()));
    }

    /// Runs until nothing is left to do, or until `span` has passed.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.next_moment().filter(|at| *at <= end) {
            self.step(at);
        }
        self.now = end;
    }

    /// The session that came to a node, when one came.
    pub fn find_incoming(&mut self, node: usize) -> Option<SessionId> {
        let events = &mut self.nodes[node].events;
        let at = events
            .iter()
            .position(|event| matches!(event, Event::Incoming { .. }))?;
        match events.remove(at) {
            Some(Event::Incoming { session, .. }) => Some(session),
            _ => None,
        }
    }

    pub fn secs(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    pub fn millis(&mut self, millis: u64) {
        self.run(Duration::from_millis(millis));
    }

    /// How many messages with this first word (method or status) a node sent.
    pub fn sent(&self, node: usize, word: &str) -> usize {
        self.trace
            .iter()
            .filter(|(from, line)| *from == node && line.starts_with(word))
            .count()
    }

    /// Two endpoints (0 calls 1) with a session that is up; gives both names.
    pub fn call_up(
        &mut self,
        transport: wire::sip::endpoint::TransportKind,
    ) -> (SessionId, SessionId) {
        let caller = self.at(0, |ep, now| {
            ep.invite(
                now,
                Invite {
                    transport: Some(transport),
                    ..call(address(1))
                },
            )
            .expect("invited")
        });
        self.secs(2);
        let (callee, _) = self.incoming(1);
        self.at(1, |ep, now| {
            ep.answer(now, callee, sdp("answer")).expect("answered")
        });
        self.secs(2);
        self.answered(0);
        self.confirmed(1);
        (caller, callee)
    }

    fn next_moment(&self) -> Option<Time> {
        let parcel = self.parcels.keys().next().map(|(at, _)| *at);
        let timers = self
            .nodes
            .iter()
            .filter_map(|node| Some(node.endpoint.as_ref()?.wake()?.at));
        parcel.into_iter().chain(timers).min()
    }

    fn step(&mut self, at: Time) {
        self.now = self.now.max(at);
        if let Some(((moment, order), _)) = self.parcels.first_key_value()
            && *moment <= at
        {
            let key = (*moment, *order);
            let (node, parcel) = self.parcels.remove(&key).expect("just seen");
            self.deliver(node, &parcel);
            return;
        }
        for node in 0..self.nodes.len() {
            let due = |node: &Node| node.endpoint.as_ref()?.wake().filter(|wake| wake.at <= at);
            if due(&self.nodes[node]).is_some() {
                self.at(node, |ep, now| ep.handle(now, Input::TimePassed));
            }
        }
    }

    fn deliver(&mut self, node: usize, parcel: &Parcel) {
        if self.nodes[node].endpoint.is_none() {
            if let Parcel::Datagram { bytes, .. } = parcel {
                self.nodes[node].inbox.push_back(bytes.clone());
            }
            return;
        }
        self.at(node, |ep, now| match parcel {
            Parcel::Datagram { from, bytes } => ep.handle(
                now,
                Input::Datagram {
                    local: Local::FIRST,
                    peer: *from,
                    bytes,
                },
            ),
            Parcel::Connected { connection, peer } => {
                ep.handle(
                    now,
                    Input::Connected {
                        local: Local::FIRST,
                        connection: *connection,
                        peer: *peer,
                        kind: wire::sip::endpoint::TransportKind::Tcp,
                    },
                );
            }
            Parcel::Stream { connection, bytes } => {
                ep.handle(
                    now,
                    Input::Stream {
                        connection: *connection,
                        bytes,
                    },
                );
            }
            Parcel::Closed { connection } => ep.handle(
                now,
                Input::Closed {
                    connection: *connection,
                },
            ),
        });
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.ep(node).poll_output() {
            match output {
                Output::Transmit {
                    flow: Flow::Udp { peer, .. },
                    bytes,
                } => {
                    self.note(node, &bytes);
                    self.carry(self.nodes[node].address, peer, &bytes);
                }
                Output::Transmit {
                    flow: Flow::Stream { connection, .. },
                    bytes,
                } => {
                    self.note(node, &bytes);
                    self.pour(node, connection, &bytes);
                }
                Output::Connect {
                    connection, peer, ..
                } => self.connect(node, connection, peer),
                Output::Close { connection } => self.hang_up(node, connection),
                Output::Event(event) => self.happened(node, event),
            }
        }
    }

    fn happened(&mut self, node: usize, event: Event) {
        if let Event::Rejected { session, .. } | Event::Ended { session, .. } = &event {
            *self.nodes[node].endings.entry(*session).or_default() += 1;
        }
        if let Event::Incoming { session, .. } = &event {
            self.nodes[node].sessions.push(*session);
        }
        self.nodes[node].events.push_back(event);
    }

    fn note(&mut self, node: usize, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().next().unwrap_or_default();
        let line = line.strip_prefix("SIP/2.0 ").unwrap_or(line).to_owned();
        self.trace.push((node, line));
    }

    fn carry(&mut self, from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        let dropped = self
            .drop_if
            .as_mut()
            .is_some_and(|rule| rule(&String::from_utf8_lossy(bytes)));
        let Some(node) = self.nodes.iter().position(|node| node.address == to) else {
            return;
        };
        if dropped || self.random() % 100 < self.weather.loss {
            return;
        }
        let copies = if self.random() % 100 < self.weather.duplication {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let spread = (self.weather.delay_max - self.weather.delay_min).as_millis() as u64;
            let extra = Duration::from_millis(self.random() % (spread + 1));
            let at = self.now + self.weather.delay_min + extra;
            self.post(
                at,
                node,
                Parcel::Datagram {
                    from,
                    bytes: bytes.clone(),
                },
            );
        }
    }

    fn pour(&mut self, node: usize, connection: ConnectionId, bytes: &Bytes) {
        let Some((other, name)) = self.streams.get(&(node, connection)).copied() else {
            return;
        };
        let chunk = if self.chunk == 0 {
            bytes.len().max(1)
        } else {
            self.chunk
        };
        for piece in bytes.chunks(chunk) {
            let soon = self.now + self.weather.delay_min;
            let last = self.pours.get(&(other, name)).copied();
            let at = last.map_or(soon, |last| soon.max(last + self.pace));
            self.pours.insert((other, name), at);
            self.post(
                at,
                other,
                Parcel::Stream {
                    connection: name,
                    bytes: bytes.slice_ref(piece),
                },
            );
        }
    }

    fn connect(&mut self, node: usize, connection: ConnectionId, peer: SocketAddr) {
        let at = self.now + self.weather.delay_min;
        let Some(other) = self
            .nodes
            .iter()
            .position(|n| n.address == peer && n.endpoint.is_some())
        else {
            return self.post(at, node, Parcel::Closed { connection });
        };
        self.next_accepted += 2;
        let accepted = ConnectionId(self.next_accepted);
        self.streams.insert((node, connection), (other, accepted));
        self.streams.insert((other, accepted), (node, connection));
        // The caller's own port of a connection is any, not its SIP port.
        let from = SocketAddr::new(
            self.nodes[node].address.ip(),
            40_000 + self.next_accepted as u16,
        );
        self.post(
            at,
            other,
            Parcel::Connected {
                connection: accepted,
                peer: from,
            },
        );
        self.post(at, node, Parcel::Connected { connection, peer });
    }

    /// Breaks every stream, as a restart of a middlebox would.
    pub fn break_streams(&mut self) {
        let at = self.now + self.weather.delay_min;
        for (node, connection) in std::mem::take(&mut self.streams).into_keys() {
            self.post(at, node, Parcel::Closed { connection });
        }
    }

    /// What is sent on streams from now on goes nowhere, and nobody is told: a cable is cut.
    pub fn cut_streams(&mut self) {
        self.streams.clear();
    }

    fn hang_up(&mut self, node: usize, connection: ConnectionId) {
        if let Some((other, name)) = self.streams.remove(&(node, connection)) {
            self.streams.remove(&(other, name));
            self.post(
                self.now + self.weather.delay_min,
                other,
                Parcel::Closed { connection: name },
            );
        }
    }

    fn post(&mut self, at: Time, node: usize, parcel: Parcel) {
        self.order += 1;
        self.parcels.insert((at, self.order), (node, parcel));
    }
}
