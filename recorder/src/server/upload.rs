//! Moves ended recordings from the spool to S3, one after the other, for as long as the recorder runs.
//!
//! The spool is the queue: what is in it when a recorder starts is moved first. While S3 refuses, all of it waits.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use crate::{
    board::Board,
    vault::{Vault, VaultError, Waiting},
};

/// The first wait after a failure; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest: when S3 is back, the first recording follows within it.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Starts the thread, where there is somewhere to move to. It ends when the sender is dropped; what waits then is in the
/// spool at the next start.
pub(super) fn start(
    vault: &Vault,
    board: &Arc<Board>,
) -> Result<Option<mpsc::Sender<Waiting>>, StartError> {
    if !vault.has_spool() {
        return Ok(None);
    }
    let waiting: VecDeque<Waiting> = vault.recordings_near(None)?.into();
    let (ended, told) = mpsc::channel();
    let mut mover = Mover {
        vault: vault.clone(),
        board: Arc::clone(board),
        waiting,
    };
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
    Thread(#[from] io::Error),
}

impl From<StartError> for super::RecorderError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Vault(error) => Self::Vault(error),
            StartError::Thread(error) => Self::Thread(error),
        }
    }
}

struct Mover {
    vault: Vault,
    board: Arc<Board>,
    waiting: VecDeque<Waiting>,
}

impl Mover {
    fn run(&mut self, told: &mpsc::Receiver<Waiting>) {
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
                Ok(one) => self.waiting.push_back(one),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Moves what waits, and what comes meanwhile; false at the first that S3 or the disk refuses.
    fn move_all(&mut self, told: &mpsc::Receiver<Waiting>) -> bool {
        loop {
            self.waiting.extend(told.try_iter());
            self.show();
            let Some(one) = self.waiting.front() else {
                return true;
            };
            if let Err(error) = self.vault.move_out(one) {
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
        let bytes: u64 = self.waiting.iter().map(|one| one.bytes).sum();
        self.board
            .spool_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
