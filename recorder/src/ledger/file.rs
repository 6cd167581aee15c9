//! Adds lines to a ledger: any number at once with one signature and one wait for the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    GENESIS, LINE_LEN_MAX, LedgerError, Signer, given_up, line::Line, line::Written,
    verify::signed_end,
};
use crate::vault::folder;

/// The longest line with hash, signature and end.
const TEXT_LEN_MAX: u64 = LINE_LEN_MAX as u64 + 64 + 128 + 3;

/// What holds the last few thousand entries of ours.
const RECENT_BYTES: u64 = 4 * 1024 * 1024;

/// What is said of a ledger that is shorter than it was when it was signed.
pub(super) const CUT_OFF: &str = "its end was cut off or replaced";

/// A ledger opened to add to. Other writers wait until it is dropped.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    path: PathBuf,
    name: String,
    heads: PathBuf,
    seq: u64,
    hash: String,
}

/// Where a ledger was when it was signed last: kept apart from it, with the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: String,
}

impl Ledger {
    /// Opens a ledger, making it when there is none, and waits for other writers. `name` is what signatures bind:
    /// the path within the store. `before` is what its first line follows, when it is made: [`GENESIS`](super::GENESIS), or the last
    /// hash of the ledger it goes on from.
    ///
    /// What stands behind the last signature is cut off: an addition that a crash stopped, of which nobody was told that it is
    /// there, or a stranger's.
    ///
    /// # Errors
    /// When it can't be written, or its end isn't what was written.
    pub fn open(store: &Path, keys: &Path, name: &str, before: &str) -> Result<Self, LedgerError> {
        let path = store.join(name);
        let heads = keys.join("heads");
        folder::make_private(&heads)?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(folder::unusable(&path))?;
        let last = last_line(&mut file, &path)?.map(|last| Head {
            seq: last.line.seq,
            hash: last.hash,
        });
        let signed = head(keys, name)?;
        let last = if last == signed {
            last
        } else {
            // What is added would sign over what is gone, or was put there by somebody else, and nobody would find it.
            let sound = signed_end(store, keys, name, signed.as_ref())?;
            file.set_len(sound.end).map_err(folder::unusable(&path))?;
            sound.last
        };
        let (seq, hash) = last.map_or_else(|| (0, before.to_owned()), |last| (last.seq, last.hash));
        Ok(Self {
            file,
            heads: heads.join(head_name(name)),
            name: name.to_owned(),
            seq,
            hash,
            path,
        })
    }

    /// Adds entries; when this returns they are on disk and signed.
    ///
    /// # Errors
    /// When the disk refuses; what was written of them is cut off.
    pub fn add(
        &mut self,
        signer: &Signer,
        at: Timestamp,
        entries: &[Value],
    ) -> Result<(), LedgerError> {
        if entries.is_empty() {
            return Ok(());
        }
        let (mut seq, mut hash) = (self.seq, self.hash.clone());
        let mut lines = Vec::with_capacity(entries.len());
        for entry in entries {
            seq += 1;
            let line = Line {
                seq,
                prev: hash,
                at: at.to_string(),
                entry: entry.clone(),
            };
            let (text, next) = line.text()?;
            lines.push(text);
            hash = next;
        }
        let signature = signer.sign(&self.name, &hash);
        let text = format!("{}\t{signature}\n", lines.join("\n"));
        let is_new = self.seq == 0;
        self.write(&text).map_err(folder::unusable(&self.path))?;
        (self.seq, self.hash) = (seq, hash);
        if is_new {
            self.name_it()?;
        }
        let head = Head {
            seq: self.seq,
            hash: self.hash.clone(),
        };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        folder::write_private(&self.heads, &head)?;
        Ok(())
    }

    /// Writes all of it or, as far as the disk lets us, nothing.
    fn write(&mut self, text: &str) -> io::Result<()> {
        let before = self.file.metadata()?.len();
        let written = self
            .file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.file.set_len(before)?;
        }
        written
    }

    /// Waits until the name of a new ledger is safe, and those of the folders it may have been made with: else a power cut
    /// takes all of it, however safe its bytes are.
    fn name_it(&self) -> Result<(), LedgerError> {
        let depth = self.name.split('/').count();
        let folders = self.path.ancestors().skip(1).take(depth);
        Ok(folders.into_iter().try_for_each(folder::sync_folder)?)
    }

    /// Its last lines, oldest first: more than one addition's.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn recent(&mut self) -> Result<Vec<Line>, LedgerError> {
        let mut read = || {
            let length = self.file.metadata()?.len();
            let from = length.saturating_sub(RECENT_BYTES);
            self.file.seek(SeekFrom::Start(from))?;
            let mut tail = Vec::new();
            (&mut self.file).take(RECENT_BYTES).read_to_end(&mut tail)?;
            Ok((from, tail))
        };
        let (from, tail) = read().map_err(folder::unusable(&self.path))?;
        let text = String::from_utf8_lossy(&tail);
        // The first one may have been cut.
        let lines = text.lines().skip(usize::from(from > 0));
        Ok(lines
            .filter_map(|line| Written::parse(line).ok())
            .map(|written| written.line)
            .collect())
    }

    /// How many lines it has.
    pub const fn lines(&self) -> u64 {
        self.seq
    }

    /// The hash of its last line.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// The number and the hash of the last line of one that nobody adds to.
pub(crate) fn end_of(path: &Path) -> Result<(u64, String), LedgerError> {
    let mut file = File::open(path).map_err(folder::unusable(path))?;
    let last = last_line(&mut file, path)?;
    let end = last.map(|last| (last.line.seq, last.hash));
    Ok(end.unwrap_or_else(|| (0, GENESIS.to_owned())))
}

/// The last whole line. A line without its end is a write that a crash stopped: it is cut off.
fn last_line(file: &mut File, path: &Path) -> Result<Option<Written>, LedgerError> {
    let (last, end) = look_back(file, path)?;
    let unusable = folder::unusable(path);
    if end < file.metadata().map_err(&unusable)?.len() {
        file.set_len(end).map_err(&unusable)?;
    }
    Ok(last)
}

/// The last whole line, and where it ends.
fn look_back(file: &mut File, path: &Path) -> Result<(Option<Written>, u64), LedgerError> {
    let unusable = folder::unusable(path);
    let length = file.metadata().map_err(&unusable)?.len();
    // Two lines' worth: a torn one, and the whole one before it.
    let from = length.saturating_sub(2 * TEXT_LEN_MAX);
    file.seek(SeekFrom::Start(from)).map_err(&unusable)?;
    let mut tail = Vec::new();
    (&mut *file)
        .take(2 * TEXT_LEN_MAX)
        .read_to_end(&mut tail)
        .map_err(&unusable)?;
    let whole = tail
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let end = from + whole as u64;
    let Some(text) = tail[..whole].strip_suffix(b"\n") else {
        return Ok((None, end));
    };
    let begin = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let broken = |what| LedgerError::Broken {
        path: path.to_owned(),
        line: 0,
        what,
    };
    let text =
        std::str::from_utf8(&text[begin..]).map_err(|_| broken("its last line isn't text"))?;
    let last = Written::parse(text).map_err(broken)?;
    Ok((Some(last), end))
}

/// The number of the last line that was signed: what stands behind it nobody has written.
///
/// # Errors
/// When it can't be read, or its end isn't what was written.
pub(crate) fn signed_lines(store: &Path, keys: &Path, name: &str) -> Result<u64, LedgerError> {
    let path = store.join(name);
    let mut file = File::open(&path).map_err(folder::unusable(&path))?;
    let last = look_back(&mut file, &path)?.0.map(|last| Head {
        seq: last.line.seq,
        hash: last.hash,
    });
    let signed = head(keys, name)?;
    let last = match last == signed {
        true => last,
        false => signed_end(store, keys, name, signed.as_ref())?.last,
    };
    Ok(last.map_or(0, |last| last.seq))
}

/// The head of a ledger, when it was signed before.
pub(super) fn head(keys: &Path, name: &str) -> Result<Option<Head>, LedgerError> {
    let path = keys.join("heads").join(head_name(name));
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| LedgerError::Key { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(folder::unusable(&path)(error).into()),
    }
}

/// Whether any ledger was ever signed.
pub(super) fn has_signed(keys: &Path) -> bool {
    fs::read_dir(keys.join("heads")).is_ok_and(|mut heads| heads.next().is_some())
}

/// Whether a ledger was ever signed: then it is there, or was erased.
pub(crate) fn was_signed(keys: &Path, name: &str) -> bool {
    keys.join("heads").join(head_name(name)).exists()
}

/// Every ledger in a folder of the store that was ever signed, by its name.
///
/// # Errors
/// When the heads can't be read.
pub(crate) fn signed_in(keys: &Path, folder: &str) -> Result<Vec<String>, LedgerError> {
    let heads = keys.join("heads");
    let unusable = folder::unusable(&heads);
    let entries = match fs::read_dir(&heads) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(&unusable)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let head = entry.map_err(&unusable)?.file_name();
        // No part of such a name has an underscore of its own.
        let name = head.to_str().map(|head| head.replace('_', "/"));
        found.extend(name.filter(|name| {
            name.strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/') && name.ends_with(".log"))
        }));
    }
    found.sort();
    Ok(found)
}

/// Forgets a ledger that was erased.
pub(crate) fn forget_head(keys: &Path, name: &str) {
    if let Err(error) = given_up::forget(keys, name) {
        tracing::warn!(ledger = name, %error, "where it was when a signing key was given up is remembered, though it was erased");
    }
    // A head without its ledger is found by nobody: only ledgers that are there are checked.
    let _gone = fs::remove_file(keys.join("heads").join(head_name(name)));
}

fn head_name(name: &str) -> String {
    name.replace('/', "_")
}
