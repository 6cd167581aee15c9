//! A SIP endpoint on real sockets.

use std::{
    collections::VecDeque,
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, UdpSocket},
    runtime::Handle,
    task::yield_now,
    time::Instant,
};
use wire::{
    sip::endpoint::{Config, Endpoint, Event, Flow, Input, Output},
    time::Time,
};

use crate::{
    alarm::Alarm,
    bind::{self, BindError, Protocol},
    guard::{Guard, Networks, Refusals},
    handed::Bequest,
    inbox::Inbox,
    listen::Listen,
    streams::Streams,
    tasks::Acceptor,
};

/// Datagrams read in a row before timers and connections have their turn.
const BATCH_MAX: usize = 64;
/// Datagrams taken from the system in a row: some milliseconds' work.
const TAKEN_MAX: usize = 1024;
/// A datagram can't be longer.
const DATAGRAM_LEN_MAX: usize = 64 * 1024;
/// Datagrams that wait when the system takes no more; the ones after are lost, as on any network.
const UNSENT_MAX: usize = 1024;
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
    local: SocketAddr,
    started: Instant,
    udp: UdpSocket,
    unsent: VecDeque<(SocketAddr, Bytes)>,
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
        let (udp, tcp) = bind::both(listen.sip, &listen.inherited)?;
        let udp = UdpSocket::from_std(udp).map_err(bind::refused(listen.sip, Protocol::Udp))?;
        let local = udp
            .local_addr()
            .map_err(bind::refused(listen.sip, Protocol::Udp))?;
        let tcp = watched(tcp, local)?;
        config.advertised = advertised(config.advertised, local)?;
        let mut tls = None;
        if let Some(secure) = listen.tls {
            let listener = bind::stream(secure.address, &listen.inherited)?;
            let listener = watched(listener, secure.address)?;
            let own = listener
                .local_addr()
                .map_err(bind::refused(secure.address, Protocol::Tcp))?;
            config.advertised_tls = Some(SocketAddr::new(config.advertised.ip(), own.port()));
            let acceptor = Acceptor {
                config: secure.config,
                names: secure.names.into(),
            };
            tls = Some((listener, acceptor));
        }
        config.advertised_ws = config.advertised_ws.or(listen.web);
        config.seed = rand::random();
        Ok(Self {
            endpoint: Endpoint::new(config),
            local,
            started: Instant::now(),
            udp,
            unsent: VecDeque::new(),
            inbox: Inbox::default(),
            streams: Streams::new(
                tcp,
                tls,
                listen.tls_client,
                listen.tasks.unwrap_or_else(Handle::current),
                Guard::new(listen.limits),
            ),
            events: VecDeque::new(),
            buffer: vec![0; DATAGRAM_LEN_MAX].into_boxed_slice(),
            alarm: Alarm::new(),
        })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Keeps the listening sockets open beyond this driver, for the next process.
    ///
    /// # Errors
    /// When no more files can be open.
    pub fn bequeath(&self, to: &mut Bequest) -> io::Result<()> {
        to.keep(&self.udp)?;
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
                    flow: Flow::Udp { peer },
                    bytes,
                } => self.send_datagram(peer, bytes),
                Output::Transmit {
                    flow: Flow::Stream { connection, .. },
                    bytes,
                } => {
                    self.on_link(connection, |link| link.send(bytes));
                }
                Output::Connect {
                    connection,
                    peer,
                    kind,
                } => {
                    if !self.streams.connect(connection, self.local, peer, kind) {
                        self.on_closed(connection);
                    }
                }
                Output::Close { connection } => self.streams.forget(connection),
                Output::Event(event) => self.events.push_back(event),
            }
        }
    }

    /// Waits for one thing to happen and tells the endpoint. Every wait here may be dropped, and what follows a wait
    /// doesn't wait.
    async fn io(&mut self) {
        let wake = self.endpoint.wake().map(|wake| self.started + wake.at.0);
        let (news, tcp, tls, accept_from) = self.streams.waits();
        tokio::select! {
            _ = self.udp.readable() => self.take_datagrams(),
            // The runtime looks for what else has come before the next are read.
            () = yield_now(), if !self.inbox.is_empty() => self.read_taken(),
            Some(news) = news.recv() => self.on_news(news),
            accepted = Streams::accept(tcp, tls, accept_from) => self.on_accepted(accepted),
            () = self.alarm.until(wake.unwrap_or(self.started)), if wake.is_some() => {
                let now = self.now();
                self.endpoint.handle(now, Input::TimePassed);
            }
            _ = self.udp.writable(), if !self.unsent.is_empty() => self.send_unsent(),
        }
    }

    /// Empties the socket. Few datagrams are read at once; of many, new calls that are too many are refused as they come, and
    /// the others wait for their turn.
    fn take_datagrams(&mut self) {
        let mut read = 0;
        for _ in 0..TAKEN_MAX {
            if !self.inbox.has_room() {
                return;
            }
            // An error is that of an earlier datagram (ICMP); readiness goes with it, so this doesn't spin.
            let Ok((len, peer)) = self.udp.try_recv_from(&mut self.buffer) else {
                return;
            };
            let now = Time(self.started.elapsed());
            if !self.streams.guard.admits_datagram(now, peer.ip()) {
                continue;
            }
            let bytes = self.buffer.get(..len).unwrap_or_default();
            if read < BATCH_MAX && self.inbox.is_empty() {
                read += 1;
                self.endpoint.handle(now, Input::Datagram { peer, bytes });
                continue;
            }
            let before = self.inbox.invites();
            if !self.endpoint.turns_away(now, peer, bytes, before) {
                self.inbox.put(now, peer, bytes);
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
            let (peer, bytes) = (datagram.peer, &*datagram.bytes);
            self.endpoint.handle(now, Input::Datagram { peer, bytes });
        }
    }

    fn send_datagram(&mut self, peer: SocketAddr, bytes: Bytes) {
        if !self.unsent.is_empty() {
            return self.keep_unsent(peer, bytes);
        }
        match self.udp.try_send_to(&bytes, peer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.keep_unsent(peer, bytes)
            }
            Err(error) => self.on_unreachable(peer, &error),
        }
    }

    fn keep_unsent(&mut self, peer: SocketAddr, bytes: Bytes) {
        if self.unsent.len() < UNSENT_MAX {
            self.unsent.push_back((peer, bytes));
        }
    }

    fn send_unsent(&mut self) {
        while let Some((peer, bytes)) = self.unsent.front() {
            let peer = *peer;
            match self.udp.try_send_to(bytes, peer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.on_unreachable(peer, &error),
                Ok(_) => {}
            }
            self.unsent.pop_front();
        }
    }

    fn on_unreachable(&mut self, peer: SocketAddr, error: &io::Error) {
        tracing::debug!(%peer, %error, "datagram not sent");
        let now = self.now();
        self.endpoint.handle(now, Input::Unreachable { peer });
    }
}

/// A listener of the system as one of tokio's.
fn watched(listener: StdTcpListener, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::from_std(listener).map_err(bind::refused(address, Protocol::Tcp))
}

fn advertised(wanted: SocketAddr, local: SocketAddr) -> Result<SocketAddr, BindError> {
    let ip = if wanted.ip().is_unspecified() {
        local.ip()
    } else {
        wanted.ip()
    };
    if ip.is_unspecified() {
        return Err(BindError::NothingToAdvertise { address: local });
    }
    Ok(SocketAddr::new(
        ip,
        if wanted.port() == 0 {
            local.port()
        } else {
            wanted.port()
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_to_others_is_filled_in() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let told = |wanted, local| advertised(address(wanted), address(local)).ok();
        assert_eq!(
            told("0.0.0.0:0", "127.0.0.1:5060"),
            Some(address("127.0.0.1:5060"))
        );
        assert_eq!(
            told("192.0.2.1:0", "0.0.0.0:5070"),
            Some(address("192.0.2.1:5070"))
        );
        assert_eq!(
            told("192.0.2.1:9", "0.0.0.0:5070"),
            Some(address("192.0.2.1:9"))
        );
        assert_eq!(told("0.0.0.0:0", "0.0.0.0:5060"), None);
    }
}
