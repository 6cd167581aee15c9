//! What one process at a time may hold: a file in the store, locked for as long as its holder lives.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::{VaultError, folder::unusable};

/// Keeps others out of a store, or of one kind of work in it, for as long as it lives; the operating system lets go
/// after a crash.
#[derive(Debug)]
pub struct StoreLock(File);

impl StoreLock {
    /// Takes it; `None` when somebody else has it.
    pub(crate) fn take(path: &Path) -> Result<Option<Self>, VaultError> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(unusable(path))?;
        Self::lock(file, path)
    }

    /// The same by a folder that is there.
    pub(crate) fn take_folder(path: &Path) -> Result<Option<Self>, VaultError> {
        Self::lock(File::open(path).map_err(unusable(path))?, path)
    }

    fn lock(file: File, path: &Path) -> Result<Option<Self>, VaultError> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(unusable(path)(error)),
        }
    }

    /// Writes which process holds it, for the one that is kept out.
    pub(super) fn sign(&mut self, path: &Path) -> Result<(), VaultError> {
        let whose = std::process::id().to_string();
        let signed = self.0.set_len(0).map(|()| whose);
        signed
            .and_then(|whose| self.0.write_all(whose.as_bytes()))
            .map_err(unusable(path))
    }
}

impl Drop for StoreLock {
    /// Closing the file wouldn't do: a program that is being started at this moment by another thread has it too, until
    /// it runs, and would go on holding the lock.
    fn drop(&mut self) {
        // What refuses here is let go of by the closing.
        let _let_go = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::StoreLock;

    #[test]
    fn it_is_let_go_of_though_a_starting_program_has_the_file_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".lock");
        let lock = StoreLock::take(&path).expect("usable").expect("free");
        let inherited = lock.0.try_clone().expect("a second descriptor");
        assert!(StoreLock::take(&path).expect("usable").is_none());
        drop(lock);
        assert!(StoreLock::take(&path).expect("usable").is_some());
        drop(inherited);
    }
}
