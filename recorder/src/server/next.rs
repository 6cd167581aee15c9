//! One session goes on in another recording: after a hold, or when somebody else takes over.
//!
//! The streams keep their ports. Until the next recording is on disk, what follows a hold waits there, and what is said
//! during a transfer still belongs to the recording before.

use std::time::Instant;

use callcore::{tag::RecordingTag, time::Time};
use tokio::sync::mpsc;
use wire::sip::message::Body;

use super::{
    audio::track::Flow,
    disk::Job,
    offer::Agreed,
    parties::Told,
    session::{Session, Stream},
};
use crate::{
    index::State,
    names::{RecordingId, StreamLabel},
    vault::{Codec, Meta},
};

/// The recording that comes next.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) id: RecordingId,
    /// The places of its streams in the session, by their numbers in it.
    places: Vec<usize>,
    /// The answer that the client waits for until it is there, when it does.
    pub(super) answer: Option<Option<Body>>,
    /// What it begins with, and what was told since.
    pub(super) told: Told,
    /// Whether anything was.
    pub(super) late: bool,
    /// Who takes part in it, as its first bytes say.
    whom: Meta,
    /// Since when what comes waits for it.
    since: Option<Instant>,
}

impl Next {
    /// Whether a stream at this place of the session goes on in it.
    pub(super) fn has(&self, place: usize) -> bool {
        self.places.contains(&place)
    }
}

impl Session {
    /// Whether what was agreed goes on after a hold of all streams.
    pub(super) fn resumes(&self, agreed: &[Option<Agreed>]) -> bool {
        let any = |wanted| {
            let mut flows = self.live().map(|stream| stream.steering.flow());
            flows.any(|flow| flow == wanted)
        };
        any(Flow::Paused) && !any(Flow::Running) && agreed.iter().flatten().any(|one| !one.paused)
    }

    /// Says in every stream's timeline that somebody else took over.
    pub(super) fn mark(&mut self) {
        for stream in self.live_mut() {
            stream.steering.steer(|control| control.marks += 1);
        }
    }

    /// The tag of a recording that begins now.
    pub(super) fn tag_now(&self) -> RecordingTag {
        let micros = i64::try_from(self.age().as_micros()).unwrap_or(0);
        let started = self.tag.started.as_micros().saturating_add(micros);
        RecordingTag {
            started: Time::from_micros(started),
            ..self.tag.clone()
        }
    }

    /// The streams of the recording that comes next: those that aren't over.
    pub(super) fn prepare_next(
        &mut self,
        id: RecordingId,
        told: Told,
    ) -> (Vec<(StreamLabel, Codec)>, Meta) {
        let live = |stream: &Stream| stream.steering.flow() != Flow::Ended;
        let places = self.streams.iter().enumerate();
        let places = places.filter(|(_, stream)| stream.as_ref().is_some_and(live));
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        let of = |place: &usize| {
            let stream = self.streams[*place].as_ref()?;
            Some((stream.label.clone(), stream.codec))
        };
        let streams = places.iter().filter_map(of).collect();
        let whom = self.whom_now();
        self.next = Some(Next {
            id,
            places,
            answer: None,
            told,
            late: false,
            whom: whom.clone(),
            since: None,
        });
        (streams, whom)
    }

    /// Has what comes wait for the next recording.
    pub(super) fn wait(&mut self) {
        if let Some(next) = &mut self.next {
            next.since.get_or_insert_with(Instant::now);
        }
        self.turn(Flow::Running, Flow::Waiting);
    }

    /// The next recording can't be made: all goes on in this one.
    pub(super) fn stay(&mut self) {
        self.next = None;
        self.turn(Flow::Waiting, Flow::Running);
    }

    /// Goes on in the next recording. What is given resolves when the one before is closed: nobody writes to it any more.
    pub(super) fn enter(&mut self, next: Next) -> impl Future<Output = ()> + Send + use<> {
        let unstored = self.unstored_whom();
        let before = std::mem::replace(&mut self.id, next.id);
        let (held, holders) = mpsc::channel(1);
        self.held = held;
        // What waited keeps its distances: one may speak long before another.
        self.since = next.since.unwrap_or_else(Instant::now);
        let mut left = std::mem::replace(&mut self.holders, holders);
        self.numbered = next.places.len();
        for place in 0..self.lines() {
            // One that is over writes no more.
            let number = next.places.iter().position(|known| *known == place);
            let target = self.target(number.unwrap_or(usize::MAX));
            if let Some(stream) = &mut self.streams[place] {
                stream.steering.steer(|control| control.target = target);
            }
        }
        self.turn(Flow::Waiting, Flow::Running);
        self.whom = next.whom;
        self.unstored = false;
        if next.late {
            self.tell(Told::More);
        }
        let jobs = self.jobs.clone();
        async move {
            while left.recv().await.is_some() {}
            for job in unstored
                .into_iter()
                .chain([Job::Finish(before, State::Closed)])
            {
                // Without a writer it's closed at the next start.
                let _told = jobs.send(job).await;
            }
        }
    }

    /// Has streams that came while it was being made begin in it, too; false when the writer has no room for that.
    pub(super) fn add_late(&self, next: &mut Next) -> bool {
        let mut late = Vec::new();
        for (place, stream) in self.streams.iter().enumerate() {
            let Some(stream) = stream else { continue };
            let over = stream.steering.flow() == Flow::Ended;
            if !over && !next.places.contains(&place) {
                next.places.push(place);
                late.push((stream.label.clone(), stream.codec));
            }
        }
        late.is_empty() || self.jobs.try_send(Job::AddStreams(next.id, late)).is_ok()
    }

    fn live(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().flatten()
    }

    fn live_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.streams.iter_mut().flatten()
    }

    fn turn(&mut self, from: Flow, to: Flow) {
        for stream in self.live_mut() {
            if stream.steering.flow() == from {
                stream.steering.steer(|control| control.flow = to);
            }
        }
    }
}
