//! Sound files that are being written outside the store, noted in it: half of one that a killed program left is open audio in a
//! folder where nobody would look. The next that is written takes it away, wherever it lies, and `store check` tells of it.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::{Vault, VaultError, folder, whole};
use crate::names::RecordingId;

/// The notes' folder within the store.
const NOTES: &str = ".exports";
/// No path is longer (Linux: `PATH_MAX`).
const PATH_LEN_MAX: u64 = 4096;

impl Vault {
    /// As [`folder::whole`], for open audio.
    pub(crate) fn whole_outside<T, E>(
        &self,
        path: &Path,
        failed: impl Fn(io::Error) -> E,
        fill: impl FnOnce(&mut File) -> Result<T, E>,
    ) -> Result<T, E> {
        for (note, part) in left(self.store()) {
            if !part.exists() || whole::remove_if_abandoned(&part) {
                let _gone = fs::remove_file(note);
            }
        }
        // A store that can only be read is no reason to hear nothing.
        let noted = Noted::begin(self.store(), path);
        if let Err(error) = &noted {
            tracing::warn!(%error, "should this program be killed, nobody will know of half a sound file");
        }
        folder::whole(path, failed, fill)
    }
}

/// Half files in the clear that killed programs left, wherever they lie.
pub(crate) fn half_files(store: &Path) -> Vec<PathBuf> {
    let left = left(store).into_iter().map(|(_, part)| part);
    left.filter(|part| whole::abandoned(part).is_some())
        .collect()
}

/// Notes whose programs have ended, and what they name.
fn left(store: &Path) -> Vec<(PathBuf, PathBuf)> {
    let notes = fs::read_dir(store.join(NOTES)).into_iter().flatten();
    let notes = notes.flatten().map(|entry| entry.path());
    notes
        .filter_map(|note| {
            let file = File::open(&note).ok()?;
            file.try_lock().ok()?;
            let mut path = Vec::new();
            file.take(PATH_LEN_MAX).read_to_end(&mut path).ok()?;
            Some((note, PathBuf::from(std::ffi::OsString::from_vec(path))))
        })
        .collect()
}

/// A note, for as long as its file is being written; locked, so that nobody takes it for left.
struct Noted {
    path: PathBuf,
    file: File,
}

impl Noted {
    fn begin(store: &Path, of: &Path) -> Result<Self, VaultError> {
        let folder = store.join(NOTES);
        folder::make(&folder)?;
        let path = folder.join(RecordingId::random()?.to_string());
        let write = || {
            let part = whole::part_of(&std::path::absolute(of)?);
            let mut file = folder::create_private(&path, false)?;
            file.lock()?;
            file.write_all(part.as_os_str().as_bytes())?;
            file.sync_data()?;
            Ok(file)
        };
        match write() {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => {
                let _gone = fs::remove_file(&path);
                Err(folder::unusable(&path)(error))
            }
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        // What stays names no file that is there, and goes with the next.
        let _gone = fs::remove_file(&self.path);
        let _let_go = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_file_goes_with_the_next_one_that_is_written_anywhere() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let at = |name: &str| place.path().join(name);
        let vault = Vault::open(&at("store"), &at("keys")).expect("fresh");
        fs::create_dir(at("one"))?;
        fs::create_dir(at("other"))?;
        let half = at("one/a.wav.vaxel-part");
        // As a program leaves both that is killed while it writes.
        let noted = Noted::begin(vault.store(), &at("one/a.wav")).expect("noted");
        fs::write(&half, "RIFF")?;
        let writing = File::open(&half)?;
        writing.lock()?;
        assert!(half_files(vault.store()).is_empty(), "it lives");
        noted.file.unlock()?;
        std::mem::forget(noted);
        assert!(half_files(vault.store()).is_empty(), "it is being written");
        writing.unlock()?;
        assert_eq!(half_files(vault.store()), std::slice::from_ref(&half));
        let write = |file: &mut File| file.write_all(b"all of it");
        vault.whole_outside(&at("other/b.wav"), |error| error, write)?;
        assert!(!half.exists());
        assert_eq!(fs::read_dir(vault.store().join(NOTES))?.count(), 0);
        Ok(())
    }
}
