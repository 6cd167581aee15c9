//! A note beside the index's file, by which an opening knows whether it may use the file before it has read all of it.
//!
//! SQLite loses nothing and harms nothing when a program is killed: what was written is in the kernel. What it can't see is a
//! system that went down with a disk that had promised too much, or a file that was exchanged. So a file that this system
//! has had in its hands since it was last closed or checked is used at once, and read through behind that; any other is read
//! through first. Pages are looked at when they are read, whichever way.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::IndexError;
use crate::vault::folder;

/// Changes with every start of the system.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The note of one index.
#[derive(Debug, Clone)]
pub(super) struct Note {
    index: PathBuf,
    path: PathBuf,
}

/// What it says of the file that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// In this system's hands all the time.
    Sound,
    /// Nobody can say where it has been.
    Unknown,
    /// Read through, and found to be damaged.
    Damaged,
}

/// What is written down.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    /// A recorder works with it.
    Open,
    /// It was closed whole.
    Closed,
    /// A page of it isn't as it must be.
    Damaged,
}

impl Note {
    pub(super) fn beside(index: &Path) -> Self {
        let mut path = index.as_os_str().to_owned();
        path.push("-state");
        Self {
            index: index.to_owned(),
            path: path.into(),
        }
    }

    pub(super) fn read(&self) -> Kept {
        let said = fs::read_to_string(&self.path).unwrap_or_default();
        let mut words = said.split_ascii_whitespace();
        let (word, file, boot) = (words.next(), words.next(), words.next());
        if file.is_none() || file != self.file().as_deref() {
            return Kept::Unknown;
        }
        match word {
            Some("closed") => Kept::Sound,
            Some("open") if boot.is_some() && boot == boot_id().as_deref() => Kept::Sound,
            Some("damaged") => Kept::Damaged,
            _ => Kept::Unknown,
        }
    }

    /// Safe on disk when this returns.
    pub(super) fn write(&self, word: Word) -> Result<(), IndexError> {
        let word = match word {
            Word::Open => "open",
            Word::Closed => "closed",
            Word::Damaged => "damaged",
        };
        let file = self.file().unwrap_or_default();
        let boot = boot_id().unwrap_or_default();
        let written =
            folder::write_private(&self.path, format!("{word} {file} {boot}\n").as_bytes());
        let folder = self.path.parent().unwrap_or(Path::new("."));
        written
            .and_then(|()| folder::sync_folder(folder))
            .map_err(IndexError::Note)
    }

    /// Another file under the same name is another.
    pub(super) fn file(&self) -> Option<String> {
        let meta = fs::metadata(&self.index).ok()?;
        Some(format!("{}:{}", meta.dev(), meta.ino()))
    }
}

/// `None` where the system doesn't say: then every file that wasn't closed is read through.
fn boot_id() -> Option<String> {
    let said = fs::read_to_string(BOOT_ID).ok()?;
    Some(said.trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_trusted_while_this_system_has_it_in_hand() {
        let place = tempfile::tempdir().expect("a folder");
        let index = place.path().join("index.sqlite");
        let note = Note::beside(&index);
        fs::write(&index, b"one").expect("ours");
        assert_eq!(note.read(), Kept::Unknown);
        for (word, kept) in [
            (Word::Open, Kept::Sound),
            (Word::Closed, Kept::Sound),
            (Word::Damaged, Kept::Damaged),
        ] {
            note.write(word).expect("written");
            assert_eq!(note.read(), kept, "{word:?}");
        }
        // Another file in its place, whatever was known of the one before.
        let other = place.path().join("other");
        fs::write(&other, b"two").expect("ours");
        fs::rename(&other, &index).expect("ours");
        assert_eq!(note.read(), Kept::Unknown);
    }

    #[test]
    fn an_open_file_after_the_system_went_down_is_unknown_and_a_closed_one_is_not() {
        let place = tempfile::tempdir().expect("a folder");
        let index = place.path().join("index.sqlite");
        let note = Note::beside(&index);
        fs::write(&index, b"one").expect("ours");
        for (word, kept) in [(Word::Open, Kept::Unknown), (Word::Closed, Kept::Sound)] {
            note.write(word).expect("written");
            let said = fs::read_to_string(&note.path).expect("there");
            let boot = boot_id().expect("Linux says it");
            fs::write(&note.path, said.replace(&boot, "another")).expect("ours");
            assert_eq!(note.read(), kept, "{word:?}");
        }
    }
}
