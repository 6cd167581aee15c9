//! The writer's hands: threads that wait until beginnings and ends are safe on disk.
//!
//! One fsync takes from a millisecond to a tenth of a second, and a beginning needs three. Made one after another by
//! the writer, 200 calls that begin in ten seconds kept the audio of all of them waiting until packets were lost. Side by
//! side they cost little more than one: the file system's journal takes them together.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use tokio::sync::mpsc::Sender;

use super::{Begin, Job, open::Open, rounds::Part};
use crate::{
    index::State,
    names::RecordingId,
    vault::{Meta, Recording, Vault},
};

/// How many wait side by side: a burst of calls begins within a second on a disk that takes a tenth for one.
const HANDS: usize = 16;

/// What takes long. Each holds a way back, so that the writer doesn't end before it.
#[derive(Debug)]
pub(super) enum Task {
    /// Make folder, key, tag and files.
    Make {
        begin: Box<Begin>,
        back: Sender<Job>,
    },
    /// Store who takes part in it.
    Meta {
        recording: Arc<Recording>,
        meta: Box<Meta>,
        back: Sender<Job>,
    },
    /// Wait until these files are safe.
    Sync(Part),
    /// Close the files.
    Finish {
        id: RecordingId,
        recording: Box<Open>,
        state: State,
        back: Sender<Job>,
    },
}

/// Threads that end when this is dropped and all is done. What waits is bounded by the recordings that may be open.
#[derive(Debug)]
pub(super) struct Hands(mpsc::Sender<Task>);

impl Hands {
    pub(super) fn start(vault: &Vault) -> io::Result<Self> {
        let (give, take) = mpsc::channel();
        let take = Arc::new(Mutex::new(take));
        for _ in 0..HANDS {
            let (take, vault) = (Arc::clone(&take), vault.clone());
            thread::Builder::new()
                .name("recorder-safe".into())
                .spawn(move || {
                    while let Some(task) = next(&take) {
                        task.carry_out(&vault);
                    }
                })?;
        }
        Ok(Self(give))
    }

    /// Should every hand be gone, who asked for a beginning is told so by the dropped task, and what was to end is
    /// closed at the next start.
    pub(super) fn give(&self, task: Task) {
        let _given = self.0.send(task);
    }
}

/// Taking a task can't fail half-way, so a hand that panicked leaves the queue whole.
fn next(take: &Mutex<mpsc::Receiver<Task>>) -> Option<Task> {
    take.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

impl Task {
    fn carry_out(self, vault: &Vault) {
        let (done, back) = match self {
            Self::Make { begin, back } => {
                let made = Open::make(vault, &begin).map(Box::new);
                (Job::Made(begin, made), back)
            }
            Self::Meta {
                recording,
                meta,
                back,
            } => {
                store_meta(&recording, &meta);
                (Job::MetaStored(recording.id()), back)
            }
            Self::Sync(part) => return part.make_safe(),
            Self::Finish {
                id,
                recording,
                state,
                back,
            } => {
                let closed = Box::new(recording.finish(state).make_safe());
                (Job::Finished(id, closed), back)
            }
        };
        // The writer outlives every way back to it.
        let _taken = back.blocking_send(done);
    }
}

/// Should it fail, audio goes on, and of who takes part there is what was stored before.
pub(super) fn store_meta(recording: &Recording, meta: &Meta) {
    if let Err(error) = recording.write_meta(meta) {
        tracing::error!(recording = %recording.id(), %error, "who takes part can't be stored");
    }
}
