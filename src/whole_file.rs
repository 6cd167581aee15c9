//! Files that are there once they are whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

use crate::show;

/// Where a process finds its own open files, to give one of them a name.
const OWN_FILES: &str = "/proc/self/fd";

/// Writes a file whole or not at all: what fails half-way leaves what stood there. A pipe or a device is written as it is.
pub(crate) fn write_whole(
    file: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let (mut out, whole) = WholeFile::begin(file)?;
    write(&mut out)?;
    whole.end(out)
}

/// A file that is there once it is whole: what is dropped before leaves nothing, and where the disk can hold files without a name, so
/// does a program that is killed.
#[derive(Debug)]
pub(crate) struct WholeFile(Option<Place>);

#[derive(Debug)]
struct Place {
    /// Where it is to stand.
    file: PathBuf,
    /// What it is called before; where it has no name until it is whole, for a moment only.
    part: PathBuf,
    is_nameless: bool,
}

impl WholeFile {
    pub(crate) fn begin(file: &Path) -> io::Result<(BufWriter<File>, Self)> {
        // `/dev/stdout` may lead to a file too, one that is open.
        if file.starts_with("/dev") || (file.exists() && !file.is_file()) {
            return Ok((BufWriter::new(File::create(file)?), Self(None)));
        }
        // Through a link, to where it points.
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let part = part_of(&file);
        let is_left = part.is_file();
        let nameless = nameless_beside(&file);
        let is_nameless = nameless.is_some();
        let out = match nameless {
            Some(out) => {
                let _gone = fs::remove_file(&part);
                out
            }
            None => File::create(&part)?,
        };
        if is_left {
            show::note(format_args!(
                "vaxel: {} was left by a run that was killed, and is gone now",
                part.display()
            ));
        }
        let place = Place {
            file,
            part,
            is_nameless,
        };
        Ok((BufWriter::new(out), Self(Some(place))))
    }

    pub(crate) fn end(mut self, mut out: BufWriter<File>) -> io::Result<()> {
        out.flush()?;
        if let Some(place) = &self.0 {
            if place.is_nameless {
                name(out.get_ref(), &place.part)?;
            }
            fs::rename(&place.part, &place.file)?;
            self.0 = None;
        }
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(place) = &self.0 {
            // There is none where it has no name yet; and what can't be removed either does no harm under that name.
            let _ = fs::remove_file(&place.part);
        }
    }
}

fn part_of(file: &Path) -> PathBuf {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

/// An open file without a name in the same folder; `None` where the disk has no such thing, or it couldn't be named later.
fn nameless_beside(file: &Path) -> Option<File> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let opened = open(folder, flags, Mode::from_raw_mode(0o666)).ok()?;
    Path::new(OWN_FILES).is_dir().then(|| File::from(opened))
}

/// Gives an open file its name. What another run put there in the meantime is as old as what is there already.
fn name(open: &File, part: &Path) -> io::Result<()> {
    let own = format!("{OWN_FILES}/{}", open.as_fd().as_raw_fd());
    let _gone = fs::remove_file(part);
    Ok(linkat(CWD, own, CWD, part, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test says what it expects")]

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let all = fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| {
            let name = entry.expect("an entry").file_name();
            name.to_string_lossy().into_owned()
        };
        all.map(name).collect()
    }

    #[test]
    fn a_file_is_there_once_it_is_whole_and_takes_the_place_of_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.csv");
        fs::write(&file, "before").expect("written");
        let (mut out, whole) = WholeFile::begin(&file).expect("begun");
        out.write_all(b"after").expect("written");
        assert_eq!(fs::read_to_string(&file).expect("there"), "before");
        whole.end(out).expect("ended");
        assert_eq!(fs::read_to_string(&file).expect("there"), "after");
        let (_, dropped) = WholeFile::begin(&file).expect("begun");
        drop(dropped);
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    #[test]
    fn what_a_killed_run_left_is_taken_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.csv");
        fs::write(part_of(&file), "half").expect("written");
        write_whole(&file, |out| out.write_all(b"whole")).expect("written");
        assert_eq!(fs::read_to_string(&file).expect("there"), "whole");
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    #[test]
    fn two_at_once_write_a_whole_file_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.csv");
        let mut both = [b"one", b"two"].map(|text| {
            let (out, whole) = WholeFile::begin(&file).expect("begun");
            (out, whole, text)
        });
        for (out, _, text) in &mut both {
            out.write_all(*text).expect("written");
        }
        for (out, whole, text) in both {
            whole.end(out).expect("ended");
            assert_eq!(fs::read(&file).expect("there"), text);
        }
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    #[test]
    fn what_fails_half_way_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("hours.csv");
        write_whole(&file, |out| out.write_all(b"of yesterday")).expect("written");
        let failed = write_whole(&file, |out| {
            out.write_all(&[b'x'; 100_000])?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&file).expect("it is there"), b"of yesterday");
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 1, "nothing half-written is left");
    }
}
