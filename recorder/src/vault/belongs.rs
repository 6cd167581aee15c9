//! Which keys are a store's: both have the same mark, a random number that no secret depends on. Keys that an earlier version made in
//! the empty folder of a disk that wasn't mounted are keys, and not these.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Vault, VaultError, folder, recording};
use crate::{
    names::{ControllerName, RecordingId},
    text::hex,
};

/// In the store's folder.
const OF_STORE: &str = ".keys.id";
/// In that of the keys.
pub(crate) const OF_KEYS: &str = "store.id";
const MARK_LEN: usize = 16;
/// A controller's oldest recordings that are tried, where there is no mark yet: some of them may be spoilt, or on their way out.
const TRIED_MAX: usize = 16;
/// More months than anything is kept.
const MONTHS_MAX: usize = 12;

/// Refuses keys that have another mark than the store.
///
/// # Errors
/// When they have, or can't be read.
pub(super) fn refuse_foreign(vault: &Vault) -> Result<(), VaultError> {
    match marks(vault)? {
        (Some(ours), Some(theirs)) if ours != theirs => Err(foreign(vault)),
        _ => Ok(()),
    }
}

/// The same, and marks a store and its keys once they open something, or there is nothing that they should.
pub(super) fn mark_proven(vault: &Vault) -> Result<(), VaultError> {
    refuse_foreign(vault)?;
    if !is_marked(vault)? && is_proven(vault, &BTreeSet::new())? {
        mark(vault)?;
    }
    Ok(())
}

/// Refuses keys that nothing shows to be the store's; `going` are recordings that a stopped gallring was erasing: their keys may be
/// gone, and they are the oldest.
///
/// # Errors
/// When they have another mark, or none while there are some and none of them opens anything of the store's oldest.
pub(crate) fn settle<E: From<VaultError>>(
    vault: &Vault,
    going: impl FnOnce() -> Result<BTreeSet<RecordingId>, E>,
) -> Result<(), E> {
    refuse_foreign(vault)?;
    if is_marked(vault)? {
        return Ok(());
    }
    if !is_proven(vault, &going()?)? {
        return Err(foreign(vault).into());
    }
    Ok(mark(vault)?)
}

fn foreign(vault: &Vault) -> VaultError {
    VaultError::KeysForeign {
        keys: vault.keys().to_owned(),
        store: vault.store().to_owned(),
        mark: vault.store().join(OF_STORE),
        of_keys: vault.keys().join(OF_KEYS),
    }
}

fn is_marked(vault: &Vault) -> Result<bool, VaultError> {
    Ok(matches!(marks(vault)?, (Some(_), Some(_))))
}

fn is_proven(vault: &Vault, going: &BTreeSet<RecordingId>) -> Result<bool, VaultError> {
    let opens = opens_any(vault, going)?;
    // Nothing to try them with. A store that isn't marked yet says nothing against them.
    let nothing_against = || -> Result<bool, VaultError> {
        Ok(marks(vault)?.0.is_none() || !has_controllers_keys(vault.keys()))
    };
    opens.map_or_else(nothing_against, Ok)
}

/// Marks a store and its keys; on disk when this returns.
fn mark(vault: &Vault) -> Result<(), VaultError> {
    let (ours, theirs) = marks(vault)?;
    let mark = match (&ours, &theirs) {
        (Some(_), Some(_)) => return Ok(()),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => hex(&super::random::<MARK_LEN>()?),
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

/// Gives a store the mark of keys that were put in the place of those it was opened with; without one both are as never marked.
pub(crate) fn mark_again(vault: &Vault, are_marked: bool) -> Result<(), VaultError> {
    let mut paths = vec![vault.store().join(OF_STORE)];
    if !are_marked {
        paths.push(vault.keys().join(OF_KEYS));
    }
    for path in paths {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(folder::unusable(&path)(error));
            }
            _ => {}
        }
    }
    match are_marked {
        true => mark(vault),
        false => Ok(()),
    }
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

fn has_controllers_keys(keys: &Path) -> bool {
    let names = names(&super::controllers::folder_of(keys)).unwrap_or_default();
    names.iter().any(|name| name.ends_with(".key"))
}

/// Whether the keys open any of the oldest recordings of any controller; `None` when there is none here to try.
fn opens_any(vault: &Vault, going: &BTreeSet<RecordingId>) -> Result<Option<bool>, VaultError> {
    let mut tried = None;
    for controller in names(vault.store())? {
        if ControllerName::parse(&controller).is_err() {
            continue;
        }
        for (id, folder) in oldest(&vault.store().join(controller), going)? {
            let tag = fs::read(folder.join(recording::TAG_FILE)).ok();
            let tag = tag.and_then(|text| recording::read_tag(&text));
            if tag.is_some_and(|tag| vault.unlock(id, &tag).is_ok()) {
                return Ok(Some(true));
            }
            tried = Some(false);
        }
    }
    Ok(tried)
}

/// The folders of a controller's oldest recordings.
fn oldest(
    controller: &Path,
    going: &BTreeSet<RecordingId>,
) -> Result<Vec<(RecordingId, PathBuf)>, VaultError> {
    let mut found = Vec::new();
    for year in names(controller)?.into_iter().filter(|year| is_year(year)) {
        let year = controller.join(year);
        for month in names(&year)?.into_iter().take(MONTHS_MAX) {
            let month = year.join(month);
            let ids = names(&month)?.into_iter();
            let ids = ids.filter_map(|name| RecordingId::parse(&name).ok());
            let ids = ids.filter(|id| !going.contains(id));
            found.extend(ids.map(|id| (id, month.join(id.to_string()))));
            if found.len() >= TRIED_MAX {
                found.truncate(TRIED_MAX);
                return Ok(found);
            }
        }
    }
    Ok(found)
}

fn is_year(name: &str) -> bool {
    name.len() == 4 && name.bytes().all(|digit| digit.is_ascii_digit())
}

/// What lies in a folder, in order; nothing in what is none.
fn names(folder: &Path) -> Result<Vec<String>, VaultError> {
    let unusable = folder::unusable(folder);
    let entries = match fs::read_dir(folder) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        other => other.map_err(&unusable)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(&unusable)?.file_name();
        found.extend(name.into_string());
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{store, vault::test_tag};

    /// A store with recordings, and where its keys and their disk are.
    struct Bench {
        _place: tempfile::TempDir,
        store: PathBuf,
        keys: PathBuf,
        disk: PathBuf,
    }

    impl Bench {
        fn new() -> Self {
            let place = tempfile::tempdir().expect("a folder");
            let [store, keys, disk] = ["store", "keys", "disk"].map(|name| place.path().join(name));
            Self {
                _place: place,
                store,
                keys,
                disk,
            }
        }

        fn open(&self) -> Result<Vault, VaultError> {
            let vault = Vault::open(&self.store, &self.keys)?;
            settle(&vault, || Ok::<_, VaultError>(BTreeSet::new())).map(|()| vault)
        }

        fn record(&self, vault: &Vault) {
            let id = RecordingId::random().expect("random");
            vault.begin(id, &test_tag("region-01")).expect("begins");
        }

        /// As an earlier version left them, which knew no marks.
        fn unmark(&self) {
            for path in [self.store.join(OF_STORE), self.keys.join(OF_KEYS)] {
                let _gone = fs::remove_file(path);
            }
        }

        /// As an earlier version did while the keys' disk wasn't mounted: other keys, in the folder that the disk hides.
        fn other_keys(&self) {
            fs::rename(&self.keys, &self.disk).expect("ours");
            let aside = self.store.with_extension("aside");
            fs::rename(&self.store, &aside).expect("ours");
            let vault = self.open().expect("as new");
            self.record(&vault);
            let months = ["region-01/2018/11", "region-01/2026/11"];
            for month in months.iter().filter(|it| self.store.join(it).exists()) {
                for name in names(&self.store.join(month)).expect("there") {
                    let to = aside.join("region-01/2027/01");
                    folder::make_private(&to).expect("ours");
                    fs::rename(self.store.join(month).join(&name), to.join(name)).expect("ours");
                }
            }
            fs::remove_dir_all(&self.store).expect("ours");
            fs::rename(&aside, &self.store).expect("ours");
            let _gone = fs::remove_file(self.keys.join(OF_KEYS));
        }

        fn mount(&self) {
            fs::remove_dir_all(&self.keys).expect("ours");
            fs::rename(&self.disk, &self.keys).expect("ours");
        }

        fn refuses(&self, what: &str) {
            let opened = self.open();
            assert!(
                matches!(opened, Err(VaultError::KeysForeign { .. })),
                "{what}: {opened:?}"
            );
            let changed = store::open_to_change(&self.store, &self.keys).expect_err(what);
            assert!(changed.to_string().contains("mount the disk"), "{changed}");
        }
    }

    #[test]
    fn keys_that_were_made_while_their_disk_was_away_are_not_the_stores() {
        let bench = Bench::new();
        let vault = bench.open().expect("fresh");
        (0..2 * TRIED_MAX).for_each(|_| bench.record(&vault));
        bench.other_keys();
        bench.refuses("marked");
        fs::remove_file(bench.store.join(OF_STORE)).expect("there");
        bench.refuses("not marked yet");
        bench.mount();
        let vault = bench.open().expect("its own keys");
        bench.record(&vault);
        assert!(bench.store.join(OF_STORE).exists());
    }

    #[test]
    fn a_store_of_before_is_marked_once_its_keys_open_something() {
        let bench = Bench::new();
        let vault = bench.open().expect("fresh");
        bench.record(&vault);
        bench.unmark();
        bench.open().expect("they open it");
        let mark = fs::read(bench.keys.join(OF_KEYS)).expect("marked");
        assert_eq!(
            fs::read(bench.store.join(OF_STORE)).ok(),
            Some(mark.clone())
        );
        // Keys of a backup of before, and a store of one.
        for path in [bench.keys.join(OF_KEYS), bench.store.join(OF_STORE)] {
            fs::remove_file(&path).expect("there");
            bench.open().expect("they open it");
            assert_eq!(fs::read(&path).ok(), Some(mark.clone()));
        }
    }

    /// They are the oldest that there are, and their keys are gone.
    #[test]
    fn what_a_stopped_gallring_was_erasing_proves_nothing() {
        let bench = Bench::new();
        let vault = bench.open().expect("fresh");
        (0..2 * TRIED_MAX).for_each(|_| bench.record(&vault));
        let all = oldest(&bench.store.join("region-01"), &BTreeSet::new()).expect("there");
        let going: BTreeSet<RecordingId> = all.iter().map(|(id, _)| *id).collect();
        for id in &going {
            fs::remove_file(bench.keys.join(format!("data/{id}.key"))).expect("there");
        }
        bench.unmark();
        bench.refuses("as if they were there");
        let vault = Vault::open(&bench.store, &bench.keys).expect("nothing says no");
        let settled = settle(&vault, || Ok::<_, VaultError>(going));
        assert!(settled.is_ok() && bench.store.join(OF_STORE).exists());
    }

    /// Where everything lies in a bucket there is nothing to try them with.
    #[test]
    fn keys_that_nothing_can_be_tried_with_are_taken_until_the_store_is_marked() {
        let bench = Bench::new();
        let vault = bench.open().expect("fresh");
        bench.record(&vault);
        fs::remove_dir_all(bench.store.join("region-01")).expect("ours");
        bench.unmark();
        bench.open().expect("nothing against them");
        fs::remove_file(bench.keys.join(OF_KEYS)).expect("there");
        bench.refuses("marked");
        fs::copy(bench.store.join(OF_STORE), bench.keys.join(OF_KEYS)).expect("as it is told");
        bench.open().expect("said to be its own");
    }
}
