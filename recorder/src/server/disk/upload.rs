//! Moves ended recordings from the spool to S3, one after the other, for as long as the recorder runs.
//!
//! The spool is the queue: what is in it when a recorder starts is moved first. While S3 refuses, all of it waits. So does what
//! the index doesn't know: a start looks for it in the spool, and wouldn't in S3.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use crate::{
    board::Board,
    index::{Index, IndexError, Log},
    names::RecordingId,
    vault::{Vault, VaultError, Waiting},
};

/// The first wait after a failure; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest: when S3 is back, the first recording follows within it.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What has come to pass of a recording in the spool.
#[derive(Debug)]
pub(super) enum Leaving {
    /// It has ended and is whole.
    Ended(Waiting),
    /// The index knows that; told after [`Self::Ended`].
    Known(RecordingId),
}

/// Starts the thread, where there is somewhere to move to. It ends when every sender is dropped; what waits then is in the
/// spool at the next start.
pub(super) fn start(
    vault: &Vault,
    index: &Index,
    board: &Arc<Board>,
) -> Result<Option<mpsc::Sender<Leaving>>, StartError> {
    if !vault.has_spool() {
        return Ok(None);
    }
    let (ended, told) = mpsc::channel();
    let mut mover = Mover::new(vault, index, board)?;
    mover.show();
    thread::Builder::new()
        .name("recorder-upload".into())
        .spawn(move || mover.run(&told))?;
    Ok(Some(ended))
}

/// Why it can't start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Thread(#[from] io::Error),
}

impl From<StartError> for crate::server::RecorderError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Vault(error) => Self::Vault(error),
            StartError::Index(error) => Self::Index(error),
            StartError::Thread(error) => Self::Thread(error),
        }
    }
}

struct Mover {
    vault: Vault,
    board: Arc<Board>,
    log: Log,
    waiting: VecDeque<Waiting>,
    /// What the index doesn't know yet. No more than it may be behind with, as then nothing new is recorded.
    unknown: BTreeMap<RecordingId, Waiting>,
    /// Some of what waits may be in the index and not yet on its disk.
    unsafe_yet: bool,
}

impl Mover {
    fn new(vault: &Vault, index: &Index, board: &Arc<Board>) -> Result<Self, StartError> {
        let near = vault.recordings_near(None)?;
        let ids: Vec<RecordingId> = near.iter().map(|one| one.id).collect();
        let known = index.known(&ids)?;
        let (waiting, unknown): (Vec<_>, Vec<_>) =
            near.into_iter().partition(|one| known.contains(&one.id));
        if let Some(first) = unknown.first() {
            tracing::error!(count = unknown.len(), first = %first.id, "recordings in the spool aren't in the index: they stay there");
        }
        Ok(Self {
            vault: vault.clone(),
            board: Arc::clone(board),
            log: index.log(),
            waiting: waiting.into(),
            unknown: unknown.into_iter().map(|one| (one.id, one)).collect(),
            unsafe_yet: true,
        })
    }

    fn run(&mut self, told: &mpsc::Receiver<Leaving>) {
        let mut pause = PAUSE_MIN;
        loop {
            let moved = self.move_all(told);
            pause = if moved {
                PAUSE_MIN
            } else {
                (pause * 2).min(PAUSE_MAX)
            };
            let next = if moved {
                told.recv()
                    .map_err(|_| mpsc::RecvTimeoutError::Disconnected)
            } else {
                told.recv_timeout(pause)
            };
            match next {
                Ok(one) => self.take(one),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, one: Leaving) {
        match one {
            Leaving::Ended(one) => {
                self.unknown.insert(one.id, one);
            }
            Leaving::Known(id) => {
                self.waiting.extend(self.unknown.remove(&id));
                self.unsafe_yet = true;
            }
        }
    }

    /// Moves what waits, and what comes meanwhile; false at the first that S3 or the disk refuses.
    fn move_all(&mut self, told: &mpsc::Receiver<Leaving>) -> bool {
        loop {
            told.try_iter().for_each(|one| self.take(one));
            self.show();
            let Some(one) = self.waiting.front() else {
                return true;
            };
            let safe = if self.unsafe_yet {
                self.log.make_safe()
            } else {
                Ok(())
            };
            self.unsafe_yet = safe.is_err();
            if let Err(error) = safe.and_then(|()| self.vault.move_out(one)) {
                self.board.upload_failures.inc();
                tracing::warn!(recording = %one.id, %error, waiting = self.waiting.len(), "a recording waits in the spool");
                // Another may be whole where one is not.
                self.waiting.rotate_left(1);
                return false;
            }
            self.board.uploads.inc();
            self.waiting.pop_front();
        }
    }

    fn show(&self) {
        let all = self.waiting.iter().chain(self.unknown.values());
        let bytes: u64 = all.map(|one| one.bytes).sum();
        self.board
            .spool_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        index::State,
        monitor::Figures,
        recover,
        server::disk::{
            entering::{Entering, Entry},
            faults::one_stream,
            open::Open,
        },
        vault::{faults, stub::Stub},
    };

    struct Bench {
        _place: tempfile::TempDir,
        stub: Stub,
        vault: Vault,
        index: Index,
        board: Arc<Board>,
    }

    fn bench() -> Bench {
        let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
        let vault = stub.vault(place.path());
        let index = Index::open(&vault).expect("fresh");
        recover::recover(&vault, &index).expect("nothing there");
        Bench {
            _place: place,
            stub,
            vault,
            index,
            board: Arc::new(Board::new(Figures::default()).expect("metrics")),
        }
    }

    impl Bench {
        fn mover(&self) -> Mover {
            Mover::new(&self.vault, &self.index, &self.board).expect("listed")
        }

        /// A recording, as the writer has it entered in that index and tells that it has ended.
        fn record(&self, index: Index, ended: &mpsc::Sender<Leaving>) -> RecordingId {
            let (jobs, _todo) = tokio::sync::mpsc::channel(1);
            let (board, known) = (Arc::clone(&self.board), Some(ended.clone()));
            let entering = Entering::start(index, board, jobs.downgrade(), known);
            let entering = entering.expect("a thread");
            let begin = one_stream();
            let open = Open::make(&self.vault, &begin).expect("begins");
            entering.enter(Entry::Open(
                begin.id,
                begin.tag.clone().into(),
                oneshot::channel().0,
            ));
            let closed = open.finish(State::Closed).make_safe();
            let waiting = self.vault.ended(begin.id, &begin.tag).expect("listed");
            let told = ended.send(Leaving::Ended(waiting.expect("there")));
            told.expect("somebody hears");
            entering.enter(Entry::Closed(begin.id, closed.into()));
            entering.end();
            begin.id
        }
    }

    /// The index was away when it ended, and the program is killed before it is back.
    #[test]
    fn what_the_index_does_not_know_waits_for_the_next_start() {
        let bench = bench();
        let (ended, told) = mpsc::channel();
        let mut mover = bench.mover();
        let away = Index::open_existing(&bench.vault).expect("there");
        let id = bench.record(away, &ended);
        assert!(mover.move_all(&told));
        assert_eq!(bench.stub.names(), [""; 0]);
        assert!(bench.board.spool_bytes.get() > 0, "it takes its room");

        recover::recover(&bench.vault, &bench.index).expect("recovers");
        assert_eq!(bench.index.get(id).expect("known").state, State::Closed);
        assert!(bench.mover().move_all(&told));
        assert_ne!(bench.stub.names(), [""; 0]);
    }

    #[test]
    fn what_the_index_knows_leaves_once_that_outlives_a_power_cut() {
        let bench = bench();
        let (ended, told) = mpsc::channel();
        let mut mover = bench.mover();
        bench.record(Index::open(&bench.vault).expect("opens"), &ended);
        faults::plan(0, ErrorKind::Other);
        assert!(!mover.move_all(&told));
        faults::end();
        assert_eq!(bench.stub.names(), [""; 0]);
        assert!(mover.move_all(&told));
        assert_ne!(bench.stub.names(), [""; 0]);
        assert_eq!(bench.board.spool_bytes.get(), 0);
    }
}
