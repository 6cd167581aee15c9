//! The server's task: owns the endpoint and the sessions, and never waits for disk or audio.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use callcore::tag::RecordingTag;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use transport::{
    SipDriver,
    media::{RtpPorts, RtpSocket},
};
use wire::{
    sdp::{Description, Kind, Origin},
    sip::{
        endpoint::{Ending, Event, SessionId},
        message::{Body, HeaderName, Headers, Request, StatusCode},
    },
    siprec::{self, Metadata},
};

use super::{
    Options,
    disk::{Begin, DiskError, Job},
    offer::{self, Agreed, Refusal, Wanted},
    session::{Place, Session},
};
use crate::{board::Board, index::State, names::RecordingId};

/// How often the writer looks for what has waited too long, and we for senders that are gone.
const TICK: Duration = Duration::from_millis(100);
/// How long peers have to answer our BYE when the recorder stops.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// What a peer is told to wait when there is no room, in seconds.
const RETRY_AFTER: &str = "10";

pub(super) struct Server {
    driver: SipDriver,
    ports: RtpPorts,
    options: Options,
    jobs: mpsc::Sender<Job>,
    board: Arc<Board>,
    /// Sessions that wait for the disk.
    starting: BTreeMap<SessionId, Starting>,
    begun: JoinSet<Begun>,
    sessions: BTreeMap<SessionId, Session>,
    closing: JoinSet<()>,
}

/// A session that is answered when its recording is on disk.
struct Starting {
    tag: RecordingTag,
    answer: Description,
    places: Vec<Place>,
}

/// What the writer says of a recording that was to begin.
struct Begun {
    session: SessionId,
    id: RecordingId,
    result: Result<(), DiskError>,
}

impl Server {
    pub(super) fn new(
        driver: SipDriver,
        ports: RtpPorts,
        options: Options,
        jobs: mpsc::Sender<Job>,
        board: Arc<Board>,
    ) -> Self {
        Self {
            driver,
            ports,
            options,
            jobs,
            board,
            starting: BTreeMap::new(),
            begun: JoinSet::new(),
            sessions: BTreeMap::new(),
            closing: JoinSet::new(),
        }
    }

    /// Serves until told to stop, then closes every recording.
    pub(super) async fn run(
        mut self,
        mut broken: mpsc::UnboundedReceiver<RecordingId>,
        mut stop: oneshot::Receiver<()>,
        writer: thread::JoinHandle<()>,
    ) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.driver.event() => self.on_event(event),
                Some(begun) = self.begun.join_next() => self.on_begun(begun.ok()),
                Some(id) = broken.recv() => self.on_broken(id),
                Some(_) = self.closing.join_next() => {}
                _ = tick.tick() => self.on_tick(),
                _ = &mut stop => break,
            }
        }
        self.stop().await;
        // The last sender of jobs is gone with the server, so the writer ends.
        drop(self);
        let joined = tokio::task::spawn_blocking(move || writer.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the writer failed; what it left open is closed at the next start");
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Incoming {
                session,
                request,
                peer,
                ..
            } => {
                if let Err(refusal) = self.on_incoming(session, &request, peer.ip()) {
                    self.refuse(session, &refusal);
                }
            }
            Event::ChangeRequested { session, body } => {
                if let Err(refusal) = self.on_change(session, body.as_ref()) {
                    tracing::warn!(
                        reason = refusal.reason,
                        text = refusal.text,
                        "a change of a recording was refused"
                    );
                    let now = self.driver.now();
                    said(
                        self.driver
                            .endpoint()
                            .reject_change(now, session, refusal.status),
                    );
                }
            }
            Event::Ended { session, why } => {
                self.starting.remove(&session);
                let state = if matches!(why, Ending::Bye | Ending::Ours) {
                    State::Closed
                } else {
                    State::Truncated
                };
                self.close(session, state);
            }
            _ => {}
        }
    }

    /// A recording session is asked for: it's answered when its recording is on disk.
    fn on_incoming(
        &mut self,
        session: SessionId,
        request: &Request,
        peer: std::net::IpAddr,
    ) -> Result<(), Refusal> {
        if self.sessions.len() + self.starting.len() >= self.options.recordings_max {
            return Err(no_room("full", "as many recordings as this recorder holds"));
        }
        let Wanted { tag, meta, offer } = offer::read(request, peer, &self.options)?;
        let id = RecordingId::random().map_err(|error| no_room("random", error.to_string()))?;
        let sockets = self.open_sockets(&offer, 0)?;
        let local: Vec<_> = sockets
            .iter()
            .map(|socket| socket.as_ref().map(RtpSocket::local_addr))
            .collect();
        let origin = Origin::new(session.0, self.driver.local_addr().ip());
        let (answer, agreed) = offer::answer(&offer, origin, &local)?;
        let streams = agreed
            .iter()
            .flatten()
            .map(|one| (one.label.clone(), one.law))
            .collect();
        let places = placed(agreed, sockets);

        let (begun, told) = oneshot::channel();
        let job = Job::Begin(Box::new(Begin {
            id,
            tag: tag.clone(),
            meta,
            streams,
            begun,
        }));
        self.jobs
            .try_send(job)
            .map_err(|_| no_room("disk-behind", "the disk is too slow for what is recorded"))?;
        self.starting.insert(
            session,
            Starting {
                tag,
                answer,
                places,
            },
        );
        self.begun.spawn(async move {
            // The writer gone without a word: the index doesn't know of it either.
            let result = told.await.unwrap_or_else(|_| {
                let source = std::io::Error::other("the writer stopped");
                Err(DiskError::Vault(crate::vault::VaultError::Unusable {
                    path: "the store".into(),
                    source,
                }))
            });
            Begun {
                session,
                id,
                result,
            }
        });
        Ok(())
    }

    fn on_begun(&mut self, begun: Option<Begun>) {
        let Some(Begun {
            session,
            id,
            result,
        }) = begun
        else {
            return;
        };
        let starting = self.starting.remove(&session);
        match (starting, result) {
            (
                Some(Starting {
                    tag,
                    answer,
                    places,
                }),
                Ok(()),
            ) => {
                let hands = (self.jobs.clone(), Arc::clone(&self.board));
                let recording = Session::begin(id, tag, answer, places, hands);
                let (body, headers) = (recording.answer.to_body(), self.answer_headers());
                self.sessions.insert(session, recording);
                let now = self.driver.now();
                if self
                    .driver
                    .endpoint()
                    .answer_with(now, session, &headers, Some(body))
                    .is_err()
                {
                    self.close(session, State::Truncated);
                }
            }
            (Some(_), Err(_)) => {
                let text = "the recording can't be stored; the recorder's log says why";
                self.refuse(
                    session,
                    &Refusal::new(StatusCode::SERVER_INTERNAL_ERROR, "disk", text),
                );
            }
            // The caller gave up meanwhile.
            (None, Ok(())) => {
                let jobs = self.jobs.clone();
                self.closing.spawn(async move {
                    // Without a writer it's closed at the next start.
                    let _told = jobs.send(Job::Finish(id, State::Truncated)).await;
                });
            }
            (None, Err(_)) => {}
        }
    }

    /// The sender pauses, goes on, adds streams, or says more of who speaks.
    fn on_change(&mut self, session: SessionId, body: Option<&Body>) -> Result<(), Refusal> {
        let Some(recording) = self.sessions.get(&session) else {
            return Err(Refusal::new(
                StatusCode::CALL_DOES_NOT_EXIST,
                "gone",
                "no such recording",
            ));
        };
        let Some(body) = body else {
            // It asks what we would take: the same.
            let same = recording.answer.to_body();
            self.accept_change(session, Some(same));
            return Ok(());
        };
        if let Some(metadata) = lone_metadata(body)? {
            self.take_metadata(session, &metadata)?;
            self.accept_change(session, None);
            return Ok(());
        }
        let parts = offer::parts(Some(body))?;
        let answer = self.renegotiate(session, &parts.sdp)?;
        if let Some(metadata) = &parts.metadata {
            self.take_metadata(session, metadata)?;
        }
        self.accept_change(session, Some(answer.to_body()));
        Ok(())
    }

    fn renegotiate(
        &mut self,
        session: SessionId,
        offer: &Description,
    ) -> Result<Description, Refusal> {
        let unfit = |text| Refusal::new(StatusCode::NOT_ACCEPTABLE_HERE, "change", text);
        let recording = self
            .sessions
            .get(&session)
            .ok_or_else(|| unfit("no such recording"))?;
        let lines = recording.lines();
        if offer.streams.len() < lines {
            return Err(unfit(
                "a change may not leave streams out (RFC 3264 section 8)",
            ));
        }
        offer::check_streams(offer)?;
        let mut local = recording.local();
        let sockets = self.open_sockets(offer, lines)?;
        local.extend(
            sockets
                .iter()
                .map(|socket| socket.as_ref().map(RtpSocket::local_addr)),
        );
        let (answer, mut agreed) = offer::answer(offer, recording.answer.origin.next(), &local)?;
        if !recording.fits(&agreed) {
            return Err(unfit(
                "a stream keeps its codec, and a new one needs a label of its own",
            ));
        }
        let new = agreed.split_off(lines);
        let streams: Vec<_> = new
            .iter()
            .flatten()
            .map(|one| (one.label.clone(), one.law))
            .collect();
        if !streams.is_empty() {
            let job = Job::AddStreams(recording.id, streams);
            self.jobs
                .try_send(job)
                .map_err(|_| no_room("disk-behind", "the disk is too slow"))?;
        }
        let recording = self
            .sessions
            .get_mut(&session)
            .ok_or_else(|| unfit("no such recording"))?;
        recording.change(&agreed);
        recording.add(placed(new, sockets));
        recording.answer = answer.clone();
        Ok(answer)
    }

    fn take_metadata(&self, session: SessionId, metadata: &Metadata) -> Result<(), Refusal> {
        let Some(recording) = self.sessions.get(&session) else {
            return Ok(());
        };
        if offer::changes_tag(metadata, &recording.tag) {
            let text = "a recording keeps the tag it began under: end it and begin another";
            return Err(Refusal::new(
                StatusCode::NOT_ACCEPTABLE_HERE,
                "tag-change",
                text,
            ));
        }
        if metadata.participants.is_empty() {
            return Ok(());
        }
        let job = Job::Meta(recording.id, Box::new(offer::meta(metadata)));
        self.jobs
            .try_send(job)
            .map_err(|_| no_room("disk-behind", "the disk is too slow"))
    }

    /// The disk refuses: the recording client is told, so that it can begin another or go elsewhere.
    fn on_broken(&mut self, id: RecordingId) {
        let found = self
            .sessions
            .iter()
            .find(|(_, session)| session.id == id)
            .map(|(session, _)| *session);
        if let Some(session) = found {
            self.end(
                session,
                "SIP;cause=500;text=\"the recording can't be stored\"",
            );
            self.close(session, State::Truncated);
        }
    }

    fn on_tick(&mut self) {
        // A full channel has packets in it, and those make the writer look as well.
        let _told = self.jobs.try_send(Job::Flush);
        let abandoned: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.is_abandoned())
            .map(|(id, _)| *id)
            .collect();
        for session in abandoned {
            tracing::warn!(recording = ?self.sessions.get(&session).map(|one| one.id), "no audio comes any more: ended");
            self.end(session, "SIP;cause=408;text=\"no audio\"");
            self.close(session, State::Truncated);
        }
    }

    async fn stop(&mut self) {
        self.board.set_ready(false);
        self.driver.endpoint().set_draining(true);
        let all: Vec<_> = self
            .sessions
            .keys()
            .chain(self.starting.keys())
            .copied()
            .collect();
        for session in all {
            self.end(session, "SIP;text=\"the recorder stops\"");
            self.close(session, State::Closed);
        }
        self.starting.clear();
        let until = Instant::now() + FAREWELL_MAX;
        self.driver.flush();
        while self.driver.endpoint().sessions() > 0 {
            if timeout_at(until, self.driver.event()).await.is_err() {
                break;
            }
        }
        self.driver.flush();
        while let Some(begun) = self.begun.join_next().await {
            self.on_begun(begun.ok());
        }
        while self.closing.join_next().await.is_some() {}
    }

    /// Ends the streams and the recording; the session's own end is for whoever calls.
    fn close(&mut self, session: SessionId, state: State) {
        if let Some(recording) = self.sessions.remove(&session) {
            self.closing.spawn(recording.end(state));
        }
    }

    fn end(&mut self, session: SessionId, reason: &str) {
        let now = self.driver.now();
        said(self.driver.endpoint().end(now, session, Some(reason)));
    }

    fn accept_change(&mut self, session: SessionId, body: Option<Body>) {
        let now = self.driver.now();
        said(self.driver.endpoint().accept_change(now, session, body));
    }

    fn refuse(&mut self, session: SessionId, refusal: &Refusal) {
        tracing::warn!(
            reason = refusal.reason,
            text = refusal.text,
            "a recording was refused"
        );
        self.board.refused(refusal.reason);
        let mut headers = Headers::new();
        // 399: miscellaneous, for a person to read (RFC 3261 section 20.43).
        let text = refusal.text.replace(['"', '\\'], "'");
        headers.push(
            HeaderName::Warning,
            format!("399 vaxel \"{text}\"").as_str(),
        );
        if refusal.status == StatusCode::EXTENSION_REQUIRED {
            headers.push(HeaderName::Require, siprec::OPTION_TAG);
        }
        if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.push(HeaderName::RetryAfter, RETRY_AFTER);
        }
        let now = self.driver.now();
        said(
            self.driver
                .endpoint()
                .reject(now, session, refusal.status, &headers),
        );
    }

    /// Our Contact says that a recording server answers (RFC 7866 section 6.1.2).
    fn answer_headers(&self) -> Headers {
        let mut headers = Headers::new();
        let contact = format!(
            "<sip:recorder@{}>;{}",
            self.driver.local_addr(),
            siprec::SERVER_FEATURE
        );
        headers.push(HeaderName::Contact, contact.as_str());
        headers
    }

    /// A socket for every audio stream from that one on.
    fn open_sockets(
        &self,
        offer: &Description,
        from: usize,
    ) -> Result<Vec<Option<RtpSocket>>, Refusal> {
        let wanted = offer
            .streams
            .iter()
            .skip(from)
            .map(|stream| stream.kind == Kind::Audio && !stream.is_rejected());
        let open = |wanted: bool| wanted.then(|| self.ports.open()).transpose();
        wanted
            .map(open)
            .collect::<Result<_, _>>()
            .map_err(|error| no_room("ports", error.to_string()))
    }
}

fn placed(agreed: Vec<Option<Agreed>>, sockets: Vec<Option<RtpSocket>>) -> Vec<Place> {
    agreed
        .into_iter()
        .zip(sockets)
        .map(|(agreed, socket)| agreed.zip(socket))
        .collect()
}

/// Metadata that comes alone, in an UPDATE or INFO (RFC 7866 section 7.1.1).
fn lone_metadata(body: &Body) -> Result<Option<Metadata>, Refusal> {
    let kind = body
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !kind.eq_ignore_ascii_case(siprec::METADATA_TYPE) {
        return Ok(None);
    }
    let parsed = Metadata::parse(&body.bytes);
    parsed
        .map(Some)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "body", error.to_string()))
}

fn no_room(reason: &'static str, text: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason, text)
}

/// The session may have ended between the event and our word; its `Ended` says so.
fn said<E: std::fmt::Display>(result: Result<(), E>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a session went before it was answered");
    }
}
