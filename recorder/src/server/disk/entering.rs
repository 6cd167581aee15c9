//! Enters beginnings and ends in the index, by a thread of its own: a database may be slow or gone, and audio never waits.
//!
//! What the index doesn't take is kept in order until it is back. Calls go on meanwhile: their audio, keys and tags are on
//! disk, and should this program end before, the next start finds them there.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use callcore::tag::RecordingTag;
use tokio::sync::oneshot;

use super::{DiskError, Job, upload::Leaving};
use crate::{
    board::Board,
    index::{Closing, Index, IndexError},
    names::RecordingId,
};

/// More than recordings begin and end in an hour without an index; after that new ones are refused.
const WAITING_MAX: usize = 10_000;
/// How often the index is asked what is stored: gallring, a process of its own, takes away.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// How often the index is asked whether it is back, and how long at a time it is told what it missed: whoever begins a recording
/// waits meanwhile.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Entries in a row before anything else is looked after: as many as begin and end in seconds on the busiest day.
const IN_A_ROW_MAX: usize = 1000;

/// Something to enter in the index.
#[derive(Debug)]
pub(super) enum Entry {
    /// It has begun; whoever waits for that is told.
    Open(
        RecordingId,
        Box<RecordingTag>,
        oneshot::Sender<Result<(), DiskError>>,
    ),
    /// It has ended.
    Closed(RecordingId, Box<(RecordingTag, Closing)>),
}

/// What is left to enter once whoever waited was told.
#[derive(Debug)]
enum Missed {
    Open(RecordingId, Box<RecordingTag>),
    Closed(RecordingId, Box<Closing>),
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Entering {
    entries: mpsc::Sender<Entry>,
    thread: JoinHandle<()>,
}

impl Entering {
    pub(super) fn start(
        index: Index,
        board: Arc<Board>,
        jobs: tokio::sync::mpsc::WeakSender<Job>,
        leaving: Option<mpsc::Sender<Leaving>>,
    ) -> io::Result<Self> {
        let (entries, todo) = mpsc::channel();
        let mut clerk = Clerk {
            index,
            board,
            jobs,
            leaving,
            missed: VecDeque::new(),
            turn: Turn(Instant::now()),
            counted: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name("recorder-index".into())
            .spawn(move || clerk.run(&todo))?;
        Ok(Self { entries, thread })
    }

    /// Should the thread be gone, who asked for a beginning is told so by what is dropped.
    pub(super) fn enter(&self, entry: Entry) {
        let _told = self.entries.send(entry);
    }

    /// Waits until all is entered that the index takes.
    pub(super) fn end(self) {
        drop(self.entries);
        if self.thread.join().is_err() {
            tracing::error!(
                "the index's thread failed; what it missed is entered at the next start"
            );
        }
    }
}

/// When the index is next told what it missed.
#[derive(Debug, Clone, Copy)]
struct Turn(Instant);

impl Turn {
    /// One that takes long to refuse is asked as seldom: at most half of the time is spent on that.
    fn refused(&mut self, asked: Instant, now: Instant) {
        self.0 = now + RETRY_EVERY.max(now.saturating_duration_since(asked));
    }
}

struct Clerk {
    index: Index,
    board: Arc<Board>,
    jobs: tokio::sync::mpsc::WeakSender<Job>,
    /// Told what is entered whole, where it goes on to S3.
    leaving: Option<mpsc::Sender<Leaving>>,
    missed: VecDeque<Missed>,
    turn: Turn,
    counted: Instant,
}

impl Clerk {
    fn run(&mut self, todo: &mpsc::Receiver<Entry>) {
        loop {
            let wait = if self.missed.is_empty() {
                RETRY_EVERY
            } else {
                self.turn.0.saturating_duration_since(Instant::now())
            };
            match todo.recv_timeout(wait) {
                Ok(first) => {
                    // All that waits comes before the index is tried again, which may take seconds.
                    let others = todo.try_iter().take(IN_A_ROW_MAX);
                    for entry in std::iter::once(first).chain(others) {
                        self.take(entry);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.turn.0 <= Instant::now() {
                self.retry(RETRY_EVERY);
            }
            if self.counted.elapsed() >= COUNT_EVERY {
                self.count();
            }
        }
        self.retry(Duration::MAX);
        if let Err(error) = self.index.close_whole() {
            tracing::warn!(%error, "the index isn't closed whole: the next start reads it through");
        }
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Open(id, tag, begun) => {
                // Whoever asked may have gone; then it finishes the recording as well.
                let _told = begun.send(self.on_open(id, tag));
            }
            Entry::Closed(id, closed) => {
                let (tag, closing) = *closed;
                self.enter(Missed::Closed(id, Box::new(closing.clone())));
                self.board.closed(&tag, &closing);
            }
        }
    }

    fn on_open(&mut self, id: RecordingId, tag: Box<RecordingTag>) -> Result<(), DiskError> {
        if self.missed.len() >= WAITING_MAX {
            let error = IndexError::Backlog {
                waiting: WAITING_MAX,
            };
            tracing::error!(recording = %id, %error, "a recording can't begin");
            if let Some(jobs) = self.jobs.upgrade() {
                // The writer is there for as long as a way to it is.
                let _taken = jobs.blocking_send(Job::Finish(id, crate::index::State::Truncated));
            }
            return Err(error.into());
        }
        self.enter(Missed::Open(id, tag));
        self.board.opened();
        Ok(())
    }

    /// In order: what ends must have begun.
    fn enter(&mut self, what: Missed) {
        if self.missed.is_empty() {
            let began = Instant::now();
            match what.enter(&self.index, self.leaving.as_ref()) {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(%error, "the index refuses; recordings go on, and it is told later");
                    self.turn.refused(began, Instant::now());
                }
            }
        }
        self.missed.push_back(what);
        self.show();
    }

    /// Tells the index what it missed, for so long at most.
    fn retry(&mut self, long_max: Duration) {
        let began = Instant::now();
        self.turn.0 = began;
        while let Some(first) = self.missed.front() {
            let asked = Instant::now();
            if let Err(error) = first.enter(&self.index, self.leaving.as_ref()) {
                tracing::warn!(%error, waiting = self.missed.len(), "the index still refuses");
                self.turn.refused(asked, Instant::now());
                break;
            }
            self.missed.pop_front();
            if began.elapsed() >= long_max {
                break;
            }
        }
        self.show();
    }

    /// What is stored, as the index has it: with what it doesn't know yet it would say too little.
    fn count(&mut self) {
        self.counted = Instant::now();
        if !self.missed.is_empty() {
            return;
        }
        match self.index.figures() {
            Ok(stored) => self.board.stored(stored),
            Err(error) => tracing::warn!(%error, "what is stored can't be counted"),
        }
    }

    fn show(&self) {
        let waiting = i64::try_from(self.missed.len()).unwrap_or(i64::MAX);
        self.board.index_backlog.set(waiting);
    }
}

impl Missed {
    fn enter(
        &self,
        index: &Index,
        leaving: Option<&mpsc::Sender<Leaving>>,
    ) -> Result<(), IndexError> {
        let (id, closing) = match self {
            Self::Open(id, tag) => return index.insert_open(*id, tag),
            Self::Closed(id, closing) => (*id, closing),
        };
        if !index.close(id, closing)? {
            if index.known(&[id])?.is_empty() {
                // Its beginning was refused.
                tracing::error!(recording = %id, "it isn't in the index: the next start enters it");
                return Ok(());
            }
            tracing::error!(recording = %id, "closed twice");
        }
        if let Some(leaving) = leaving {
            // Who moves it outlives us, or finds it at the next start.
            let _told = leaving.send(Leaving::Known(id));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        index::{Mark, State},
        monitor::Figures,
        server::disk::{faults::one_stream, open::Open},
        vault::Vault,
    };

    #[test]
    fn an_index_that_is_long_in_refusing_keeps_nobody_waiting_all_the_time() {
        let asked = Instant::now();
        let mut turn = Turn(asked);
        for (took_s, pause_s) in [(0, 1), (5, 5)] {
            let now = asked + Duration::from_secs(took_s);
            turn.refused(asked, now);
            assert_eq!(turn.0 - now, Duration::from_secs(pause_s));
        }
    }

    /// Ten thousand entries take a minute where each waits for a disk, and whoever begins a recording waits for an answer.
    #[test]
    fn an_index_that_is_back_is_told_a_part_at_a_time() {
        let place = tempfile::tempdir().expect("a folder");
        let vault =
            Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
        let (jobs, _todo) = tokio::sync::mpsc::channel(1);
        let missed = (0..3).map(|_| {
            let begin = one_stream();
            Missed::Open(begin.id, Box::new(begin.tag))
        });
        let mut clerk = Clerk {
            index: Index::open(&vault).expect("fresh"),
            board: Arc::new(Board::new(Figures::default()).expect("metrics")),
            jobs: jobs.downgrade(),
            leaving: None,
            missed: missed.collect(),
            turn: Turn(Instant::now()),
            counted: Instant::now(),
        };
        clerk.retry(Duration::ZERO);
        assert_eq!(clerk.missed.len(), 2);
        assert!(clerk.turn.0 <= Instant::now(), "it goes on");
        clerk.retry(Duration::MAX);
        assert_eq!(clerk.missed.len(), 0);
    }

    #[test]
    fn what_gallring_took_away_is_stored_no_more() {
        let place = tempfile::tempdir().expect("a folder");
        let vault =
            Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
        let (jobs, _todo) = tokio::sync::mpsc::channel(1);
        let mut clerk = Clerk {
            index: Index::open(&vault).expect("fresh"),
            board: Arc::new(Board::new(Figures::default()).expect("metrics")),
            jobs: jobs.downgrade(),
            leaving: None,
            missed: VecDeque::new(),
            turn: Turn(Instant::now()),
            counted: Instant::now(),
        };
        let figures = clerk.board.monitor().figures;
        let stored = || {
            figures
                .borrow()
                .controllers
                .get("region-01")
                .map(|it| it.recordings)
        };
        let begin = one_stream();
        let id = begin.id;
        let open = Open::make(&vault, &begin).expect("begins");
        clerk.on_open(id, Box::new(begin.tag)).expect("entered");
        let (tag, closing) = open.finish(State::Closed).make_safe();
        clerk.enter(Missed::Closed(id, Box::new(closing.clone())));
        clerk.board.closed(&tag, &closing);
        clerk.count();
        assert_eq!(stored(), Some(1));
        let beside = Index::open_to_change(&vault).expect("opens");
        beside.mark(Mark::Recording, &[id], "RS/1").expect("marked");
        beside.forget(Mark::Recording, &[id]).expect("forgotten");
        clerk.count();
        assert_eq!(stored(), None);
    }
}
