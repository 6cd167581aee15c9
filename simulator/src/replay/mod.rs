//! Real calls as traffic: a list of when, from where and how long, as comma-separated values or as Parquet.

mod parquet;

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use callcore::{
    kommun::{KommunId, kommuner},
    origin::Origin,
    time::{Span, Time, sweden},
};
use jiff::{Timestamp, civil::DateTime};
use rand_pcg::Pcg64;

use crate::{
    callers::{Caller, Draws},
    plan::Plan,
    random::{Purpose, stream},
};

/// The most calls of a list.
pub const CALLS_MAX: usize = 50_000_000;

/// Why a list can't be replayed. Lines count from 1, the header among them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The header lacks a column.
    #[error("the list has no column `{0}`: its first line must name time, kommun and talk_s")]
    NoColumn(&'static str),
    /// The file isn't there, or can't be read.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// A value isn't written as it must be.
    #[error("line {line}: {what}")]
    Value {
        /// Where; in a Parquet file, which row.
        line: usize,
        /// What stands there and what should.
        what: &'static str,
    },
    /// No calls.
    #[error("the list has no calls: add lines below the header")]
    Empty,
    /// Too many calls.
    #[error("the list has more than {CALLS_MAX} calls: split it")]
    TooLong,
}

/// Reads a list of calls from a file, of whichever of the two kinds it is.
///
/// # Errors
/// The first line or row that can't be read, with what should stand there.
pub fn read_file(path: &Path, plan: &Plan) -> Result<Vec<Caller>, ReplayError> {
    let unreadable = |error: std::io::Error| ReplayError::Unreadable(error.to_string());
    let mut file = File::open(path).map_err(unreadable)?;
    let mut first = Vec::new();
    let begins = file.by_ref().take(parquet::MAGIC.len() as u64);
    { begins }.read_to_end(&mut first).map_err(unreadable)?;
    if first == parquet::MAGIC {
        return parquet::read(File::open(path).map_err(unreadable)?, plan);
    }
    // What was read belongs to the list: a pipe can't be read again.
    read_lines(BufReader::new(first.as_slice().chain(file)), plan)
}

/// Reads a list of calls; what it doesn't say (patience, ringing, files) is drawn as the plan has it.
/// Calls may stand in any order.
///
/// # Errors
/// The first line that can't be read, with what should stand there.
pub fn read(text: &str, plan: &Plan) -> Result<Vec<Caller>, ReplayError> {
    read_lines(text.as_bytes(), plan)
}

/// Line by line: a list may be larger than memory, or no list at all.
fn read_lines(text: impl BufRead, plan: &Plan) -> Result<Vec<Caller>, ReplayError> {
    let mut lines = Lines { text, read: 0 };
    let first = lines.next_line()?.unwrap_or_default();
    let header: Vec<&str> = first
        .trim_start_matches('\u{feff}')
        .split(',')
        .map(str::trim)
        .collect();
    let column = |name: &'static str| {
        let found = header.iter().position(|known| *known == name);
        found.ok_or(ReplayError::NoColumn(name))
    };
    let (time, kommun, talk) = (column("time")?, column("kommun")?, column("talk_s")?);
    let mut list = List::new(plan);
    while let Some(line) = lines.next_line()? {
        if line.trim().is_empty() {
            continue;
        }
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let cell = |column: usize| cells.get(column).copied().unwrap_or_default();
        let row = Row {
            line: lines.read,
            at: moment(cell(time)),
            kommun: cell(kommun),
            talk_s: cell(talk).parse().ok(),
        };
        list.add(&row)?;
    }
    list.finish()
}

/// The longest line: a call has three values, and a list may have many more columns.
const LINE_LEN_MAX: usize = 64 * 1024;

/// The lines of a list, and how many of them have been read.
struct Lines<T> {
    text: T,
    read: usize,
}

impl<T: BufRead> Lines<T> {
    fn next_line(&mut self) -> Result<Option<String>, ReplayError> {
        let mut line = Vec::new();
        let mut rest = self.text.by_ref().take(LINE_LEN_MAX as u64 + 1);
        let read = rest.read_until(b'\n', &mut line);
        if read.map_err(|error| ReplayError::Unreadable(error.to_string()))? == 0 {
            return Ok(None);
        }
        self.read += 1;
        let wrong = |what| ReplayError::Value {
            line: self.read,
            what,
        };
        if line.len() > LINE_LEN_MAX {
            return Err(wrong(
                "no line is as long as this one: is it a list of calls?",
            ));
        }
        let text = String::from_utf8(line).map_err(|_| wrong("this isn't text in UTF-8"));
        text.map(Some)
    }
}

/// One call of a list; `None` where nothing readable stands.
struct Row<'a> {
    line: usize,
    at: Option<Time>,
    kommun: &'a str,
    talk_s: Option<f64>,
}

/// The calls read so far.
struct List {
    callers: Vec<Caller>,
    draws: Draws,
    rng: Pcg64,
}

/// The longest conversation that is believed: eleven days.
const TALK_MAX_S: f64 = 1e6;

impl List {
    fn new(plan: &Plan) -> Self {
        Self {
            callers: Vec::new(),
            draws: Draws::new(plan),
            rng: stream(plan.seed, Purpose::Patience, "replay"),
        }
    }

    fn add(&mut self, row: &Row<'_>) -> Result<(), ReplayError> {
        if self.callers.len() >= CALLS_MAX {
            return Err(ReplayError::TooLong);
        }
        let line = row.line;
        let wrong = |what| ReplayError::Value { line, what };
        let at = row
            .at
            .ok_or(wrong("the time must be written like 2026-03-02T08:15:00"))?;
        let seconds = row.talk_s.filter(|s| (0.0..=TALK_MAX_S).contains(s));
        let seconds = seconds.ok_or(wrong(
            "talk_s must be the conversation's length in seconds, such as 420",
        ))?;
        let origin = Origin::from_code(row.kommun);
        let talk = Span::from_micros((seconds * 1e6) as i64);
        let caller = self
            .draws
            .caller(at, origin, home(origin), talk, &mut self.rng);
        self.callers.push(caller);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Caller>, ReplayError> {
        if self.callers.is_empty() {
            return Err(ReplayError::Empty);
        }
        self.callers.sort_by_key(|caller| caller.at);
        Ok(self.callers)
    }
}

/// Where a caller is of whom only the origin is known; the first kommun for one who said nothing.
fn home(origin: Origin) -> KommunId {
    origin.kommun().unwrap_or(kommuner()[0].id)
}

fn moment(text: &str) -> Option<Time> {
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Some(stamp.into());
    }
    let wall: DateTime = text.parse().ok()?;
    Some(wall.to_zoned(sweden()).ok()?.timestamp().into())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::tests::today;

    fn list(text: &str) -> Result<Vec<Caller>, ReplayError> {
        read(text, &Plan::new(&today(), date(2026, 3, 2), 1, 1))
    }

    #[test]
    fn calls_are_read_in_any_order_of_lines_and_columns() {
        let calls = list(
            "talk_s,time,kommun\n60,2026-03-02T10:00,0180\n30.5,2026-03-02T09:00:00+01:00,\n\n",
        )
        .expect("a list");
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].talk, Span::from_millis(30_500));
        assert_eq!(calls[1].origin, Origin::from_code("0180"));
    }

    /// Such as what another program prints: it is read once, and can't be read again.
    #[test]
    fn a_list_from_a_pipe_is_read_whole() {
        use std::{io::Write, os::fd::AsRawFd};
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let list = "time,kommun,talk_s\n2026-03-02T10:00,0180,60\n";
        writer.write_all(list.as_bytes()).expect("it has room");
        drop(writer);
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let plan = Plan::new(&today(), date(2026, 3, 2), 1, 1);
        let calls = read_file(Path::new(&path), &plan).expect("a list");
        assert_eq!(calls.len(), 1);
    }

    /// Such as a device, or a file of another kind.
    #[test]
    fn a_file_without_lines_fills_no_memory() {
        let plan = Plan::new(&today(), date(2026, 3, 2), 1, 1);
        let endless = BufReader::new(std::io::repeat(b'0'));
        let found = read_lines(endless, &plan);
        assert!(
            matches!(found, Err(ReplayError::Value { line: 1, .. })),
            "{found:?}"
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        assert_eq!(list("time,kommun"), Err(ReplayError::NoColumn("talk_s")));
        assert_eq!(list("time,kommun,talk_s\n"), Err(ReplayError::Empty));
        for line in [
            "yesterday,0180,60",
            "2026-03-02T10:00,0180,-1",
            "2026-03-02T10:00",
            &"0".repeat(100_000),
        ] {
            let text = format!("time,kommun,talk_s\n2026-03-02T10:00,0180,60\n{line}\n");
            let found = list(&text);
            assert!(
                matches!(found, Err(ReplayError::Value { line: 3, .. })),
                "{found:?}"
            );
        }
    }
}
