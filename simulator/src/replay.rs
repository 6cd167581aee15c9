//! Real calls as traffic: a list of when, from where and how long.

use callcore::{
    kommun::{KommunId, kommuner},
    origin::Origin,
    time::{Span, Time, sweden},
};
use jiff::{Timestamp, civil::DateTime};

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
    #[error(
        "line 1: the list has no column `{0}`: its first line must name time, kommun and talk_s"
    )]
    NoColumn(&'static str),
    /// A value isn't written as it must be.
    #[error("line {line}: {what}")]
    Value {
        /// Where.
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

/// Reads a list of calls; what it doesn't say (patience, ringing, files) is drawn as the plan has it.
/// Calls may stand in any order.
///
/// # Errors
/// The first line that can't be read, with what should stand there.
pub fn read(text: &str, plan: &Plan) -> Result<Vec<Caller>, ReplayError> {
    let mut lines = text.lines().enumerate();
    let header: Vec<&str> = lines
        .next()
        .map(|(_, line)| {
            line.trim_start_matches('\u{feff}')
                .split(',')
                .map(str::trim)
                .collect()
        })
        .unwrap_or_default();
    let column = |name: &'static str| {
        let found = header.iter().position(|known| *known == name);
        found.ok_or(ReplayError::NoColumn(name))
    };
    let (time, kommun, talk) = (column("time")?, column("kommun")?, column("talk_s")?);
    let draws = Draws::new(plan);
    let mut rng = stream(plan.seed, Purpose::Patience, "replay");
    let mut callers = Vec::new();
    for (place, line) in lines {
        if line.trim().is_empty() {
            continue;
        }
        if callers.len() >= CALLS_MAX {
            return Err(ReplayError::TooLong);
        }
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let cell = |column: usize| cells.get(column).copied().unwrap_or_default();
        let wrong = |what| ReplayError::Value {
            line: place + 1,
            what,
        };
        let at = moment(cell(time))
            .ok_or_else(|| wrong("the time must be written like 2026-03-02T08:15:00"))?;
        let seconds: f64 = cell(talk)
            .parse()
            .ok()
            .filter(|seconds| (0.0..=1e6).contains(seconds))
            .ok_or_else(|| {
                wrong("talk_s must be the conversation's length in seconds, such as 420")
            })?;
        let origin = Origin::from_code(cell(kommun));
        let talk = Span::from_micros((seconds * 1e6) as i64);
        callers.push(draws.caller(at, origin, home(origin), talk, &mut rng));
    }
    if callers.is_empty() {
        return Err(ReplayError::Empty);
    }
    callers.sort_by_key(|caller| caller.at);
    Ok(callers)
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

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        assert_eq!(list("time,kommun"), Err(ReplayError::NoColumn("talk_s")));
        assert_eq!(list("time,kommun,talk_s\n"), Err(ReplayError::Empty));
        for line in [
            "yesterday,0180,60",
            "2026-03-02T10:00,0180,-1",
            "2026-03-02T10:00",
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
