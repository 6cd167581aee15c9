//! Changes a controller's key: every data key of its recordings is wrapped anew, then the old key is destroyed.
//!
//! 1. The old key is kept beside as `<controller>.old.key`, and that is on disk.
//! 2. A new one takes its place, whole or not at all: what begins from here on is recorded under it.
//! 3. Each data key is wrapped anew, whole or not at all.
//! 4. When none is left under the old key but of recordings that somebody said to be lost, it is destroyed. So is one that was lost
//!    and has turned up; what is under one that is lost stays as it is.
//!
//! Stopped anywhere, the next run goes on: the old key tells that there is something left. Works beside a running recorder,
//! and what is read meanwhile opens with whichever key its data key names. Audio isn't touched.

use std::thread;

use crate::{
    backup::{self, BackupError},
    gallring::{self, GallringError},
    index::{Entry, Index, IndexError},
    lost,
    names::{ControllerName, RecordingId},
    vault::{Vault, VaultError, Wrapped},
};

/// Data keys wrapped side by side: each waits for the disk.
const HANDS: usize = 16;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rotated {
    /// Data keys wrapped anew by this run.
    pub wrapped: u64,
    /// Recordings whose data key was under the new key already, or that have none any more.
    pub passed_over: u64,
    /// Recordings among them that are under a key which was said to be lost: they open again if it turns up.
    pub locked: u64,
    /// Data keys that went with the old key, as somebody has said that their recordings are lost.
    pub given_up: u64,
    /// Whether an earlier run was gone on with.
    pub resumed: bool,
}

/// Why a key can't be changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The vault refuses.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Gallring or a backup works in the store.
    #[error(transparent)]
    Gallring(#[from] GallringError),
    /// The key part of the backups is being written.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A controller of whom nothing is here.
    #[error(
        "nothing of {controller} was ever recorded here: `vaxel recordings list` shows whose recordings there are"
    )]
    Nobody {
        /// The name, as it was asked for.
        controller: String,
    },
    /// Data keys that neither key opens: the old key stays, as it opens what can be got back of them.
    #[error(
        "{count} data keys are spoilt, the first is that of {first}; every other is under the new key. Restore theirs from the key backup, then rotate again; the old key stays until then"
    )]
    Spoilt {
        /// How many.
        count: usize,
        /// One of their recordings.
        first: RecordingId,
    },
    /// Data keys that belong to no recording the index knows: the old key stays, as they would be lost with it.
    #[error(
        "{count} data keys are still under the old key and belong to no recording in the index, the first is that of {first}: start the recorder once, which enters what the index has lost, then rotate again. Where the recordings themselves are lost, as after an older backup was restored, say so: `vaxel store recordings-lost --controller {controller}` shows which. The old key stays until then"
    )]
    Left {
        /// How many.
        count: usize,
        /// One of their recordings.
        first: RecordingId,
        /// Whose key.
        controller: String,
    },
}

/// Changes a controller's key, or goes on where an earlier run stopped. `each` is told after every page how many recordings
/// were looked at.
///
/// # Errors
/// When a key is missing or damaged, or disk or index refuse: the next run goes on.
pub fn rotate(
    vault: &Vault,
    index: &Index,
    controller: &str,
    mut each: impl FnMut(u64),
) -> Result<Rotated, RotateError> {
    let controller = ControllerName::parse(controller).map_err(VaultError::from)?;
    // A key that gallring destroys between its reading here and its writing would be there again.
    let _alone = gallring::lock(vault)?;
    // A key part with data keys of before and the controller's of after would open nothing.
    let _part = backup::keys_alone(vault)?;
    let resumed = match vault.begin_rotation(&controller) {
        // That the key of somebody's recordings is gone is another matter.
        Err(VaultError::KeyMissing { .. })
            if index.of_controller(controller.as_str(), None)?.is_empty() =>
        {
            return Err(RotateError::Nobody {
                controller: controller.as_str().to_owned(),
            });
        }
        other => other?,
    };
    let mut done = Rotated {
        resumed,
        ..Rotated::default()
    };
    let (mut after, mut spoilt) = (None, Vec::new());
    loop {
        let page = index.of_controller(controller.as_str(), after)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let found = wrap(vault, &controller, &page)?;
        done.wrapped += found.wrapped;
        done.locked += found.locked;
        spoilt.extend(found.spoilt);
        each(page.len() as u64);
        done.passed_over += page.len() as u64;
    }
    done.passed_over -= done.wrapped;
    if let Some(first) = spoilt.first() {
        return Err(RotateError::Spoilt {
            count: spoilt.len(),
            first: *first,
        });
    }
    done.given_up = end(vault, index, &controller)?;
    Ok(done)
}

/// Destroys the old key, unless it still opens something that nobody has said to be lost. Gives of how many recordings that was said.
fn end(vault: &Vault, index: &Index, controller: &ControllerName) -> Result<u64, RotateError> {
    let left = vault.keys_under_old(controller)?;
    let (given_up, mut left): (Vec<_>, Vec<_>) = left
        .into_iter()
        .partition(|id| vault.is_data_key_given_up(*id));
    // What was said to be lost, and lies here all the same, isn't.
    let lost = lost::without_recording::<RotateError>(vault, index, given_up.clone())?;
    left.extend(given_up.into_iter().filter(|id| !lost.contains(id)));
    if let Some(first) = left.first() {
        return Err(RotateError::Left {
            count: left.len(),
            first: *first,
            controller: controller.as_str().to_owned(),
        });
    }
    vault.end_rotation(controller)?;
    vault.remove_unopenable(&lost)?;
    Ok(lost.len() as u64)
}

fn wrap(vault: &Vault, controller: &ControllerName, page: &[Entry]) -> Result<Wrapped, VaultError> {
    let share = page.len().div_ceil(HANDS).max(1);
    thread::scope(|scope| {
        let hands: Vec<_> = page
            .chunks(share)
            .map(|some| {
                scope.spawn(move || {
                    vault.wrap_anew(controller, some.iter().map(|one| (one.id, &one.tag)))
                })
            })
            .collect();
        let mut all = Wrapped::default();
        for hand in hands.into_iter().map(thread::ScopedJoinHandle::join) {
            // What a hand that failed has left is found under the old key.
            let some = hand.unwrap_or_else(|_| Ok(Wrapped::default()))?;
            all.wrapped += some.wrapped;
            all.locked += some.locked;
            all.spoilt.extend(some.spoilt);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, io::ErrorKind};

    use super::*;
    use crate::{
        names::{RecordingId, StreamLabel},
        vault::{StoreLock, faults, test_recording, test_tag},
    };

    const CONTROLLER: &str = "region-01";

    struct Bench {
        place: tempfile::TempDir,
        vault: Vault,
        index: Index,
    }

    fn bench(recordings: usize) -> Bench {
        let place = tempfile::tempdir().expect("a folder");
        let vault =
            Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
        let index = Index::open(&vault).expect("fresh");
        let bench = Bench {
            place,
            vault,
            index,
        };
        (0..recordings).for_each(|_| {
            bench.record(CONTROLLER);
        });
        bench
    }

    impl Bench {
        fn record(&self, controller: &str) -> RecordingId {
            test_recording(&self.vault, &self.index, controller)
        }

        fn all_open(&self) -> usize {
            let entries = self.index.left_open().expect("read");
            let opens = entries.iter().filter(|entry| {
                let recording = self.vault.unlock(entry.id, &entry.tag);
                let label = StreamLabel::parse("1").expect("a label");
                recording.is_ok_and(|one| {
                    one.stream_reader(&label)
                        .is_ok_and(|mut reader| reader.next_packet().is_ok())
                })
            });
            opens.count()
        }

        fn key(&self, name: &str) -> Option<Vec<u8>> {
            fs::read(self.place.path().join("keys/controllers").join(name)).ok()
        }
    }

    #[test]
    fn every_recording_opens_under_the_new_key_and_the_old_one_is_gone() {
        let bench = bench(5);
        let other = bench.record("region-23");
        let before = (bench.key("region-01.key"), bench.key("region-23.key"));
        let done = rotate(&bench.vault, &bench.index, CONTROLLER, |_| {}).expect("rotated");
        assert_eq!(
            (done.wrapped, done.passed_over, done.resumed),
            (5, 0, false)
        );
        assert_ne!(bench.key("region-01.key"), before.0);
        assert_eq!(
            (bench.key("region-23.key"), bench.key("region-01.old.key")),
            (before.1, None)
        );
        assert_eq!(bench.all_open(), 6);
        // The old key opens nothing any more.
        fs::write(
            bench.place.path().join("keys/controllers/region-01.key"),
            before.0.expect("there"),
        )
        .expect("ours");
        assert_eq!(bench.all_open(), 1);
        let entry = bench.index.get(other).expect("there");
        assert!(bench.vault.unlock(other, &entry.tag).is_ok());
    }

    #[test]
    fn stopped_at_any_step_everything_opens_and_the_next_run_goes_on() {
        // More steps than a run has, so that the last one is reached.
        for at in 0.. {
            let bench = bench(2);
            faults::plan(at, ErrorKind::Other);
            // One thread only has the plan: what the hands do isn't stopped here, but what leads to them and follows is.
            let stopped = rotate(&bench.vault, &bench.index, CONTROLLER, |_| {}).is_err();
            faults::end();
            assert_eq!(bench.all_open(), 2, "stopped at step {at}");
            bench.record(CONTROLLER);
            rotate(&bench.vault, &bench.index, CONTROLLER, |_| {}).expect("goes on");
            assert_eq!(bench.all_open(), 3, "stopped at step {at}");
            assert_eq!(bench.key("region-01.old.key"), None);
            if !stopped {
                return;
            }
        }
    }

    /// A key that was read here and destroyed there would be written again.
    #[test]
    fn while_gallring_works_no_key_is_changed() {
        let bench = bench(1);
        let held = gallring::lock(&bench.vault).expect("free");
        let refused = rotate(&bench.vault, &bench.index, CONTROLLER, |_| {});
        assert!(
            matches!(refused, Err(RotateError::Gallring(GallringError::Busy))),
            "{refused:?}"
        );
        drop(held);
        let part = bench.vault.store().join(".backup-keys");
        let during = rotate(&bench.vault, &bench.index, CONTROLLER, |_| {
            assert!(gallring::lock(&bench.vault).is_err(), "kept out");
            // Else it would have data keys of now and the controller's of before, or the other way round.
            let renewal = StoreLock::take(&part).expect("usable");
            assert!(renewal.is_none(), "no key part is written meanwhile");
        });
        assert_eq!(during.expect("rotated").wrapped, 1);
    }

    #[test]
    fn whose_recordings_are_not_here_has_no_key_to_change() {
        let bench = bench(1);
        let misspelt = rotate(&bench.vault, &bench.index, "region-10", |_| {});
        assert!(matches!(misspelt, Err(RotateError::Nobody { .. })));
        fs::remove_file(bench.place.path().join("keys/controllers/region-01.key")).expect("ours");
        let lost = rotate(&bench.vault, &bench.index, CONTROLLER, |_| {});
        assert!(matches!(
            lost,
            Err(RotateError::Vault(VaultError::KeyMissing { .. }))
        ));
    }

    /// Restored from a backup, it is as the others by the next run; until then the old key opens it.
    #[test]
    fn a_spoilt_data_key_stops_no_other() {
        let bench = bench(3);
        let spoilt = bench.record(CONTROLLER);
        let path = bench.vault.keys().join(format!("data/{spoilt}.key"));
        let whole = fs::read(&path).expect("there");
        for (at, what) in [(2, "its head"), (6, "whose it is"), (40, "the key")] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).expect("ours");
            let refused = rotate(&bench.vault, &bench.index, CONTROLLER, |_| {});
            assert!(refused.is_err(), "{what}: {refused:?}");
            assert!(bench.key("region-01.old.key").is_some(), "{what}");
            assert_eq!(bench.all_open(), 3, "{what}");
        }
        let old = bench.key("region-01.old.key").expect("kept");
        fs::write(&path, whole).expect("ours");
        let done = rotate(&bench.vault, &bench.index, CONTROLLER, |_| {}).expect("goes on");
        assert_eq!((done.wrapped, done.passed_over, done.resumed), (1, 3, true));
        assert_eq!(bench.all_open(), 4);
        let path = bench.place.path().join("keys/controllers/region-01.key");
        fs::write(path, old).expect("ours");
        assert_eq!(bench.all_open(), 0);
    }

    #[test]
    fn a_data_key_that_the_index_does_not_know_keeps_the_old_key() {
        let bench = bench(1);
        let unknown = RecordingId::random().expect("random");
        bench
            .vault
            .begin(unknown, &test_tag(CONTROLLER))
            .expect("begins");
        let refused = rotate(&bench.vault, &bench.index, CONTROLLER, |_| {});
        assert!(
            matches!(&refused, Err(RotateError::Left { count: 1, first, .. }) if *first == unknown),
            "{refused:?}"
        );
        assert!(bench.vault.unlock(unknown, &test_tag(CONTROLLER)).is_ok());
        bench
            .index
            .insert_open(unknown, &test_tag(CONTROLLER))
            .expect("entered");
        let done = rotate(&bench.vault, &bench.index, CONTROLLER, |_| {}).expect("goes on");
        assert_eq!((done.wrapped, done.resumed), (1, true));
    }
}
