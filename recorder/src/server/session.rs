//! One recording session (RFC 7866): its streams, and how they are told to pause, go on and end.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use callcore::tag::RecordingTag;
use tokio::sync::mpsc;
use wire::sdp::Description;

use super::{
    disk::Job,
    next::Next,
    offer::Agreed,
    parties::Parties,
    shared::{Claim, Key},
    srtp::Demand,
    steering::{Door, Steering},
    track::{Control, Flow, Line, Target, Track},
};
use crate::{
    board::Board,
    index::State,
    names::{RecordingId, StreamLabel},
    vault::Codec,
};

/// A session that says it sends and sends nothing for so long has lost its sender.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// A pause that lasts longer than any hold.
const PAUSED_MAX: Duration = Duration::from_secs(60 * 60);

/// A recording session that was accepted, or is about to be.
#[derive(Debug)]
pub(super) struct Session {
    /// The recording it is written to now.
    pub(super) id: RecordingId,
    /// The tag that it began under.
    pub(super) tag: RecordingTag,
    /// What we answered last.
    pub(super) answer: Description,
    /// What its streams must be.
    pub(super) demand: Demand,
    /// Who takes part.
    pub(super) parties: Parties,
    /// The recording that is being made for what follows a hold or a transfer, and its streams.
    pub(super) next: Option<Next>,
    begun: Instant,
    /// When the recording began, and what holds it open.
    pub(super) since: Instant,
    pub(super) held: mpsc::Sender<Infallible>,
    pub(super) holders: mpsc::Receiver<Infallible>,
    heard_ms: Arc<AtomicU64>,
    /// By the place of the `m=` line; `None` for one that was turned down.
    pub(super) streams: Vec<Option<Stream>>,
    /// Streams the writer knows of.
    pub(super) numbered: usize,
    pub(super) jobs: mpsc::Sender<Job>,
    board: Arc<Board>,
}

/// One stream of a session.
#[derive(Debug)]
pub(super) struct Stream {
    local: SocketAddr,
    pub(super) codec: Codec,
    pub(super) label: StreamLabel,
    pub(super) steering: Steering,
}

/// A stream that was agreed, with where it is received.
pub(super) type Place = Option<(Agreed, Door)>;

impl Session {
    /// Begins to record what was agreed.
    pub(super) fn begin(
        (id, tag): (RecordingId, RecordingTag),
        (answer, demand): (Description, Demand),
        parties: Parties,
        places: Vec<Place>,
        (jobs, board): (mpsc::Sender<Job>, Arc<Board>),
    ) -> Self {
        let (now, (held, holders)) = (Instant::now(), mpsc::channel(1));
        let mut session = Self {
            id,
            tag,
            answer,
            demand,
            parties,
            next: None,
            begun: now,
            since: now,
            held,
            holders,
            heard_ms: Arc::new(AtomicU64::new(0)),
            streams: Vec::new(),
            numbered: 0,
            jobs,
            board,
        };
        session.add(places);
        session
    }

    /// Records further streams, after those there are.
    pub(super) fn add(&mut self, places: Vec<Place>) {
        for place in places {
            let stream = place.map(|(agreed, door)| self.record(agreed, door));
            self.streams.push(stream);
        }
    }

    fn record(&mut self, agreed: Agreed, door: Door) -> Stream {
        let line = Line {
            jobs: self.jobs.clone(),
            board: Arc::clone(&self.board),
            begun: self.begun,
            heard_ms: Arc::clone(&self.heard_ms),
        };
        let target = self.target(self.numbered);
        self.numbered += 1;
        let local = door.local();
        let begins = Control {
            from: agreed.remote,
            flow: flow(&agreed),
            target,
            marks: 0,
            crypto: agreed.crypto,
        };
        self.board.stream_begins(begins.crypto.is_some());
        let track = Track::new((agreed.payload_type, agreed.codec), begins.clone(), line);
        Stream {
            local,
            codec: agreed.codec,
            label: agreed.label,
            steering: Steering::begin(door, begins, track),
        }
    }

    pub(super) fn target(&self, number: usize) -> Target {
        Target {
            id: self.id,
            number,
            begun: self.since,
            _held: self.held.clone(),
        }
    }

    /// How many `m=` lines there are.
    pub(super) const fn lines(&self) -> usize {
        self.streams.len()
    }

    /// Where each stream is received; `None` for those that are over.
    pub(super) fn local(&self) -> Vec<Option<SocketAddr>> {
        let running = |stream: &Stream| stream.steering.flow() != Flow::Ended;
        self.streams
            .iter()
            .map(|stream| {
                stream
                    .as_ref()
                    .filter(|one| running(one))
                    .map(|one| one.local)
            })
            .collect()
    }

    /// Whether the streams there are can go on as newly agreed, and none of the new ones takes a name that is taken.
    pub(super) fn fits(&self, agreed: &[Option<Agreed>]) -> bool {
        let (old, new) = agreed.split_at(self.streams.len().min(agreed.len()));
        let same_codec = self.streams.iter().zip(old).all(|pair| match pair {
            (Some(stream), Some(agreed)) => stream.codec == agreed.codec,
            _ => true,
        });
        let taken = |agreed: &Agreed| {
            self.streams
                .iter()
                .flatten()
                .any(|stream| stream.label == agreed.label)
        };
        same_codec && !new.iter().flatten().any(taken)
    }

    /// Tells the streams there are what was newly agreed for them.
    pub(super) fn change(&mut self, agreed: &[Option<Agreed>]) {
        for (stream, agreed) in self.streams.iter_mut().zip(agreed) {
            let Some(stream) = stream else { continue };
            stream.steering.steer(|control| match agreed {
                Some(agreed) => {
                    control.from = agreed.remote;
                    control.flow = flow(agreed);
                    control.crypto.clone_from(&agreed.crypto);
                }
                None => control.flow = Flow::Ended,
            });
        }
        if self.next.is_some() {
            self.wait();
        }
    }

    /// Whether a stream of it is on a shared port.
    pub(super) fn is_shared(&self) -> bool {
        let mut streams = self.streams.iter().flatten();
        streams.any(|stream| stream.steering.key().is_some())
    }

    /// The streams on a shared port that are known by another name from now on, by their places.
    pub(super) fn renamed(&self, agreed: &[Option<Agreed>]) -> Vec<(usize, Key)> {
        let streams = self.streams.iter().zip(agreed).enumerate();
        let renamed = streams.filter_map(|(place, (stream, agreed))| {
            let (known, agreed) = (stream.as_ref()?.steering.key()?, agreed.as_ref()?);
            let mut key = known;
            key.ssrc = agreed.ssrc.unwrap_or(known.ssrc);
            // On hold as RFC 2543 had it, nobody sends.
            if !agreed.remote.is_unspecified() {
                key.from = agreed.remote;
            }
            (key != known).then_some((place, key))
        });
        renamed.collect()
    }

    /// Calls streams by their new names.
    pub(super) fn rename(&mut self, claims: Vec<(usize, Claim)>) {
        for (place, claim) in claims {
            if let Some(Some(stream)) = self.streams.get_mut(place) {
                stream.steering.rename(claim);
            }
        }
    }

    /// How long it has been recording.
    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether, at that age, nobody has been heard for longer than a living sender is silent.
    pub(super) fn is_abandoned(&self, age: Duration) -> bool {
        let running =
            |stream: &Stream| matches!(stream.steering.flow(), Flow::Running | Flow::Waiting);
        let limit = if self.streams.iter().flatten().any(running) {
            SILENT_MAX
        } else {
            PAUSED_MAX
        };
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        age.saturating_sub(heard) > limit
    }

    /// Ends every stream, then has the writer close the recording. Resolves when the writer was told.
    pub(super) async fn end(mut self, state: State) {
        for stream in self.streams.iter_mut().flatten() {
            stream.steering.steer(|control| control.flow = Flow::Ended);
        }
        for stream in self.streams.into_iter().flatten() {
            if let Err(error) = stream.steering.ended().await {
                tracing::error!(recording = %self.id, %error, "a stream's task failed");
            }
        }
        if self.jobs.send(Job::Finish(self.id, state)).await.is_err() {
            tracing::error!(recording = %self.id, "the writer is gone: the recording is closed at the next start");
        }
    }
}

const fn flow(agreed: &Agreed) -> Flow {
    if agreed.paused {
        Flow::Paused
    } else {
        Flow::Running
    }
}

#[cfg(test)]
mod tests {
    use transport::media::RtpPorts;
    use wire::sdp::Origin;

    use super::*;
    use crate::{monitor::Figures, vault::test_tag};

    #[tokio::test]
    async fn a_sender_that_is_gone_is_known_by_its_silence() {
        let local = std::net::IpAddr::from([127, 0, 0, 1]);
        let ports = RtpPorts::new(local, super::super::RTP_PORTS);
        let door = Door::Own(ports.open().expect("a port"));
        let agreed = Agreed {
            label: StreamLabel::parse("1").expect("a label"),
            codec: wire::g711::Law::A.into(),
            payload_type: 8,
            remote: local,
            paused: false,
            ssrc: None,
            crypto: None,
        };
        let answer = Description {
            origin: Origin::new(1, local),
            streams: Vec::new(),
        };
        let (jobs, _todo) = mpsc::channel(10);
        let board = Arc::new(Board::new(Figures::default()).expect("metrics"));
        let id = RecordingId::random().expect("random");
        let places = vec![Some((agreed.clone(), door))];
        let mut session = Session::begin(
            (id, test_tag("region-01")),
            (answer, Demand::Any),
            Parties::default(),
            places,
            (jobs, board),
        );
        assert!(!session.is_abandoned(SILENT_MAX));
        assert!(session.is_abandoned(SILENT_MAX + Duration::from_secs(1)));
        session.heard_ms.store(30_000, Ordering::Relaxed);
        assert!(!session.is_abandoned(SILENT_MAX + Duration::from_secs(1)));
        session.change(&[Some(Agreed {
            paused: true,
            ..agreed
        })]);
        assert!(!session.is_abandoned(PAUSED_MAX));
        assert!(session.is_abandoned(PAUSED_MAX + Duration::from_secs(31)));
    }
}
