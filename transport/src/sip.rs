//! A SIP endpoint on real sockets.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    time::{Instant, sleep_until},
};
use wire::{
    sip::endpoint::{Config, ConnectionId, Endpoint, Event, Flow, Input, Output},
    time::Time,
};

use crate::{
    bind::{self, BindError, Protocol},
    link::{Link, News, What},
};

/// TCP connections held at once: 32 MiB of read buffers, and below the usual limit of open files with calls on top.
const CONNECTIONS_MAX: usize = 4096;
/// Datagrams taken in a row before timers and connections have their turn.
const BATCH_MAX: usize = 64;
/// A datagram can't be longer.
const DATAGRAM_LEN_MAX: usize = 64 * 1024;
/// Datagrams that wait when the system takes no more; the ones after are lost, as on any network.
const UNSENT_MAX: usize = 1024;
/// What connections have read and the driver hasn't taken: at most 8 MiB.
const NEWS_MAX: usize = 1024;
/// A pause when the system has no room for one more connection (open files), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    endpoint: Endpoint,
    local: SocketAddr,
    started: Instant,
    udp: UdpSocket,
    unsent: VecDeque<(SocketAddr, Bytes)>,
    listener: TcpListener,
    accept_from: Instant,
    links: BTreeMap<ConnectionId, Link>,
    next_connection: u64,
    news: mpsc::Receiver<News>,
    news_sender: mpsc::Sender<News>,
    events: VecDeque<Event>,
    buffer: Box<[u8]>,
}

impl SipDriver {
    /// Listens by UDP and TCP on `address`; port 0 lets the system pick one for both. Must be called inside a tokio
    /// runtime.
    ///
    /// The seed of `config` is drawn here. In its advertised address, port 0 means the port listened on, and an
    /// unspecified IP (0.0.0.0) the IP listened on.
    pub fn bind(address: SocketAddr, mut config: Config) -> Result<Self, BindError> {
        let (udp, listener) = bind::both(address)?;
        let refused = |protocol| {
            move |source| BindError::Refused {
                address,
                protocol,
                source,
            }
        };
        let udp = UdpSocket::from_std(udp).map_err(refused(Protocol::Udp))?;
        let listener = TcpListener::from_std(listener).map_err(refused(Protocol::Tcp))?;
        let local = udp.local_addr().map_err(refused(Protocol::Udp))?;
        config.advertised = advertised(config.advertised, local)?;
        config.seed = rand::random();
        let (news_sender, news) = mpsc::channel(NEWS_MAX);
        let started = Instant::now();
        Ok(Self {
            endpoint: Endpoint::new(config),
            local,
            started,
            udp,
            unsent: VecDeque::new(),
            listener,
            accept_from: started,
            links: BTreeMap::new(),
            // The driver's names are even, the endpoint's odd.
            next_connection: 2,
            news,
            news_sender,
            events: VecDeque::new(),
            buffer: vec![0; DATAGRAM_LEN_MAX].into_boxed_slice(),
        })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
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
            self.flush();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            self.io().await;
        }
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
                    flow: Flow::Tcp { connection, .. },
                    bytes,
                } => {
                    self.on_link(connection, |link| link.send(bytes));
                }
                Output::Connect { connection, peer } => {
                    let link =
                        Link::connect(connection, self.local, peer, self.news_sender.clone());
                    self.links.insert(connection, link);
                }
                Output::Close { connection } => {
                    self.links.remove(&connection);
                }
                Output::Event(event) => self.events.push_back(event),
            }
        }
    }

    /// Waits for one thing to happen and tells the endpoint. Every wait here may be dropped, and what follows a wait
    /// doesn't wait.
    async fn io(&mut self) {
        let wake = self.endpoint.wake().map(|wake| self.started + wake.at.0);
        tokio::select! {
            _ = self.udp.readable() => self.read_datagrams(),
            Some(news) = self.news.recv() => self.on_news(news),
            accepted = accept(&self.listener, self.accept_from) => self.on_accepted(accepted),
            () = sleep_until(wake.unwrap_or(self.started)), if wake.is_some() => {
                let now = self.now();
                self.endpoint.handle(now, Input::TimePassed);
            }
            _ = self.udp.writable(), if !self.unsent.is_empty() => self.send_unsent(),
        }
    }

    fn read_datagrams(&mut self) {
        for _ in 0..BATCH_MAX {
            // An error is that of an earlier datagram (ICMP); readiness goes with it, so this doesn't spin.
            let Ok((len, peer)) = self.udp.try_recv_from(&mut self.buffer) else {
                break;
            };
            let now = Time(self.started.elapsed());
            let bytes = self.buffer.get(..len).unwrap_or_default();
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

    fn on_accepted(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "can't accept a TCP connection");
                self.accept_from = Instant::now() + ACCEPT_PAUSE;
                return;
            }
        };
        if self.links.len() >= CONNECTIONS_MAX || stream.set_nodelay(true).is_err() {
            tracing::warn!(%peer, limit = CONNECTIONS_MAX, "TCP connection closed at once: too many");
            return;
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 2;
        self.links.insert(
            connection,
            Link::accepted(connection, stream, self.news_sender.clone()),
        );
        let now = self.now();
        self.endpoint
            .handle(now, Input::Connected { connection, peer });
    }

    fn on_news(&mut self, news: News) {
        let News { connection, what } = news;
        // A closed connection's last words.
        if !self.links.contains_key(&connection) {
            return;
        }
        let now = self.now();
        match what {
            What::Opened(stream) => {
                // A peer that is gone at once is as good as closed.
                let Ok(peer) = stream.peer_addr() else {
                    return self.on_closed(connection);
                };
                self.endpoint
                    .handle(now, Input::Connected { connection, peer });
                self.on_link(connection, |link| link.opened(stream));
            }
            What::Read(bytes) => self.endpoint.handle(
                now,
                Input::Stream {
                    connection,
                    bytes: &bytes,
                },
            ),
            What::Writable => self.on_link(connection, Link::write_on),
            What::Closed => self.on_closed(connection),
        }
    }

    fn on_link(
        &mut self,
        connection: ConnectionId,
        act: impl FnOnce(&mut Link) -> Result<(), crate::link::Broken>,
    ) {
        let Some(link) = self.links.get_mut(&connection) else {
            return;
        };
        if act(link).is_err() {
            tracing::debug!(
                connection = connection.0,
                "TCP connection closed: broken, or not read from"
            );
            self.on_closed(connection);
        }
    }

    fn on_closed(&mut self, connection: ConnectionId) {
        self.links.remove(&connection);
        let now = self.now();
        self.endpoint.handle(now, Input::Closed { connection });
    }
}

async fn accept(listener: &TcpListener, from: Instant) -> io::Result<(TcpStream, SocketAddr)> {
    sleep_until(from).await;
    listener.accept().await
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
