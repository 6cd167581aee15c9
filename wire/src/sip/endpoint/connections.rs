//! Stream connections: which there are, what has come on them, and who waits for an answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::{
    border::{ConnectionId, Flow, Timer, TransportKind},
    client::ClientKey,
    keep::Keep,
    local::Local,
    timers::{Owner, Timers},
};
use crate::{sip::stream::Framer, time::Time};

/// Connections held at once; more are closed as they come. A framer may hold a message of 64 KiB, so this many cost
/// at most 256 MiB when all of them are hostile.
pub(crate) const CONNECTIONS_MAX: usize = 4096;
/// How long a connection may take to bring a whole message, from its opening or from the message's first byte:
/// 64*T1 at the usual T1, after which whoever sent it has given up.
pub(crate) const STALLED_AFTER: Duration = Duration::from_secs(32);

/// Connections that we opened, at once: every target, and every phone's registrar, many times over.
pub(crate) const OWN_MAX: usize = 1024;

/// Names of peers remembered: every target of every provider, many times over.
const NAMES_MAX: usize = 4096;
/// Connections by TLS remembered that are gone: what began by one of them goes on with whom that led to.
const GONE_MAX: usize = 4096;

/// One stream.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) local: Local,
    pub(crate) peer: SocketAddr,
    pub(crate) kind: TransportKind,
    /// What the peer proves to be.
    name: Name,
    pub(crate) framer: Framer,
    /// When it counts as stalled.
    pub(crate) stalls_at: Option<Time>,
    /// `None`: the peer opened it, and keeps it open.
    pub(crate) keep: Option<Keep>,
}

impl Connection {
    /// The timers that run for it, and when each is due.
    fn running(&self) -> impl Iterator<Item = (Timer, Time)> {
        let due = [
            (Timer::Stalled, self.stalls_at),
            (Timer::KeepAlive, self.keep.map(Keep::due)),
        ];
        due.into_iter().filter_map(|(timer, at)| Some((timer, at?)))
    }
}

/// Between which addresses a stream is, and what it speaks.
pub(crate) type Ends = (Local, SocketAddr, TransportKind);

/// What a peer had to prove to be as we called it by TLS; `None`: its address, or it came to us.
pub(crate) type Name = Option<Box<str>>;

/// All streams.
#[derive(Debug)]
pub(crate) struct Connections {
    open: BTreeMap<ConnectionId, Connection>,
    by_ends: BTreeMap<(Ends, Name), ConnectionId>,
    /// What a peer that is called by TLS must prove to be; for those found by a name.
    expected: BTreeMap<SocketAddr, Box<str>>,
    /// What peers proved to be by connections of ours that are gone.
    gone: BTreeMap<ConnectionId, Name>,
    /// Client transactions with no response yet, by where they were sent: what fails when that way fails.
    waiting: BTreeSet<(Flow, ClientKey)>,
    /// Our next name; odd.
    next: u64,
    /// How many of those that are open are ours.
    own: usize,
}

impl Connections {
    pub(crate) const fn new() -> Self {
        Self {
            open: BTreeMap::new(),
            by_ends: BTreeMap::new(),
            expected: BTreeMap::new(),
            gone: BTreeMap::new(),
            waiting: BTreeSet::new(),
            next: 1,
            own: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn entries(&self) -> usize {
        self.open.len() + self.by_ends.len() + self.waiting.len()
    }

    pub(crate) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Connection> {
        self.open.get_mut(&connection)
    }

    pub(crate) fn get(&self, connection: ConnectionId) -> Option<&Connection> {
        self.open.get(&connection)
    }

    /// A connection came.
    pub(crate) fn add(&mut self, connection: ConnectionId, ends: Ends) {
        self.add_as(connection, ends, None);
    }

    fn add_as(&mut self, connection: ConnectionId, ends: Ends, name: Name) {
        let (local, peer, kind) = ends;
        self.by_ends.insert((ends, name.clone()), connection);
        self.open.insert(
            connection,
            Connection {
                local,
                peer,
                kind,
                name,
                framer: Framer::default(),
                stalls_at: None,
                keep: None,
            },
        );
    }

    /// The name of a connection to open in place of one that is gone, if there was one, and what the peer must prove to be there.
    pub(crate) fn ask(&mut self, before: Option<ConnectionId>, ends: Ends) -> (ConnectionId, Name) {
        let connection = ConnectionId(self.next);
        self.next += 2;
        self.own += 1;
        let name = self.name_for(before, ends);
        self.add_as(connection, ends, name.clone());
        (connection, name)
    }

    /// A peer that is called by TLS from now on must prove to be this.
    pub(crate) fn expect_name(&mut self, peer: SocketAddr, name: &str) {
        let room = self.expected.len() < NAMES_MAX;
        match self.expected.get_mut(&peer) {
            Some(known) if **known == *name => {}
            Some(known) => *known = name.into(),
            None if room => {
                self.expected.insert(peer, name.into());
            }
            None => {}
        }
    }

    fn expected_at(&self, (_, peer, kind): Ends) -> Name {
        let tls = kind == TransportKind::Tls;
        self.expected.get(&peer).filter(|_| tls).cloned()
    }

    /// What the peer must prove to be: what it proved before, or, for what begins, what is expected there now.
    fn name_for(&self, before: Option<ConnectionId>, ends: Ends) -> Name {
        let known = before.and_then(|before| self.gone.get(&before));
        known.cloned().unwrap_or_else(|| self.expected_at(ends))
    }

    /// A connection there already is: the one preferred, or any between these ends whose peer proved to be who it must be.
    /// One address may be two providers': what the one has proved says nothing of the other.
    pub(crate) fn reuse(&self, preferred: Option<ConnectionId>, ends: Ends) -> Option<Flow> {
        let flow = |connection| self.flow_of(connection);
        let proved = || self.by_ends.get(&(ends, self.name_for(preferred, ends)));
        preferred
            .and_then(flow)
            .or_else(|| proved().copied().and_then(flow))
    }

    /// Whether there is one between these ends, whatever its peer has proved.
    pub(crate) fn is_open(&self, ends: Ends) -> bool {
        let mut from_here = self.by_ends.range((ends, None)..);
        from_here.next().is_some_and(|((at, _), _)| *at == ends)
    }

    /// The way over a connection.
    pub(crate) fn flow_of(&self, connection: ConnectionId) -> Option<Flow> {
        self.open.get(&connection).map(|found| Flow::Stream {
            connection,
            local: found.local,
            peer: found.peer,
            kind: found.kind,
        })
    }

    /// Forgets a connection and its timers; gives the way that it was.
    pub(crate) fn remove(&mut self, connection: ConnectionId, timers: &mut Timers) -> Option<Flow> {
        let flow = self.flow_of(connection)?;
        let gone = self.open.remove(&connection)?;
        self.own -= usize::from(!connection.is_theirs());
        for (timer, at) in gone.running() {
            timers.stop(at, timer, Owner::Connection(connection));
        }
        let ends = ((gone.local, gone.peer, gone.kind), gone.name);
        if self.by_ends.get(&ends) == Some(&connection) {
            self.by_ends.remove(&ends);
        }
        // One that never opened led nothing anywhere.
        if gone.kind == TransportKind::Tls && gone.keep.is_some() {
            if self.gone.len() >= GONE_MAX {
                self.gone.pop_first();
            }
            self.gone.insert(connection, ends.1);
        }
        Some(flow)
    }

    pub(crate) fn wait(&mut self, flow: Flow, client: ClientKey) {
        self.waiting.insert((flow, client));
    }

    pub(crate) fn heard(&mut self, flow: Flow, client: ClientKey) {
        self.waiting.remove(&(flow, client));
    }

    pub(crate) fn keep_of(&mut self, connection: ConnectionId) -> Option<&mut Keep> {
        self.open.get_mut(&connection)?.keep.as_mut()
    }

    /// Whether somebody waits for an answer on it.
    pub(crate) fn is_waited_for(&self, connection: ConnectionId) -> bool {
        self.flow_of(connection).is_some_and(|flow| {
            let mut waiting = self
                .waiting
                .range((flow, ClientKey::MIN)..=(flow, ClientKey::MAX));
            waiting.next().is_some()
        })
    }

    /// The one of ours that was unused longest, when there are as many as may be. Those that are not open yet, or on which an answer is
    /// waited for, are as many as our transactions.
    pub(crate) fn superfluous(&self) -> Option<ConnectionId> {
        if self.own < OWN_MAX {
            return None;
        }
        let idle = self.open.iter().filter_map(|(connection, found)| {
            let used = found.keep?.used();
            (!self.is_waited_for(*connection)).then_some((used, *connection))
        });
        idle.min().map(|(_, connection)| connection)
    }

    /// Who waits for an answer from there.
    pub(crate) fn waiting_at(&self, flow: Flow) -> Vec<ClientKey> {
        self.waiting
            .range((flow, ClientKey::MIN)..=(flow, ClientKey::MAX))
            .map(|(_, client)| *client)
            .collect()
    }
}
