//! A SIP endpoint on real sockets.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use rustix::io::Errno;
use tokio::{runtime::Handle, task::yield_now, time::Instant};
use wire::{
    sip::endpoint::{
        Config, Endpoint, Event, Flow, Input, Local, LocalAddress, Output, TransportKind,
    },
    time::Time,
};

use crate::{
    alarm::Alarm,
    bind::BindError,
    datagrams::Datagrams,
    guard::{Guard, Networks, Refusals},
    handed::Bequest,
    inbox::Inbox,
    listen::Listen,
    open::{Open, open},
    routes::Routes,
    streams::Streams,
    tasks::Acceptor,
};

/// Datagrams read in a row before timers and connections have their turn.
const BATCH_MAX: usize = 64;
/// Datagrams taken from the system in a row: some milliseconds' work.
const TAKEN_MAX: usize = 1024;
/// A datagram can't be longer.
const DATAGRAM_LEN_MAX: usize = 64 * 1024;
/// An [`Endpoint`] with its sockets. One task owns it.
///
/// ```no_run
/// # async fn run(config: wire::sip::endpoint::Config) -> Result<(), transport::BindError> {
/// let mut driver = transport::SipDriver::bind("127.0.0.1:5060".parse().expect("an address"), config)?;
/// loop {
///     let event = driver.event().await;
///     let now = driver.now();
///     // Answer it: driver.endpoint().answer(now, ...). The next call of `event` sends what that queued.
/// #   drop((event, now));
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct SipDriver {
    pub(crate) endpoint: Endpoint,
    locals: Box<[LocalAddress]>,
    routes: Routes,
    local: SocketAddr,
    started: Instant,
    datagrams: Datagrams,
    inbox: Inbox,
    pub(crate) streams: Streams,
    events: VecDeque<Event>,
    buffer: Box<[u8]>,
    alarm: Alarm,
}

impl SipDriver {
    /// Listens by UDP and TCP on `address`; port 0 lets the system pick one for both. Must be called inside a tokio
    /// runtime. For programs whose peers are their own choice (a recorder, callers under load): no limit holds for anybody.
    ///
    /// The seed of `config` is drawn here. In its advertised address, port 0 means the port listened on, and an
    /// unspecified IP (0.0.0.0) the IP listened on.
    pub fn bind(address: SocketAddr, config: Config) -> Result<Self, BindError> {
        let mut listen = Listen::plain(address);
        listen.limits.exempt = Networks::everyone();
        Self::listen(listen, config)
    }

    /// The same, with TLS and limits besides.
    ///
    /// # Errors
    /// When an address is taken or not ours.
    pub fn listen(listen: Listen, mut config: Config) -> Result<Self, BindError> {
        let Open {
            udp,
            doors,
            locals,
            local,
        } = open(&listen, &config.locals)?;
        let acceptor = listen.tls.map(|secure| Acceptor {
            config: secure.config,
            names: secure.names.into(),
        });
        config.locals.clone_from(&locals);
        config.advertised_ws = config.advertised_ws.or(listen.web);
        config.seed = rand::random();
        Ok(Self {
            endpoint: Endpoint::new(config),
            routes: Routes::new(&locals),
            locals: locals.into(),
            local,
            started: Instant::now(),
            datagrams: Datagrams::new(udp),
            inbox: Inbox::default(),
            streams: Streams::new(
                doors,
                acceptor,
                listen.tls_client,
                listen.tasks.unwrap_or_else(Handle::current),
                Guard::new(listen.limits),
            ),
            events: VecDeque::new(),
            buffer: vec![0; DATAGRAM_LEN_MAX].into_boxed_slice(),
            alarm: Alarm::new(),
        })
    }

    /// Where it listens: the first address.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Every address of ours; a [`Local`] is a place among them.
    pub fn locals(&self) -> &[LocalAddress] {
        &self.locals
    }

    /// The address of ours for a peer that we call: the one that the system would send from, else the first of the peer's
    /// family (IPv4, IPv6); `None`: there is none.
    pub fn local_to(&mut self, peer: IpAddr, kind: TransportKind) -> Option<Local> {
        let now = self.now();
        self.routes.to(now, peer, kind)
    }

    /// Keeps the listening sockets open beyond this driver, for the next process.
    ///
    /// # Errors
    /// When no more files can be open.
    pub fn bequeath(&self, to: &mut Bequest) -> io::Result<()> {
        for udp in self.datagrams.sockets() {
            to.keep(udp)?;
        }
        self.streams.bequeath(to)
    }

    /// What was refused before it was read.
    pub const fn refusals(&self) -> Refusals {
        self.streams.guard.refusals
    }

    /// How long the first datagram that was taken and not yet read has waited.
    pub fn behind(&self) -> Duration {
        self.inbox.behind(self.now())
    }

    /// The endpoint, to say what a user agent says. What it queues is sent by the next [`Self::event`] or
    /// [`Self::flush`].
    pub const fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// The moment, as the endpoint counts.
    pub fn now(&self) -> Time {
        Time(self.started.elapsed())
    }

    /// The next event. May be dropped and called again at any time: nothing is lost.
    pub async fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.ready() {
                return event;
            }
            self.io().await;
        }
    }

    /// The next event of what was read already; `None` when all of it was told. So that what came together can be
    /// answered together, without waiting in between.
    pub fn ready(&mut self) -> Option<Event> {
        self.flush();
        self.events.pop_front()
    }

    /// Carries out what the endpoint queued, as far as that goes without waiting.
    pub fn flush(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit {
                    flow: Flow::Udp { local, peer },
                    bytes,
                } => self.send_datagram(local, peer, bytes),
                Output::Transmit {
                    flow: Flow::Stream { connection, .. },
                    bytes,
                } => {
                    self.on_link(connection, |link| link.send(bytes));
                }
                Output::Connect {
                    connection,
                    local,
                    peer,
                    kind,
                    name,
                } => {
                    let own = self.locals.get(local.place());
                    let own = own.map_or(self.local, LocalAddress::socket);
                    let ends = (local, peer, kind);
                    if !self.streams.connect(connection, own, ends, name.as_deref()) {
                        self.on_closed(connection);
                    }
                }
                Output::Close { connection } => self.streams.close(connection),
                Output::Event(event) => self.events.push_back(event),
            }
        }
    }

    /// Waits for one thing to happen and tells the endpoint. Every wait here may be dropped, and what follows a wait
    /// doesn't wait.
    async fn io(&mut self) {
        let wake = self.endpoint.wake().map(|wake| self.started + wake.at.0);
        let (news, doors, turn, accept_from) = self.streams.waits();
        tokio::select! {
            () = self.datagrams.readable() => self.take_datagrams(),
            // The runtime looks for what else has come before the next are read.
            () = yield_now(), if !self.inbox.is_empty() => self.read_taken(),
            Some(news) = news.recv() => self.on_news(news),
            accepted = Streams::accept(doors, turn, accept_from) => self.on_accepted(accepted),
            () = self.alarm.until(wake.unwrap_or(self.started)), if wake.is_some() => {
                let now = self.now();
                self.endpoint.handle(now, Input::TimePassed);
            }
            () = self.datagrams.writable(), if self.datagrams.has_unsent() => self.send_unsent(),
        }
    }

    /// Empties the sockets.
    fn take_datagrams(&mut self) {
        for local in self.datagrams.in_turn() {
            self.take_datagrams_at(local);
        }
    }

    /// Empties one. Few datagrams are read at once; of many, new calls that are too many are refused as they come, and
    /// the others wait for their turn.
    fn take_datagrams_at(&mut self, local: Local) {
        let mut read = 0;
        for _ in 0..TAKEN_MAX {
            if !self.inbox.has_room() {
                return;
            }
            let Some((len, peer)) = self.datagrams.receive(local, &mut self.buffer) else {
                return;
            };
            let now = Time(self.started.elapsed());
            if !self.streams.guard.admits_datagram(now, peer.ip()) {
                continue;
            }
            let bytes = self.buffer.get(..len).unwrap_or_default();
            if read < BATCH_MAX && self.inbox.is_empty() {
                read += 1;
                self.endpoint
                    .handle(now, Input::Datagram { local, peer, bytes });
                continue;
            }
            let before = self.inbox.invites();
            let ends = (local, peer);
            if !self.endpoint.turns_away(now, ends, bytes, before) {
                self.inbox.put(now, ends, bytes);
            }
        }
    }

    /// Reads some of what was taken.
    fn read_taken(&mut self) {
        for _ in 0..BATCH_MAX {
            let Some(datagram) = self.inbox.take() else {
                return;
            };
            let now = self.now();
            let (local, peer) = (datagram.local, datagram.peer);
            let bytes = &*datagram.bytes;
            self.endpoint
                .handle(now, Input::Datagram { local, peer, bytes });
        }
    }

    fn send_datagram(&mut self, local: Local, peer: SocketAddr, bytes: Bytes) {
        if let Err(error) = self.datagrams.send(local, peer, bytes) {
            self.on_unreachable(local, peer, &error);
        }
    }

    fn send_unsent(&mut self) {
        for (local, peer, error) in self.datagrams.send_unsent() {
            self.on_unreachable(local, peer, &error);
        }
    }

    fn on_unreachable(&mut self, local: Local, peer: SocketAddr, error: &io::Error) {
        tracing::debug!(%peer, %error, "datagram not sent");
        // One that is too long, or finds no room, is lost like any other: it says nothing of what else is on that way.
        let of_itself = matches!(
            Errno::from_io_error(error),
            Some(Errno::MSGSIZE | Errno::NOBUFS)
        );
        if of_itself {
            return;
        }
        let now = self.now();
        self.endpoint
            .handle(now, Input::Unreachable { local, peer });
    }
}
