//! Behind a start with an index that isn't the one of before: tells it of what lies in the bucket. Calls are recorded meanwhile.

use std::{
    io,
    ops::ControlFlow,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, TryRecvError},
    },
    thread,
    time::Duration,
};

use crate::{
    board::Board,
    index::Index,
    recover::{self, RecoverError},
    vault::Vault,
};

/// How long it waits where bucket, index or gallring refuse: nothing is erased meanwhile, and nothing is lost.
const RETRY_EVERY: Duration = Duration::from_secs(60);

/// Dropped, it stops the thread: what was entered by then is known, and the next start looks through all of it.
#[derive(Debug)]
pub(super) struct Relisting(
    #[expect(dead_code, reason = "its end is what is told")] mpsc::Sender<()>,
);

impl Relisting {
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(mpsc::channel().0)
    }
}

/// Starts the thread, where there is something to look through.
pub(super) fn start(vault: &Vault, board: &Arc<Board>) -> io::Result<Relisting> {
    let (stop, stopped) = mpsc::channel();
    if recover::is_unlisted(vault.store()) {
        board.index_incomplete.set(1);
        let (vault, board) = (vault.clone(), Arc::clone(board));
        thread::Builder::new()
            .name("recorder-relist".into())
            .spawn(move || run(&vault, &board, &stopped))?;
    }
    Ok(Relisting(stop))
}

fn run(vault: &Vault, board: &Board, stopped: &mpsc::Receiver<()>) {
    loop {
        match look(vault, board, stopped) {
            Ok(ControlFlow::Break(())) => return,
            Ok(ControlFlow::Continue(())) => {}
            Err(error) => {
                tracing::warn!(%error, "the index doesn't know yet what lies in the bucket: nothing is erased until it does");
            }
        }
        if stopped.recv_timeout(RETRY_EVERY) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// Looks through it once; goes on where it was told to stop or all is known.
fn look(
    vault: &Vault,
    board: &Board,
    stopped: &mpsc::Receiver<()>,
) -> Result<ControlFlow<()>, RecoverError> {
    let index = Index::open_to_change(vault)?;
    let mut looked = 0;
    let found = recover::recover_far(vault, &index, &mut |more| {
        looked += more;
        tracing::info!(looked, "recordings in the bucket looked through");
        match stopped.try_recv() {
            Err(TryRecvError::Disconnected) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    })?;
    if !recover::is_unlisted(vault.store()) {
        board.index_incomplete.set(0);
        board
            .bucket_unopened
            .set(i64::try_from(found.unopened).unwrap_or(i64::MAX));
        board.stored(index.figures()?);
        if found.recordings == 0 {
            tracing::info!("the index is new, and the bucket empty");
        } else {
            tracing::warn!(
                recordings = found.recordings,
                entered = found.entered,
                unopened = found.unopened,
                "the index is another one: the bucket was looked through"
            );
        }
    }
    Ok(ControlFlow::Break(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        index::State,
        monitor::Figures,
        vault::{
            stub::{self, Stub},
            test_tag,
        },
    };

    /// A recorder that starts with an index of nothing on a bucket that isn't empty.
    #[test]
    fn a_start_with_another_index_enters_what_lies_in_the_bucket() {
        let (place, stub) = (tempfile::tempdir().expect("a folder"), Stub::start());
        let vault = stub.vault(place.path());
        let id = stub::recorded(&vault, &test_tag("region-01"));

        let board = Arc::new(Board::new(Figures::default()).expect("metrics"));
        let index = Index::open(&vault).expect("fresh");
        recover::recover(&vault, &index).expect("recovers");
        assert!(index.get(id).is_err(), "a start doesn't wait for it");
        let (_stop, stopped) = mpsc::channel();
        let looked = look(&vault, &board, &stopped).expect("looks");
        assert_eq!(looked, ControlFlow::Break(()));
        let known = index.get(id).expect("entered");
        assert_eq!(known.state, State::Truncated, "nothing was said in it");
        assert_eq!(board.index_incomplete.get(), 0);
        recover::recover(&vault, &index).expect("recovers");
        assert!(!recover::is_unlisted(vault.store()), "the same index");
    }
}
