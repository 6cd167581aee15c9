//! The access log: who saw or took what of whose, when and what for (BTV instruction 24).
//!
//! One ledger a controller and month, each going on from the one before, so that an old month can be erased when its
//! own time comes and the rest still holds together. A clock that was far ahead for a while leaves months of the future
//! behind: what follows them in the chain goes back to the month it is of, in a file of its own (`2026-11.2.log`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use callcore::retention::ErasurePermit;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    gallring::{GallringError, REGISTER, register},
    ledger::{self, GENESIS, Ledger, LedgerError, Signer, Verified},
    names::ControllerName,
    vault::{Vault, folder},
};

/// The folder within the store: with a dot, so that it never is a controller's.
const FOLDER: &str = ".access";
const SUFFIX: &str = ".log";
/// A clock that is set back by less goes on in the month that has begun, as one log.
const SET_BACK_MAX: SignedDuration = SignedDuration::from_hours(24);
/// A month that is about to be erased.
const ASIDE: &str = ".erasing";
/// A purpose is a sentence, not a document.
pub const PURPOSE_LEN_MAX: usize = 1000;

/// One access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Who: the account on this machine, or who it says it acts for.
    pub who: String,
    /// For which controller.
    pub controller: String,
    /// What was done: `show`, `export`, `hold`, `release`, `hand-over`.
    pub action: String,
    /// With what: a recording's id.
    pub object: String,
    /// What for, as it was stated.
    pub purpose: String,
}

/// One month of one controller's log, or what was added to it after months of the future.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Whose.
    pub controller: String,
    /// Which, `2026-11`.
    pub month: String,
    /// How often the clock had come back from months of the future: 1 for never. Logs were written in the order of their
    /// numbers, and those of one number in that of their months.
    pub number: u32,
    /// Its name within the store.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Writes accesses of one controller's recordings down; on disk and signed when this returns. Do it before the access.
///
/// # Errors
/// When the log can't be written: then there must be no access.
pub fn write(vault: &Vault, now: Timestamp, accesses: &[Access]) -> Result<(), LedgerError> {
    let Some(first) = accesses.first() else {
        return Ok(());
    };
    let controller = ControllerName::parse(&first.controller)?;
    folder::make_private(&vault.store().join(FOLDER).join(controller.as_str()))?;
    // Between the last hash of a month and the first line of the next nobody may write to the month before.
    let _alone = alone(vault, controller.as_str())?;
    let (name, before) = place(vault, controller.as_str(), now)?;
    let signer = Signer::of(vault)?;
    let entries: Vec<_> = accesses
        .iter()
        .filter_map(|access| serde_json::to_value(access).ok())
        .collect();
    Ledger::open(vault.store(), vault.keys(), &name, &before)?.add(&signer, now, &entries)
}

/// The log that an access at this moment goes into, and what it goes on from if it is new.
fn place(vault: &Vault, controller: &str, now: Timestamp) -> Result<(String, String), LedgerError> {
    let mut mine = all_segments(vault.store())?;
    mine.retain(|segment| segment.controller == controller);
    let month = now.to_string().get(..7).unwrap_or_default().to_owned();
    let named = |number: u32| {
        let more = (number > 1).then(|| format!(".{number}"));
        let more = more.unwrap_or_default();
        format!("{FOLDER}/{controller}/{month}{more}{SUFFIX}")
    };
    // A full disk or a crash leaves one in which nothing stands yet: what comes follows the one before it.
    while let Some(last) = mine.last()
        && !ledger::has_lines(&path_of(vault.store(), last))?
    {
        mine.pop();
    }
    let Some((last, before)) = mine.split_last() else {
        return Ok((named(1), GENESIS.to_owned()));
    };
    if is_aside(vault.store(), last) {
        // Whether it goes or comes back, what is written meanwhile follows it.
        let number = last.number.saturating_add(u32::from(last.month >= month));
        return Ok((named(number), last_hash(vault, last)?));
    }
    let comes_back = last.month > month;
    if last.month == month || (comes_back && !was_ahead(vault, last, before.last(), now, &month)?) {
        return Ok((last.name.clone(), GENESIS.to_owned()));
    }
    let number = last.number.saturating_add(u32::from(comes_back));
    Ok((named(number), last_hash(vault, last)?))
}

/// Whether the log that was written last is of a month that hasn't come: the clock was ahead then and is right now. Else it
/// was set back, by a little or to before all that was written, and that log goes on.
fn was_ahead(
    vault: &Vault,
    last: &Segment,
    before: Option<&Segment>,
    now: Timestamp,
    month: &str,
) -> Result<bool, LedgerError> {
    let begins: Option<Timestamp> = format!("{}-01T00:00:00Z", last.month).parse().ok();
    if begins.is_some_and(|begins| begins.duration_since(now) <= SET_BACK_MAX) {
        return Ok(false);
    }
    let follows = ledger::follows(vault.store(), &last.name)?;
    let end = before.map(|before| last_hash(vault, before)).transpose()?;
    let was_ahead = match before {
        Some(before) if end.as_ref() == Some(&follows) => before.month.as_str() <= month,
        // What it went on from was erased, and nothing is before its time.
        _ => follows != GENESIS,
    };
    if !was_ahead {
        tracing::warn!(
            month,
            last = last.month,
            "the clock is far behind the access log, which goes on where it was"
        );
    }
    Ok(was_ahead)
}

/// Writes down where every log is, while nobody adds to any: what a signing key that is given up signed. Gives whose logs there are.
pub(crate) fn pin(
    vault: &Vault,
    mut pin: impl FnMut(&str, u64, &str),
    check: impl Fn(&Path, &str) -> Result<Option<Verified>, LedgerError>,
) -> Result<BTreeSet<String>, LedgerError> {
    let mut alone_with = Vec::new();
    let mut whose = BTreeSet::new();
    for controller in names(&vault.store().join(FOLDER))? {
        alone_with.push(alone(vault, &controller)?);
    }
    for segment in all_segments(vault.store())? {
        let path = path_of(vault.store(), &segment);
        // What nobody signed is cut off of those that are added to; those that are set aside had that before.
        let (lines, hash) = if is_aside(vault.store(), &segment) {
            ledger::end_of(&path)?
        } else {
            let open = Ledger::open(vault.store(), vault.keys(), &segment.name, GENESIS)?;
            (open.lines(), open.hash().to_owned())
        };
        check(&path, &segment.name)?;
        if lines > 0 {
            pin(&segment.name, lines, &hash);
            whose.insert(segment.controller);
        }
    }
    Ok(whose)
}

/// Keeps every other writer out of a controller's logs while it lives.
fn alone(vault: &Vault, controller: &str) -> Result<fs::File, LedgerError> {
    let path = vault.store().join(FOLDER).join(controller);
    let locked = fs::File::open(&path).and_then(|folder| folder.lock().map(|()| folder));
    Ok(locked.map_err(folder::unusable(&path))?)
}

/// Every month of every controller's log, by controller and as they were written.
///
/// # Errors
/// When a folder can't be read.
pub fn segments(store: &Path) -> Result<Vec<Segment>, LedgerError> {
    let mut found = all_segments(store)?;
    found.retain(|segment| !is_aside(store, segment));
    Ok(found)
}

/// The same with those that are set aside, which a stopped run may leave.
fn all_segments(store: &Path) -> Result<Vec<Segment>, LedgerError> {
    let mut found = Vec::new();
    for controller in names(&store.join(FOLDER))? {
        for file in names(&store.join(FOLDER).join(&controller))? {
            let log = file.strip_suffix(ASIDE).unwrap_or(&file);
            let Some(stem) = log.strip_suffix(SUFFIX) else {
                continue;
            };
            let (month, number) = stem.split_once('.').unwrap_or((stem, "1"));
            let name = format!("{FOLDER}/{controller}/{log}");
            let path = store.join(FOLDER).join(&controller).join(&file);
            let bytes = fs::metadata(&path).map_err(folder::unusable(&path))?.len();
            found.push(Segment {
                controller: controller.clone(),
                month: month.to_owned(),
                number: number.parse().unwrap_or(u32::MAX),
                name,
                bytes,
            });
        }
    }
    found.sort_by_cached_key(|one| (one.controller.clone(), one.number, one.month.clone()));
    Ok(found)
}

/// Whether anything stands in any log.
pub(crate) fn has_lines(store: &Path) -> Result<bool, LedgerError> {
    let found = all_segments(store)?;
    Ok(found.iter().any(|segment| segment.bytes > 0))
}

/// Puts a controller's log that was written last aside, for good: nothing can be added to it, as its end isn't what was written. What is
/// written next begins where the month before ended. Its file stays beside, as whoever looks into it may want it.
pub(crate) fn give_up_last(vault: &Vault, controller: &str) -> Result<(), LedgerError> {
    let _alone = alone(vault, controller)?;
    let mut mine = all_segments(vault.store())?.into_iter();
    let last = mine.rfind(|segment| segment.controller == controller);
    let prefix = format!("{FOLDER}/{controller}/");
    let mut gone = not_there(vault)?.into_iter();
    let gone = gone.rfind(|name| name.starts_with(&prefix));
    let Some(name) = last.map(|segment| segment.name).max(gone) else {
        return Ok(());
    };
    let path = vault.store().join(&name);
    if path.exists() {
        let beside = (1_u32..)
            .map(|number| vault.store().join(format!("{name}.lost-{number}")))
            .find(|beside| !beside.exists());
        let beside = beside.unwrap_or_else(|| path.clone());
        fs::rename(&path, beside).map_err(folder::unusable(&path))?;
        folder::sync_folder(path.parent().unwrap_or(vault.store()))?;
    }
    ledger::forget_head(vault.keys(), &name);
    Ok(())
}

/// Whether a stopped run has left a month that is set aside.
pub(crate) fn has_aside(store: &Path) -> Result<bool, LedgerError> {
    let found = all_segments(store)?;
    Ok(found.iter().any(|segment| is_aside(store, segment)))
}

fn is_aside(store: &Path, segment: &Segment) -> bool {
    aside(&store.join(&segment.name)).exists()
}

/// The accesses of a controller's recordings, oldest first. What somebody wrote behind the last signature isn't one.
///
/// # Errors
/// When a log can't be read, or isn't what was written.
pub fn read(
    vault: &Vault,
    controller: &str,
    mut each: impl FnMut(&str, Access),
) -> Result<(), LedgerError> {
    for segment in segments(vault.store())? {
        if segment.controller != controller {
            continue;
        }
        let signed = ledger::signed_lines(vault.store(), vault.keys(), &segment.name)?;
        ledger::read::<LedgerError>(vault.store(), &segment.name, |line| {
            if line.seq <= signed
                && let Ok(access) = serde_json::from_value(line.entry.clone())
            {
                each(&line.at, access);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Whose logs were signed and are gone, though the destruction register doesn't say so.
///
/// # Errors
/// When the folders, or the register, can't be read.
pub(crate) fn gone(vault: &Vault) -> Result<BTreeMap<String, LedgerError>, LedgerError> {
    let mut gone = not_there(vault)?;
    if !gone.is_empty() && vault.store().join(REGISTER).exists() {
        ledger::read::<LedgerError>(vault.store(), REGISTER, |line| {
            let object = line.entry.get("object").and_then(|object| object.as_str());
            gone.retain(|name| Some(name.as_str()) != object);
            Ok(())
        })?;
    }
    let whose = |name: &str| Some(name.split('/').nth(1)?.to_owned());
    let gone = gone.into_iter();
    Ok(gone
        .filter_map(|name| Some((whose(&name)?, is_gone(vault, &name))))
        .collect())
}

/// Logs that were signed, by name, and aren't there.
fn not_there(vault: &Vault) -> Result<Vec<String>, LedgerError> {
    let mut signed = ledger::signed_in(vault.keys(), FOLDER)?;
    signed.retain(|name| {
        let path = vault.store().join(name);
        !path.exists() && !aside(&path).exists()
    });
    Ok(signed)
}

fn is_gone(vault: &Vault, name: &str) -> LedgerError {
    LedgerError::Broken {
        path: vault.store().join(name),
        line: 0,
        what: "it was written and signed, and is gone; the destruction register doesn't know of it",
    }
}

/// Checks every log: each line, each signature, each end, and that every month goes on from the one before it or from
/// one that the destruction register knows.
///
/// # Errors
/// At the first thing that isn't as it was written.
pub fn verify(vault: &Vault) -> Result<Vec<Verified>, GallringError> {
    let signed = ledger::signed_in(vault.keys(), FOLDER)?;
    let segments = all_segments(vault.store())?;
    let Some(key) = ledger::public_keys(vault.keys())? else {
        if signed.is_empty() && segments.is_empty() {
            return Ok(Vec::new());
        }
        let path = vault.keys().join("signing.pub");
        return Err(LedgerError::Key { path }.into());
    };
    let mut erased = vec![GENESIS.to_owned()];
    let mut erased_logs = BTreeSet::new();
    // What nobody signed there excuses no log that is gone. That the register itself is gone is for whoever checks that.
    let is_there = vault.store().join(REGISTER).exists();
    register(vault, is_there, |line| {
        if !line.destroyed.last_hash.is_empty() {
            erased_logs.insert(line.destroyed.object);
            erased.push(line.destroyed.last_hash);
        }
    })?;
    let mut gone = not_there(vault)?.into_iter();
    if let Some(gone) = gone.find(|name| !erased_logs.contains(name)) {
        return Err(is_gone(vault, &gone).into());
    }
    let mut found: Vec<Verified> = Vec::new();
    let mut previous: Option<&Segment> = None;
    for segment in &segments {
        let path = path_of(vault.store(), segment);
        let one = ledger::verify_at(&path, Some(vault.keys()), &key, &segment.name)?;
        if one.lines == 0 {
            continue;
        }
        let goes_on = match (previous, found.last()) {
            // One in between may have been erased, while a month of the future stays.
            (Some(before), Some(last)) if before.controller == segment.controller => {
                one.follows == last.hash
                    || (one.follows != GENESIS && erased.contains(&one.follows))
            }
            _ => erased.contains(&one.follows),
        };
        if !goes_on {
            return Err(LedgerError::Broken {
                path: vault.store().join(&segment.name),
                line: 1,
                what: "the month before it is missing, and the destruction register doesn't know of it",
            }
            .into());
        }
        found.push(one);
        previous = Some(segment);
    }
    Ok(found)
}

/// Where a segment lies, set aside or not.
fn path_of(store: &Path, segment: &Segment) -> PathBuf {
    let path = store.join(&segment.name);
    if is_aside(store, segment) {
        aside(&path)
    } else {
        path
    }
}

/// The hash of a segment's last line.
pub(crate) fn last_hash(vault: &Vault, segment: &Segment) -> Result<String, LedgerError> {
    if is_aside(vault.store(), segment) {
        return Ok(ledger::end_of(&path_of(vault.store(), segment))?.1);
    }
    let open = Ledger::open(vault.store(), vault.keys(), &segment.name, GENESIS)?;
    Ok(open.hash().to_owned())
}

/// Takes a month out of the log that is about to be erased.
pub(crate) fn set_aside(vault: &Vault, segment: &Segment) -> Result<(), LedgerError> {
    let _alone = alone(vault, &segment.controller)?;
    let path = vault.store().join(&segment.name);
    fs::rename(&path, aside(&path)).map_err(folder::unusable(&path))?;
    // Else a power cut brings it back under its name after the register has it as erased.
    Ok(folder::sync_folder(path.parent().unwrap_or(vault.store()))?)
}

/// Removes a month that was set aside. Uses the permit up (invariant 4).
pub(crate) fn remove(
    vault: &Vault,
    segment: &Segment,
    permit: ErasurePermit,
) -> Result<(), LedgerError> {
    let _used = permit.into_decision();
    remove_aside(vault, &segment.name)
}

/// What a stopped run set aside: removed when the register knows of it, else put back. One that refuses keeps no other.
pub(crate) fn finish_set_aside(
    vault: &Vault,
    registered: impl Fn(&str) -> bool,
) -> Result<(), LedgerError> {
    let mut done = Ok(());
    for controller in names(&vault.store().join(FOLDER))? {
        for file in names(&vault.store().join(FOLDER).join(&controller))? {
            let Some(log) = file.strip_suffix(ASIDE) else {
                continue;
            };
            let name = format!("{FOLDER}/{controller}/{log}");
            let path = vault.store().join(&name);
            let finished = if registered(&name) {
                remove_aside(vault, &name)
            } else {
                let back = fs::rename(aside(&path), &path);
                back.map_err(|error| folder::unusable(&path)(error).into())
            };
            done = done.and(finished);
        }
    }
    done
}

fn remove_aside(vault: &Vault, name: &str) -> Result<(), LedgerError> {
    let path = aside(&vault.store().join(name));
    fs::remove_file(&path).map_err(folder::unusable(&path))?;
    ledger::forget_head(vault.keys(), name);
    Ok(())
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE);
    PathBuf::from(name)
}

/// The names in a folder in order; none when there is no folder.
fn names(path: &Path) -> Result<Vec<String>, LedgerError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(folder::unusable(path))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(folder::unusable(path))?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort();
    Ok(names)
}
