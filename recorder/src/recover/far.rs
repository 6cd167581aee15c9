//! An index that was lost knows nothing of what has left for the bucket: it is told of it again, from the bucket.
//!
//! Of a recording its tag is read and the two ends of its streams, not what was said. Until all was looked through nothing is
//! erased: the index can't tell yet what somebody has ordered to stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::ControlFlow,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
};

use callcore::tag::RecordingTag;
use jiff::SignedDuration;
use serde::Serialize;

use super::{RecoverError, hold_again, nothing, take_erased};
use crate::{
    gallring::{self, GallringError},
    index::{Closing, Index, State},
    names::RecordingId,
    tally::{RATE, Tally},
    vault::{Ending, Far, FarFiles, Vault, VaultError, folder},
};

/// In the store, from when an index is found to be another one until it knows all that is kept, and what is held of it.
const UNLISTED: &str = ".unlisted";
/// Recordings looked at side by side: each is four requests, which wait for the bucket and not for us.
const HANDS: usize = 16;
/// Recordings without a key that are held against the register: 30 MB. The next look finds what is beyond.
const KEYLESS_MAX: usize = 100_000;
/// Of so many it is told one by one what is wrong with them; all are counted.
const TOLD_MAX: u64 = 20;

/// What a look through the bucket found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FarFound {
    /// Recordings looked at.
    pub recordings: u64,
    /// Those the index didn't know, entered again.
    pub entered: u64,
    /// Those the register says were erased, whose remains are removed now.
    pub removed: u64,
    /// Those that stay unknown: without a key, or without a tag under which they open. Nothing of them is erased.
    pub unopened: u64,
}

/// Whether the bucket is to be looked through, as the index is another one than at the start before.
pub fn is_unlisted(store: &Path) -> bool {
    store.join(UNLISTED).exists()
}

/// Notes that it is, before anything relies on that index.
pub(super) fn note(vault: &Vault) -> Result<(), VaultError> {
    if is_unlisted(vault.store()) {
        return Ok(());
    }
    folder::write_private(&vault.store().join(UNLISTED), b"")?;
    folder::sync_folder(vault.store())
}

/// Enters what lies in the bucket and the index doesn't know. Works beside a recorder, and keeps gallring out meanwhile. `each`
/// is told after every page how many recordings more were looked at, and may stop it there: the next look begins anew, and what
/// was entered is known.
///
/// # Errors
/// When bucket, index or keys refuse, or gallring works in the store.
pub fn recover_far(
    vault: &Vault,
    index: &Index,
    each: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<FarFound, RecoverError> {
    // What is erased between a look at it and its entry would be there again.
    let _alone = gallring::lock(vault).map_err(Box::new)?;
    let mut found = FarFound::default();
    let mut keyless = BTreeMap::new();
    for page in vault.recordings_far(None).into_iter().flatten() {
        let page = page?;
        let looked = page.len() as u64;
        found.recordings += looked;
        for one in enter_page(vault, index, page)? {
            match one {
                Looked::Known => {}
                Looked::Found(_) => found.entered += 1,
                Looked::Keyless(far) if keyless.len() < KEYLESS_MAX => {
                    keyless.insert(far.id.to_string(), far);
                }
                Looked::Keyless(_) => found.unopened += 1,
                Looked::Unopened(id, why) => {
                    found.unopened += 1;
                    if found.unopened <= TOLD_MAX {
                        tracing::error!(recording = %id, why, "it is in the bucket and not in the index, and can't be entered");
                    }
                }
            }
        }
        if each(looked).is_break() {
            return Ok(found);
        }
    }
    found.unopened += remove_erased(vault, keyless, &mut found.removed)?;
    if !hold_again(vault, index) {
        return Err(RecoverError::Unheld);
    }
    forget(vault)?;
    Ok(found)
}

/// All is known again.
pub(super) fn forget(vault: &Vault) -> Result<(), VaultError> {
    let path = vault.store().join(UNLISTED);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(folder::unusable(&path)(error))
        }
        _ => Ok(()),
    }
}

/// What became of one.
enum Looked {
    Known,
    Found(Box<Found>),
    Keyless(Far),
    Unopened(RecordingId, String),
}

/// What the index is to be told.
struct Found {
    id: RecordingId,
    tag: RecordingTag,
    closing: Closing,
    numbers: bool,
}

/// Should some of them refuse, the others are entered all the same.
fn enter_page(vault: &Vault, index: &Index, page: Vec<Far>) -> Result<Vec<Looked>, RecoverError> {
    let ids: Vec<RecordingId> = page.iter().map(|one| one.id).collect();
    let known: BTreeSet<RecordingId> = index.known(&ids)?;
    let unknown = page.into_iter().filter(|one| !known.contains(&one.id));
    let unknown: Vec<Far> = unknown.collect();
    let count = unknown.len();
    let todo = Mutex::new(unknown.into_iter());
    let next = || todo.lock().unwrap_or_else(PoisonError::into_inner).next();
    let hand = || {
        let mut done = Vec::new();
        while let Some(one) = next() {
            let looked = look(vault, one);
            let refused = looked.is_err();
            done.push(looked);
            if refused {
                break;
            }
        }
        done
    };
    let looked: Vec<_> = thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(hand)).collect();
        let done = hands
            .into_iter()
            .map(|hand| hand.join().unwrap_or_default());
        done.flatten().collect()
    });
    for one in looked.iter().flatten() {
        if let Looked::Found(found) = one {
            index.enter_ended(found.id, &found.tag, &found.closing, found.numbers)?;
        }
    }
    let looked = looked.into_iter().collect::<Result<Vec<_>, _>>()?;
    if looked.len() < count {
        // A hand failed; what it left is found by the next look.
        return Err(Box::new(GallringError::Stopped).into());
    }
    Ok(looked)
}

fn look(vault: &Vault, one: Far) -> Result<Looked, VaultError> {
    if vault.is_near(&one) {
        return Ok(Looked::Known);
    }
    if !vault.has_key(one.id) {
        return Ok(Looked::Keyless(one));
    }
    match find(vault, &one) {
        Ok(found) => Ok(Looked::Found(found.into())),
        // Asked again once it answers.
        Err(error @ VaultError::Remote { .. }) => Err(error),
        Err(error) => Ok(Looked::Unopened(one.id, error.to_string())),
    }
}

fn find(vault: &Vault, one: &Far) -> Result<Found, VaultError> {
    let files = vault.files_far(one)?;
    let tag = vault.tag_far(one, &files)?;
    let tag = tag.ok_or(VaultError::TagChanged { id: one.id })?;
    Ok(Found {
        id: one.id,
        closing: measure(vault, one, &tag, &files)?,
        numbers: files.has_numbers(),
        tag,
    })
}

/// Only what opens under its tag is a recording. Packets aren't counted, and nothing there says how many there are: that would be
/// to read all that was ever said.
fn measure(
    vault: &Vault,
    one: &Far,
    tag: &RecordingTag,
    files: &FarFiles,
) -> Result<Closing, VaultError> {
    let recording = vault.unlock(one.id, tag)?;
    let mut closing = Closing {
        bytes: files.bytes(),
        ..nothing(tag)
    };
    let mut whole = true;
    for (label, length) in files.streams() {
        closing.files.push(recording.file_name(&label));
        if let Some(end) = recording.end_far(&label, length)? {
            closing.tally.add(Tally {
                end,
                uncounted: end > 0,
                ..Tally::default()
            });
            continue;
        }
        match recording
            .stream_reader(&label)
            .map(|mut one| Tally::read(&mut one))
        {
            Ok((_, Err(error @ VaultError::Remote { .. })))
            | Err(error @ VaultError::Remote { .. }) => return Err(error),
            Ok((tally, ending)) => {
                closing.tally.add(tally);
                whole &= matches!(ending, Ok(Ending::Whole));
            }
            Err(_) => whole = false,
        }
    }
    if whole && !closing.files.is_empty() {
        closing.state = State::Closed;
    }
    closing.files.sort();
    let micros = i64::from(closing.tally.end) * 1_000_000 / i64::from(RATE);
    let ended = closing
        .ended
        .checked_add(SignedDuration::from_micros(micros));
    closing.ended = ended.unwrap_or(closing.ended);
    Ok(closing)
}

/// What the register says was erased has left remains in the bucket, which nobody can open. Gives how many others there are: they
/// have lost their keys.
fn remove_erased(
    vault: &Vault,
    mut keyless: BTreeMap<String, Far>,
    removed: &mut u64,
) -> Result<u64, VaultError> {
    let Some(erased) = take_erased(vault, &mut keyless) else {
        return Ok(keyless.len() as u64);
    };
    for one in &erased {
        vault.remove_far(one)?;
        *removed += 1;
    }
    if let Some(first) = keyless.keys().next() {
        tracing::error!(
            count = keyless.len(),
            first,
            "recordings in the bucket have no key and aren't in the index: restore the keys from a backup; nothing of them is erased"
        );
    }
    Ok(keyless.len() as u64)
}

#[cfg(test)]
mod tests;
