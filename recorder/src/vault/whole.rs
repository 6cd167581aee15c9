//! Files and folders that go out of the store, whole or not at all: filled under another name, which a program that was killed leaves behind
//! with open audio in it. Whoever writes one holds a lock on it, so the next who writes there knows which to remove.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::folder::{Op, create_private, pass};

/// What ends the name of a file that isn't whole: ours and no browser's, as any of them in the folder is removed.
const PART: &str = ".vaxel-part";
/// Times that another may take our file for an abandoned one before it is locked.
const TRIES_MAX: usize = 8;

/// Makes a file in any folder, and removes what others that were killed left half there. Safe from a power cut when this returns,
/// where its file system has that.
pub(crate) fn whole<T, E>(
    path: &Path,
    failed: impl Fn(io::Error) -> E,
    fill: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, E> {
    let part = part_of(path);
    remove_abandoned(&part);
    let mut file = create_locked(&part).map_err(&failed)?;
    let made = fill(&mut file).and_then(|made| {
        keep(&file, &part, path).map_err(&failed)?;
        Ok(made)
    });
    if made.is_err() {
        // Half of it is open audio that nobody asked for, or no copy of anything.
        let _gone = fs::remove_file(&part);
    }
    made
}

/// Gives a file its name, which outlives a power cut as its bytes do: whoever is told of it may erase what it was made of.
fn keep(file: &File, part: &Path, path: &Path) -> io::Result<()> {
    pass(&Op::Sync(part), 0)?;
    file.sync_all()?;
    pass(&Op::Rename(part, path), 0)?;
    fs::rename(part, path)?;
    sync_names(file, within(path))
}

/// Makes a folder in the same way, which must not be there; `fill` is given where it is until it is whole. Safe from a power cut
/// when this returns.
pub(crate) fn whole_folder<T, E>(
    path: &Path,
    failed: impl Fn(io::Error) -> E,
    fill: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let part = part_of(path);
    let locked = make_locked(&part).map_err(&failed)?;
    let keep = || {
        rustix::fs::syncfs(&locked)?;
        fs::rename(&part, path)?;
        sync_names(&locked, within(path))
    };
    let made = fill(&part).and_then(|made| keep().map_err(&failed).map(|()| made));
    if made.is_err() {
        // What isn't all of it must not pass for it.
        let _gone = fs::remove_dir_all(&part);
    }
    made
}

/// The folder that something lies in.
fn within(path: &Path) -> &Path {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Waits until the names in a folder are safe; `on_it` is of the same file system.
fn sync_names(on_it: &File, folder: &Path) -> io::Result<()> {
    pass(&Op::SyncFolder(folder), 0)?;
    let synced = match File::open(folder) {
        // One that files may be put into, and that may not be looked into: all of its file system then.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            rustix::fs::syncfs(on_it).map_err(io::Error::from)
        }
        folder => folder.and_then(|folder| folder.sync_all()),
    };
    synced.or_else(|error| is_unknown(&error).then_some(()).ok_or(error))
}

/// Whether a file system says that it has no such wait: some of a network, of FUSE and of memory sticks.
fn is_unknown(error: &io::Error) -> bool {
    let unknown = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP];
    let said = error.raw_os_error();
    unknown.iter().any(|one| said == Some(one.raw_os_error()))
}

pub(super) fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(PART);
    part.into()
}

/// What can't be removed is left: it is no reason to write nothing.
fn remove_abandoned(part: &Path) {
    let entries = fs::read_dir(within(part)).into_iter();
    for entry in entries.flatten().flatten() {
        remove_if_abandoned(&entry.path());
    }
}

/// Whether nobody writes it, and it is gone now.
pub(super) fn remove_if_abandoned(part: &Path) -> bool {
    let Some(_locked) = abandoned(part) else {
        return false;
    };
    let removed = fs::remove_file(part).is_ok();
    if removed {
        tracing::warn!("half a file that a killed program left was removed");
    }
    removed
}

/// A file that is there and that nobody writes, locked.
pub(super) fn abandoned(part: &Path) -> Option<File> {
    let is_part = part.to_string_lossy().ends_with(PART);
    let is_file = fs::symlink_metadata(part).is_ok_and(|found| found.is_file());
    if !(is_part && is_file) {
        return None;
    }
    let file = File::open(part).ok()?;
    file.try_lock().ok().map(|()| file)
}

/// A new file that only we can read, and that nobody takes for abandoned.
fn create_locked(part: &Path) -> io::Result<File> {
    for _ in 0..TRIES_MAX {
        pass(&Op::Create(part), 0)?;
        let file = create_private(part, false)?;
        // Not every file system has locks. Whoever took it for abandoned before we had ours has removed it.
        let _locked = file.lock();
        if file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// A new folder that only we can reach, and that nobody takes for abandoned. One that is goes; one that another fills stays.
fn make_locked(part: &Path) -> io::Result<File> {
    for _ in 0..TRIES_MAX {
        match DirBuilder::new().mode(0o700).create(part) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let abandoned = File::open(part)?;
                if matches!(abandoned.try_lock(), Err(TryLockError::WouldBlock)) {
                    return Err(io::ErrorKind::ResourceBusy.into());
                }
                fs::remove_dir_all(part)?;
                continue;
            }
            made => made?,
        }
        let folder = File::open(part)?;
        // Not every file system has locks. Whoever took it for abandoned before we had ours has removed it.
        let _locked = folder.lock();
        let ours = folder.metadata()?;
        let is_ours = |there: fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
        if fs::symlink_metadata(part).is_ok_and(is_ours) {
            return Ok(folder);
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::vault::faults;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("ours").flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_program_left_half_goes_with_the_next_file() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let at = |name: &str| place.path().join(name);
        // Of the same name and of another; what somebody is writing; what is no part of ours.
        for name in [
            "a.wav.vaxel-part",
            "b.wav.vaxel-part",
            "c.wav.vaxel-part",
            "song.part",
        ] {
            fs::write(at(name), "RIFF")?;
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o644))?;
        }
        let writing = File::open(at("c.wav.vaxel-part"))?;
        writing.lock()?;
        whole(
            &at("a.wav"),
            |error| error,
            |file| {
                let expected = ["a.wav.vaxel-part", "c.wav.vaxel-part", "song.part"];
                assert_eq!(names(place.path()), expected);
                assert_eq!(file.metadata()?.permissions().mode() & 0o777, 0o600);
                file.write_all(b"all of it")
            },
        )?;
        assert_eq!(
            names(place.path()),
            ["a.wav", "c.wav.vaxel-part", "song.part"]
        );
        assert_eq!(fs::read(at("a.wav"))?, b"all of it");
        Ok(())
    }

    #[test]
    fn what_was_told_of_outlives_a_power_cut() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("a.wav");
        faults::plan(u64::MAX, io::ErrorKind::Other);
        let made = whole(&path, |error| error, |file| file.write_all(b"all of it"));
        let plan = faults::end();
        made?;
        plan.cut_power()?;
        assert_eq!(fs::read(&path)?, b"all of it");
        Ok(())
    }

    #[test]
    fn a_disk_that_refuses_is_told_and_one_that_has_no_wait_is_not() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("a.wav");
        // All but the last step: a new file, its bytes, its name.
        faults::plan(3, io::ErrorKind::Other);
        let made = whole(&path, |error| error, |_| Ok(()));
        faults::end();
        assert!(made.is_err());
        for (errno, is) in [
            (Errno::INVAL, true),
            (Errno::NOSYS, true),
            (Errno::IO, false),
        ] {
            assert_eq!(is_unknown(&errno.into()), is, "{errno}");
        }
        Ok(())
    }

    #[test]
    fn what_fails_leaves_nothing_and_two_do_not_write_into_one() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("a.wav");
        let nothing = |_: &mut File| Err::<(), _>(io::Error::other("full"));
        assert!(whole(&path, |error| error, nothing).is_err());
        assert!(names(place.path()).is_empty());
        whole(
            &path,
            |error| error,
            |_| {
                assert!(whole(&path, |error| error, |_| Ok(())).is_err());
                Ok(())
            },
        )?;
        assert_eq!(names(place.path()), ["a.wav"]);
        Ok(())
    }

    #[test]
    fn two_do_not_fill_one_folder_and_what_was_left_half_is_in_none() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("calls");
        fs::create_dir(place.path().join("calls.vaxel-part"))?;
        fs::write(place.path().join("calls.vaxel-part/half"), "RIFF")?;
        whole_folder(
            &path,
            |error| error,
            |part| {
                let second = whole_folder(&path, |error| error, |_| Ok(()));
                assert_eq!(
                    second.map_err(|error| error.kind()),
                    Err(io::ErrorKind::ResourceBusy)
                );
                fs::write(part.join("1.wav"), "RIFF")
            },
        )?;
        assert_eq!(names(place.path()), ["calls"]);
        assert_eq!(names(&path), ["1.wav"]);
        let nothing = |_: &Path| Err::<(), _>(io::Error::other("full"));
        assert!(whole_folder(&place.path().join("more"), |error| error, nothing).is_err());
        assert_eq!(names(place.path()), ["calls"]);
        Ok(())
    }
}
