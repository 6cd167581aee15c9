//! An exchange on a bench: its peers are bare sockets, and what a timer or an audio thread tells comes when a test says so.

use std::{
    cell::RefCell, collections::BTreeSet, future::Future, net::SocketAddr, path::Path, sync::Arc,
    time::Duration,
};

use callcore::{scenario::Scenario, switch::CallId};
use tokio::{net::UdpSocket, sync::mpsc, time::timeout};
use transport::{SipDriver, handed::Inherited, media::RtpPorts};
use wire::sip::{
    endpoint::{Config, Local, SessionId},
    message::{HeaderName, Headers, Message, Method, Request, Response},
};

use super::{Exchange, Parts};
use crate::{
    audio::Library,
    clock::Clock,
    homes::Homes,
    listen::{self, Own},
    media::MediaEvent,
    names::Names,
    observer::Observer,
    registrar::Registrar,
    run::start_media,
};

/// Only a fault takes this long.
const SOON: Duration = Duration::from_secs(20);

/// A queue with a simulated nurse, whose callers are greeted.
pub(super) const GREETED_QUEUE: &str = r#"
queue = [{ name = "sormland", region = "04", controller = "region-04", agents = [{ simulated = 1 }], ring_s = 10 }]
announcement = [{ name = "region", file = "region.wav" }]
route = [{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland", announcement = "region" }]
"#;

/// The same, recorded there; `more` is said of the recorder.
pub(super) fn recorded(recorder: SocketAddr, more: &str) -> String {
    format!(
        r#"
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = [{{ simulated = 1 }}], ring_s = 10, recording = true, agreement = "pub-04" }}]
agreement = [{{ id = "pub-04", controller = "region-04", processor = "inera", purposes = ["routing", "recording", "storage"], from = 2013-01-01 }}]
retention = [{{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }}]
recorder = {{ siprec = "sip:recorder@{recorder}" {more} }}
route = [{{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }}]
"#
    )
}

/// All calls go to a provider there directly, who isn't asked whether it is up.
pub(super) fn direct(provider: impl std::fmt::Display) -> String {
    format!(
        r#"
provider = [{{ name = "medhelp", organisation = "medhelp", targets = ["sip:x@{provider}"], ping = {{ every_s = 0 }} }}]
[[route]]
name = "out"
all = true
unknown = true
invalid = true
conflict = true
provider = "medhelp"
handover = "direct"
"#
    )
}

pub(super) struct Bench {
    pub(super) exchange: Exchange,
    pub(super) sip: SipDriver,
    media: mpsc::UnboundedReceiver<MediaEvent>,
}

impl Bench {
    /// By the rules of [`scenario`] with these entries.
    pub(super) fn new(entries: &str) -> Self {
        Self::listening(entries, "")
    }

    /// The same; `listen` is said of listening.
    pub(super) fn listening(entries: &str, listen: &str) -> Self {
        let text = text(entries) + listen;
        let scenario = Scenario::from_toml(&text, "bench.toml").expect("a valid scenario");
        let scenario = Arc::new(scenario);
        let folder = Path::new(".");
        let listen = listen::listen_of(&scenario, folder, &Inherited::default());
        let config = Config {
            reliable: true,
            session_timer: Some(crate::run::SESSION_TIMER),
            transfers: true,
            ..Config::default_for(scenario.listen.sip[0], [7; 32])
        };
        let sip = SipDriver::listen(listen.expect("readable"), config).expect("a free port");
        let homes = Homes::new(sip.locals());
        let clock = Clock::start(None);
        let observer = Observer::new(Arc::clone(&scenario), "bench", clock.now());
        let (observer, _) = observer.expect("no metric is there twice");
        let ports = scenario.listen.rtp_ports.range();
        let ports = RtpPorts::new(homes.ip(Local::FIRST), ports);
        let (media, reported) = start_media(&scenario, ports, &observer).expect("threads");
        let files = scenario.announcements.iter().map(|one| &*one.file);
        let recorder = scenario.recorder.as_ref();
        let exchange = Exchange::new(Parts {
            library: Library::load(folder, files).expect("built in"),
            recorder: recorder.and_then(super::RecorderLink::new),
            registrar: Registrar::new(&scenario, Default::default(), [7; 32]),
            names: Names::new(None, homes.families()),
            own: Own::of(&scenario, folder).expect("none"),
            scenario,
            clock,
            media,
            observer,
            homes,
            seed: 1,
            nurse_talks: None,
            journal: None,
        });
        Self {
            exchange,
            sip,
            media: reported,
        }
    }

    /// Two nurses, and a caller who talks with the first; with the INVITE that she was asked by.
    pub(super) async fn talking() -> (Self, [Peer; 3], Request) {
        let [caller, first, second] = [Peer::new().await, Peer::new().await, Peer::new().await];
        let entries = format!(
            r#"
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = ["sip:a@{}", "sip:b@{}"], ring_s = 10 }}]
route = [{{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }}]
"#,
            first.at(),
            second.at()
        );
        let mut bench = Self::new(&entries);
        let switch = bench.address();
        let talks = async {
            let offer = Peer::sdp(5000);
            caller.asks(switch, ("INVITE", 1, ""), &offer).await;
            let asked = first.is_asked(Method::Invite).await;
            let ok = ("200 OK", "");
            first.answers(switch, &asked, ok, &Peer::sdp(5002)).await;
            first.is_asked(Method::Ack).await;
            asked
        };
        let asked = bench.until(talks).await;
        assert_eq!(bench.state().expect("a call").1, "talking");
        (bench, [caller, first, second], asked)
    }

    /// A caller whom a queue answers, and who is asked for him then: the caller's dialog, and what is asked.
    pub(super) async fn answered(&mut self, caller: &Peer, asked: &Peer) -> (String, Request) {
        let switch = self.address();
        let begun = async {
            let offer = Peer::sdp(5000);
            caller.asks(switch, ("INVITE", 1, ""), &offer).await;
            let tag = tag_of(&caller.is_told(200).await);
            caller.asks(switch, ("ACK", 1, &tag), "").await;
            (tag, asked.is_asked(Method::Invite).await)
        };
        self.until(begun).await
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.sip.locals()[0].socket()
    }

    /// Runs the exchange until that has come.
    pub(super) async fn until<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let running = async {
            tokio::pin!(wanted);
            loop {
                let wake = self.exchange.wake();
                tokio::select! {
                    came = &mut wanted => return came,
                    event = self.sip.event() => self.exchange.on_sip(&mut self.sip, event),
                    Some(event) = self.media.recv() => self.exchange.on_media(&mut self.sip, event),
                    () = tokio::time::sleep_until(wake.into()) => self.exchange.on_time(&mut self.sip),
                }
            }
        };
        timeout(SOON, running).await.expect("within 20 seconds")
    }

    /// The far side's session of the only call.
    pub(super) fn far(&self) -> SessionId {
        let call = self.exchange.calls.values().next();
        call.and_then(|call| call.far.session()).expect("called")
    }

    /// Nurses of that queue whose phones died, as counted.
    pub(super) fn agents_lost(&self, queue: &str) -> u64 {
        let lost = &self.exchange.observer.metrics().watch.agents_lost;
        lost.with_label_values(&[queue]).get()
    }

    /// How the only call stands.
    pub(super) fn state(&self) -> Option<(CallId, &'static str)> {
        let view = self.exchange.switch.calls().next()?;
        Some((view.call, view.state))
    }
}

/// A switch of one region, whose calls all go by what the entries say.
pub(crate) fn scenario(entries: &str) -> Scenario {
    Scenario::from_toml(&text(entries), "bench.toml").expect("a valid scenario")
}

/// The text of it.
pub(super) fn text(entries: &str) -> String {
    format!(
        r#"
operator = {{ organisation = "inera" }}
organisation = [
  {{ id = "inera", name = "Inera AB", kind = "processor" }},
  {{ id = "region-04", name = "Region Sörmland", kind = "region" }},
  {{ id = "medhelp", name = "MedHelp AB", kind = "care-provider" }},
]
{entries}
[listen]
sip = "127.0.0.1:0"
web = "127.0.0.1:0"
rtp_ports = "37000-37999"
"#
    )
}

/// A bare socket that speaks SIP, and the requests that it has been asked: one that is sent again is no other.
pub(super) struct Peer(UdpSocket, RefCell<BTreeSet<String>>);

impl Peer {
    pub(super) async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        Self(socket, RefCell::default())
    }

    pub(super) fn at(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// A session description with audio at that port.
    pub(super) fn sdp(port: u16) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
        )
    }

    /// Sends a request of a call to the switch; `tag` is the switch's.
    pub(super) async fn asks(&self, to: SocketAddr, what: (&str, u32, &str), body: &str) {
        self.asks_with(to, what, "", body).await;
    }

    /// The same with these further header fields.
    pub(super) async fn asks_with(
        &self,
        to: SocketAddr,
        (method, cseq, tag): (&str, u32, &str),
        more: &str,
        body: &str,
    ) {
        let kind = match more.contains("Content-Type") {
            true => "",
            false => "Content-Type: application/sdp\r\n",
        };
        // A CANCEL is of its INVITE.
        let branch = if method == "CANCEL" { "INVITE" } else { method };
        let (at, tag) = (
            self.at(),
            if tag.is_empty() {
                String::new()
            } else {
                format!(";tag={tag}")
            },
        );
        let text = format!(
            "{method} sip:1177@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{branch}{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:+46701740605@{at}>;tag=theirs\r\nTo: <sip:1177@{to}>{tag}\r\nCall-ID: one@{at}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:+46701740605@{at}>\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.send_to(text.as_bytes(), to).await.expect("sent");
    }

    /// Answers a request with these further header fields.
    pub(super) async fn answers(
        &self,
        to: SocketAddr,
        asked: &Request,
        (status, more): (&str, &str),
        body: &str,
    ) {
        let of = |name: HeaderName| asked.headers.get(&name).unwrap_or_default().to_owned();
        let mut called = of(HeaderName::To);
        if !called.contains(";tag=") {
            called.push_str(";tag=theirs");
        }
        let text = format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {called}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:x@{}>\r\n{more}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            of(HeaderName::Via),
            of(HeaderName::From),
            of(HeaderName::CallId),
            of(HeaderName::CSeq),
            self.at(),
            body.len()
        );
        self.0.send_to(text.as_bytes(), to).await.expect("sent");
    }

    /// Asks in a dialog that the switch began with `asked`.
    pub(super) async fn asks_back(
        &self,
        to: SocketAddr,
        asked: &Request,
        (method, cseq): (&str, u32),
        body: &str,
    ) {
        let of = |name: HeaderName| asked.headers.get(&name).unwrap_or_default();
        let at = self.at();
        let text = format!(
            "{method} sip:src@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{cseq}\r\nMax-Forwards: 70\r\nFrom: {};tag=theirs\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:x@{at}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            of(HeaderName::To),
            of(HeaderName::From),
            of(HeaderName::CallId),
            body.len()
        );
        self.0.send_to(text.as_bytes(), to).await.expect("sent");
    }

    async fn message(&self) -> (Message, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        loop {
            let (len, from) = self.0.recv_from(&mut buffer).await.expect("received");
            if let Ok(message) = Message::parse(&buffer[..len]) {
                return (message, from);
            }
        }
    }

    /// The next request of that kind. Whoever asks meanwhile whether this is there is told so.
    pub(super) async fn is_asked(&self, method: Method) -> Request {
        loop {
            match self.message().await {
                (Message::Request(request), _) if request.method == method => {
                    let by = request.headers.get(&HeaderName::Via).unwrap_or_default();
                    if self.1.borrow_mut().insert(format!("{method} {by}")) {
                        return request;
                    }
                }
                (Message::Request(request), from) if request.method == Method::Options => {
                    self.answers(from, &request, ("200 OK", ""), "").await;
                }
                _ => {}
            }
        }
    }

    /// Whether one of the requests that come before the next response with that status is such a one.
    pub(super) async fn until_told(&self, status: u16, is_it: impl Fn(&Request) -> bool) -> bool {
        let mut came = false;
        loop {
            match self.message().await.0 {
                Message::Request(request) => came |= is_it(&request),
                Message::Response(response) if response.status.code() == status => return came,
                Message::Response(_) => {}
            }
        }
    }

    /// The next response with that status: its fields.
    pub(super) async fn is_told(&self, status: u16) -> Headers {
        self.is_answered(status).await.headers
    }

    /// The same, whole.
    pub(super) async fn is_answered(&self, status: u16) -> Response {
        loop {
            match self.message().await.0 {
                Message::Response(response) if response.status.code() == status => return response,
                _ => {}
            }
        }
    }
}

/// The tag of the side that answered.
pub(super) fn tag_of(headers: &Headers) -> String {
    let to = headers.get(&HeaderName::To).unwrap_or_default();
    to.rsplit_once(";tag=")
        .map(|(_, tag)| tag.to_owned())
        .expect("a tag")
}
