//! After a crash: recordings that were left open are closed from what their files hold, and those that the index doesn't
//! know of are entered.

mod far;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use callcore::tag::RecordingTag;
use jiff::{SignedDuration, Timestamp};

use crate::{
    backup, gallring, handover,
    index::{Closing, Entry, Index, IndexError, Mark, State},
    names::RecordingId,
    tally::Tally,
    vault::{Ending, Vault, VaultError, Waiting, folder},
};

pub use self::far::{FarFound, is_unlisted, recover_far};

/// Why what a crash left can't be put right.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The vault refuses.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The access logs don't tell what is held.
    #[error(
        "what was ordered to stay can't be read from the access logs: `vaxel recordings verify` says where; nothing is erased until it can"
    )]
    Unheld,
    /// Gallring or a backup works in the store.
    #[error(transparent)]
    Gallring(#[from] Box<gallring::GallringError>),
}

/// What clock and disk may differ by, and a day's work besides: a month's folder that is older than that has no recording
/// which the index could have lost since the last start.
const MARGIN: Duration = Duration::from_secs(24 * 60 * 60);
/// Written at every start: when, and with which index.
const MARK: &str = ".started";

/// What a start found to put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Recordings that were open, now closed.
    pub closed: usize,
    /// Recordings on disk that the index didn't know; they are among those closed.
    pub entered: usize,
    /// Beginnings without a key, removed: nothing was ever written in them.
    pub removed: usize,
}

/// Makes index and store agree. Only for a recorder that holds the store's lock.
///
/// # Errors
/// When the index can't be read or written, or a folder can't be read.
pub fn recover(vault: &Vault, index: &Index) -> Result<Recovered, RecoverError> {
    let mut found = Recovered::default();
    vault.clear_aside()?;
    let mark = vault.store().join(MARK);
    let identity = index.identity()?;
    let since = since(&mark, &identity, index)?;
    if since.is_none() {
        far::note(vault)?;
    }
    let mut keyless = BTreeMap::new();
    for one in vault.recordings_near(since)? {
        match index.get(one.id) {
            Ok(_) => continue,
            Err(IndexError::NotFound(_)) => {}
            // Whoever can't ask must not take it for unknown.
            Err(error) => return Err(error.into()),
        }
        match vault.tag_near(&one.folder) {
            Some(tag) if vault.has_key(one.id) => {
                enter(vault, index, one.id, &tag)?;
                found.entered += 1;
            }
            // Before its key is safe a recording has no audio: this one has lost it.
            _ if !vault.has_key(one.id) && vault.has_audio(&one)? => {
                keyless.insert(one.id.to_string(), one);
            }
            // Stopped before the key was there.
            _ if !vault.has_key(one.id) => {
                vault.remove_keyless(&one)?;
                found.removed += 1;
            }
            _ => {
                tracing::error!(recording = %one.id, "its tag can't be read: restore tag.json from a backup")
            }
        }
    }
    found.removed += remove_erased(vault, keyless)?;
    found.closed = close_left_open(vault, index)?;
    if since.is_none() && hold_again(vault, index) && !vault.has_spool() {
        far::forget(vault)?;
    }
    folder::write_private(&mark, index.mark_start()?.as_bytes())?;
    Ok(found)
}

/// Removes what the destruction register says was erased: a power cut brought it back, as its removal was on its way to the
/// disk. What it doesn't know of has lost its key, as when the keys' disk isn't there. Gives how many it removed.
fn remove_erased(
    vault: &Vault,
    mut keyless: BTreeMap<String, Waiting>,
) -> Result<usize, RecoverError> {
    let Some(erased) = take_erased(vault, &mut keyless) else {
        return Ok(0);
    };
    for id in keyless.keys() {
        tracing::error!(
            recording = id,
            "it has no key and isn't in the index: restore both from a backup; its audio stays"
        );
    }
    for one in &erased {
        vault.remove_keyless(one)?;
    }
    Ok(erased.len())
}

/// Takes what the destruction register says was erased out of what has no key. `None` when it can't be read: then nothing was.
fn take_erased<T>(vault: &Vault, keyless: &mut BTreeMap<String, T>) -> Option<Vec<T>> {
    let mut erased = Vec::new();
    if !keyless.is_empty() {
        let read = gallring::register(vault, true, |line| {
            // Not by a line of who spoke in it.
            if line.destroyed.key_destroyed {
                erased.extend(keyless.remove_entry(&line.destroyed.object));
            }
        });
        if let Err(error) = read {
            tracing::error!(%error, "what was erased can't be told from what has lost its key: all of it stays");
            keyless.extend(erased);
            return None;
        }
    }
    Some(erased.into_iter().map(|(_, one)| one).collect())
}

/// An index that isn't the one of the last start has forgotten what was ordered to stay, and what its controller has its copy of;
/// the access logs and the hand-overs haven't. False when they can't be read.
fn hold_again(vault: &Vault, index: &Index) -> bool {
    let taken = handover::take_again(vault, index);
    if let Err(error) = &taken {
        tracing::error!(%error, "the index is another one, and what was handed over before can't be read: it stays");
    }
    let placed = backup::place_again(vault, index);
    match &placed {
        Ok(0) => {}
        Ok(held) => tracing::warn!(
            held,
            "the index is another one: what was held is held again"
        ),
        // No reason to record nothing.
        Err(error) => {
            tracing::error!(%error, "the index is another one, and what was held before can't be read: nothing is erased until it can")
        }
    }
    placed.is_ok()
}

/// Since when the index may have lost something; `None`: all of it, as when it isn't the one of the last start.
fn since(mark: &Path, identity: &str, index: &Index) -> Result<Option<SystemTime>, IndexError> {
    let with = fs::read_to_string(mark).unwrap_or_default();
    // An earlier version wrote down no index; then one that has nothing is new.
    let same = if with.is_empty() {
        !index.figures()?.is_empty()
    } else {
        with == identity
    };
    let last = fs::metadata(mark).and_then(|found| found.modified()).ok();
    Ok(last
        .filter(|_| same)
        .and_then(|last| last.checked_sub(MARGIN)))
}

/// Closes every recording that the index still calls open; gives how many. One whose key may come back stays open until it does, or is
/// said to be lost: what is in it nobody can tell before. Only for a recorder that holds the store's lock: what another is writing is
/// open too.
///
/// # Errors
/// When the index can't be read or written.
pub fn close_left_open(vault: &Vault, index: &Index) -> Result<usize, IndexError> {
    let mut closed = 0;
    for entry in &index.left_open()? {
        let closing = measure(vault, entry).or_else(|error| unopened(vault, entry, error));
        match closing {
            Ok(closing) => {
                index.close(entry.id, &closing)?;
                closed += 1;
                tracing::info!(recording = %entry.id, state = %closing.state, seconds = closing.tally.seconds(), "closed after a crash");
            }
            Err(error) => {
                tracing::error!(recording = %entry.id, %error, "a recording left open can't be read, and stays open until it can")
            }
        }
    }
    Ok(closed)
}

/// What is known of a recording that doesn't open, and won't: what its files take. Gives the error back where it may open later.
fn unopened(vault: &Vault, entry: &Entry, error: VaultError) -> Result<Closing, VaultError> {
    let mut closing = nothing(&entry.tag);
    let lying = vault.lying(entry.id, &entry.tag)?;
    let has_audio = lying.has_audio()?;
    let is_over = match &error {
        VaultError::UnderLostKey { .. }
        | VaultError::TagChanged { .. }
        | VaultError::KeyDamaged { .. } => true,
        // Begun, and stopped before a key was there: there is nothing to hear.
        _ if !vault.has_key(entry.id) => !has_audio || vault.is_data_key_given_up(entry.id),
        _ => false,
    };
    if !is_over {
        return Err(error);
    }
    tracing::warn!(recording = %entry.id, %error, "a recording left open can't be read");
    if has_audio {
        let labels = lying.labels()?;
        closing.files = labels.iter().map(|label| lying.file_name(label)).collect();
        closing.bytes = lying.files()?.values().sum();
        closing.tally.uncounted = true;
    }
    Ok(closing)
}

/// Only a recording that opens under its tag is entered: what a stranger put there isn't one.
fn enter(
    vault: &Vault,
    index: &Index,
    id: RecordingId,
    tag: &RecordingTag,
) -> Result<(), RecoverError> {
    match vault.unlock(id, tag) {
        Ok(_) => {
            index.insert_open(id, tag)?;
            // Written with the first bytes of every recording: where it isn't, it was erased, which stands in the register.
            if !vault.has_numbers(id, tag) {
                index.forget(Mark::Numbers, &[id])?;
            }
            tracing::info!(recording = %id, "entered in the index again");
        }
        Err(error) => {
            tracing::error!(recording = %id, %error, "it isn't in the index and doesn't open")
        }
    }
    Ok(())
}

fn measure(vault: &Vault, entry: &Entry) -> Result<Closing, VaultError> {
    let recording = vault.unlock(entry.id, &entry.tag)?;
    recording.remove_half_meta()?;
    let mut closing = nothing(&entry.tag);
    let mut whole = true;
    for label in recording.labels()? {
        let read = recording
            .stream_reader(&label)
            .map(|mut reader| Tally::read(&mut reader));
        match read {
            Ok((tally, ending)) => {
                closing.tally.add(tally);
                whole &= matches!(ending, Ok(Ending::Whole));
            }
            // Torn within its first bytes.
            Err(_) => whole = false,
        }
        closing.files.push(recording.file_name(&label));
    }
    // Every stream was finished, only the index didn't hear of it.
    if whole && !closing.files.is_empty() {
        closing.state = State::Closed;
    }
    closing.bytes = recording.stored_bytes()?;
    let micros = i64::from(closing.tally.end) * 1_000_000 / i64::from(crate::tally::RATE);
    closing.ended = closing
        .ended
        .checked_add(SignedDuration::from_micros(micros))
        .unwrap_or(closing.ended);
    Ok(closing)
}

fn nothing(tag: &RecordingTag) -> Closing {
    let ended: Timestamp = tag.started.timestamp();
    Closing {
        state: State::Truncated,
        ended,
        bytes: 0,
        tally: Tally::default(),
        files: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use wire::g711::Law;

    use super::*;
    use crate::{
        names::{RecordingId, StreamLabel},
        vault::{Packet, test_tag},
    };

    fn fresh() -> (tempfile::TempDir, Vault, Index) {
        let place = tempfile::tempdir().expect("a folder");
        let vault =
            Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
        let index = Index::open(&vault).expect("fresh");
        (place, vault, index)
    }

    #[test]
    fn what_a_crash_left_open_is_closed_from_its_files() {
        let (_place, vault, index) = fresh();
        let [torn, finished, keyless] = [(); 3].map(|()| RecordingId::random().expect("random"));
        for id in [torn, finished] {
            let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
            index
                .insert_open(id, &test_tag("region-01"))
                .expect("entered");
            let label = StreamLabel::parse("1").expect("a label");
            let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
            let mut now = Instant::now();
            for number in 0..100 {
                now += std::time::Duration::from_millis(20);
                writer
                    .push(
                        &Packet::audio(number * 160, Bytes::from_static(&[1; 160])),
                        now,
                    )
                    .expect("written");
            }
            if id == finished {
                writer.finish().expect("finished");
            }
        }
        index
            .insert_open(keyless, &test_tag("region-01"))
            .expect("entered");

        assert_eq!(close_left_open(&vault, &index).expect("recovers"), 3);

        let entry = index.get(torn).expect("there");
        assert_eq!(entry.state, State::Truncated);
        assert!(
            (75..=100).contains(&entry.tally.packets),
            "{:?}",
            entry.tally
        );
        assert_eq!(entry.files.len(), 1);
        assert!(vault.store().join(&entry.files[0]).is_file() && entry.bytes > 0);
        let entry = index.get(finished).expect("there");
        assert_eq!((entry.state, entry.tally.packets), (State::Closed, 100));
        let ended = entry
            .tag
            .started
            .timestamp()
            .checked_add(SignedDuration::from_secs(2))
            .expect("in range");
        assert_eq!(entry.ended, Some(ended));
        assert_eq!(index.get(keyless).expect("there").state, State::Truncated);
        assert_eq!(close_left_open(&vault, &index).expect("nothing left"), 0);
    }

    /// Its disk may be mounted again, and then there is all of it.
    #[test]
    fn what_was_left_open_under_a_key_that_is_gone_is_closed_once_it_is_there() {
        for is_controllers in [true, false] {
            let (place, vault, index) = fresh();
            let (id, tag) = (
                RecordingId::random().expect("random"),
                test_tag("region-01"),
            );
            let recording = vault.begin(id, &tag).expect("begins");
            index.insert_open(id, &tag).expect("entered");
            let label = StreamLabel::parse("1").expect("a label");
            let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
            let audio = Packet::audio(0, Bytes::from_static(&[1; 160]));
            writer.push(&audio, Instant::now()).expect("written");
            writer.finish().expect("finished");
            let key = vault.keys().join(match is_controllers {
                true => "controllers/region-01.key".to_owned(),
                false => format!("data/{id}.key"),
            });
            let away = place.path().join("away.key");
            fs::rename(&key, &away).expect("there");
            let state = || index.get(id).expect("there");
            assert_eq!(close_left_open(&vault, &index).expect("recovers"), 0);
            assert_eq!(state().state, State::Open);
            fs::rename(&away, &key).expect("mounted");
            assert_eq!(close_left_open(&vault, &index).expect("recovers"), 1);
            assert_eq!(
                (state().state, state().tally.packets, state().files.len()),
                (State::Closed, 1, 1)
            );
        }
    }

    /// Gallring is to erase it in its time, so it doesn't stay open for ever.
    #[test]
    fn what_was_left_open_under_a_key_that_is_lost_is_closed_with_what_its_files_take() {
        let (_place, vault, index) = fresh();
        let (id, tag) = (
            RecordingId::random().expect("random"),
            test_tag("region-01"),
        );
        let recording = vault.begin(id, &tag).expect("begins");
        index.insert_open(id, &tag).expect("entered");
        let label = StreamLabel::parse("1").expect("a label");
        let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
        let audio = Packet::audio(0, Bytes::from_static(&[1; 160]));
        writer.push(&audio, Instant::now()).expect("written");
        writer.finish().expect("finished");
        fs::remove_file(vault.keys().join("controllers/region-01.key")).expect("there");
        let by = crate::store::By {
            who: "anna".to_owned(),
            purpose: "a fire".to_owned(),
        };
        let now = Timestamp::now();
        crate::lost::key_lost(&vault, &index, "region-01", &by, now).expect("said");
        assert_eq!(close_left_open(&vault, &index).expect("recovers"), 1);
        let entry = index.get(id).expect("there");
        assert_eq!((entry.state, entry.files.len()), (State::Truncated, 1));
        assert!(entry.tally.uncounted && entry.bytes > 160, "{entry:?}");
    }

    #[test]
    fn a_stream_that_was_torn_as_it_began_is_no_damage() {
        let (place, vault, index) = fresh();
        let (id, tag) = (
            RecordingId::random().expect("random"),
            test_tag("region-01"),
        );
        let recording = vault.begin(id, &tag).expect("begins");
        index.insert_open(id, &tag).expect("entered");
        let label = StreamLabel::parse("1").expect("a label");
        drop(recording.stream_writer(&label, Law::A).expect("a stream"));
        let file = vault.store().join(recording.file_name(&label));
        let file = fs::File::options().write(true).open(file).expect("there");
        file.set_len(10).expect("ours");
        assert_eq!(close_left_open(&vault, &index).expect("recovers"), 1);
        drop(index);
        let (store, keys) = (place.path().join("store"), place.path().join("keys"));
        let store = crate::store::open_existing(&store, &keys).expect("opens");
        let sound = store.verify(|wrong| panic!("{wrong:?}")).expect("read");
        assert_eq!(sound.recordings, 1);
    }

    /// As when the disk of the keys isn't there, and the index is new: nothing of it was erased by anybody.
    #[test]
    fn audio_without_a_key_and_a_row_stays() {
        let (_place, vault, index) = fresh();
        let [spoken, silent] = [(); 2].map(|()| RecordingId::random().expect("random"));
        for id in [spoken, silent] {
            let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
            recording
                .write_first_meta(&Default::default())
                .expect("written");
            let label = StreamLabel::parse("a-label-of-all-32-characters-abc").expect("a label");
            let mut writer = recording.stream_writer(&label, Law::A).expect("a stream");
            if id == spoken {
                let audio = Packet::audio(0, Bytes::from_static(&[1; 160]));
                writer.push(&audio, Instant::now()).expect("written");
                writer.finish().expect("finished");
            }
            fs::remove_file(vault.keys().join(format!("data/{id}.key"))).expect("ours");
        }
        let found = recover(&vault, &index).expect("recovers");
        assert_eq!((found.removed, found.entered, found.closed), (1, 0, 0));
        let left = vault.recordings_near(None).expect("listed");
        assert_eq!(left.iter().map(|one| one.id).collect::<Vec<_>>(), [spoken]);
    }

    /// Restored from a backup, or made anew: also what was recorded months ago is entered.
    #[test]
    fn another_index_is_told_of_every_recording() {
        let (place, vault, index) = fresh();
        let id = RecordingId::random().expect("random");
        let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
        index
            .insert_open(id, &test_tag("region-01"))
            .expect("entered");
        assert_eq!(recover(&vault, &index).expect("recovers").closed, 1);
        let folder = vault.store().join(recording.relative());
        let month = fs::File::open(folder.parent().expect("a month")).expect("there");
        let long_ago = SystemTime::now() - 100 * MARGIN;
        month.set_modified(long_ago).expect("ours");
        assert_eq!(recover(&vault, &index).expect("recovers").entered, 0);
        drop(index);
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
            let _gone = fs::rename(vault.store().join(name), place.path().join(name));
        }
        let index = Index::open(&vault).expect("fresh");
        assert_eq!(recover(&vault, &index).expect("recovers").entered, 1);
        assert_eq!(index.get(id).expect("there").state, State::Truncated);
    }

    /// What an index knew that is gone: who ordered what to stay stands in the access logs, and what is held isn't erased.
    #[test]
    fn a_new_index_holds_what_was_held() {
        let (place, vault, index) = fresh();
        let [held, released] = [(); 2].map(|()| RecordingId::random().expect("random"));
        for id in [held, released] {
            vault.begin(id, &test_tag("region-01")).expect("begins");
            index
                .insert_open(id, &test_tag("region-01"))
                .expect("entered");
        }
        let (store, keys) = (place.path().join("store"), place.path().join("keys"));
        let opened = crate::store::open_to_change(&store, &keys).expect("opens");
        let by = crate::store::By {
            who: "anna".to_owned(),
            purpose: "a dispute".to_owned(),
        };
        for id in [held, released] {
            opened.hold(&id.to_string(), &by).expect("held");
        }
        opened.release(&released.to_string(), &by).expect("free");
        drop((opened, index));
        for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
            let _gone = fs::rename(vault.store().join(name), place.path().join(name));
        }
        let index = Index::open(&vault).expect("fresh");
        assert_eq!(recover(&vault, &index).expect("recovers").entered, 2);
        let holds = index.holds().expect("read");
        let holds = holds.iter().map(|hold| (&*hold.id, &*hold.reason));
        assert_eq!(
            holds.collect::<Vec<_>>(),
            [(&*held.to_string(), "a dispute")]
        );
        let groups = index.alike().expect("read");
        let held: Vec<_> = groups
            .iter()
            .map(|group| (group.held, group.recordings))
            .collect();
        assert_eq!(held, [(false, 1), (true, 1)]);
    }

    /// Copied over the file that is there, it has the same name and inode.
    #[test]
    fn an_older_index_in_the_same_file_is_told_of_every_recording() {
        let place = tempfile::tempdir().expect("a folder");
        let vault =
            Vault::open(&place.path().join("store"), &place.path().join("keys")).expect("fresh");
        let (file, copy) = (
            vault.store().join("index.sqlite"),
            place.path().join("copy"),
        );
        let start = || {
            let index = Index::open(&vault).expect("opens");
            let entered = recover(&vault, &index).expect("recovers").entered;
            (index, entered)
        };
        drop(start());
        fs::copy(&file, &copy).expect("ours");
        let (index, _) = start();
        let id = RecordingId::random().expect("random");
        let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
        index
            .insert_open(id, &test_tag("region-01"))
            .expect("entered");
        drop(index);
        let folder = vault.store().join(recording.relative());
        let month = fs::File::open(folder.parent().expect("a month")).expect("there");
        let long_ago = SystemTime::now() - 100 * MARGIN;
        month.set_modified(long_ago).expect("ours");
        assert_eq!(start().1, 0, "it is there");
        // As `cp` does it.
        fs::copy(&copy, &file).expect("ours");
        let (index, entered) = start();
        assert_eq!(entered, 1);
        assert_eq!(index.get(id).expect("there").state, State::Truncated);
        drop(index);
        assert_eq!(start().1, 0, "nothing is looked through twice");
    }
}
