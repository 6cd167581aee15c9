//! A telephone that a test plays by hand, event by event: for what the test kit's phone never does.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use testkit::DEADLINE;
use transport::SipDriver;
use wire::{
    sdp::{Description, Direction},
    sip::{
        endpoint::{Config, Event, Invite, SessionId, SessionTimer},
        message::{Body, HeaderName, Headers, Request, Response},
        uri::Uri,
    },
};

/// Names of one handset are never those of another.
static SEED: AtomicU8 = AtomicU8::new(100);

/// The length of a packet.
const PACKET: Duration = Duration::from_millis(20);

/// A telephone without sound.
pub(crate) struct Handset {
    pub(crate) driver: SipDriver,
    audio: UdpSocket,
    /// Where reports come: at the port after the audio's.
    pub(crate) control: UdpSocket,
}

impl Handset {
    /// One that speaks every extension.
    pub(crate) async fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST, true).await
    }

    /// One that speaks RFC 3261 only.
    pub(crate) async fn plain() -> Self {
        Self::at(Ipv4Addr::LOCALHOST, false).await
    }

    pub(crate) async fn at(ip: impl Into<IpAddr>, featured: bool) -> Self {
        let address = SocketAddr::new(ip.into(), 0);
        let timer = SessionTimer {
            expires: Duration::from_secs(1800),
            min: Duration::from_secs(90),
        };
        let config = Config {
            contact_user: "1177".into(),
            reliable: featured,
            session_timer: featured.then_some(timer),
            transfers: featured,
            // It may play a recorder.
            supported: vec!["siprec".into()],
            ..Config::default_for(address, [SEED.fetch_add(1, Ordering::Relaxed); 32])
        };
        let (audio, control) = pair(address.ip());
        let mut handset = Self {
            driver: SipDriver::bind(address, config).expect("a free port"),
            audio,
            control,
        };
        // Until the runtime has looked at its socket, nothing is sent but while it is waited for.
        let own = Uri::sip(None, handset.driver.local_addr());
        handset.act(|endpoint, now| endpoint.ping(now, own, None, None, None).expect("asked"));
        handset
            .sees("itself", |event| {
                matches!(event, Event::Pong { answer: Ok(_), .. }).then_some(())
            })
            .await;
        handset
    }

    /// One whose audio comes from where another's does, as that of a mixer.
    pub(crate) async fn with_audio_of(other: &Self) -> Self {
        let audio = other.audio.try_clone().expect("another handle");
        Self {
            audio,
            ..Self::new().await
        }
    }

    /// Its audio is elsewhere from now on, of which it has told nobody yet.
    pub(crate) fn moves_to(&mut self, ip: Ipv4Addr) -> (UdpSocket, UdpSocket) {
        let (audio, control) = pair(ip.into());
        (
            std::mem::replace(&mut self.audio, audio),
            std::mem::replace(&mut self.control, control),
        )
    }

    /// A datagram that has come to where its audio is.
    pub(crate) fn receives(&self, buffer: &mut [u8]) -> Option<usize> {
        self.audio.recv(buffer).ok()
    }

    /// As an agent or target in a scenario.
    pub(crate) fn uri(&self) -> String {
        format!("sip:1177@{}", self.driver.local_addr())
    }

    /// What it says of its audio.
    pub(crate) fn sdp(&self, direction: Direction) -> Body {
        let mut description = Description::telephony(self.audio.local_addr().expect("it is bound"));
        description.streams[0].direction = direction;
        description.to_body()
    }

    /// As the only agent or target in a scenario.
    pub(crate) fn targets(&self) -> String {
        format!("[\"{}\"]", self.uri())
    }

    /// Says a packet of 20 ms with that code.
    pub(crate) fn says(&self, sender: &mut wire::rtp::Sender, to: SocketAddr, code: u8) {
        let mut datagram = Vec::new();
        sender.next(&[code; 160], 160, false, &mut datagram);
        self.audio.send_to(&datagram, to).expect("sent");
    }

    /// Sends a datagram from where its audio is.
    pub(crate) fn sends(&self, datagram: &[u8], to: SocketAddr) {
        self.audio.send_to(datagram, to).expect("sent");
    }

    /// Until nothing comes of what somebody says every 20 ms for half a second: the audio's thread has been told.
    pub(crate) async fn hears_no_more(&self, mut speak: impl FnMut()) {
        let listen = async {
            let (mut tick, mut buffer) = (tokio::time::interval(PACKET), [0; 2000]);
            let mut silent = 0;
            while silent < 25 {
                speak();
                tick.tick().await;
                silent += 1;
                while let Ok(len) = self.audio.recv(&mut buffer) {
                    if !wire::rtp::is_rtcp(&buffer[..len]) {
                        silent = 0;
                    }
                }
            }
        };
        let done = tokio::time::timeout(DEADLINE, listen).await;
        assert!(done.is_ok(), "it is heard all the time");
    }

    /// Hears packets until that code comes, and speaks every 20 ms meanwhile; all codes that came.
    pub(crate) async fn hears(&self, code: u8, speak: impl FnMut()) -> BTreeSet<u8> {
        let plain = |datagram: &mut [u8]| {
            let packet = wire::rtp::Packet::parse(datagram).expect("RTP");
            packet.payload.first().copied().unwrap_or_default()
        };
        self.hears_by(plain, code, speak).await
    }

    /// The same, where the code of a datagram is found so.
    pub(crate) async fn hears_by(
        &self,
        mut read: impl FnMut(&mut [u8]) -> u8,
        code: u8,
        mut speak: impl FnMut(),
    ) -> BTreeSet<u8> {
        let mut heard = BTreeSet::new();
        let listen = async {
            let (mut tick, mut buffer) = (tokio::time::interval(PACKET), [0; 2000]);
            while !heard.contains(&code) {
                tick.tick().await;
                speak();
                while let Ok(len) = self.audio.recv(&mut buffer) {
                    if wire::rtp::is_rtcp(&buffer[..len]) {
                        continue;
                    }
                    heard.insert(read(&mut buffer[..len]));
                }
            }
        };
        let done = tokio::time::timeout(DEADLINE, listen).await;
        assert!(done.is_ok(), "{code} was not heard, but {heard:?}");
        heard
    }

    /// Asks for a change of a session, which the other side's phone answers.
    pub(crate) async fn changes(
        &mut self,
        session: SessionId,
        to: Direction,
        (phone, talk): (&mut Self, SessionId),
    ) {
        self.asks_for(session, to).await;
        phone.is_asked_for(to).await;
        phone.agrees(talk, to);
        self.has_changed().await;
    }

    /// Asks for a change of a session.
    pub(crate) async fn asks_for(&mut self, session: SessionId, to: Direction) {
        self.asks(session, self.sdp(to)).await;
    }

    /// Asks for a change of a session, with that body.
    pub(crate) async fn asks(&mut self, session: SessionId, body: Body) {
        let asked = async {
            // The ACK of what came before may still be under way.
            while self
                .act(|ep, now| ep.change(now, session, Some(body.clone())))
                .is_err()
            {
                tokio::task::yield_now().await;
            }
        };
        let asked = tokio::time::timeout(DEADLINE, asked).await;
        asked.expect("a session in which nothing else is under way");
    }

    /// Its change was agreed to, with this description.
    pub(crate) async fn has_changed(&mut self) -> Option<Body> {
        self.sees("the change", |event| match event {
            Event::Changed {
                result: Ok(body), ..
            } => Some(body),
            _ => None,
        })
        .await
    }

    /// The other side wants a change, to this.
    pub(crate) async fn is_asked_for(&mut self, to: Direction) -> SocketAddr {
        self.is_told(to).await.streams[0].address
    }

    /// The same; all that it says.
    pub(crate) async fn is_told(&mut self, to: Direction) -> Description {
        let asked = self
            .sees("a change", |event| match event {
                Event::ChangeRequested { body, .. } => body,
                _ => None,
            })
            .await;
        let told = Description::parse(&asked.bytes).expect("a session description");
        assert_eq!(told.streams[0].direction, to);
        told
    }

    /// Agrees to the change that it was asked for.
    pub(crate) fn agrees(&mut self, session: SessionId, to: Direction) {
        let reply = self.sdp(to.reversed());
        self.act(|ep, now| {
            ep.accept_change(now, session, Some(reply))
                .expect("accepted")
        });
    }

    pub(crate) fn talks(&self) -> Body {
        self.sdp(Direction::SendRecv)
    }

    /// Does something at its endpoint.
    pub(crate) fn act<T>(
        &mut self,
        act: impl FnOnce(&mut wire::sip::endpoint::Endpoint, wire::time::Time) -> T,
    ) -> T {
        let now = self.driver.now();
        let result = act(self.driver.endpoint(), now);
        self.driver.flush();
        result
    }

    /// Calls with these header fields.
    pub(crate) fn call(
        &mut self,
        to: SocketAddr,
        fields: &[(&str, &str)],
        body: Option<Body>,
    ) -> SessionId {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.push(HeaderName::parse(name).expect("a token"), *value);
        }
        let invite = Invite {
            headers,
            body,
            ..Invite::anonymous(Uri::sip(Some("1177"), to))
        };
        self.act(|endpoint, now| endpoint.invite(now, invite).expect("called"))
    }

    /// The first event that is one of those; others before it are of no interest.
    pub(crate) async fn sees<T>(&mut self, what: &str, pick: impl Fn(Event) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = pick(self.driver.event().await) {
                    return found;
                }
                self.driver.flush();
            }
        };
        match tokio::time::timeout(DEADLINE, search).await {
            Ok(found) => found,
            Err(_) => panic!("{what} expected, it never came"),
        }
    }

    pub(crate) async fn is_called(&mut self) -> (SessionId, Box<Request>) {
        self.sees("a call", |event| match event {
            Event::Incoming {
                session, request, ..
            } => Some((session, request)),
            _ => None,
        })
        .await
    }

    /// Is called and answers.
    pub(crate) async fn answers(&mut self) -> (SessionId, Box<Request>) {
        let (session, request) = self.is_called().await;
        let body = self.talks();
        self.act(|endpoint, now| endpoint.answer(now, session, Some(body)).expect("answered"));
        (session, request)
    }

    pub(crate) async fn is_answered(&mut self) -> Box<Response> {
        self.sees("an answer", |event| match event {
            Event::Answered { response, .. } => Some(response),
            Event::Rejected { status, .. } => panic!("refused: {status}"),
            _ => None,
        })
        .await
    }

    pub(crate) async fn is_refused(&mut self) -> u16 {
        self.sees("a refusal", |event| match event {
            Event::Rejected { status, .. } => Some(status.code()),
            _ => None,
        })
        .await
    }

    /// The ACK for its answer has come.
    pub(crate) async fn is_confirmed(&mut self) {
        self.sees("the ACK", |event| {
            matches!(event, Event::Confirmed { .. }).then_some(())
        })
        .await;
    }

    pub(crate) async fn is_ended(&mut self) {
        self.sees("the end", |event| {
            matches!(event, Event::Ended { .. }).then_some(())
        })
        .await;
    }

    pub(crate) fn hangs_up(&mut self, session: SessionId) {
        self.act(|endpoint, now| endpoint.end(now, session, None).expect("ended"));
    }
}

/// Ports for audio and, after it, for reports: nobody else's come there.
fn pair(ip: IpAddr) -> (UdpSocket, UdpSocket) {
    let bound = |port| UdpSocket::bind((ip, port));
    for _ in 0..1000 {
        let audio = bound(0).expect("a free port");
        let beside = audio.local_addr().expect("it is bound").port() | 1;
        let taken = audio.local_addr().expect("it is bound").port() == beside;
        if let (false, Ok(control)) = (taken, bound(beside)) {
            for socket in [&audio, &control] {
                socket.set_nonblocking(true).expect("an option");
            }
            return (audio, control);
        }
    }
    panic!("no two ports after each other");
}
