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
    names::{ControllerName, RecordingId},
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

/// Whether the index has nothing, and isn't the one that a recorder started with last: lost, and made anew by whoever opened it. What it
/// doesn't know of is neither due nor held, and that nobody may be told.
///
/// # Errors
/// When it can't be read.
pub(crate) fn is_index_lost(vault: &Vault, index: &Index) -> Result<bool, IndexError> {
    let with = fs::read_to_string(vault.store().join(MARK)).unwrap_or_default();
    if with.is_empty() || with == index.identity()? {
        return Ok(false);
    }
    Ok(index.figures()?.is_empty() && index.left_open()?.is_empty())
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

/// Counts what recordings of a controller hold that were closed unheard, as their key was said to be lost, and that open again; gives
/// how many. What doesn't open still stays as it is.
///
/// # Errors
/// When the index can't be read or written.
pub(crate) fn hear_again(
    vault: &Vault,
    index: &Index,
    controller: &ControllerName,
) -> Result<u64, IndexError> {
    let (mut heard, mut after) = (0, None);
    loop {
        let page = index.unheard(controller.as_str(), after)?;
        let Some(last) = page.last() else {
            return Ok(heard);
        };
        after = Some(last.id);
        for entry in &page {
            heard += u64::from(hear_one_again(vault, index, entry)?);
        }
    }
}

/// The same of one; whether it was closed unheard and opens again.
///
/// # Errors
/// When the index can't be written.
pub(crate) fn hear_one_again(
    vault: &Vault,
    index: &Index,
    entry: &Entry,
) -> Result<bool, IndexError> {
    match measure(vault, entry) {
        Ok(closing) => index.heard(entry.id, &closing),
        Err(_) => Ok(false),
    }
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
mod tests;
