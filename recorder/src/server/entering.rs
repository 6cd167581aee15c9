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

use super::disk::{DiskError, Job};
use crate::{
    board::Board,
    index::{Closing, Index, IndexError},
    names::RecordingId,
};

/// More than recordings begin and end in an hour without an index; after that new ones are refused.
const WAITING_MAX: usize = 10_000;
/// How often the index is asked what is stored: gallring, a process of its own, takes away.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// How often the index is asked whether it is back.
const RETRY_EVERY: Duration = Duration::from_secs(1);

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
    ) -> io::Result<Self> {
        let (entries, todo) = mpsc::channel();
        let mut clerk = Clerk {
            index,
            board,
            jobs,
            missed: VecDeque::new(),
            tried: Instant::now(),
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

struct Clerk {
    index: Index,
    board: Arc<Board>,
    jobs: tokio::sync::mpsc::WeakSender<Job>,
    missed: VecDeque<Missed>,
    tried: Instant,
    counted: Instant,
}

impl Clerk {
    fn run(&mut self, todo: &mpsc::Receiver<Entry>) {
        loop {
            match todo.recv_timeout(RETRY_EVERY) {
                Ok(Entry::Open(id, tag, begun)) => {
                    // Whoever asked may have gone; then it finishes the recording as well.
                    let _told = begun.send(self.on_open(id, tag));
                }
                Ok(Entry::Closed(id, closed)) => {
                    let (tag, closing) = *closed;
                    self.enter(Missed::Closed(id, Box::new(closing.clone())));
                    self.board.closed(&tag, &closing);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.tried.elapsed() >= RETRY_EVERY {
                self.retry();
            }
            if self.counted.elapsed() >= COUNT_EVERY {
                self.count();
            }
        }
        self.retry();
        if let Err(error) = self.index.close_whole() {
            tracing::warn!(%error, "the index isn't closed whole: the next start reads it through");
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
            match what.enter(&self.index) {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(%error, "the index refuses; recordings go on, and it is told later");
                    self.tried = Instant::now();
                }
            }
        }
        self.missed.push_back(what);
        self.show();
    }

    fn retry(&mut self) {
        self.tried = Instant::now();
        while let Some(first) = self.missed.front() {
            if let Err(error) = first.enter(&self.index) {
                tracing::warn!(%error, waiting = self.missed.len(), "the index still refuses");
                break;
            }
            self.missed.pop_front();
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
    fn enter(&self, index: &Index) -> Result<(), IndexError> {
        match self {
            Self::Open(id, tag) => index.insert_open(*id, tag),
            Self::Closed(id, closing) => {
                if !index.close(*id, closing)? {
                    tracing::error!(recording = %id, "closed twice");
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        index::{Mark, State},
        monitor::Figures,
        server::{faults::one_stream, open::Open},
        vault::Vault,
    };

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
            missed: VecDeque::new(),
            tried: Instant::now(),
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
