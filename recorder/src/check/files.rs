//! Every folder and file of store and keys: who can reach them, and what stands in them.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{FINDINGS_MAX, Finding, Severity, Targets, bytes, error};
use crate::vault::{folder, outside};

/// Of a stream of ours this much is read at its head, middle and end: encrypted or not shows in each.
const SAMPLE: usize = 8 * 1024;
/// What isn't a stream of ours is read whole up to here, in pieces.
const PIECE: usize = 1024 * 1024;
/// Pieces share this much, so that nothing hides on a border.
const OVERLAP: usize = 64;
/// Characters of a path in a finding.
const SHOWN_MAX: usize = 4096;
/// How many entries a start looks at: all of a small store, and of a large one what is at the top.
const QUICK_MAX: usize = 5_000;

/// Looks through store and keys; gives how many files there were.
pub(super) fn check(targets: &Targets, found: &mut Vec<Finding>) -> u64 {
    let (store, keys) = (targets.store.as_deref(), targets.keys.as_deref());
    apart(store, keys, found);
    for place in [store, keys].into_iter().flatten() {
        is_there(place, found);
    }
    let beside = targets.beside.iter().filter(|folder| folder.exists());
    let mut files = 0;
    for folder in store.into_iter().chain(beside.map(PathBuf::as_path)) {
        let owner = owner_of(folder);
        files += walk(folder, usize::MAX, &mut |path, met| {
            look(path, met, (true, owner), found);
            found.len() < FINDINGS_MAX
        });
    }
    for half in store.map(outside::half_files).unwrap_or_default() {
        let message = "half a sound file that a killed program left: anybody who gets at it can listen. Remove it, or export anything once more";
        found.push(error("S0109", &half.display(), message));
    }
    files += secrets(&targets.secrets, found);
    if let Some(keys) = keys {
        // The store's, where there is one: whoever owns the keys alone hears everything.
        let owner = store.and_then(owner_of).or_else(|| owner_of(keys));
        files += walk(keys, usize::MAX, &mut |path, met| {
            look(path, met, (false, owner), found);
            found.len() < FINDINGS_MAX
        });
    }
    files
}

/// One thing that was met: who reaches it, and what stands in it where that may be looked at.
fn look(path: &Path, met: Met<'_>, (inside, owner): (bool, Option<u32>), found: &mut Vec<Finding>) {
    match met {
        Ok(meta) => {
            permissions(path, meta, found);
            owned(path, meta, owner, found);
            if inside && meta.is_file() {
                contents(path, meta.len(), found);
            }
        }
        // The file system's own, root's only, at the top of a disk that is all store.
        Err(_) if path.ends_with("lost+found") => {}
        Err(unread) => found.push(not_looked_at(path, unread)),
    }
}

/// Nothing found where nothing was looked at would be taken for safety.
fn is_there(place: &Path, found: &mut Vec<Finding>) {
    if place.exists() {
        return;
    }
    let message = "there is nothing here, so nothing was looked at: check `store` and `keys` under [recorder], `--config` and `--data`, or record something first";
    found.push(Finding {
        severity: Severity::Warning,
        ..error("S0108", &place.display(), message)
    });
}

/// Files with secrets that lie elsewhere.
fn secrets(paths: &[PathBuf], found: &mut Vec<Finding>) -> u64 {
    let mut files = 0;
    for path in paths {
        let Ok(meta) = fs::metadata(path) else {
            continue;
        };
        files += 1;
        if let Some(mode) = folder::open_to_others(&meta) {
            let message = format!(
                "other users of this machine can read this secret (mode {mode:04o}): run `chmod 600 {}`, and change the secret if anybody did",
                path.display()
            );
            found.push(error("S0107", &path.display(), message));
        }
    }
    files
}

/// What a recorder looks at before it starts: places and permissions, not contents.
pub fn quick(store: &Path, keys: &Path) -> Option<Finding> {
    let mut found = Vec::new();
    apart(Some(store), Some(keys), &mut found);
    for folder in [keys, store] {
        let owner = owner_of(store);
        walk(folder, QUICK_MAX, &mut |path, met| {
            if let Ok(meta) = met {
                permissions(path, meta, &mut found);
                owned(path, meta, owner, &mut found);
            }
            found.is_empty()
        });
    }
    found.into_iter().next()
}

fn apart(store: Option<&Path>, keys: Option<&Path>, found: &mut Vec<Finding>) {
    if let (Some(store), Some(keys)) = (store, keys)
        && folder::check_apart(store, keys).is_err()
    {
        let message = "the keys and the store lie inside one another: whoever copies one has both. Set `keys` under [recorder] to a folder apart";
        found.push(error("S0103", &keys.display(), message));
    }
}

fn permissions(path: &Path, meta: &Metadata, found: &mut Vec<Finding>) {
    if meta.is_symlink() {
        let message =
            "a link leads out of the store: what it points to isn't kept as the rest is. Remove it";
        found.push(error("S0105", &path.display(), message));
    } else if let Some(mode) = folder::open_to_others(meta) {
        let code = if meta.is_dir() { "S0101" } else { "S0102" };
        let message = format!(
            "other users of this machine can reach it (mode {mode:04o}): run `chmod -R go= {}`",
            path.display()
        );
        found.push(error(code, &path.display(), message));
    }
}

/// Whose a folder is.
fn owner_of(folder: &Path) -> Option<u32> {
    fs::metadata(folder).ok().map(|meta| meta.uid())
}

/// Closed to others, it is still open to whoever owns it. What is root's is open to nobody else: root reads everything anyway.
fn owned(path: &Path, meta: &Metadata, owner: Option<u32>, found: &mut Vec<Finding>) {
    let stranger = |owner: u32| ![owner, 0].contains(&meta.uid());
    if let Some(owner) = owner.filter(|owner| stranger(*owner)) {
        let message = format!(
            "it is another account's (uid {}): who has that can read and change it. Find out who put it there, then run `chown {owner} {}`",
            meta.uid(),
            path.display()
        );
        found.push(error("S0110", &path.display(), message));
    }
}

fn contents(path: &Path, length: u64, found: &mut Vec<Finding>) {
    let read = File::open(path).and_then(|mut file| {
        let mut head = [0; 16];
        let got = file.read(&mut head)?;
        let head = &head[..got];
        if head.starts_with(b"VXS\x01") {
            sampled(&mut file, length)
        } else {
            whole(&mut file, bytes::is_database(head))
        }
    });
    match read {
        Ok(told) => {
            if path.extension().is_some_and(|end| end == "key") {
                let message = "a key lies in the store: whoever copies the store can open it. Move it to the key folder, and change it";
                found.push(error("S0104", &path.display(), message));
            }
            found.extend(
                told.into_iter()
                    .map(|(code, message)| error(code, &path.display(), message)),
            );
        }
        // Gone meanwhile: a recorder is at work.
        Err(read) if read.kind() == io::ErrorKind::NotFound => {}
        Err(read) => found.push(not_looked_at(path, &read)),
    }
}

/// What wasn't looked at may hold anything.
fn not_looked_at(path: &Path, why: &io::Error) -> Finding {
    let shown = path.display().to_string();
    let message = format!("it can't be looked at: {why}");
    error("S0106", &end_of(&shown), message)
}

/// A path too long for any program is too long for a line, too: its end says which it is.
fn end_of(path: &str) -> String {
    let count = path.chars().count();
    if count <= SHOWN_MAX {
        return path.to_owned();
    }
    format!(
        "...{}",
        path.chars().skip(count - SHOWN_MAX).collect::<String>()
    )
}

fn sampled(file: &mut File, length: u64) -> io::Result<Vec<(&'static str, &'static str)>> {
    let mut told = Vec::new();
    let last = length.saturating_sub(SAMPLE as u64);
    let mut places = vec![0, last / 2, last];
    places.dedup();
    for place in places {
        file.seek(SeekFrom::Start(place))?;
        let mut piece = Vec::with_capacity(SAMPLE);
        Read::by_ref(file)
            .take(SAMPLE as u64)
            .read_to_end(&mut piece)?;
        told.extend(bytes::look(&piece, false));
    }
    told.sort_unstable();
    told.dedup();
    Ok(told)
}

fn whole(file: &mut File, database: bool) -> io::Result<Vec<(&'static str, &'static str)>> {
    file.seek(SeekFrom::Start(0))?;
    let mut told = Vec::new();
    let mut piece = Vec::with_capacity(PIECE + OVERLAP);
    loop {
        let got = Read::by_ref(file)
            .take(PIECE as u64)
            .read_to_end(&mut piece)?;
        told.extend(bytes::look(&piece, database));
        if got < PIECE {
            break;
        }
        piece.drain(..piece.len() - OVERLAP);
    }
    told.sort_unstable();
    told.dedup();
    Ok(told)
}

/// What was met on a walk, or why it can't be looked at.
type Met<'a> = Result<&'a Metadata, &'a io::Error>;

/// Everything below a folder and the folder itself, until `each` says enough. Gives how many files there were.
fn walk(top: &Path, entries_max: usize, each: &mut dyn FnMut(&Path, Met<'_>) -> bool) -> u64 {
    let (mut files, mut seen) = (0, 0);
    let mut open: Vec<PathBuf> = vec![top.to_owned()];
    while let Some(path) = open.pop() {
        let met = fs::symlink_metadata(&path);
        // Gone meanwhile: a recorder is at work.
        if matches!(&met, Err(gone) if gone.kind() == io::ErrorKind::NotFound) {
            continue;
        }
        seen += 1;
        files += u64::from(met.as_ref().is_ok_and(Metadata::is_file));
        if seen > entries_max || !each(&path, met.as_ref()) {
            break;
        }
        if met.is_ok_and(|meta| meta.is_dir()) {
            let inside = fs::read_dir(&path).and_then(|entries| {
                let entries = entries.take(entries_max);
                entries
                    .map(|entry| Ok(entry?.path()))
                    .collect::<io::Result<Vec<_>>>()
            });
            match inside {
                Ok(inside) => open.extend(inside),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(unread) if !each(&path, Err(&unread)) => break,
                Err(_) => {}
            }
        }
    }
    files
}
