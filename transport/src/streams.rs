//! The driver's connections: those that come, those that are asked for, and what happens on them.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{Semaphore, mpsc},
    time::{Instant, sleep_until},
};
use tokio_rustls::rustls::{ClientConfig, pki_types::ServerName};
use wire::sip::endpoint::{ConnectionId, Flow, Input, Local, TransportKind};

use crate::{
    guard::Guard,
    handed::Bequest,
    link::{self, Broken, Link, News, TcpLink, What},
    sip::SipDriver,
    tasks::{Acceptor, TaskLink},
    web_socket::WebSocketDoor,
};

/// Connections held at once: 32 MiB of read buffers, and below the usual limit of open files with calls on top.
const CONNECTIONS_MAX: usize = 4096;
/// What connections have read and the driver hasn't taken: at most 8 MiB.
const NEWS_MAX: usize = 1024;
/// Connections that are being let go of with their last words; beyond, they are closed at once. Each takes a second at most.
const PARTING_MAX: usize = 256;
/// A pause when the system has no room for one more connection (open files), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Everything about connections that the driver holds.
#[derive(Debug)]
pub(crate) struct Streams {
    held: BTreeMap<ConnectionId, Held>,
    /// The next name; the driver's names are even, the endpoint's odd.
    names: Arc<AtomicU64>,
    pub(crate) news: mpsc::Receiver<News>,
    news_sender: mpsc::Sender<News>,
    doors: Box<[Door]>,
    /// Which of them is looked at first.
    turn: usize,
    /// How TLS is spoken to those who come by it.
    acceptor: Option<Acceptor>,
    accept_from: Instant,
    client: Option<Arc<ClientConfig>>,
    /// Where their tasks run.
    tasks: Handle,
    /// Places for connections that are being let go of.
    parting: Arc<Semaphore>,
    pub(crate) guard: Guard,
}

/// Where connections come in.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) local: Local,
    pub(crate) kind: TransportKind,
}

#[derive(Debug)]
struct Held {
    link: Link,
    local: Local,
    peer: SocketAddr,
    kind: TransportKind,
    /// The name that the peer's certificate has proved.
    name: Option<Box<str>>,
    /// It came to us.
    came: bool,
}

/// A connection that somebody opened to us, and by which door: the address and what is spoken there.
pub(crate) type Accepted = (io::Result<(TcpStream, SocketAddr)>, Local, TransportKind);

/// Between which addresses a connection is, and what it speaks.
type Ends = (Local, SocketAddr, TransportKind);

impl Streams {
    pub(crate) fn new(
        doors: Vec<Door>,
        acceptor: Option<Acceptor>,
        client: Option<Arc<ClientConfig>>,
        tasks: Handle,
        guard: Guard,
    ) -> Self {
        let (news_sender, news) = mpsc::channel(NEWS_MAX);
        Self {
            held: BTreeMap::new(),
            names: Arc::new(AtomicU64::new(2)),
            news,
            news_sender,
            doors: doors.into(),
            turn: 0,
            acceptor,
            accept_from: Instant::now(),
            client,
            tasks,
            parting: Arc::new(Semaphore::new(PARTING_MAX)),
            guard,
        }
    }

    /// Waits for a connection. May be dropped: nothing is lost. Apart from the rest, so that other parts of the driver
    /// can be waited for beside it.
    pub(crate) async fn accept(doors: &[Door], turn: usize, from: Instant) -> Accepted {
        sleep_until(from).await;
        poll_fn(|context| {
            let (before, after) = doors.split_at(turn.min(doors.len()));
            for door in after.iter().chain(before) {
                if let Poll::Ready(accepted) = door.listener.poll_accept(context) {
                    return Poll::Ready((accepted, door.local, door.kind));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// What is waited for: the news, and what [`Streams::accept`] needs.
    pub(crate) fn waits(&mut self) -> (&mut mpsc::Receiver<News>, &[Door], usize, Instant) {
        (&mut self.news, &*self.doors, self.turn, self.accept_from)
    }

    pub(crate) fn tls_addr(&self) -> Option<SocketAddr> {
        let mut doors = self.doors.iter();
        let tls = doors.find(|door| door.kind == TransportKind::Tls)?;
        tls.listener.local_addr().ok()
    }

    pub(crate) fn bequeath(&self, to: &mut Bequest) -> io::Result<()> {
        let mut listeners = self.doors.iter().map(|door| &door.listener);
        listeners.try_for_each(|listener| to.keep(listener))
    }

    pub(crate) fn door(&self) -> WebSocketDoor {
        WebSocketDoor {
            news: self.news_sender.clone(),
            names: Arc::clone(&self.names),
        }
    }

    pub(crate) fn name_of(&self, connection: ConnectionId) -> Option<&str> {
        self.held.get(&connection)?.name.as_deref()
    }

    /// Opens a connection that the endpoint asked for, by TLS to a peer that proves to bear that name. False when it can't be.
    pub(crate) fn connect(
        &mut self,
        connection: ConnectionId,
        own: SocketAddr,
        ends: Ends,
        name: Option<&str>,
    ) -> bool {
        let (_, peer, _) = ends;
        // Its Contact says where a peer is told something: none has us open any number of connections.
        if !self.guard.admits_connection(peer.ip()) {
            return false;
        }
        let Some(link) = self.link_to(connection, own, ends, name) else {
            self.guard.gone(peer.ip());
            return false;
        };
        self.hold(connection, link, ends, false);
        true
    }

    fn link_to(
        &self,
        connection: ConnectionId,
        own: SocketAddr,
        (_, peer, kind): Ends,
        name: Option<&str>,
    ) -> Option<Link> {
        let news = self.news_sender.clone();
        let _inside = self.tasks.enter();
        match kind {
            TransportKind::Tcp => Some(Link::Tcp(TcpLink::connect(connection, own, peer, news))),
            TransportKind::Tls => {
                let (Some(config), Some(name)) = (self.client.clone(), server_name(peer, name))
                else {
                    tracing::warn!(%peer, "no TLS to a peer: name the CA under [listen.tls]");
                    return None;
                };
                let between = (own, peer);
                let link = TaskLink::connect_tls(connection, between, config, name, news);
                Some(Link::Task(link))
            }
            _ => None,
        }
    }

    fn hold(
        &mut self,
        connection: ConnectionId,
        link: Link,
        (local, peer, kind): Ends,
        came: bool,
    ) {
        let held = Held {
            link,
            local,
            peer,
            kind,
            name: None,
            came,
        };
        self.held.insert(connection, held);
    }

    /// Whether one more connection may be held.
    fn has_room_for(&mut self, peer: SocketAddr) -> bool {
        if self.held.len() >= CONNECTIONS_MAX {
            self.guard.refusals.connections += 1;
            return false;
        }
        self.guard.admits_connection(peer.ip())
    }

    pub(crate) fn forget(&mut self, connection: ConnectionId) -> Option<Link> {
        let held = self.held.remove(&connection)?;
        self.guard.gone(held.peer.ip());
        Some(held.link)
    }

    /// Closes a connection once the peer has heard what was said last.
    pub(crate) fn close(&mut self, connection: ConnectionId) {
        if let Some(Link::Tcp(link)) = self.forget(connection)
            && let Ok(place) = Arc::clone(&self.parting).try_acquire_owned()
        {
            link.let_go(&self.tasks, place);
        }
    }
}

/// An IPv4 address that came by an IPv6 socket is IPv4: so it stands in trusted networks, Contact and Via.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

pub(crate) fn server_name(peer: SocketAddr, name: Option<&str>) -> Option<ServerName<'static>> {
    match name {
        Some(name) => ServerName::try_from(name.to_owned()).ok(),
        None => Some(ServerName::IpAddress(peer.ip().into())),
    }
}

impl SipDriver {
    /// The name that the peer at the other end of this way proved by its certificate, of those in
    /// [`TlsListen`](crate::TlsListen).
    pub fn peer_name(&self, flow: Flow) -> Option<&str> {
        self.streams.name_of(flow.connection()?)
    }

    /// A TLS peer at this address must prove to be `name`; else it must prove to be the address itself (RFC 5922).
    pub fn expect_name(&mut self, peer: SocketAddr, name: &str) {
        self.endpoint.expect_name(peer, name);
    }

    /// Where WebSockets go in that a web server accepted.
    pub fn web_socket_door(&self) -> WebSocketDoor {
        self.streams.door()
    }

    /// Where it listens by TLS.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.streams.tls_addr()
    }

    pub(crate) fn on_accepted(&mut self, (accepted, local, kind): Accepted) {
        let doors = self.streams.doors.len().max(1);
        self.streams.turn = (self.streams.turn + 1) % doors;
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                self.streams.accept_from = Instant::now() + ACCEPT_PAUSE;
                return;
            }
        };
        let peer = canonical(peer);
        let streams = &mut self.streams;
        if stream.set_nodelay(true).is_err() || !streams.has_room_for(peer) {
            tracing::debug!(%peer, "connection closed at once: too many");
            return;
        }
        link::limit_unacknowledged(&stream);
        let connection = ConnectionId(streams.names.fetch_add(2, Ordering::Relaxed));
        let news = streams.news_sender.clone();
        let tasks = streams.tasks.clone();
        let _inside = tasks.enter();
        let ends = (local, peer, kind);
        match (kind, &streams.acceptor) {
            (TransportKind::Tls, Some(acceptor)) => {
                let link = TaskLink::accept_tls(connection, stream, acceptor.clone(), news);
                streams.hold(connection, Link::Task(link), ends, true);
            }
            _ => {
                let link = TcpLink::accepted(connection, stream, news);
                streams.hold(connection, Link::Tcp(link), ends, true);
                self.connected(connection);
            }
        }
    }

    pub(crate) fn on_news(&mut self, news: News) {
        let News { connection, what } = news;
        if let What::Entered { link, peer, kind } = what {
            return self.on_entered(connection, link, peer, kind);
        }
        // A closed connection's last words.
        let now = self.now();
        let Some(held) = self.streams.held.get_mut(&connection) else {
            return;
        };
        match what {
            What::Opened(stream) => {
                self.connected(connection);
                self.on_link(connection, |link| match link {
                    Link::Tcp(link) => link.opened(stream),
                    Link::Task(_) => Ok(()),
                });
            }
            What::Secured { name } => {
                held.name = name;
                self.connected(connection);
            }
            What::Read(bytes) if self.may_read(connection, bytes.len()) => {
                let bytes = &bytes;
                self.endpoint
                    .handle(now, Input::Stream { connection, bytes });
            }
            What::Frame(bytes) if self.may_read(connection, bytes.len()) => {
                let bytes = &bytes;
                self.endpoint
                    .handle(now, Input::Message { connection, bytes });
            }
            What::Writable => self.on_link(connection, Link::write_on),
            What::HandshakeFailed => {
                self.streams.guard.refusals.handshake += 1;
                self.on_closed(connection);
            }
            What::Idle => {
                self.streams.guard.refusals.idle += 1;
                self.on_closed(connection);
            }
            What::Read(_) | What::Frame(_) | What::Closed | What::Entered { .. } => {
                self.on_closed(connection);
            }
        }
    }

    /// Whether a connection keeps within its address's budget. Bytes can't be left out of a stream, so it is closed.
    fn may_read(&mut self, connection: ConnectionId, len: usize) -> bool {
        let now = self.now();
        let streams = &mut self.streams;
        let Some(held) = streams.held.get(&connection).filter(|held| held.came) else {
            return true;
        };
        streams.guard.admits_bytes(now, held.peer.ip(), len)
    }

    fn on_entered(
        &mut self,
        connection: ConnectionId,
        link: TaskLink,
        peer: SocketAddr,
        kind: TransportKind,
    ) {
        let peer = canonical(peer);
        if self.streams.has_room_for(peer) {
            // What the web server listens on is none of ours: its audio goes by the way to the browser.
            let local = self.local_to(peer.ip(), kind).unwrap_or_default();
            let ends = (local, peer, kind);
            self.streams.hold(connection, Link::Task(link), ends, true);
            self.connected(connection);
        }
    }

    fn connected(&mut self, connection: ConnectionId) {
        let now = self.now();
        if let Some(held) = self.streams.held.get(&connection) {
            let (local, peer, kind) = (held.local, held.peer, held.kind);
            self.endpoint.handle(
                now,
                Input::Connected {
                    connection,
                    local,
                    peer,
                    kind,
                },
            );
        }
    }

    pub(crate) fn on_link(
        &mut self,
        connection: ConnectionId,
        act: impl FnOnce(&mut Link) -> Result<(), Broken>,
    ) {
        let Some(held) = self.streams.held.get_mut(&connection) else {
            return;
        };
        if act(&mut held.link).is_err() {
            tracing::debug!(
                connection = connection.0,
                "connection closed: broken, or not read from"
            );
            self.streams.guard.refusals.unread += 1;
            self.on_closed(connection);
        }
    }

    pub(crate) fn on_closed(&mut self, connection: ConnectionId) {
        self.streams.forget(connection);
        let now = self.now();
        self.endpoint.handle(now, Input::Closed { connection });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::time::timeout;
    use wire::sip::endpoint::Config;

    use super::*;

    /// Else a peer that is gone keeps its place until nothing has come for half an hour.
    #[tokio::test]
    async fn a_peer_that_acknowledges_nothing_is_not_waited_for() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let config = Config::default_for(address, [0; 32]);
        let mut driver = SipDriver::bind(address, config).expect("a port");
        let _peer = TcpStream::connect(driver.local_addr())
            .await
            .expect("connected");
        for _ in 0..1000 {
            let _ = timeout(Duration::from_millis(5), driver.event()).await;
            if !driver.streams.held.is_empty() {
                break;
            }
        }
        let held = driver.streams.held.values().next().expect("it came");
        let Link::Tcp(link) = &held.link else {
            panic!("by TCP");
        };
        let limit = SockRef::from(link.stream().expect("open")).tcp_user_timeout();
        assert!(limit.expect("known").is_some());
    }
}
