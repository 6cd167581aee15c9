//! What a switch says of its calls: one JSON object a line, one file a day (by UTC, when the call ended). Nothing of a
//! caller is in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    mem::take,
    ops::Range,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use callcore::calls::{DAY_BYTES_MAX, DAYS_MAX, SUFFIX};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{CALL_MAX, CALLS_MAX, ReconcileError, compare::APART_MAX};
use crate::{
    names::ControllerName,
    vault::{Vault, folder},
};

/// Within the store: with a dot, so that it never is a controller's.
const FOLDER: &str = ".calls";
/// A call takes two hundred bytes.
const LINE_LEN_MAX: u64 = 4 * 1024;
/// Calls in one POST.
const POSTED_MAX: usize = 10_000;

/// One call, as its switch knows it: at its end, or when its recording began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallFact {
    /// Its number at the switch.
    pub call: u64,
    /// Who is controller of what was said.
    pub controller: String,
    /// When it came.
    #[serde(with = "crate::moment")]
    pub offered: Timestamp,
    /// When it ended; of one that goes on, when it was answered.
    #[serde(with = "crate::moment")]
    pub ended: Timestamp,
    /// How long caller and nurse talked, in seconds.
    pub seconds: f64,
    /// Whether it left for a provider: then there is no recording here.
    pub external: bool,
    /// Whether it should have been recorded here.
    pub recorded: bool,
    /// Whether this was said when it was answered. Where no end is said, it goes on, or its switch was killed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
}

impl CallFact {
    /// A switch that starts again counts its calls from one.
    const fn key(&self) -> (u64, Timestamp) {
        (self.call, self.offered)
    }

    /// Until when something may have been recorded of it.
    pub(super) fn until(&self) -> Timestamp {
        let long = if self.goes_on { CALL_MAX } else { APART_MAX };
        self.ended.saturating_add(long).unwrap_or(self.ended)
    }
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) calls: Vec<CallFact>,
    /// Those whose end wasn't read yet.
    going_on: BTreeMap<(u64, Timestamp), CallFact>,
    /// Lines that aren't calls.
    pub(super) unreadable: u64,
}

impl Calls {
    fn add(&mut self, call: CallFact, time: Range<Timestamp>) {
        if call.goes_on {
            self.going_on.insert(call.key(), call);
            return;
        }
        self.going_on.remove(&call.key());
        if time.contains(&call.ended) {
            self.calls.push(call);
        }
    }
}

/// Reads what was POSTed: all of it is calls, or none is taken.
///
/// # Errors
/// Names the first line that isn't one.
pub fn parse(text: &str) -> Result<Vec<CallFact>, ReconcileError> {
    let mut calls = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let refused = |what: String| ReconcileError::NotACall { line: at + 1, what };
        if calls.len() == POSTED_MAX {
            return Err(refused(format!("at most {POSTED_MAX} at once")));
        }
        calls.push(call(line).map_err(refused)?);
    }
    Ok(calls)
}

/// Keeps what was POSTed, in the store: of the last 1,500 days that there are, whose oldest go.
///
/// # Errors
/// When the disk refuses, or a day has more than a switch has calls.
pub fn keep(vault: &Vault, calls: &[CallFact]) -> Result<(), ReconcileError> {
    let place = folder(vault);
    folder::make_private(&place)?;
    let mut days: BTreeMap<Date, String> = BTreeMap::new();
    for call in calls {
        let text = days.entry(day(call.ended)).or_default();
        text.push_str(&serde_json::to_string(call).unwrap_or_default());
        text.push('\n');
    }
    for (day, mut text) in days {
        let path = place.join(format!("{day}{SUFFIX}"));
        let there = fs::metadata(&path).map_or(0, |found| found.len());
        if there + text.len() as u64 > DAY_BYTES_MAX {
            return Err(ReconcileError::TooManyOfADay { day });
        }
        let mut write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            let options = options.read(true).append(true).create(true);
            let mut file = options.mode(0o600).open(&path)?;
            if !ends_whole(&mut file)? {
                // What a crash or a full disk left is one line that is lost, not two.
                text.insert(0, '\n');
            }
            file.write_all(text.as_bytes())?;
            file.sync_data()
        };
        write().map_err(folder::unusable(&path))?;
    }
    remove_oldest(&place)
}

/// By how many there are, and not by a clock, which may be that of a day of 2018.
fn remove_oldest(place: &Path) -> Result<(), ReconcileError> {
    let days = days(&[place.to_owned()])?;
    let too_many = days.len().saturating_sub(DAYS_MAX);
    for day in days.iter().take(too_many) {
        let path = place.join(format!("{day}{SUFFIX}"));
        fs::remove_file(&path).map_err(folder::unusable(&path))?;
        tracing::info!(%day, "calls of a day that nothing is held against any more are removed");
    }
    Ok(())
}

/// Whether the next line begins where one ended.
fn ends_whole(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Where POSTed calls are kept.
pub(super) fn folder(vault: &Vault) -> PathBuf {
    vault.store().join(FOLDER)
}

/// Calls that ended in a time, and those of which nobody says an end that may have gone on in it.
pub(super) fn read(
    folders: &[PathBuf],
    from: Timestamp,
    until: Timestamp,
) -> Result<Calls, ReconcileError> {
    let early = from.saturating_sub(CALL_MAX).unwrap_or(from);
    let wanted = day(early)..=day(until);
    let mut found = Calls::default();
    for folder in folders {
        for day in days(std::slice::from_ref(folder))? {
            if wanted.contains(&day) {
                let path = folder.join(format!("{day}{SUFFIX}"));
                read_day(&path, from, until, &mut found)?;
            }
        }
    }
    // Of two folders that tell of the same calls, the second may say again that one began.
    for call in &found.calls {
        found.going_on.remove(&call.key());
    }
    found.calls.extend(take(&mut found.going_on).into_values());
    Ok(found)
}

/// The days there are files of.
pub(super) fn days(folders: &[PathBuf]) -> Result<BTreeSet<Date>, ReconcileError> {
    let mut days = BTreeSet::new();
    for folder in folders {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(folder::unusable(folder))?,
        };
        for entry in entries {
            let name = entry.map_err(folder::unusable(folder))?.file_name();
            let day = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            days.extend(day.and_then(|day| day.parse::<Date>().ok()));
        }
    }
    Ok(days)
}

/// The first moment of a day.
pub(super) fn begin(day: Date) -> Option<Timestamp> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn read_day(
    path: &Path,
    from: Timestamp,
    until: Timestamp,
    found: &mut Calls,
) -> Result<(), ReconcileError> {
    let file = File::open(path).map_err(folder::unusable(path))?;
    let mut file = BufReader::new(file);
    let mut text = Vec::new();
    loop {
        text.clear();
        let got = (&mut file)
            .take(LINE_LEN_MAX)
            .read_until(b'\n', &mut text)
            .map_err(folder::unusable(path))?;
        if got == 0 {
            return Ok(());
        }
        // The last line may still be being written.
        let whole = text.last() == Some(&b'\n');
        match std::str::from_utf8(&text)
            .map_err(|_| String::new())
            .and_then(call)
        {
            Ok(call) => found.add(call, from..until),
            Err(_) => found.unreadable += u64::from(whole),
        }
        if found.calls.len() + found.going_on.len() > CALLS_MAX {
            return Err(ReconcileError::TooMany);
        }
    }
}

fn call(line: &str) -> Result<CallFact, String> {
    let call: CallFact = serde_json::from_str(line).map_err(|error| error.to_string())?;
    ControllerName::parse(&call.controller).map_err(|error| error.to_string())?;
    if call.ended < call.offered || !call.seconds.is_finite() || call.seconds < 0.0 {
        return Err("it ends before it begins".to_owned());
    }
    if call.external && call.recorded {
        return Err(
            "it left for a provider and should be recorded here: it can't be both".to_owned(),
        );
    }
    Ok(call)
}
