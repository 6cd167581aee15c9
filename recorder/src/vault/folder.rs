//! Folders and files that only this user can reach.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::VaultError;
pub(crate) use super::whole::{whole, whole_folder};

/// Bits that let anybody else in.
const OTHERS: u32 = 0o077;

/// A change of the disk. Each asks [`pass`] first, so that a test can stop it, tear it or forget it.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the plans of tests read which file it is")
)]
pub(super) enum Op<'a> {
    /// A new, empty file.
    Create(&'a Path),
    /// Bytes at a file's end.
    Append,
    /// A file's bytes are safe.
    Sync(&'a Path),
    /// A folder's names are safe.
    SyncFolder(&'a Path),
    Rename(&'a Path, &'a Path),
    /// A new folder, or a step between two others.
    Other,
}

#[cfg(test)]
pub(super) use super::faults::pass;

/// Outside tests every change may be made, whole.
#[cfg(not(test))]
pub(super) const fn pass(_: &Op<'_>, bytes: usize) -> io::Result<usize> {
    Ok(bytes)
}

/// A file being written at its end. Cheap to clone: whoever waits for the disk holds it beside whoever writes.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    file: Arc<File>,
    path: Arc<Path>,
    /// Nobody else makes its name safe.
    unnamed: Arc<AtomicBool>,
    /// The disk refused to keep what was written.
    spoilt: Arc<AtomicBool>,
}

impl Out {
    /// Makes a file 0600; refuses one that is there unless told to replace it.
    pub(crate) fn create(path: &Path, replace: bool) -> io::Result<Self> {
        pass(&Op::Create(path), 0)?;
        Ok(Self {
            file: Arc::new(create_private(path, replace)?),
            path: path.into(),
            unnamed: Arc::default(),
            spoilt: Arc::default(),
        })
    }

    /// Has whoever waits for it first wait for its name, too.
    pub(crate) fn sync_name_too(&self) {
        self.unnamed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let passed = pass(&Op::Append, bytes.len())?;
        (&*self.file).write_all(&bytes[..passed])?;
        if passed < bytes.len() {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        Ok(())
    }

    /// Waits until what was written is safe. What the disk refused once isn't there, though it says so only once: the next wait is
    /// for what has come since.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.is_spoilt() {
            return Err(io::Error::other("the disk refused to keep it before"));
        }
        let done = self.sync_now();
        if done.is_err() {
            self.spoilt.store(true, Ordering::Relaxed);
        }
        done
    }

    /// Whether the disk refused to keep some of it.
    pub(crate) fn is_spoilt(&self) -> bool {
        self.spoilt.load(Ordering::Relaxed)
    }

    fn sync_now(&self) -> io::Result<()> {
        pass(&Op::Sync(&self.path), 0)?;
        self.file.sync_data()?;
        if self.unnamed.load(Ordering::Relaxed)
            && let Some(folder) = self.path.parent()
        {
            pass(&Op::SyncFolder(folder), 0)?;
            File::open(folder)?.sync_all()?;
            self.unnamed.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The file system that a folder is on.
#[derive(Debug, Clone)]
pub(crate) struct Volume(Arc<File>);

impl Volume {
    /// To be opened before what is written there: the system tells this handle only of what has gone wrong since (Linux 5.8).
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(File::open(folder)?)))
    }

    /// Waits until all that was written on it is safe, by whomever; `files` are those of it that it is asked for.
    pub(crate) fn sync<'a>(&self, files: impl IntoIterator<Item = &'a Out>) -> io::Result<()> {
        for file in files {
            pass(&Op::Sync(&file.path), 0)?;
        }
        Ok(rustix::fs::syncfs(&self.0)?)
    }
}

/// Waits until the names in a folder are safe.
pub(crate) fn sync_folder(path: &Path) -> Result<(), VaultError> {
    let sync = || {
        pass(&Op::SyncFolder(path), 0)?;
        File::open(path)?.sync_all()
    };
    sync().map_err(unusable(path))
}

/// Waits until what another wrote in a file is safe; nothing to wait for where there is none.
pub(crate) fn sync_written(path: &Path) -> Result<(), VaultError> {
    let sync = || {
        pass(&Op::Sync(path), 0)?;
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other?.sync_all(),
        }
    };
    sync().map_err(unusable(path))
}

/// Makes a folder 0700 with its parents; gives those that weren't there, for [`sync_made`].
pub(crate) fn make(path: &Path) -> Result<Vec<&Path>, VaultError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|one| !one.exists()).collect();
    pass(&Op::Other, 0).map_err(unusable(path))?;
    // Whether it can be written to shows with the first file in it.
    make_closed(path)?;
    Ok(missing)
}

/// Waits until the names in a folder are safe, and those of the folders that were made for it.
pub(crate) fn sync_made(path: &Path, made: &[&Path]) -> Result<(), VaultError> {
    let parents = made.iter().filter_map(|one| one.parent());
    [path].into_iter().chain(parents).try_for_each(sync_folder)
}

/// Makes a folder 0700 with its parents, or checks one that is there: closed to others, and writable.
pub(crate) fn make_private(path: &Path) -> Result<(), VaultError> {
    make_closed(path)?;
    let probe = path.join(".probe");
    create_private(&probe, true).map_err(unusable(path))?;
    match fs::remove_file(&probe) {
        // Another program tried at the same moment, and has removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(unusable(path)),
    }
}

fn make_closed(path: &Path) -> Result<(), VaultError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(unusable(path))?;
    check_private(path)
}

/// The permissions of a file or folder that anybody else can reach; `None` when nobody can.
pub(crate) fn open_to_others(meta: &Metadata) -> Option<u32> {
    let mode = meta.permissions().mode() & 0o7777;
    (mode & OTHERS != 0).then_some(mode)
}

/// Refuses a folder that isn't there, or that others can reach.
pub(crate) fn check_private(path: &Path) -> Result<(), VaultError> {
    let found = fs::metadata(path).map_err(unusable(path))?;
    if !found.is_dir() {
        return Err(unusable(path)(io::Error::from(
            io::ErrorKind::NotADirectory,
        )));
    }
    check_closed(path, &found)
}

/// Refuses a file that others can reach.
pub(crate) fn check_private_file(path: &Path) -> Result<(), VaultError> {
    check_closed(path, &fs::metadata(path).map_err(unusable(path))?)
}

/// Refuses what others can reach.
pub(super) fn check_closed(path: &Path, found: &Metadata) -> Result<(), VaultError> {
    match open_to_others(found) {
        Some(mode) => Err(VaultError::OpenToOthers {
            path: path.to_owned(),
            mode,
        }),
        None => Ok(()),
    }
}

/// Refuses keys inside the store and the store inside the keys, also by way of links.
pub(crate) fn check_apart(store: &Path, keys: &Path) -> Result<(), VaultError> {
    let (real_store, real_keys) = (resolved(store)?, resolved(keys)?);
    if real_keys.starts_with(&real_store) || real_store.starts_with(&real_keys) {
        return Err(VaultError::NotApart {
            keys: keys.to_owned(),
            store: store.to_owned(),
        });
    }
    Ok(())
}

/// The real path, as far as it exists; what doesn't exist yet can't be a link.
fn resolved(path: &Path) -> Result<PathBuf, VaultError> {
    let absolute = std::path::absolute(path).map_err(unusable(path))?;
    let mut missing = Vec::new();
    let mut there = absolute.as_path();
    loop {
        if let Ok(real) = there.canonicalize() {
            return Ok(missing.iter().rev().fold(real, |sum, part| sum.join(part)));
        }
        let (Some(parent), Some(name)) = (there.parent(), there.file_name()) else {
            return Ok(absolute);
        };
        missing.push(name);
        there = parent;
    }
}

/// Opens a new file 0600 for writing and reading; refuses one that is there unless told to replace it.
pub(crate) fn create_private(path: &Path, replace: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    if replace {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(path)
}

/// Writes a small file into a folder that counts for nothing yet, so that half of it does no harm.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let write = || {
        let file = Out::create(path, false)?;
        file.append(bytes)?;
        file.sync()
    };
    write().map_err(unusable(path))
}

/// Writes a whole small file so that a crash leaves the old one or the new one, never half of it. Its name is safe after
/// [`sync_folder`].
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let beside = beside(path);
    let write = || {
        let file = Out::create(&beside, true)?;
        file.append(bytes)?;
        file.sync()?;
        pass(&Op::Rename(&beside, path), 0)?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        // Half a key, or half of who spoke, that nobody would look for.
        if pass(&Op::Other, 0).is_ok() {
            let _gone = fs::remove_file(&beside);
        }
        unusable(path)(error)
    })
}

/// The same in a folder that is made when it isn't there; outlives a power cut when this returns.
pub(crate) fn keep(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        make_private(folder)?;
        folder.parent().map_or(Ok(()), sync_folder)?;
    }
    write_private(path, bytes)?;
    sync_folder(folder)
}

/// Gone already is gone.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(path)(error)),
        _ => Ok(()),
    }
}

/// Where a file is written before it takes its name.
fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(HALF);
    beside.into()
}

const HALF: &str = ".new";

/// Whether a name is that of a file that hasn't taken its own yet.
pub(super) fn is_half(name: &str) -> bool {
    name.ends_with(HALF)
}

/// Removes what a program that was killed in [`write_private`] left of a file that never came to be.
pub(crate) fn remove_half(path: &Path) -> Result<(), VaultError> {
    remove_if_there(&beside(path))
}

/// The ids of what lies in a folder as `ID.json`, in no order; none when there is no folder.
pub(crate) fn ids(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
        found.extend(id.map(str::to_owned));
    }
    Ok(found)
}

pub(crate) fn unusable(path: &Path) -> impl Fn(io::Error) -> VaultError + '_ {
    move |source| VaultError::Unusable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_reach_is_refused() -> Result<(), VaultError> {
        let place = tempfile::tempdir().expect("a folder");
        let inside = place.path().join("a/b");
        make_private(&inside)?;
        assert_eq!(
            fs::metadata(&inside).expect("there").permissions().mode() & 0o777,
            0o700
        );
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o750)).expect("ours");
        assert!(matches!(
            make_private(&inside),
            Err(VaultError::OpenToOthers { mode: 0o750, .. })
        ));
        Ok(())
    }

    #[test]
    fn a_file_in_the_way_is_refused() {
        let place = tempfile::tempdir().expect("a folder");
        let file = place.path().join("file");
        fs::write(&file, "x").expect("ours");
        assert!(matches!(
            make_private(&file.join("store")),
            Err(VaultError::Unusable { .. })
        ));
        assert!(matches!(
            check_private(&file),
            Err(VaultError::Unusable { .. })
        ));
    }

    #[test]
    fn keys_and_store_are_apart_even_by_links() {
        let place = tempfile::tempdir().expect("a folder");
        let store = place.path().join("store");
        fs::create_dir(&store).expect("ours");
        std::os::unix::fs::symlink(&store, place.path().join("link")).expect("ours");
        for keys in ["store/keys", "store", "link/keys", "store/../store/k"] {
            let refused = check_apart(&store, &place.path().join(keys));
            assert!(
                matches!(refused, Err(VaultError::NotApart { .. })),
                "{keys}"
            );
        }
        assert!(check_apart(&store, &place.path().join("keys")).is_ok());
        assert!(check_apart(&store, &place.path().join("store-keys")).is_ok());
    }
}
