//! Callers, nurses, a provider and a recorder say whatever they like to a switch on a bench, in any order. When all have gone nothing is
//! left of any call, and every call has ended once.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
};

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_pcg::Pcg64;
use wire::sip::message::{HeaderName, Headers, Message, Method, Request, Response};

use super::{
    bench::{Bench, Peer},
    call::{Far, Leg},
};
use crate::media::{MediaEvent, Side};

/// Storms in one test.
const SEEDS: std::ops::Range<u64> = 0..40;
/// What is said in each.
const WORDS: u32 = 100;
/// Rounds in which everybody takes leave: who was asked something answers, and is asked something again.
const LEAVE_ROUNDS: u32 = 12;

/// A dialog, as one who has a part in it knows it.
#[derive(Debug, Clone)]
struct Dialog {
    call_id: String,
    own: String,
    other: String,
    cseq: u32,
    /// CSeq and branch of the INVITE that began it, where that was ours.
    invite: Option<(u32, String)>,
}

/// Somebody with a socket.
struct Actor {
    socket: UdpSocket,
    name: &'static str,
    dialogs: Vec<Dialog>,
    asked: Vec<Request>,
    told: Vec<Response>,
    said: u32,
    /// Final status of what it asked, by branch and CSeq.
    ends: BTreeMap<String, Option<u16>>,
}

impl Actor {
    fn new(name: &'static str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        Self {
            socket,
            name,
            dialogs: Vec::new(),
            asked: Vec::new(),
            told: Vec::new(),
            said: 0,
            ends: BTreeMap::new(),
        }
    }

    fn at(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }

    fn sends(&self, to: SocketAddr, text: &str) {
        let sent = self.socket.send_to(text.as_bytes(), to);
        sent.expect("loopback");
    }

    /// Reads what has come.
    fn reads(&mut self, switch: SocketAddr) {
        let mut buffer = vec![0; 65_536];
        loop {
            let len = match self.socket.recv(&mut buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            match Message::parse(&buffer[..len]) {
                Ok(Message::Request(request)) if request.method == Method::Options => {
                    self.answers(switch, &request, "200 OK", "", "");
                }
                Ok(Message::Request(request)) if request.method != Method::Ack => {
                    if request.method == Method::Invite
                        && !of(&request.headers, HeaderName::To).contains("tag=")
                    {
                        self.dialogs.push(Dialog {
                            call_id: of(&request.headers, HeaderName::CallId),
                            own: format!(
                                "{};tag=t{}",
                                of(&request.headers, HeaderName::To),
                                self.name
                            ),
                            other: of(&request.headers, HeaderName::From),
                            cseq: 100,
                            invite: None,
                        });
                    }
                    self.asked.push(request);
                }
                Ok(Message::Response(response)) => {
                    self.is_ended(&response);
                    let (id, to) = (
                        of(&response.headers, HeaderName::CallId),
                        of(&response.headers, HeaderName::To),
                    );
                    let mut dialogs = self.dialogs.iter_mut();
                    if let Some(dialog) = dialogs.find(|it| it.call_id == id)
                        && response.status.code() < 300
                        && of(&response.headers, HeaderName::CSeq) == "1 INVITE"
                        && to.contains("tag=")
                        && dialog.invite.is_some()
                    {
                        dialog.other = to;
                    }
                    self.told.push(response);
                }
                _ => {}
            }
        }
    }

    fn answers(&self, to: SocketAddr, asked: &Request, status: &str, more: &str, body: &str) {
        let mut called = of(&asked.headers, HeaderName::To);
        if !called.contains("tag=") {
            called = format!("{called};tag=t{}", self.name);
        }
        let text = format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {called}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{}@{}>\r\n\
             Allow: INVITE, ACK, BYE, UPDATE, REFER, PRACK\r\n{more}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            of(&asked.headers, HeaderName::Via),
            of(&asked.headers, HeaderName::From),
            of(&asked.headers, HeaderName::CallId),
            of(&asked.headers, HeaderName::CSeq),
            self.name,
            self.at(),
            body.len()
        );
        self.sends(to, &text);
    }

    /// A request has one final response, however often it comes.
    fn is_ended(&mut self, response: &Response) {
        let status = response.status.code();
        let via = of(&response.headers, HeaderName::Via);
        let branch = via.split("z9hG4bK").nth(1).unwrap_or_default();
        let branch = branch.split(';').next().unwrap_or_default();
        let request = format!("{branch} {}", of(&response.headers, HeaderName::CSeq));
        let end = self.ends.get_mut(&request).filter(|_| status >= 200);
        if let Some(end) = end {
            let before = *end.get_or_insert(status);
            assert_eq!(before, status, "{request} was answered twice");
        }
    }

    /// Says something in one of its dialogs.
    fn asks(&mut self, to: SocketAddr, at: usize, method: &str, more: &str, body: &str) {
        self.said += 1;
        let (here, said, name) = (self.at(), self.said, self.name);
        let dialog = &mut self.dialogs[at];
        dialog.cseq += u32::from(!matches!(method, "ACK" | "CANCEL"));
        let mut cseq = dialog.cseq;
        let mut branch = format!("{name}{said}");
        if method == "CANCEL" {
            let Some((number, of)) = dialog.invite.clone() else {
                return;
            };
            (cseq, branch) = (number, of);
        }
        if method != "ACK" {
            self.ends.insert(format!("{branch} {cseq} {method}"), None);
        }
        let kind = if body.starts_with("Signal") {
            "application/dtmf-relay"
        } else {
            "application/sdp"
        };
        let text = format!(
            "{method} sip:1177@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{name}@{here}>\r\n{more}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            dialog.own,
            dialog.other,
            dialog.call_id,
            body.len()
        );
        self.sends(to, &text);
    }

    fn calls(&mut self, to: SocketAddr, more: &str, body: &str) {
        self.said += 1;
        let (at, said) = (self.at(), self.said);
        self.dialogs.push(Dialog {
            call_id: format!("{}-{said}@{at}", self.name),
            own: format!("<sip:+46701740605@{at}>;tag=t{said}"),
            other: format!("<sip:1177@{to}>"),
            cseq: 0,
            invite: Some((1, format!("{}{}", self.name, said + 1))),
        });
        self.asks(to, self.dialogs.len() - 1, "INVITE", more, body);
    }
}

fn of(headers: &Headers, name: HeaderName) -> String {
    headers.get(&name).unwrap_or_default().to_owned()
}

const PROVIDER: usize = 3;
const RECORDER: usize = 4;
const NAMES: [&str; 5] = ["caller", "anna", "bo", "provider", "recorder"];

struct Storm {
    bench: Bench,
    switch: SocketAddr,
    probe: Peer,
    probes: u32,
    actors: Vec<Actor>,
    rng: Pcg64,
}

impl Storm {
    async fn new(seed: u64) -> Self {
        let actors: Vec<Actor> = NAMES.into_iter().map(Actor::new).collect();
        let entries = format!(
            r#"
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = ["sip:anna@{}", "sip:bo@{}"], ring_s = 10, recording = true, agreement = "pub-04" }}]
agreement = [{{ id = "pub-04", controller = "region-04", processor = "inera", purposes = ["routing", "recording", "storage"], from = 2013-01-01 }}]
retention = [{{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }}]
recorder = {{ siprec = "sip:recorder@{}" }}
provider = [{{ name = "medhelp", organisation = "medhelp", targets = ["sip:x@{}"], ping = {{ every_s = 0 }} }}]
announcement = [{{ name = "region", file = "region.wav" }}]
[[route]]
name = "in"
region = "04"
queue = "sormland"
announcement = "region"
[[route]]
name = "out"
all = true
unknown = true
invalid = true
conflict = true
provider = "medhelp"
handover = "{}"
failover = ["sormland"]
"#,
            actors[1].at(),
            actors[2].at(),
            actors[RECORDER].at(),
            actors[PROVIDER].at(),
            ["direct", "relay", "release"][usize::try_from(seed % 3).expect("small")],
        );
        let bench = Bench::new(&entries);
        let switch = bench.address();
        let mut storm = Self {
            bench,
            switch,
            probe: Peer::new().await,
            probes: 0,
            actors,
            rng: Pcg64::seed_from_u64(seed),
        };
        // The recorder is asked whether it is there.
        let now = std::time::Instant::now();
        storm
            .bench
            .exchange
            .ping_recorder(&mut storm.bench.sip, now);
        storm.bench.sip.flush();
        storm.passes().await;
        storm.passes().await;
        storm
    }

    /// The switch has read all that was sent before, and everybody what it said then.
    async fn passes(&mut self) {
        self.probes += 1;
        let (probe, cseq) = (&self.probe, self.probes);
        let probed = async {
            probe.asks(self.switch, ("OPTIONS", cseq, ""), "").await;
            probe.is_told(200).await;
        };
        self.bench.until(probed).await;
        for actor in &mut self.actors {
            actor.reads(self.switch);
        }
    }

    fn description(&mut self) -> String {
        match self.rng.random_range(0..6) {
            0 => String::new(),
            1 => format!("{}a=sendonly\r\n", Peer::sdp(5000)),
            2 => format!("{}a=inactive\r\n", Peer::sdp(5004)),
            _ => Peer::sdp(5000 + 2 * self.rng.random_range(0..3)),
        }
    }

    fn word(&mut self) {
        let switch = self.switch;
        match self.rng.random_range(0..10) {
            0 | 1 => self.calls(),
            2..=4 => self.answers(),
            5..=7 => self.asks(),
            8 => self.acknowledges(),
            _ => self.hears(),
        }
        let actor = self.rng.random_range(0..NAMES.len());
        self.actors[actor].reads(switch);
    }

    fn calls(&mut self) {
        let body = self.description();
        let kommun = ["", "X-Kommun-ID: 0480\r\n"][self.rng.random_range(0..2)];
        let takes = [
            "",
            "Supported: 100rel, replaces\r\nAllow: INVITE, UPDATE, REFER\r\n",
        ];
        let more = [kommun, takes[self.rng.random_range(0..2)]].concat();
        if self.actors[0].dialogs.len() < 4 {
            self.actors[0].calls(self.switch, &more, &body);
        }
    }

    fn answers(&mut self) {
        const STATUS: [&str; 12] = [
            "180 Ringing",
            "183 Session Progress",
            "200 OK",
            "200 OK",
            "200 OK",
            "200 OK",
            "202 Accepted",
            "302 Moved",
            "486 Busy Here",
            "488 Not Acceptable Here",
            "491 Request Pending",
            "503 Service Unavailable",
        ];
        let body = self.description();
        let (who, rseq) = (
            self.rng.random_range(0..NAMES.len()),
            self.rng.random_range(1..4),
        );
        let actor = &mut self.actors[who];
        if actor.asked.is_empty() {
            return;
        }
        let which = self.rng.random_range(0..actor.asked.len());
        let status = STATUS.choose(&mut self.rng).copied().unwrap_or("200 OK");
        let asked = actor.asked[which].clone();
        let more = match status {
            "183 Session Progress" if self.rng.random_bool(0.6) => {
                format!("Require: 100rel\r\nRSeq: {rseq}\r\n")
            }
            _ => String::new(),
        };
        let bodied = asked.method == Method::Invite || asked.method == Method::Update;
        actor.answers(
            self.switch,
            &asked,
            status,
            &more,
            if bodied { &body } else { "" },
        );
        if self.rng.random_bool(0.5) && !status.starts_with('1') {
            actor.asked.swap_remove(which);
        }
    }

    fn asks(&mut self) {
        const METHODS: [&str; 9] = [
            "INVITE", "INVITE", "UPDATE", "BYE", "CANCEL", "INFO", "REFER", "ACK", "NOTIFY",
        ];
        let body = self.description();
        let other = self.actors[self.rng.random_range(0..PROVIDER)].at();
        let who = self.rng.random_range(0..NAMES.len());
        let actor = &mut self.actors[who];
        if actor.dialogs.is_empty() {
            return;
        }
        let which = self.rng.random_range(0..actor.dialogs.len());
        let method = METHODS.choose(&mut self.rng).copied().unwrap_or("BYE");
        let (more, body) = match method {
            "REFER" => (format!("Refer-To: <sip:bo@{other}>\r\n"), ""),
            "INFO" => (String::new(), "Signal=1\r\n"),
            "NOTIFY" => (
                "Event: refer\r\nSubscription-State: active\r\n".to_owned(),
                "",
            ),
            "BYE" | "CANCEL" => (String::new(), ""),
            _ => (String::new(), &*body),
        };
        actor.asks(self.switch, which, method, &more, body);
    }

    /// ACK and PRACK of something that was told.
    fn acknowledges(&mut self) {
        let body = self.description();
        let who = self.rng.random_range(0..NAMES.len());
        let actor = &mut self.actors[who];
        if !actor.told.is_empty() {
            let which = self.rng.random_range(0..actor.told.len());
            let told = actor.told[which].clone();
            actor.acknowledges(self.switch, &told, &body);
        }
    }

    /// What the audio threads may tell.
    fn hears(&mut self) {
        let calls: Vec<_> = self.bench.exchange.calls.keys().copied().collect();
        let Some(id) = calls.choose(&mut self.rng).copied() else {
            return;
        };
        let media = self
            .bench
            .exchange
            .calls
            .get(&id)
            .and_then(|call| call.media.as_ref());
        let playing = media.map(|media| media.playing());
        let event = match (self.rng.random_range(0..12), playing) {
            (0..=9, Some(clip)) => MediaEvent::PlayedToEnd(id, clip),
            (10, _) => MediaEvent::Silent(id, Side::Caller),
            _ => MediaEvent::Silent(id, Side::Far),
        };
        self.bench.exchange.on_media(&mut self.bench.sip, event);
    }

    /// What holds at any moment.
    fn is_sound(&mut self) -> Result<(), String> {
        let Bench { exchange, sip, .. } = &mut self.bench;
        for (session, leg) in &exchange.legs {
            if sip.endpoint().call_id(*session).is_none() {
                return Err(format!("{leg:?} has no session any more"));
            }
        }
        for (id, call) in &exchange.calls {
            let Some(view) = exchange.switch.call(*id) else {
                return Err(format!("{id:?} is known here alone"));
            };
            let left = call.transfer.as_ref().is_some_and(|it| it.left);
            let far = call.far.session();
            if let Some(far) = far.filter(|_| !left)
                && exchange.legs.get(&far) != Some(&Leg::Far(*id))
            {
                return Err(format!("{id:?}, {}: {:?} has no leg", view.state, call.far));
            }
            if view.state == "talking" && far.is_none() {
                return Err(format!("{id:?} talks with nobody"));
            }
            if matches!(call.far, Far::Provider(..)) && call.recording.is_some() {
                return Err(format!("{id:?} is a provider's, and recorded"));
            }
            let waits = matches!(view.state, "waiting" | "announcement");
            if waits && !matches!(call.far, Far::Nobody) {
                return Err(format!("{id:?}, {}: has {:?}", view.state, call.far));
            }
        }
        Ok(())
    }

    /// Everybody goes: callers hang up or take back, and whatever was asked is answered.
    async fn leaves(&mut self) {
        for _ in 0..LEAVE_ROUNDS {
            self.passes().await;
            let switch = self.switch;
            for actor in &mut self.actors {
                for told in std::mem::take(&mut actor.told) {
                    actor.acknowledges(switch, &told, "");
                }
                for asked in std::mem::take(&mut actor.asked) {
                    let status = if asked.method == Method::Invite {
                        "486 Busy Here"
                    } else {
                        "200 OK"
                    };
                    actor.answers(switch, &asked, status, "", "");
                }
            }
            for at in 0..self.actors[0].dialogs.len() {
                self.actors[0].asks(switch, at, "CANCEL", "", "");
                self.actors[0].asks(switch, at, "BYE", "", "");
            }
        }
        self.passes().await;
    }
}

impl Actor {
    fn acknowledges(&mut self, to: SocketAddr, told: &Response, body: &str) {
        let id = of(&told.headers, HeaderName::CallId);
        let Some(at) = self.dialogs.iter().position(|it| it.call_id == id) else {
            return;
        };
        let cseq = of(&told.headers, HeaderName::CSeq);
        let number = cseq.split(' ').next().unwrap_or_default().to_owned();
        if !cseq.ends_with("INVITE") {
            return;
        }
        if let Some(rseq) = told
            .headers
            .get(&HeaderName::RSeq)
            .filter(|_| told.status.is_provisional())
        {
            let rack = format!("RAck: {rseq} {number} INVITE\r\n");
            return self.asks(to, at, "PRACK", &rack, "");
        }
        if !told.status.is_success() {
            return;
        }
        let kept = self.dialogs[at].clone();
        self.dialogs[at].other = of(&told.headers, HeaderName::To);
        self.dialogs[at].cseq = number.parse().unwrap_or_default();
        self.asks(to, at, "ACK", "", body);
        self.dialogs[at] = kept;
    }
}

#[tokio::test]
async fn nothing_is_left_of_any_call_whatever_was_said() {
    for seed in SEEDS {
        let mut storm = Storm::new(seed).await;
        for _ in 0..WORDS {
            storm.word();
            storm.passes().await;
            if let Err(why) = storm.is_sound() {
                panic!("seed {seed}: {why}");
            }
        }
        storm.leaves().await;
        let Bench { exchange, sip, .. } = &mut storm.bench;
        assert!(
            exchange.calls.is_empty(),
            "seed {seed}: {} calls",
            exchange.calls.len()
        );
        assert_eq!(exchange.switch.calls_in_progress(), 0, "seed {seed}");
        let totals = exchange.observer.totals();
        let ended: u64 = totals.outcomes.values().sum();
        assert_eq!(totals.offered, ended, "seed {seed}");
        assert_eq!(totals.recorded_at_switch_for_provider, 0, "seed {seed}");
        for actor in &storm.actors {
            let mut open = actor.ends.iter().filter(|(_, end)| end.is_none());
            assert_eq!(open.next(), None, "seed {seed}: has no answer");
        }
        assert_eq!(sip.endpoint().sessions(), 0, "seed {seed}");
        let legs = exchange
            .legs
            .iter()
            .filter(|(id, _)| sip.endpoint().call_id(**id).is_none());
        let legs: Vec<_> = legs.collect();
        assert!(legs.is_empty(), "seed {seed}: {legs:?} without a session");
        assert!(
            exchange.nurses.is_empty() && exchange.tries.len() <= 1,
            "seed {seed}"
        );
    }
}
