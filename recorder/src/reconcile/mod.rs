//! Expected against stored: what the switch says of its calls, held against the recordings, both ways.
//!
//! Switch and recorder meet on the wire only, so the switch's side comes as [`CallFact`]s: files it writes, or a POST
//! with a token. A call that should have been recorded and wasn't is missing; a recording nobody vouches for is extra;
//! and a call that left for a provider has none, or a boundary was crossed.

mod calls;
mod compare;
mod erased;
mod report;
mod untagged;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};

pub use self::{
    calls::{CallFact, keep, parse},
    compare::{Have, compare},
    erased::Erased,
    report::{Difference, KINDS, Line, Report},
};
use crate::{
    index::{Filter, Index, IndexError, LIST_MAX},
    vault::{Vault, VaultError},
};

/// Calls and recordings in one reconciliation: a fortnight of the busiest days of 2020.
pub const CALLS_MAX: usize = 2_000_000;
/// How long switch and recorder may take to write down that a call ended.
const SETTLED: SignedDuration = SignedDuration::from_secs(10);
/// No call lasts longer, so a recording of a call that ended in the time began at most so long before.
const CALL_MAX: SignedDuration = SignedDuration::from_hours(12);

/// Why there is no reconciliation.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file or folder can't be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Not what a switch writes.
    #[error("line {line} isn't a call as `vaxel gateway --calls` writes them: {what}")]
    NotACall {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// More than any switch has in a day.
    #[error("more calls of {day} than are kept of a day: look for who says them again and again")]
    TooManyOfADay {
        /// The day.
        day: jiff::civil::Date,
    },
    /// More than is held in memory.
    #[error(
        "more than {CALLS_MAX} calls or recordings: give a shorter time with --from and --until"
    )]
    TooMany,
}

/// What is reconciled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Calls that ended then or later.
    pub from: Timestamp,
    /// And earlier than this.
    pub until: Timestamp,
    /// Whether folders that no index row knows are looked for, too.
    pub folders: bool,
    /// And what lies in S3: a question for each thousand objects of the months.
    pub bucket: bool,
    /// And whether what lacks went under a decision: the destruction register, read through.
    pub erased: bool,
}

impl Asked {
    /// Nothing that isn't settled at that moment: a call that ended just now may not be written down yet, by either side.
    #[must_use]
    pub fn settled(self, now: Timestamp) -> Self {
        let settled = now.checked_sub(SETTLED).unwrap_or(now);
        Self {
            until: self.until.min(settled).max(self.from),
            ..self
        }
    }
}

/// Holds calls against recordings. `calls` is a folder that a switch writes; what was POSTed is always read.
///
/// # Errors
/// When the index or a folder can't be read, or there is more than memory should hold.
pub fn reconcile(
    vault: &Vault,
    index: &Index,
    calls: Option<&Path>,
    asked: &Asked,
) -> Result<Report, ReconcileError> {
    let folders: Vec<PathBuf> = calls
        .map(ToOwned::to_owned)
        .into_iter()
        .chain([calls::folder(vault)])
        .collect();
    // Also those that were going on at the end of the time: what was recorded of them by then is theirs.
    let later = asked.until.saturating_add(CALL_MAX).unwrap_or(asked.until);
    let read = calls::read(&folders, asked.from, later)?;
    let have = recordings(index, asked)?;
    let held = |erased| compare(&read.calls, &have, asked.from, asked.until, erased);
    let mut report = held(Erased::default());
    if asked.erased && report.lacks_any() {
        // A register that can't be read excuses nothing.
        match Erased::read(vault, asked) {
            Ok(erased) if !erased.is_empty() => report = held(erased),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "what was erased under a decision can't be told from what is missing");
            }
        }
    }
    report.unreadable = read.unreadable;
    if asked.folders {
        let known: BTreeSet<_> = have.iter().map(|one| one.id).collect();
        for (controller, id) in untagged::find(vault, index, &known, asked)? {
            report.add_untagged(&controller, &id);
        }
    }
    Ok(report)
}

/// The time that the known calls are of; `None` when there are none.
///
/// # Errors
/// When a folder can't be read.
pub fn known(
    vault: &Vault,
    calls: Option<&Path>,
) -> Result<Option<(Timestamp, Timestamp)>, ReconcileError> {
    let folders = calls.map(ToOwned::to_owned).into_iter();
    let days = calls::days(&folders.chain([calls::folder(vault)]).collect::<Vec<_>>())?;
    let begin = days.first().and_then(|day| calls::begin(*day));
    let end = days
        .last()
        .and_then(|day| day.tomorrow().ok())
        .and_then(calls::begin);
    Ok(begin.zip(end))
}

/// Recordings of the time, a page of the index after the other.
fn recordings(index: &Index, asked: &Asked) -> Result<Vec<Have>, ReconcileError> {
    let mut filter = Filter {
        from: asked.from.checked_sub(CALL_MAX).ok(),
        until: Some(asked.until),
        limit: LIST_MAX,
        ..Filter::default()
    };
    let mut have = Vec::new();
    loop {
        let page = index.list(&filter)?;
        filter.after = page
            .last()
            .map(|entry| (entry.tag.started.timestamp(), entry.id));
        let full = page.len() == LIST_MAX;
        have.extend(page.iter().map(Have::of));
        if have.len() > CALLS_MAX {
            return Err(ReconcileError::TooMany);
        }
        if !full {
            return Ok(have);
        }
    }
}

#[cfg(test)]
mod tests;
