//! Reads a ledger back and checks every line of it.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use serde::Serialize;

use super::{
    LINE_LEN_MAX, LedgerError,
    file::{CUT_OFF, Head, head},
    given_up::{KeyChange, Known, PublicKeys},
    line::{Line, Written},
};
use crate::vault::folder;

/// What a check of a whole ledger found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Its name within the store.
    pub ledger: String,
    /// Lines in it.
    pub lines: u64,
    /// Signatures that hold.
    pub signatures: u64,
    /// Lines after the last signature: a writer was stopped there, or a stranger put them there. They count for nothing, and the
    /// next writer cuts them off.
    pub unsigned: u64,
    /// The hash before its first line.
    pub follows: String,
    /// The hash of its last line.
    pub hash: String,
    /// When a signing key was given up that had signed some of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_changes: Vec<KeyChange>,
}

/// Reads every line of a ledger, in order, checking hash and chain; not the signatures.
///
/// # Errors
/// At the first line that isn't what was written, and what `each` returns.
pub fn read<E: From<LedgerError>>(
    store: &Path,
    name: &str,
    mut each: impl FnMut(&Line) -> Result<(), E>,
) -> Result<(), E> {
    walk(&store.join(name), |written, _| each(&written.line)).map(|_| ())
}

/// The hash before a ledger's first line; empty when it has none.
pub(crate) fn follows(store: &Path, name: &str) -> Result<String, LedgerError> {
    let path = store.join(name);
    let mut text = Vec::new();
    File::open(&path)
        .and_then(|file| {
            let first = file.take(2 * LINE_LEN_MAX as u64);
            BufReader::new(first).read_until(b'\n', &mut text)
        })
        .map_err(|error| LedgerError::from(folder::unusable(&path)(error)))?;
    let first = std::str::from_utf8(text.trim_ascii_end()).unwrap_or_default();
    Ok(Written::parse(first)
        .map(|first| first.line.prev)
        .unwrap_or_default())
}

/// Whether anything was ever written whole there.
pub(crate) fn has_lines(path: &Path) -> Result<bool, LedgerError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| {
            let first = file.take(2 * LINE_LEN_MAX as u64);
            BufReader::new(first).read_until(b'\n', &mut text)
        })
        .map_err(|error| LedgerError::from(folder::unusable(path)(error)))?;
    Ok(text.len() == 2 * LINE_LEN_MAX || text.last() == Some(&b'\n'))
}

/// Checks a whole ledger: each line's hash, the chain, the signatures, and that its end is there. `keys` is where the
/// store's heads are kept; `None` when only public keys are at hand.
///
/// # Errors
/// At the first line that isn't what was written.
pub fn verify(
    store: &Path,
    keys: Option<&Path>,
    key: &PublicKeys,
    name: &str,
) -> Result<Verified, LedgerError> {
    verify_at(&store.join(name), keys, key, name)
}

/// The same of one that lies elsewhere for a while.
pub(crate) fn verify_at(
    path: &Path,
    keys: Option<&Path>,
    key: &PublicKeys,
    name: &str,
) -> Result<Verified, LedgerError> {
    let broken = |line, what| LedgerError::Broken {
        path: path.to_owned(),
        line,
        what,
    };
    let head = keys.map(|keys| head(keys, name)).transpose()?.flatten();
    let mut found = Verified {
        ledger: name.to_owned(),
        lines: 0,
        signatures: 0,
        unsigned: 0,
        follows: String::new(),
        hash: String::new(),
        key_changes: key.changes_in(name),
    };
    let mut head_met = head.is_none();
    walk::<LedgerError>(path, |written, _| {
        if found.lines == 0 {
            found.follows.clone_from(&written.line.prev);
        }
        found.lines += 1;
        found.unsigned += 1;
        let known = key
            .knows(name, written)
            .map_err(|what| broken(found.lines, what))?;
        if known != Known::Not {
            found.unsigned = 0;
        }
        found.signatures += u64::from(known == Known::Signed);
        if let Some(head) = &head
            && head.seq == written.line.seq
        {
            head_met = head.hash == written.hash;
            if head_met {
                // Kept beside the key: as good as a signature.
                found.unsigned = 0;
            }
        }
        found.hash.clone_from(&written.hash);
        Ok(())
    })?;
    if !head_met || found.lines < key.lines_min(name) {
        return Err(broken(found.lines, CUT_OFF));
    }
    Ok(found)
}

/// How far a ledger is ours.
#[derive(Debug, Default)]
pub(super) struct Sound {
    /// The last line that was signed; `None` when there is none.
    pub(super) last: Option<Head>,
    /// Bytes to the end of that line.
    pub(super) end: u64,
}

/// Finds the last line that was signed: where the head says, or further when a crash came between line and head.
pub(super) fn signed_end(
    store: &Path,
    keys: &Path,
    name: &str,
    head: Option<&Head>,
) -> Result<Sound, LedgerError> {
    let path = store.join(name);
    let broken = |line, what| LedgerError::Broken {
        path: path.clone(),
        line,
        what,
    };
    let key = PublicKeys::read(keys)?;
    let (mut sound, mut lines, mut head_met) = (Sound::default(), 0, head.is_none());
    walk::<LedgerError>(&path, |written, end| {
        lines = written.line.seq;
        let here = Head {
            seq: lines,
            hash: written.hash.clone(),
        };
        let is_head = head == Some(&here);
        head_met |= is_head;
        let known = key
            .knows(name, written)
            .map_err(|what| broken(lines, what))?;
        if is_head || known != Known::Not {
            (sound.last, sound.end) = (Some(here), end);
        }
        Ok(())
    })?;
    if !head_met || lines < key.lines_min(name) {
        return Err(broken(lines, CUT_OFF));
    }
    let cut = lines - sound.last.as_ref().map_or(0, |last| last.seq);
    if cut > 0 {
        tracing::warn!(
            ledger = name,
            lines = cut,
            "lines that nobody signed are cut off: a write that was stopped, or a stranger's"
        );
    }
    Ok(sound)
}

fn walk<E: From<LedgerError>>(
    path: &Path,
    mut each: impl FnMut(&Written, u64) -> Result<(), E>,
) -> Result<u64, E> {
    let file =
        File::open(path).map_err(|error| LedgerError::from(folder::unusable(path)(error)))?;
    let mut file = BufReader::new(file);
    let mut text = Vec::new();
    let (mut line, mut end, mut previous) = (0, 0, None::<Written>);
    loop {
        let broken = |what| LedgerError::Broken {
            path: path.to_owned(),
            line: line + 1,
            what,
        };
        text.clear();
        // A line that never ends must not fill the memory.
        let got = (&mut file)
            .take(2 * LINE_LEN_MAX as u64)
            .read_until(b'\n', &mut text)
            .map_err(|error| LedgerError::from(folder::unusable(path)(error)))?;
        if got == 0 || text.last() != Some(&b'\n') {
            // Without its end: a write that a crash stopped, which the next writer cuts off.
            return if got < 2 * LINE_LEN_MAX {
                Ok(line)
            } else {
                Err(broken("it is too long").into())
            };
        }
        text.pop();
        let text = std::str::from_utf8(&text).map_err(|_| broken("it isn't text"))?;
        let written = Written::parse(text).map_err(broken)?;
        if let Some(previous) = &previous
            && (written.line.prev != previous.hash || written.line.seq != previous.line.seq + 1)
        {
            return Err(broken("it doesn't follow the line before it").into());
        }
        if previous.is_none() && written.line.seq != 1 {
            return Err(broken("the lines before it were cut off").into());
        }
        line += 1;
        end += got as u64;
        each(&written, end)?;
        previous = Some(written);
    }
}
