//! The server's task: owns the endpoint and the sessions, and never waits for disk or audio.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use transport::{SipDriver, media::RtpPorts};
use wire::{
    sip::{
        endpoint::{Ending, Event, SessionId},
        message::{HeaderName, Headers, StatusCode},
    },
    siprec,
};

use super::{
    Options,
    audio::shared::SharedPorts,
    begin::{Begun, Starting},
    disk::Job,
    offer::Refusal,
    say::Word,
    segments::Segments,
    session::{Session, Silence},
};
use crate::{
    board::{Board, Hindrance},
    index::State,
    names::RecordingId,
};

/// How often the writer looks for what has waited too long.
const TICK: Duration = Duration::from_millis(100);
/// How often we look for senders that are gone.
const LOOK: Duration = Duration::from_secs(1);
/// How long peers have to answer our BYE when the recorder stops.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// What a peer is told to wait when there is no room, in seconds.
const RETRY_AFTER: &str = "10";

pub(super) struct Server {
    pub(super) driver: SipDriver,
    pub(super) ports: RtpPorts,
    pub(super) shared: SharedPorts,
    pub(super) options: Options,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) board: Arc<Board>,
    /// Sessions that wait for the disk.
    pub(super) starting: BTreeMap<SessionId, Starting>,
    pub(super) begun: JoinSet<Begun>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) closing: JoinSet<()>,
    /// Answers that wait until they are so.
    pub(super) obeyed: JoinSet<(SessionId, Word)>,
    pub(super) segments: Segments,
    /// When sessions are next looked through for senders that are gone.
    next_look: Instant,
}

impl Server {
    pub(super) fn new(
        driver: SipDriver,
        (ports, shared): (RtpPorts, SharedPorts),
        options: Options,
        jobs: mpsc::Sender<Job>,
        board: Arc<Board>,
    ) -> Self {
        Self {
            driver,
            ports,
            shared,
            segments: Segments::new(options.segments_max),
            options,
            jobs,
            board,
            starting: BTreeMap::new(),
            begun: JoinSet::new(),
            sessions: BTreeMap::new(),
            closing: JoinSet::new(),
            obeyed: JoinSet::new(),
            next_look: Instant::now(),
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
                Some(Ok((session, word))) = self.obeyed.join_next() => self.say(session, word),
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
                flow,
                ..
            } => {
                if let Err(refusal) = self.on_incoming(session, &request, flow) {
                    self.refuse(session, &refusal);
                }
            }
            Event::ChangeRequested { session, body } => {
                if let Err(refusal) = self.on_change(session, body.as_ref()) {
                    tracing::warn!(
                        reason = refusal.reason.name(),
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
                if matches!(why, Ending::Lost) {
                    tracing::warn!(recording = ?self.sessions.get(&session).map(|one| one.id), "its client is gone: ended");
                }
                let state = if matches!(why, Ending::Bye | Ending::Ours) {
                    State::Closed
                } else {
                    State::Truncated
                };
                self.close(session, state);
            }
            Event::InSession { session, request } => self.on_told(session, &request),
            _ => {}
        }
    }

    /// The disk refuses: the recording client is told, so that it can begin another or go elsewhere.
    fn on_broken(&mut self, id: RecordingId) {
        let found = self
            .sessions
            .iter()
            .find(|(_, session)| {
                session.id == id || session.next.as_ref().is_some_and(|next| next.id == id)
            })
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
        // A full channel has packets in it, and those make the writer look as well, a little later.
        let _told = self.jobs.try_send(Job::Flush);
        if self.next_look <= Instant::now() {
            self.next_look = Instant::now() + LOOK;
            self.board
                .hinder(Hindrance::SpoolFull, self.is_spool_full());
            self.look_for_lost();
        }
    }

    /// Asks those that are silent whether they are there: the endpoint ends what nobody has any more.
    fn look_for_lost(&mut self) {
        let ask_after = self.options.ask_after;
        let mut over = Vec::new();
        for (id, session) in &mut self.sessions {
            session.store_whom();
            match session.silence(session.age(), ask_after) {
                Silence::Short => {}
                Silence::Asks => {
                    let now = self.driver.now();
                    said(self.driver.endpoint().ask(now, *id));
                }
                Silence::Over => over.push((*id, "no audio", State::Truncated)),
                Silence::TooLong => {
                    over.push((*id, "a recording lasts a day at most", State::Closed))
                }
            }
        }
        for (session, why, state) in over {
            tracing::warn!(recording = ?self.sessions.get(&session).map(|one| one.id), why, "ended");
            self.end(session, &format!("SIP;cause=408;text=\"{why}\""));
            self.close(session, state);
        }
    }

    async fn stop(&mut self) {
        self.board.hinder(Hindrance::Stops, true);
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
    pub(super) fn close(&mut self, session: SessionId, state: State) {
        if let Some(recording) = self.sessions.remove(&session) {
            self.closing.spawn(recording.end(state));
        }
    }

    pub(super) fn end(&mut self, session: SessionId, reason: &str) {
        let now = self.driver.now();
        said(self.driver.endpoint().end(now, session, Some(reason)));
    }

    pub(super) fn refuse(&mut self, session: SessionId, refusal: &Refusal) {
        tracing::warn!(
            reason = refusal.reason.name(),
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
}

/// The session may have ended between the event and our word; its `Ended` says so.
pub(super) fn said<E: std::fmt::Display>(result: Result<(), E>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a session went before it was answered");
    }
}
