//! A recording client (RFC 7866) on real sockets, and a recorder in folders of its own.

#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

use std::{
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
};

use callcore::{scenario::RecorderSettings, tag::RecordingTag};
use recorder::{
    Options, Recorder, RecorderError, RecorderHandle,
    monitor::Figures,
    place::Place,
    store::{self, By, Filter, Row, Store},
};
use tempfile::TempDir;
use transport::{Listen, Networks, SipDriver};
use wire::{
    g711::Law,
    rtp::Sender,
    sdp::{Codec, Description, Direction, Origin, Source, Stream},
    sip::{
        endpoint::{Config, Event, Invite, SessionId, TransportKind},
        message::{Body, HeaderName, Headers, Response, StatusCode},
        uri::Uri,
    },
    siprec::{self, Aor, Id, Metadata, Participant, StreamInfo},
    srtp::{Crypto, MasterKey, Sealer, Suite},
};

#[path = "../place/mod.rs"]
pub(crate) mod postgres;
mod runs;
mod sound;
#[path = "../tags/mod.rs"]
mod tags;
pub(crate) mod victim;

pub(crate) const CONTROLLER: &str = "region-01";
/// A number set aside by PTS for books and films (data/test_numbers.csv).
pub(crate) const CALLER: &str = "+46701740605";

pub(crate) use runs::Runs;
pub(crate) use sound::{export, level, tone};
pub(crate) use tags::region_01 as tag;

/// Whoever asks in a test.
pub(crate) fn asker() -> By {
    By {
        who: "test".to_owned(),
        purpose: "a test".to_owned(),
    }
}

/// Streams a client can send.
const STREAMS: u32 = 3;

/// A running recorder.
pub(crate) struct Bench {
    pub(crate) place: TempDir,
    pub(crate) handle: RecorderHandle,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(adapt: impl FnOnce(&mut Options)) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let mut options = Options::new([CONTROLLER.to_owned()]);
        adapt(&mut options);
        let handle = start_in(&place, options).await.expect("starts");
        Self { place, handle }
    }

    /// Waits until the figures are so.
    pub(crate) async fn until(&self, so: impl FnMut(&std::sync::Arc<Figures>) -> bool) {
        let mut figures = self.handle.monitor().figures;
        figures.wait_for(so).await.expect("the recorder runs");
    }

    pub(crate) async fn until_recorded(&self, count: u64) {
        self.until(|figures| {
            figures
                .controllers
                .get(CONTROLLER)
                .is_some_and(|stored| stored.recordings == count)
        })
        .await;
    }

    pub(crate) fn store(&self) -> Store {
        store_in(&self.place)
    }

    /// What is stored, newest first.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.store().list(&Filter::default()).expect("listed")
    }

    /// The only one, or the newest.
    pub(crate) fn row(&self) -> Row {
        self.rows().remove(0)
    }

    /// A client with a recording that was accepted.
    pub(crate) async fn client(&self, by: TransportKind) -> (Client, Recording) {
        let mut client = Client::new();
        let recording = client
            .record(self.handle.sip_addr(), by, &metadata(&tag()))
            .await
            .expect("accepted");
        (client, recording)
    }

    /// A metric's value with those label values, as it is exposed.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        metric(&self.handle, name, labels)
    }
}

/// A metric's value with those label values, as it is exposed.
pub(crate) fn metric(handle: &RecorderHandle, name: &str, labels: &[&str]) -> f64 {
    let families = handle.monitor().metrics.gather();
    let metrics = families
        .iter()
        .filter(|family| family.name() == name)
        .flat_map(|family| family.get_metric());
    let fits = |metric: &&prometheus::proto::Metric| {
        labels
            .iter()
            .all(|label| metric.get_label().iter().any(|pair| pair.value() == *label))
    };
    metrics
        .filter(fits)
        .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
        .sum()
}

fn paths(place: &Path) -> (PathBuf, PathBuf) {
    (place.join("store"), place.join("keys"))
}

pub(crate) fn store_in(place: &TempDir) -> Store {
    let place = Place::of(&settings(place.path())).expect("a place");
    store::open_existing_place(place).expect("a store")
}

pub(crate) async fn start_in(
    place: &TempDir,
    options: Options,
) -> Result<RecorderHandle, RecorderError> {
    start_at(place.path(), options).await
}

pub(crate) async fn start_at(
    place: &Path,
    options: Options,
) -> Result<RecorderHandle, RecorderError> {
    Recorder::start(&settings(place), options).await
}

pub(crate) fn settings(place: &Path) -> RecorderSettings {
    let (store, keys) = paths(place);
    let text = |path: &PathBuf| path.to_str().expect("UTF-8").into();
    RecorderSettings {
        siprec: "sip:recorder@127.0.0.1:0".into(),
        store: text(&store),
        keys: text(&keys),
        api: "127.0.0.1:0".into(),
        index: postgres::index_of(place).map(Into::into),
        ..RecorderSettings::default()
    }
}

/// A recording client.
pub(crate) struct Client {
    driver: SipDriver,
    sockets: Vec<UdpSocket>,
    senders: Vec<Sender>,
    /// Its offers say by which numbers its packets are known.
    shares: bool,
    /// By which keys its streams are encrypted; none of them, or all.
    keys: Vec<(Crypto, Sealer)>,
}

/// A session as its client sees it.
pub(crate) struct Recording {
    pub(crate) session: SessionId,
    pub(crate) answer: Description,
}

impl Client {
    pub(crate) fn new() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut listen = Listen::plain(any);
        listen.limits.exempt = Networks::everyone();
        Self::listening(listen)
    }

    /// One whose streams may come to a shared port: their packets carry this number and those after it.
    pub(crate) fn sharing(first_ssrc: u32) -> Self {
        let mut client = Self::new();
        client.shares = true;
        client.senders = senders(first_ssrc);
        client
    }

    /// One that speaks in ways of its own.
    pub(crate) fn listening(listen: Listen) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config::default_for(any, [0; 32]);
        let driver = SipDriver::listen(listen, config).expect("a port");
        let sockets: Vec<_> = (0..STREAMS)
            .map(|_| UdpSocket::bind(any).expect("a port"))
            .collect();
        Self {
            driver,
            sockets,
            senders: senders(100),
            shares: false,
            keys: Vec::new(),
        }
    }

    /// Another program at the same address, which knows of no session.
    pub(crate) fn started_again(self) -> Self {
        let listen = Listen::plain(self.driver.local_addr());
        drop(self);
        Self::listening(listen)
    }

    /// The same, and from now on it encrypts: each stream by a key of its own, made of this byte and those after it.
    pub(crate) fn encrypting(mut self, first_byte: u8) -> Self {
        let line = |number| {
            let key = MasterKey::new([first_byte + number; MasterKey::LEN]);
            let line = Crypto::new(1, Suite::AesCm128HmacSha1_80, key);
            (line.clone(), Sealer::new(&line))
        };
        self.keys = (0..STREAMS as u8).map(line).collect();
        self
    }

    /// From now on its packets carry this number and those after it.
    pub(crate) fn renumber(&mut self, first_ssrc: u32) {
        self.senders = senders(first_ssrc);
    }

    /// Two streams, caller and nurse, as SIPREC labels them.
    pub(crate) fn offer(&self, direction: Direction) -> Description {
        self.offer_of(&["1", "2"], direction)
    }

    pub(crate) fn offer_of(&self, labels: &[&str], direction: Direction) -> Description {
        let ends = self.sockets.iter().zip(&self.senders).zip(labels);
        let streams = ends.enumerate().map(|(place, ((socket, sender), &label))| {
            let address = socket.local_addr().expect("bound");
            let mut stream = Stream::audio(address, vec![Codec::pcma(), Codec::pcmu()])
                .labelled(label)
                .going(direction);
            if let Some((line, _)) = self.keys.get(place) {
                stream = stream.requiring(vec![line.clone()]);
            }
            if self.shares {
                let (ssrc, cname) = (sender.ssrc(), "test".into());
                stream.from_source(Source { ssrc, cname })
            } else {
                stream
            }
        });
        Description {
            origin: Origin::new(1, [127, 0, 0, 1].into()),
            streams: streams.collect(),
        }
    }

    /// Asks for a recording; gives the answer, or why not.
    pub(crate) async fn record(
        &mut self,
        to: SocketAddr,
        by: TransportKind,
        metadata: &Metadata,
    ) -> Result<Recording, StatusCode> {
        let offer = self.offer(Direction::SendOnly);
        self.record_as(to, by, &offer, metadata).await
    }

    /// The same with an offer of its own.
    pub(crate) async fn record_as(
        &mut self,
        to: SocketAddr,
        by: TransportKind,
        offer: &Description,
        metadata: &Metadata,
    ) -> Result<Recording, StatusCode> {
        let body = siprec::body(offer, metadata);
        let mut headers = Headers::new();
        headers.push(HeaderName::Require, siprec::OPTION_TAG);
        let session = self.invite(to, by, headers, Some(body));
        let response = self.final_response(session).await?;
        let answer = Description::parse(&response.body).expect("an answer");
        Ok(Recording { session, answer })
    }

    pub(crate) fn invite(
        &mut self,
        to: SocketAddr,
        by: TransportKind,
        headers: Headers,
        body: Option<Body>,
    ) -> SessionId {
        let invite = Invite {
            transport: Some(by),
            from: "<sip:vaxel@127.0.0.1>".into(),
            headers,
            body,
            ..Invite::anonymous(Uri::sip(Some("recorder"), to))
        };
        let now = self.driver.now();
        self.driver.endpoint().invite(now, invite).expect("a route")
    }

    pub(crate) async fn final_response(
        &mut self,
        wanted: SessionId,
    ) -> Result<Box<Response>, StatusCode> {
        loop {
            match self.driver.event().await {
                Event::Answered { session, response } if session == wanted => {
                    self.driver.flush();
                    return Ok(response);
                }
                Event::Rejected {
                    session, status, ..
                } if session == wanted => return Err(status),
                _ => {}
            }
        }
    }

    /// Changes both streams' direction.
    pub(crate) async fn change(
        &mut self,
        recording: &Recording,
        direction: Direction,
    ) -> Description {
        let offer = self.offer(direction);
        self.change_to(recording, &offer).await.expect("accepted")
    }

    /// Changes the session; gives the answer, or why not.
    pub(crate) async fn change_to(
        &mut self,
        recording: &Recording,
        offer: &Description,
    ) -> Result<Description, StatusCode> {
        self.change_body(recording, offer.to_body()).await
    }

    /// The same with a body of one's own.
    pub(crate) async fn change_body(
        &mut self,
        recording: &Recording,
        body: Body,
    ) -> Result<Description, StatusCode> {
        let now = self.driver.now();
        self.driver
            .endpoint()
            .change(now, recording.session, Some(body))
            .expect("up");
        loop {
            if let Event::Changed { result, .. } = self.driver.event().await {
                let body = result?.expect("an answer");
                return Ok(Description::parse(&body.bytes).expect("an answer"));
            }
        }
    }

    /// Says goodbye and waits for the answer.
    pub(crate) async fn bye(&mut self, recording: Recording) {
        let now = self.driver.now();
        self.driver
            .endpoint()
            .end(now, recording.session, None)
            .expect("up");
        self.until_ended().await;
    }

    /// Says goodbye, and what was sent before that comes after it.
    pub(crate) async fn bye_overtaking(&mut self, recording: Recording, packets: usize) {
        let now = self.driver.now();
        self.driver
            .endpoint()
            .end(now, recording.session, None)
            .expect("up");
        self.driver.flush();
        for stream in 0..recording.answer.streams.len() {
            self.send(&recording, stream, 1000.0, packets);
        }
        self.until_ended().await;
    }

    /// Ends a session before it was answered, or right after.
    pub(crate) async fn give_up(&mut self, session: SessionId) {
        let now = self.driver.now();
        self.driver
            .endpoint()
            .end(now, session, None)
            .expect("calling");
        self.until_ended().await;
    }

    pub(crate) async fn until_ended(&mut self) {
        while !matches!(self.driver.event().await, Event::Ended { .. }) {}
    }

    /// Sends packets of 20 ms of a tone in one stream, all at once.
    pub(crate) fn send(
        &mut self,
        recording: &Recording,
        stream: usize,
        hertz: f64,
        packets: usize,
    ) {
        let to = recording.answer.streams[stream].address;
        let mut datagram = Vec::new();
        for number in 0..packets {
            let samples = tone(hertz, number * 160, 160);
            let mut codes = Vec::new();
            Law::A.encode_into(&samples, &mut codes);
            self.senders[stream].next(&codes, 160, false, &mut datagram);
            self.seal(stream, &mut datagram);
            self.sockets[stream].send_to(&datagram, to).expect("sent");
        }
    }

    fn seal(&mut self, stream: usize, datagram: &mut Vec<u8>) {
        if let Some((_, sealer)) = self.keys.get_mut(stream) {
            sealer.seal(datagram).expect("sealed");
        }
    }

    /// Sends a datagram as it is.
    pub(crate) fn send_datagram(&self, recording: &Recording, stream: usize, datagram: &[u8]) {
        let to = recording.answer.streams[stream].address;
        self.sockets[stream].send_to(datagram, to).expect("sent");
    }

    /// Sends one packet of 20 ms with these codes.
    pub(crate) fn send_codes(&mut self, recording: &Recording, stream: usize, codes: &[u8; 160]) {
        let to = recording.answer.streams[stream].address;
        let datagram = self.next_datagram(stream, codes);
        self.sockets[stream].send_to(&datagram, to).expect("sent");
    }

    /// The next packet of 20 ms of a stream, for whoever sends it.
    pub(crate) fn next_datagram(&mut self, stream: usize, codes: &[u8; 160]) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(200);
        self.senders[stream].next(codes, 160, false, &mut datagram);
        self.seal(stream, &mut datagram);
        datagram
    }

    /// Loses that many packets of a stream.
    pub(crate) fn lose(&mut self, stream: usize, packets: usize) {
        let mut datagram = Vec::new();
        for _ in 0..packets {
            self.senders[stream].next(&[0xD5; 160], 160, false, &mut datagram);
        }
    }
}

fn senders(first_ssrc: u32) -> Vec<Sender> {
    let of = |number| Sender::new(8, first_ssrc + number, 7, 1_000_000);
    (0..STREAMS).map(of).collect()
}

/// Metadata of a call with these fields of the tag.
pub(crate) fn metadata(tag: &RecordingTag) -> Metadata {
    let id = |number| Id::from_uuid([number; 16]);
    let mut metadata = Metadata::new(id(1));
    metadata.start_time = Some("2026-11-22T02:26:40Z".into());
    for (number, (label, name)) in [("1", "caller"), ("2", "nurse")].into_iter().enumerate() {
        let (stream, person) = (id(10 + number as u8), id(20 + number as u8));
        metadata.streams.push(StreamInfo {
            id: stream.clone(),
            label: label.into(),
        });
        metadata.participants.push(Participant {
            id: person,
            aor: (number == 0).then(|| Aor::new(format!("sip:{CALLER}@127.0.0.1"))),
            name: Some(name.into()),
            sends: vec![stream],
            receives: Vec::new(),
        });
    }
    metadata.extension = tag
        .fields()
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text))
        .collect();
    metadata
}
