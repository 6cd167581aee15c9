//! A controller's key that is lost for good: nobody but the operator can say so. Until then nothing is recorded for that controller, and
//! gallring leaves recordings that have no key of their own either: both may be on a disk that is away.

mod logs;
mod recordings;
mod signing;

use std::path::PathBuf;

use jiff::Timestamp;

pub(crate) use self::{logs::is_log_given_up, recordings::without_recording};
pub use self::{
    logs::log_lost,
    recordings::{recordings_lost, recordings_without},
    signing::signing_key_lost,
};

use crate::{
    access::{self, Access, PURPOSE_LEN_MAX},
    gallring::GallringError,
    index::{Index, IndexError},
    ledger::LedgerError,
    names::{ControllerName, NameError, RecordingId},
    recover,
    store::By,
    vault::{Unopened, Vault, VaultError},
};

/// What the access log calls it.
const KEY_LOST: &str = "key-lost";
const KEY_FOUND: &str = "key-found";

/// Why a key isn't said to be lost.
#[derive(Debug, thiserror::Error)]
pub enum LostError {
    /// The name isn't one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A controller of whom nothing is here.
    #[error(
        "nothing of {0} is in the index: `vaxel recordings list` shows whose recordings there are"
    )]
    Nobody(String),
    /// Nobody said why.
    #[error(
        "say how it was lost: `--reason \"...\"`, at most {PURPOSE_LEN_MAX} characters; it is kept in the controller's access log"
    )]
    Reason,
    /// The key is there, or the keys aren't.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The access log refuses.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Gallring, or a backup, goes on in this store.
    #[error(transparent)]
    Gallring(#[from] GallringError),
    /// The signing key is there.
    #[error("the signing key {} is there: nothing was changed", path.display())]
    SigningKeyThere {
        /// Its file.
        path: PathBuf,
    },
    /// The access log is whole.
    #[error(
        "the access log of {0} is as it was written, or somebody has said already what is lost of it: nothing was changed"
    )]
    LogThere(String),
    /// Every key has its recording.
    #[error(
        "every key of {0}'s recordings has its recording here, or somebody has said that it is lost: nothing was changed"
    )]
    NothingLost(String),
    /// The index may have more than it tells.
    #[error(
        "the index is another one than before, and doesn't know yet all that is kept: the recorder tells it once it has started, or `vaxel store recover`. Only then can be said what is lost"
    )]
    Unlisted,
    /// There is no ledger.
    #[error(
        "nothing was ever signed in this store, so no signing key is lost: one is made with the first entry"
    )]
    NothingSigned,
}

/// Writes down that a controller's key is lost for good, how in the access log, and makes another, under which calls are recorded
/// again. Recordings that have no key of their own go with the next gallring under its decisions, and stand in the register; nothing
/// is erased here, and nothing written over. The lost key, back under its own name, opens what was recorded under it.
///
/// # Errors
/// When nobody says how, nothing of the controller is here, its key is there, or all keys are away with their disk.
pub fn key_lost(
    vault: &Vault,
    index: &Index,
    controller: &str,
    by: &By,
    now: Timestamp,
) -> Result<(), LostError> {
    has_reason(by)?;
    let name = ControllerName::parse(controller)?;
    if index.of_controller(controller, None)?.is_empty() {
        return Err(LostError::Nobody(controller.to_owned()));
    }
    vault.refuse_key_there(&name)?;
    let access = Access {
        who: by.who.clone(),
        controller: controller.to_owned(),
        action: KEY_LOST.to_owned(),
        object: format!("controllers/{controller}.key"),
        purpose: by.purpose.clone(),
    };
    let (mut after, mut unopened) = (None, Unopened::default());
    loop {
        let page = index.of_controller(controller, after)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let ids = page.iter().map(|entry| entry.id);
        vault.count_unopened(&name, ids, &mut unopened)?;
    }
    access::write(vault, now, &[access])?;
    Ok(vault.give_up_key(&name, &unopened)?)
}

/// Writes down that a recording's own key is lost for good, how in the access log: nothing waits for it any more, as the renewal of the
/// backups' key part does, in which keys that were destroyed since would stay. Gives the recording's id.
///
/// # Errors
/// When nobody says how, there is no such recording, its key is there, or its controller's isn't.
pub fn recording_key_lost(
    vault: &Vault,
    index: &Index,
    recording: &str,
    by: &By,
    now: Timestamp,
) -> Result<RecordingId, LostError> {
    has_reason(by)?;
    let entry = index.find(recording)?;
    let name = ControllerName::parse(&entry.tag.controller)?;
    vault.refuse_data_key_there(entry.id, &name)?;
    let access = Access {
        who: by.who.clone(),
        controller: name.as_str().to_owned(),
        action: KEY_LOST.to_owned(),
        object: entry.id.to_string(),
        purpose: by.purpose.clone(),
    };
    access::write(vault, now, &[access])?;
    vault.give_up_data_key(entry.id)?;
    Ok(entry.id)
}

fn has_reason(by: &By) -> Result<(), LostError> {
    match by.purpose.trim().is_empty() || by.purpose.len() > PURPOSE_LEN_MAX {
        true => Err(LostError::Reason),
        false => Ok(()),
    }
}

/// Writes into the access logs which keys that were said to be lost are there again, each once; and that the signing key was lost, where
/// whoever said so was stopped.
///
/// # Errors
/// When keys can't be read, or a log not written; also when none can be, as the signing key is gone and nobody has said that it is lost.
pub(crate) fn note_found(vault: &Vault, index: &Index, now: Timestamp) -> Result<(), LostError> {
    signing::keep_beside(vault)?;
    signing::note_change(vault, now)?;
    for found in vault.keys_found()? {
        let key = &found.key;
        tracing::warn!(
            key,
            "a key that was said to be lost is there again: what was recorded under it opens"
        );
        let access = Access {
            who: "recorder".to_owned(),
            controller: found.controller.as_str().to_owned(),
            action: KEY_FOUND.to_owned(),
            object: format!("controllers/{key}"),
            purpose: String::new(),
        };
        access::write(vault, now, &[access])?;
        // Before it is told of: whoever is stopped here counts again.
        recover::hear_again(vault, index, &found.controller)?;
        vault.told_of(&found)?;
    }
    note_data_keys_found(vault, index, now)?;
    signing::refuse_lost(vault)
}

/// The same of recordings' own keys. What was said of recordings that aren't here themselves stands.
fn note_data_keys_found(vault: &Vault, index: &Index, now: Timestamp) -> Result<(), LostError> {
    for id in vault.data_keys_given_up()? {
        let entry = match index.get(id) {
            Err(IndexError::NotFound(_)) => continue,
            other => other?,
        };
        if vault.unlock(id, &entry.tag).is_err() {
            continue;
        }
        tracing::warn!(recording = %id, "its key was said to be lost and is there again: it opens");
        let access = Access {
            who: "recorder".to_owned(),
            controller: entry.tag.controller.to_string(),
            action: KEY_FOUND.to_owned(),
            object: id.to_string(),
            purpose: String::new(),
        };
        access::write(vault, now, &[access])?;
        recover::hear_one_again(vault, index, &entry)?;
        vault.take_back_data_key(id)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant};

    use bytes::Bytes;
    use wire::g711::Law;

    use super::*;
    use crate::{
        names::StreamLabel,
        rotate,
        vault::{Packet, test_tag},
    };

    const CONTROLLER: &str = "region-01";

    struct Bench {
        place: tempfile::TempDir,
        vault: Vault,
        index: Index,
    }

    impl Bench {
        fn new() -> Self {
            let place = tempfile::tempdir().expect("a folder");
            let [store, keys] = ["store", "keys"].map(|name| place.path().join(name));
            let vault = Vault::open(&store, &keys).expect("fresh");
            let index = Index::open(&vault).expect("fresh");
            Self {
                place,
                vault,
                index,
            }
        }

        fn record(&self) -> Result<RecordingId, VaultError> {
            let (id, tag) = (RecordingId::random()?, test_tag(CONTROLLER));
            let recording = self.vault.begin(id, &tag)?;
            self.index.insert_open(id, &tag).expect("entered");
            let label = StreamLabel::parse("1").expect("a label");
            let mut writer = recording.stream_writer(&label, Law::A)?;
            writer.push(
                &Packet::audio(0, Bytes::from_static(&[1; 160])),
                Instant::now(),
            )?;
            writer.finish()?;
            Ok(id)
        }

        fn opens(&self, id: RecordingId) -> bool {
            self.vault.unlock(id, &test_tag(CONTROLLER)).is_ok()
        }

        fn key(&self, name: &str) -> std::path::PathBuf {
            self.place.path().join("keys/controllers").join(name)
        }

        fn lose(&self) -> Result<(), LostError> {
            let by = By {
                who: "ana".into(),
                purpose: "a fire".into(),
            };
            key_lost(&self.vault, &self.index, CONTROLLER, &by, Timestamp::now())
        }

        fn rotate(&self) -> (u64, u64, u64) {
            let done = rotate::rotate(&self.vault, &self.index, CONTROLLER, |_| {});
            let done = done.expect("rotated");
            (done.wrapped, done.passed_over, done.locked)
        }
    }

    #[test]
    fn what_is_recorded_after_a_loss_has_a_key_of_its_own_and_what_turns_up_lies_beside() {
        let bench = Bench::new();
        let before = [bench.record(), bench.record()].map(|id| id.expect("recorded"));
        let away = bench.place.path().join("away.key");
        fs::rename(bench.key("region-01.key"), &away).expect("lost");
        assert!(matches!(bench.record(), Err(VaultError::KeyMissing { .. })));
        bench.lose().expect("said");
        let after = bench.record().expect("recorded again");
        assert!(bench.opens(after));
        for id in before {
            let opened = bench.vault.unlock(id, &test_tag(CONTROLLER));
            assert!(matches!(opened, Err(VaultError::UnderLostKey { .. })));
        }
        assert!(matches!(
            bench.lose(),
            Err(LostError::Vault(VaultError::KeyThere { .. }))
        ));
        // Back under its own name it is in nobody's way.
        let new = fs::read(bench.key("region-01.2.key")).expect("there");
        fs::rename(&away, bench.key("region-01.key")).expect("found");
        let later = bench.record().expect("recorded");
        let all = before.into_iter().chain([after, later]);
        assert!(all.clone().all(|id| bench.opens(id)));
        assert_eq!(fs::read(bench.key("region-01.2.key")).ok(), Some(new));
        // A rotation moves all of it to one key.
        assert_eq!(bench.rotate(), (4, 0, 0));
        let left = ["region-01.key", "region-01.2.old.key", "region-01.2.key"]
            .map(|name| bench.key(name).exists());
        assert_eq!(left, [false, false, true]);
        assert!(all.clone().all(|id| bench.opens(id)));
    }

    #[test]
    fn what_is_under_a_lost_key_stops_no_rotation_and_opens_when_it_turns_up() {
        let bench = Bench::new();
        let before = [bench.record(), bench.record()].map(|id| id.expect("recorded"));
        let away = bench.place.path().join("away.key");
        fs::rename(bench.key("region-01.key"), &away).expect("lost");
        bench.lose().expect("said");
        let after = bench.record().expect("recorded again");
        assert_eq!(bench.rotate(), (1, 2, 2));
        // One that is spoilt isn't taken for one of those.
        let path = bench.vault.keys().join(format!("data/{after}.key"));
        let whole = fs::read(&path).expect("there");
        let mut spoilt = whole.clone();
        spoilt[6] ^= 1;
        fs::write(&path, spoilt).expect("ours");
        let refused = rotate::rotate(&bench.vault, &bench.index, CONTROLLER, |_| {});
        assert!(refused.is_err() && bench.key("region-01.2.old.key").exists());
        fs::write(&path, whole).expect("ours");
        assert_eq!(bench.rotate(), (1, 2, 2));
        fs::rename(&away, bench.key("region-01.key")).expect("found");
        assert!(before.iter().all(|id| bench.opens(*id)) && bench.opens(after));
        // A second loss is another.
        fs::remove_file(bench.key("region-01.2.key")).expect("there");
        bench.lose().expect("said");
        let last = bench.record().expect("recorded again");
        assert!(bench.key("region-01.3.key").exists());
        assert!(before.iter().all(|id| bench.opens(*id)) && bench.opens(last));
        assert!(!bench.opens(after));
    }

    /// As those that were made while the keys' disk was away, which nobody said to be lost.
    #[test]
    fn another_key_that_is_put_beside_opens_what_is_under_it() {
        let bench = Bench::new();
        let (key, beside) = (bench.key("region-01.key"), bench.key("region-01.2.key"));
        let before = bench.record().expect("recorded");
        let away = bench.place.path().join("away.key");
        fs::rename(&key, &away).expect("not mounted");
        fs::rename(
            bench.vault.store().join(CONTROLLER),
            bench.place.path().join("aside"),
        )
        .expect("ours");
        let meanwhile = bench.record().expect("as in a new store");
        fs::rename(&key, &beside).expect("ours");
        fs::rename(&away, &key).expect("mounted");
        assert!(bench.opens(before) && bench.opens(meanwhile));
        assert_eq!(bench.rotate(), (2, 0, 0));
        assert!(!beside.exists() && bench.opens(before) && bench.opens(meanwhile));
    }

    #[test]
    fn what_was_closed_without_its_key_is_counted_when_that_turns_up() {
        let bench = Bench::new();
        let id = bench.record().expect("recorded");
        let away = bench.place.path().join("away.key");
        fs::rename(bench.key("region-01.key"), &away).expect("lost");
        bench.lose().expect("said");
        let closed = recover::close_left_open(&bench.vault, &bench.index);
        assert_eq!(closed.expect("closed"), 1);
        let of = |id| bench.index.get(id).expect("there");
        assert!(of(id).tally.uncounted);
        let now = Timestamp::now();
        note_found(&bench.vault, &bench.index, now).expect("nothing yet");
        assert!(of(id).tally.uncounted, "nobody can tell yet");
        fs::rename(&away, bench.key("region-01.key")).expect("found");
        note_found(&bench.vault, &bench.index, now).expect("noted");
        let entry = of(id);
        assert_eq!(
            (entry.tally.uncounted, entry.tally.packets, entry.tally.end),
            (false, 1, 160)
        );
        assert!(entry.bytes > 0 && entry.files.len() == 1 && entry.ended.is_some());
        let seconds: f64 = bench.index.figures().expect("read")[CONTROLLER].seconds;
        assert!((seconds - 0.02).abs() < 1e-9, "{seconds}");
    }

    #[test]
    fn a_recordings_own_key_that_turns_up_takes_the_word_back_and_is_counted() {
        let bench = Bench::new();
        let id = bench.record().expect("recorded");
        let key = bench.vault.keys().join(format!("data/{id}.key"));
        let away = bench.place.path().join("away.key");
        fs::rename(&key, &away).expect("lost");
        let by = By {
            who: "ana".into(),
            purpose: "a fire".into(),
        };
        let now = Timestamp::now();
        recording_key_lost(&bench.vault, &bench.index, &id.to_string(), &by, now).expect("said");
        recover::close_left_open(&bench.vault, &bench.index).expect("closed");
        note_found(&bench.vault, &bench.index, now).expect("nothing yet");
        let of = || bench.index.get(id).expect("there");
        assert!(of().tally.uncounted && bench.vault.is_data_key_given_up(id));
        fs::rename(&away, &key).expect("found");
        for _ in 0..2 {
            note_found(&bench.vault, &bench.index, now).expect("noted");
        }
        assert_eq!((of().tally.uncounted, of().tally.packets), (false, 1));
        assert!(!bench.vault.is_data_key_given_up(id));
        let mut said = Vec::new();
        let read = access::read(&bench.vault, CONTROLLER, |_, one| said.push(one.action));
        read.expect("whole");
        assert_eq!(said, ["key-lost", "key-found"]);
    }

    #[test]
    fn a_key_that_turns_up_is_told_of_once() {
        let bench = Bench::new();
        bench.record().expect("recorded");
        let away = bench.place.path().join("away.key");
        fs::rename(bench.key("region-01.key"), &away).expect("lost");
        bench.lose().expect("said");
        let now = Timestamp::now();
        note_found(&bench.vault, &bench.index, now).expect("nothing yet");
        fs::rename(&away, bench.key("region-01.key")).expect("found");
        for _ in 0..2 {
            note_found(&bench.vault, &bench.index, now).expect("noted");
        }
        let mut said = Vec::new();
        let read = access::read(&bench.vault, CONTROLLER, |_, one| {
            said.push((one.action, one.object));
        });
        read.expect("whole");
        let one = |what: &str| (what.to_owned(), "controllers/region-01.key".to_owned());
        assert_eq!(said, [one("key-lost"), one("key-found")]);
    }
}
