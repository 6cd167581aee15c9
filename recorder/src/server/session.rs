//! One recording session (RFC 7866): its streams, and how they are told to pause, go on and end.

use std::{
    collections::BTreeSet,
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
    audio::shared::{Claim, Key},
    audio::steering::{Door, Steering},
    audio::timeline,
    audio::track::{Control, Flow, Line, Target, Track},
    disk::Job,
    next::Next,
    offer::Agreed,
    parties::Parties,
    segments::Call,
    srtp::Demand,
};
use crate::{
    board::Board,
    export::SECONDS_MAX,
    index::State,
    names::{RecordingId, StreamLabel},
    vault::{Codec, Meta},
};

/// Longer than any hold, and than anybody listens to silence: what is said to be there is no call any more.
const SILENT_MAX: Duration = Duration::from_secs(60 * 60);

/// What begins sooner after it was asked for has missed nothing that anybody misses, and needs no thought.
const LATE_MIN: Duration = Duration::from_millis(200);

/// What is longer can't be exported; a little less, as audio may come before its time.
const LONGEST: Duration = Duration::from_secs(SECONDS_MAX as u64 - 60);

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
    /// Who takes part in the recording or has taken part in it, and whether the writer is still to be given that.
    pub(super) whom: Meta,
    pub(super) unstored: bool,
    /// The recording that is being made for what follows a hold or a transfer, and its streams.
    pub(super) next: Option<Next>,
    begun: Instant,
    /// When the recording began, and what holds it open.
    pub(super) since: Instant,
    pub(super) held: mpsc::Sender<Infallible>,
    pub(super) holders: mpsc::Receiver<Infallible>,
    heard_ms: Arc<AtomicU64>,
    /// How old it was when its client was last asked whether it still has it.
    asked: Duration,
    /// By the place of the `m=` line; `None` for one that was turned down.
    pub(super) streams: Vec<Option<Stream>>,
    /// The names of all that there were: each is that of a file.
    named: BTreeSet<StreamLabel>,
    /// Streams the writer knows of.
    pub(super) numbered: usize,
    pub(super) jobs: mpsc::Sender<Job>,
    board: Arc<Board>,
}

/// One stream of a session.
#[derive(Debug)]
pub(super) struct Stream {
    local: SocketAddr,
    payload_type: u8,
    pub(super) codec: Codec,
    pub(super) label: StreamLabel,
    /// What its offer calls it.
    pub(super) named: Option<Box<str>>,
    pub(super) steering: Steering,
}

/// What the time without a sound says of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing.
    Short,
    /// Its client is to be asked whether it is there.
    Asks,
    /// That it is no call any more.
    Over,
    /// Nothing, but that no call is so long.
    TooLong,
}

/// A stream that begins with a change, and its `m=` line.
#[derive(Debug)]
pub(super) struct New {
    place: usize,
    pub(super) agreed: Agreed,
    door: Door,
}

impl New {
    /// Those of what was agreed that have somewhere new to be received; the rest is left there.
    pub(super) fn of(agreed: &mut [Option<Agreed>], doors: Vec<Option<Door>>) -> Vec<Self> {
        let places = agreed.iter_mut().zip(doors).enumerate();
        let new = places.filter_map(|(place, (agreed, door))| {
            let door = door?;
            let agreed = agreed.take()?;
            Some(Self {
                place,
                agreed,
                door,
            })
        });
        new.collect()
    }
}

/// A stream that was agreed, with where it is received.
pub(super) type Place = Option<(Agreed, Door)>;

impl Session {
    /// The call that it records.
    pub(super) fn call(&self) -> Call {
        self.parties.call(&self.tag)
    }

    /// Begins to record what was agreed in an offer that came then.
    pub(super) fn begin(
        came: Instant,
        (id, tag): (RecordingId, RecordingTag),
        (answer, demand): (Description, Demand),
        parties: Parties,
        places: Vec<Place>,
        (jobs, board): (mpsc::Sender<Job>, Arc<Board>),
    ) -> Self {
        let (held, holders) = mpsc::channel(1);
        let (begun, late) = begins(came, Instant::now());
        let mut session = Self {
            id,
            tag,
            answer,
            demand,
            parties,
            whom: Meta::default(),
            unstored: false,
            next: None,
            begun,
            since: begun,
            held,
            holders,
            heard_ms: Arc::new(AtomicU64::new(0)),
            asked: Duration::ZERO,
            streams: Vec::new(),
            named: BTreeSet::new(),
            numbered: 0,
            jobs,
            board,
        };
        session.add(places, late);
        session.whom = session.whom_now();
        session
    }

    /// Records its first streams, of which so many samples went by before they could be.
    pub(super) fn add(&mut self, places: Vec<Place>, late: u32) {
        for place in places {
            let stream = place.map(|(agreed, door)| self.record(agreed, door, late));
            self.streams.push(stream);
        }
    }

    /// Records streams that come at places of their own or at those of streams that are over.
    pub(super) fn add_at(&mut self, new: Vec<New>, lines: usize) {
        self.streams.resize_with(lines, || None);
        for New {
            place,
            agreed,
            door,
        } in new
        {
            let stream = self.record(agreed, door, 0);
            self.streams[place] = Some(stream);
        }
    }

    /// Whether nothing is received at an `m=` line, so that another stream may come there (RFC 3264 section 8.1).
    pub(super) fn is_free(&self, place: usize) -> bool {
        let over = |stream: &Stream| stream.steering.flow() == Flow::Ended;
        let stream = self.streams.get(place).and_then(Option::as_ref);
        stream.is_none_or(over) && !self.next.as_ref().is_some_and(|next| next.has(place))
    }

    /// Has each of these be called by its label, or by a number when a stream that is over was called so: its file is written.
    /// False when one has the label of a stream that goes on.
    pub(super) fn name(&self, new: &mut [New]) -> bool {
        let goes_on = |stream: &&Stream| stream.steering.flow() != Flow::Ended;
        let live = self.streams.iter().flatten().filter(goes_on);
        let live: BTreeSet<&StreamLabel> = live.map(|stream| &stream.label).collect();
        let mut taken = self.named.clone();
        taken.extend(new.iter().map(|one| one.agreed.label.clone()));
        let mut numbers = (1_usize..).filter_map(|it| StreamLabel::parse(&it.to_string()).ok());
        for one in new {
            if live.contains(&one.agreed.label) {
                return false;
            }
            if self.named.contains(&one.agreed.label) {
                let Some(label) = numbers.find(|label| !taken.contains(label)) else {
                    return false;
                };
                one.agreed.label = label;
            }
        }
        true
    }

    fn record(&mut self, agreed: Agreed, door: Door, late: u32) -> Stream {
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
            port: agreed.port,
            flow: flow(&agreed),
            target,
            marks: 0,
            crypto: agreed.crypto,
        };
        self.board.stream_begins(begins.crypto.is_some());
        let track = Track::new((agreed.payload_type, agreed.codec), begins.clone(), line);
        let track = track.begins_late(late);
        self.named.insert(agreed.label.clone());
        Stream {
            local,
            payload_type: agreed.payload_type,
            codec: agreed.codec,
            label: agreed.label,
            named: agreed.named,
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

    /// Whether the streams there are can go on as newly agreed: what came by another number would be taken for no audio.
    pub(super) fn fits(&self, agreed: &[Option<Agreed>]) -> bool {
        self.streams.iter().zip(agreed).all(|pair| match pair {
            (Some(stream), Some(agreed)) => {
                stream.codec == agreed.codec && stream.payload_type == agreed.payload_type
            }
            _ => true,
        })
    }

    /// Tells the streams there are what was newly agreed for them.
    pub(super) fn change(&mut self, agreed: &[Option<Agreed>]) {
        for (stream, agreed) in self.streams.iter_mut().zip(agreed) {
            let Some(stream) = stream else { continue };
            stream.steering.steer(|control| match agreed {
                Some(agreed) => {
                    control.from = agreed.remote;
                    control.port = agreed.port;
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

    /// What is to be done at that age about silence. A client that suppresses it, holds, or sends its reports where nobody
    /// listens is there all the same: it is asked, once in so long.
    pub(super) fn silence(&mut self, age: Duration, ask_after: Duration) -> Silence {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        if age.saturating_sub(heard) > SILENT_MAX {
            return Silence::Over;
        }
        let before = self.since.saturating_duration_since(self.begun);
        if age.saturating_sub(before) > LONGEST {
            return Silence::TooLong;
        }
        if age.saturating_sub(heard.max(self.asked)) <= ask_after {
            return Silence::Short;
        }
        self.asked = age;
        Silence::Asks
    }

    /// Ends every stream, then has the writer close the recording. Resolves when the writer was told.
    pub(super) async fn end(mut self, state: State) {
        for stream in self.streams.iter_mut().flatten() {
            stream.steering.steer(|control| control.flow = Flow::Ended);
        }
        let unstored = self.unstored_whom();
        for stream in self.streams.into_iter().flatten() {
            match stream.steering.ended().await {
                Ok(owed) => {
                    for one in owed {
                        one.tell(&self.jobs).await;
                    }
                }
                Err(error) => {
                    tracing::error!(recording = %self.id, %error, "a stream's task failed");
                }
            }
        }
        let last = [Job::Finish(self.id, state)];
        for job in unstored.into_iter().chain(last) {
            if self.jobs.send(job).await.is_err() {
                tracing::error!(recording = %self.id, "the writer is gone: the recording is closed at the next start");
            }
        }
    }
}

/// When a recording's timeline begins that was asked for then and can begin now, and how many samples late it is: what its client
/// has kept of that shows by what it sends.
fn begins(came: Instant, now: Instant) -> (Instant, u32) {
    let late = now.saturating_duration_since(came);
    if late < LATE_MIN {
        (now, 0)
    } else {
        (came, timeline::samples(late))
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

    #[test]
    fn a_recording_begins_when_it_was_asked_for() {
        let came = Instant::now();
        let after = |ms| came + Duration::from_millis(ms);
        assert_eq!(begins(came, after(60)), (after(60), 0));
        assert_eq!(begins(came, after(4000)), (came, 32_000));
    }

    #[tokio::test]
    async fn whoever_is_silent_is_asked_and_not_for_ever() {
        let local = std::net::IpAddr::from([127, 0, 0, 1]);
        let ports = RtpPorts::new(local, super::super::RTP_PORTS);
        let door = Door::Own(ports.open().expect("a port"));
        let agreed = Agreed {
            label: StreamLabel::parse("1").expect("a label"),
            named: None,
            codec: wire::g711::Law::A.into(),
            payload_type: 8,
            remote: local,
            port: 4000,
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
            Instant::now(),
            (id, test_tag("region-01")),
            (answer, Demand::Any),
            Parties::default(),
            places,
            (jobs, board),
        );
        let minute = Duration::from_secs(60);
        let mut at = |seconds: u64| session.silence(Duration::from_secs(seconds), minute);
        assert_eq!(
            (at(60), at(61), at(62)),
            (Silence::Short, Silence::Asks, Silence::Short)
        );
        assert_eq!((at(121), at(122)), (Silence::Short, Silence::Asks));
        session.heard_ms.store(130_000, Ordering::Relaxed);
        let mut at = |seconds: u64| session.silence(Duration::from_secs(seconds), minute);
        assert_eq!((at(190), at(191)), (Silence::Short, Silence::Asks));
        // On hold it is the same.
        session.change(&[Some(Agreed {
            paused: true,
            ..agreed
        })]);
        let mut at = |seconds: u64| session.silence(Duration::from_secs(seconds), minute);
        assert_eq!((at(260), at(130 + 3600)), (Silence::Asks, Silence::Asks));
        assert_eq!(at(130 + 3601), Silence::Over);
        // Somebody who speaks for a day, and what follows a hold begins to count anew.
        let day = u64::from(SECONDS_MAX);
        session.heard_ms.store(day * 1000, Ordering::Relaxed);
        let mut at = |seconds: u64| session.silence(Duration::from_secs(seconds), minute);
        assert_eq!(
            (at(day - 60), at(day - 59)),
            (Silence::Short, Silence::TooLong)
        );
        session.since += minute;
        let mut at = |seconds: u64| session.silence(Duration::from_secs(seconds), minute);
        assert_eq!(at(day - 59), Silence::Short);
    }
}
