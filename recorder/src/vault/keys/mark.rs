//! Which keys are a store's: both have the same mark, a random number that no secret depends on. Keys that an earlier version made in
//! the empty folder of a disk that wasn't mounted are keys, and not these.

use std::{fs, io, path::Path};

use super::{missing, nonce};
use crate::{
    index::{Index, IndexError},
    names::RecordingId,
    text::hex,
    vault::{Vault, VaultError, folder},
};

/// In the store's folder.
const OF_STORE: &str = ".keys.id";
/// In that of the keys.
pub(crate) const OF_KEYS: &str = "store.id";
const MARK_LEN: usize = 16;
/// A controller's recordings that are looked for, where there is no mark yet: some of them may have lost theirs.
const TRIED_MAX: usize = 16;

/// Refuses keys that have another mark than the store.
///
/// # Errors
/// When they have, or can't be read.
pub(in crate::vault) fn refuse_foreign(vault: &Vault) -> Result<(), VaultError> {
    match marks(vault)? {
        (Some(ours), Some(theirs)) if ours != theirs => Err(foreign(vault)),
        _ => Ok(()),
    }
}

/// Refuses keys that nothing shows to be the store's, where one of them has no mark: of before, or from a backup of before. A store
/// whose folder was made anew is known by its index.
///
/// # Errors
/// When the index has recordings, and there are no keys, or not those of half of some of a controller's; and as
/// [`refuse_foreign`].
pub(crate) fn refuse_unproven<E: From<VaultError> + From<IndexError>>(
    vault: &Vault,
    index: &Index,
) -> Result<(), E> {
    refuse_foreign(vault)?;
    let (ours, theirs) = marks(vault)?;
    if ours.is_some() && theirs.is_some() {
        return Ok(());
    }
    let has_keys = ["controllers", "data"].map(|name| has_any(&vault.keys().join(name)));
    let has_keys = has_keys
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
        .contains(&true);
    match has_theirs(vault, index)? {
        Some(true) => Ok(()),
        // With nothing to tell by, nothing is against them but that the store has its own.
        None if ours.is_none() || !has_keys => Ok(()),
        _ if has_keys => Err(foreign(vault).into()),
        _ => Err(missing::keys_away(vault.store(), vault.keys()).into()),
    }
}

fn foreign(vault: &Vault) -> VaultError {
    VaultError::KeysForeign {
        keys: vault.keys().to_owned(),
        store: vault.store().to_owned(),
        mark: vault.store().join(OF_STORE),
        of_keys: vault.keys().join(OF_KEYS),
    }
}

/// Marks a store and its keys, once; on disk when this returns. Only for a recorder that holds the store's lock, or whoever makes it.
pub(crate) fn mark(vault: &Vault) -> Result<(), VaultError> {
    let (ours, theirs) = marks(vault)?;
    let mark = match (&ours, &theirs) {
        (Some(_), Some(_)) => return Ok(()),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => hex(&nonce::<MARK_LEN>()?),
    };
    // The keys first: a store that has a mark has keys that have it.
    for (path, is_there) in [
        (vault.keys().join(OF_KEYS), theirs.is_some()),
        (vault.store().join(OF_STORE), ours.is_some()),
    ] {
        if !is_there {
            folder::keep(&path, mark.as_bytes())?;
        }
    }
    Ok(())
}

fn marks(vault: &Vault) -> Result<(Option<String>, Option<String>), VaultError> {
    Ok((
        read(&vault.store().join(OF_STORE))?,
        read(&vault.keys().join(OF_KEYS))?,
    ))
}

fn read(path: &Path) -> Result<Option<String>, VaultError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(folder::unusable(path)(error)),
    }
}

/// Whether there are keys for half of some recordings of any controller, wherever those lie: what is called by so long a random number
/// is of this store. Some may be lost; and those of what a stopped gallring was erasing are gone. `None` where there are no recordings.
fn has_theirs(vault: &Vault, index: &Index) -> Result<Option<bool>, IndexError> {
    let (going, mut has) = (index.going()?, None);
    for controller in index.figures()?.into_keys() {
        // By their ids: of any time.
        let page = index.of_controller(&controller, None)?.into_iter();
        let ids = page.map(|entry| entry.id).filter(|id| !going.contains(id));
        let tried: Vec<RecordingId> = ids.take(TRIED_MAX).collect();
        let there = tried.iter().filter(|id| vault.has_key(**id)).count();
        if there > 0 && 2 * there >= tried.len() {
            return Ok(Some(true));
        }
        if !tried.is_empty() {
            has = Some(false);
        }
    }
    Ok(has)
}

/// Whether a folder has any key.
fn has_any(folder: &Path) -> Result<bool, VaultError> {
    let unusable = folder::unusable(folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(&unusable)?,
    };
    for entry in entries {
        let name = entry.map_err(&unusable)?.file_name();
        if Path::new(&name).extension().is_some_and(|end| end == "key") {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        index::{Closing, Mark, State},
        place::{IndexPlace, Place},
        store::{self, StoreError},
        tally::Tally,
        vault::test_tag,
    };

    /// A store with recordings, and where its keys and their disk are.
    struct Bench {
        _place: tempfile::TempDir,
        at: Place,
        disk: PathBuf,
    }

    impl Bench {
        fn new() -> Self {
            let place = tempfile::tempdir().expect("a folder");
            let [store, keys, disk] = ["store", "keys", "disk"].map(|name| place.path().join(name));
            let mut at = Place::folders(&store, &keys);
            at.index = IndexPlace::File(place.path().join("index.sqlite"));
            Self {
                _place: place,
                at,
                disk,
            }
        }

        /// As a recorder that starts.
        fn open(&self) -> Result<(Vault, Index), StoreError> {
            let vault = Vault::open_place(self.at.clone())?;
            let index = Index::open_to_change(&vault)?;
            refuse_unproven::<StoreError>(&vault, &index)?;
            mark(&vault)?;
            Ok((vault, index))
        }

        fn record(&self, (vault, index): &(Vault, Index), count: usize) -> Vec<RecordingId> {
            let one = |_| {
                let (id, tag) = (RecordingId::random()?, test_tag("region-01"));
                vault.begin(id, &tag)?;
                index.insert_open(id, &tag).expect("entered");
                let closing = Closing {
                    state: State::Closed,
                    ended: tag.started.timestamp(),
                    bytes: 0,
                    tally: Tally::default(),
                    files: Vec::new(),
                };
                index.close(id, &closing).expect("closed");
                Ok(id)
            };
            let made: Result<_, VaultError> = (0..count).map(one).collect();
            made.expect("begins")
        }

        /// As an earlier version left them, which knew no marks.
        fn unmark(&self) {
            for path in [self.at.store.join(OF_STORE), self.at.keys.join(OF_KEYS)] {
                let _gone = fs::remove_file(path);
            }
        }

        /// As an earlier version did while the keys' disk wasn't mounted: other keys, in the folder that the disk hides.
        fn record_under_others(&self, opened: &(Vault, Index)) {
            fs::rename(&self.at.keys, &self.disk).expect("ours");
            for name in ["controllers", "data"] {
                folder::make_private(&self.at.keys.join(name)).expect("ours");
            }
            let (all, aside) = (self.at.store.join("region-01"), self.at.store.join("aside"));
            fs::rename(&all, &aside).expect("ours");
            self.record(opened, 2);
        }

        fn mount(&self) {
            fs::remove_dir_all(&self.at.keys).expect("ours");
            fs::rename(&self.disk, &self.at.keys).expect("ours");
        }

        fn refuses(&self, what: &str) -> String {
            let said = self.open().expect_err(what).to_string();
            let changed = store::open_to_change_place(self.at.clone());
            assert_eq!(changed.expect_err(what).to_string(), said, "{what}");
            assert!(said.contains("mount the disk"), "{what}: {said}");
            said
        }
    }

    #[test]
    fn keys_that_were_made_while_their_disk_was_away_are_not_the_stores() {
        let bench = Bench::new();
        let opened = bench.open().expect("fresh");
        bench.record(&opened, 8);
        bench.record_under_others(&opened);
        bench.refuses("marked");
        fs::remove_file(bench.at.store.join(OF_STORE)).expect("there");
        let said = bench.refuses("not marked yet");
        assert!(said.contains("aren't those"), "{said}");
        bench.mount();
        let opened = bench.open().expect("its own keys");
        assert!(bench.at.store.join(OF_STORE).exists());
        // Another store's, which has its mark.
        drop(opened);
        fs::write(bench.at.keys.join(OF_KEYS), "another").expect("ours");
        bench.refuses("another's");
    }

    #[test]
    fn a_store_of_before_is_marked_once_its_keys_are_found_to_be_its_own() {
        let bench = Bench::new();
        let opened = bench.open().expect("fresh");
        bench.record(&opened, 4);
        bench.unmark();
        // Also where the controller's is lost: its data keys are there.
        fs::remove_file(bench.at.keys.join("controllers/region-01.key")).expect("there");
        bench.open().expect("they are there");
        let mark = fs::read(bench.at.keys.join(OF_KEYS)).expect("marked");
        // Keys of a backup of before, and a store of one.
        for path in [bench.at.keys.join(OF_KEYS), bench.at.store.join(OF_STORE)] {
            assert_eq!(fs::read(&path).ok().as_ref(), Some(&mark));
            fs::remove_file(&path).expect("there");
            bench.open().expect("they are there");
            assert_eq!(fs::read(&path).ok().as_ref(), Some(&mark));
        }
    }

    #[test]
    fn what_a_stopped_gallring_was_erasing_proves_nothing() {
        let bench = Bench::new();
        let opened = bench.open().expect("fresh");
        let ids = bench.record(&opened, 8);
        for id in &ids[..6] {
            fs::remove_file(bench.at.keys.join(format!("data/{id}.key"))).expect("there");
        }
        bench.unmark();
        bench.refuses("as if they were lost");
        opened
            .1
            .mark(Mark::Recording, &ids[..6], "2029-01-01 RS/1")
            .expect("marked");
        bench.open().expect("the others are there");
    }

    /// A spool that doesn't outlive a restart, all audio in a bucket, the index in a database.
    #[test]
    fn a_folder_that_was_made_anew_is_known_by_its_index() {
        let bench = Bench::new();
        let opened = bench.open().expect("fresh");
        bench.record(&opened, 1);
        fs::remove_dir_all(&bench.at.store).expect("ours");
        fs::rename(&bench.at.keys, &bench.disk).expect("not mounted");
        let said = bench.refuses("no key at all");
        assert!(said.contains("there is no key"), "{said}");
        bench.mount();
        bench.open().expect("mounted");
    }
}
