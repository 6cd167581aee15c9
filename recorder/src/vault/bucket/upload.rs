//! From the spool to S3: a recording that has ended is put there, read back and compared, and only then leaves the spool.
//!
//! Stopped anywhere in between, all of it is put there again.

use std::{fs, io, path::Path, time::SystemTime};

use callcore::tag::RecordingTag;

use crate::{
    names::RecordingId,
    vault::{
        Vault, VaultError, folder,
        format::HEADER_MAX,
        recording::{META_FILE, STREAM_SUFFIX, TAG_FILE, read_tag},
    },
};

/// A recording in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub id: RecordingId,
    /// Its folder within the store.
    pub folder: String,
    /// Encrypted bytes.
    pub bytes: u64,
}

impl Vault {
    /// Whether ended recordings go elsewhere.
    pub const fn has_spool(&self) -> bool {
        self.remote.is_some()
    }

    /// Every recording in the folder, also those that are being written; with `since` only of months in which
    /// recordings came or went since then.
    ///
    /// # Errors
    /// When a folder can't be read.
    pub fn recordings_near(&self, since: Option<SystemTime>) -> Result<Vec<Waiting>, VaultError> {
        let mut found = Vec::new();
        for (controller, path) in folders(self.store())? {
            if controller.starts_with('.') {
                continue;
            }
            for (_, year) in folders(&path)? {
                for (_, month) in folders(&year)? {
                    let changed = fs::metadata(&month).and_then(|found| found.modified());
                    if since.is_some_and(|since| changed.is_ok_and(|at| at < since)) {
                        continue;
                    }
                    for (name, recording) in folders(&month)? {
                        found.extend(self.waiting(&recording, &name)?);
                    }
                }
            }
        }
        Ok(found)
    }

    /// A recording that has ended, as it waits in the spool.
    ///
    /// # Errors
    /// When its folder can't be read.
    pub(crate) fn ended(
        &self,
        id: RecordingId,
        tag: &RecordingTag,
    ) -> Result<Option<Waiting>, VaultError> {
        self.waiting(
            &self.store().join(self.folder_of(id, tag)?),
            &id.to_string(),
        )
    }

    fn waiting(&self, path: &Path, name: &str) -> Result<Option<Waiting>, VaultError> {
        let (Ok(id), Ok(relative)) = (RecordingId::parse(name), path.strip_prefix(self.store()))
        else {
            return Ok(None);
        };
        let bytes = files(path)?.iter().map(|(_, bytes)| bytes).sum();
        Ok(Some(Waiting {
            id,
            folder: relative.to_string_lossy().into_owned(),
            bytes,
        }))
    }

    /// The tag of a recording in the folder; `None` when it can't be read.
    pub(crate) fn tag_near(&self, folder: &str) -> Option<RecordingTag> {
        let text = fs::read(self.store().join(folder).join(TAG_FILE)).ok()?;
        read_tag(&text)
    }

    /// Whether a recording in the folder has more than the beginnings of its streams.
    pub(crate) fn has_audio(&self, one: &Waiting) -> Result<bool, VaultError> {
        let files = files(&self.store().join(&one.folder))?;
        Ok(files.iter().any(|(name, bytes)| {
            name.ends_with(STREAM_SUFFIX) && name != META_FILE && *bytes > HEADER_MAX
        }))
    }

    /// Removes the folder of a recording that has no key: nothing in it can be opened. Half a key goes first, as nothing
    /// leads to it without the folder.
    pub(crate) fn remove_keyless(&self, one: &Waiting) -> Result<(), VaultError> {
        if self.has_key(one.id) {
            return Err(VaultError::KeyStillThere { id: one.id });
        }
        folder::remove_half(&self.key_path(one.id))?;
        let path = self.store().join(&one.folder);
        fs::remove_dir_all(&path).map_err(folder::unusable(&path))
    }

    /// Moves a recording that has ended out of the spool. Does nothing where there is none.
    ///
    /// # Errors
    /// When S3 or the disk refuses, or its key isn't there: then it is still in the spool, whole.
    pub fn move_out(&self, one: &Waiting) -> Result<(), VaultError> {
        let Some(remote) = &self.remote else {
            return Ok(());
        };
        let near = self.store().join(&one.folder);
        if !self.has_key(one.id) && near.exists() {
            // Erased, and gallring removes what is left; or the keys' disk isn't there, and this is all there is of it.
            return Err(self.key_missing(one.id));
        }
        let mut names: Vec<String> = files(&near)?.into_iter().map(|(name, _)| name).collect();
        // The tag is the last to leave: a folder without it can't be told whose it is.
        names.sort_by_key(|name| name == TAG_FILE);
        // What a killed program was writing beside a file is no part of it.
        let mut whole = names.iter().filter(|name| !folder::is_half(name));
        let put = whole
            .try_for_each(|name| remote.put(&format!("{}/{name}", one.folder), &near.join(name)));
        if !self.has_key(one.id) {
            // Erased meanwhile: nobody can open what was put there, and nothing of it stays. Also when not all of it was: what
            // was to follow is gone.
            remote.remove_all(&one.folder)?;
        }
        put?;
        if !self.has_key(one.id) && near.exists() {
            return Err(self.key_missing(one.id));
        }
        let meta = names.iter().any(|name| name == META_FILE);
        if meta && !near.join(META_FILE).exists() {
            // Who spoke was erased meanwhile, perhaps before it was there.
            remote.remove_for_good(&format!("{}/{META_FILE}", one.folder))?;
        }
        clear(&near, &names)
    }

    fn key_missing(&self, id: RecordingId) -> VaultError {
        VaultError::KeyMissing {
            path: self.key_path(id),
        }
    }
}

fn clear(near: &Path, names: &[String]) -> Result<(), VaultError> {
    for name in names {
        match fs::remove_file(near.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(folder::unusable(near)(error));
            }
            _ => {}
        }
    }
    match fs::remove_dir(near) {
        // Something was written there meanwhile: it follows at the next look.
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(folder::unusable(near)(error))
        }
        _ => Ok(()),
    }
}

/// Files with their lengths; none when there is no folder.
fn files(path: &Path) -> Result<Vec<(String, u64)>, VaultError> {
    entries(path, |found| found.is_file())
}

fn folders(path: &Path) -> Result<Vec<(String, std::path::PathBuf)>, VaultError> {
    let found = entries(path, fs::Metadata::is_dir)?;
    Ok(found
        .into_iter()
        .map(|(name, _)| (name.clone(), path.join(name)))
        .collect())
}

fn entries(
    path: &Path,
    fits: impl Fn(&fs::Metadata) -> bool,
) -> Result<Vec<(String, u64)>, VaultError> {
    let unusable = folder::unusable(path);
    let listed = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(&unusable)?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(&unusable)?;
        // Gone meanwhile is gone.
        let Ok(meta) = entry.metadata() else { continue };
        if fits(&meta) {
            found.extend(
                entry
                    .file_name()
                    .into_string()
                    .ok()
                    .map(|name| (name, meta.len())),
            );
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{super::stub::Stub, *};
    use crate::vault::test_tag;

    fn spooled(place: &Path, stub: &Stub) -> (Vault, Waiting) {
        let vault = stub.vault(place);
        let id = RecordingId::random().expect("random");
        let recording = vault.begin(id, &test_tag("region-01")).expect("begins");
        let folder = vault.store().join(recording.relative());
        for name in ["1.vax", "2.vax", META_FILE] {
            folder::write_private(&folder.join(name), b"sealed").expect("ours");
        }
        let waiting = vault.ended(id, &test_tag("region-01")).expect("listed");
        (vault, waiting.expect("there"))
    }

    /// Erased between its first object and its second: no run looks for it again.
    #[test]
    fn what_is_erased_while_it_is_put_there_leaves_no_object() {
        let place = tempfile::tempdir().expect("a folder");
        let stub = Stub::start();
        let (vault, waiting) = spooled(place.path(), &stub);
        let (erasing, id) = (vault.clone(), waiting.id);
        stub.before_put(move |name| {
            if name.ends_with("/1.vax") {
                fs::remove_file(erasing.key_path(id)).expect("ours");
                let tag = test_tag("region-01");
                erasing.remove_remains(id, &tag).expect("erased");
            }
        });
        let _either = vault.move_out(&waiting);
        assert_eq!(stub.names(), [""; 0]);
        assert!(!vault.store().join(&waiting.folder).exists());
    }

    #[test]
    fn who_spoke_that_is_erased_while_it_is_put_there_is_not_there() {
        let place = tempfile::tempdir().expect("a folder");
        let stub = Stub::start();
        let (vault, waiting) = spooled(place.path(), &stub);
        let near = vault.store().join(&waiting.folder);
        stub.before_put(move |name| {
            if name.ends_with(META_FILE) {
                // As gallring does it; what it removes far away isn't there yet.
                fs::remove_file(near.join(META_FILE)).expect("ours");
            }
        });
        vault.move_out(&waiting).expect("moved");
        let names = stub.names();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names.iter().all(|name| !name.ends_with(META_FILE)));
    }

    /// As when the keys' disk isn't mounted: what is in the spool is all there is of it.
    #[test]
    fn what_has_lost_its_key_stays_in_the_spool() {
        let place = tempfile::tempdir().expect("a folder");
        let stub = Stub::start();
        let (vault, waiting) = spooled(place.path(), &stub);
        fs::rename(vault.key_path(waiting.id), place.path().join("elsewhere")).expect("ours");
        let refused = vault.move_out(&waiting);
        assert!(matches!(refused, Err(VaultError::KeyMissing { .. })));
        let still = vault.ended(waiting.id, &test_tag("region-01"));
        assert_eq!(still.expect("listed"), Some(waiting));
    }
}
