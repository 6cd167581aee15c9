//! A journal fed to a fresh switch: the same inputs must give the same outputs.

use std::{collections::VecDeque, sync::Arc};

use super::{END, header, input, output_line};
use crate::{scenario::Scenario, switch::Switch, time::Time};

/// Outputs that may wait for the journal's. A live switch writes them at once; more is a file made to fill memory.
const WAITING_MAX: usize = 1_000_000;

/// A replay on its way. Give it the lines in order; it holds no more of them than it must.
#[derive(Debug, Default)]
pub struct Replay {
    header: Vec<String>,
    switch: Option<Box<Switch>>,
    waiting: VecDeque<String>,
    line: u64,
    inputs: u64,
    outputs: u64,
    latest: String,
    ended: bool,
}

/// Why a journal can't be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Something else, or a header that is cut.
    #[error(
        "this is no journal: it must begin with `vaxel-journal 1` and four more lines of header"
    )]
    NoJournal,
    /// Its scenario is refused.
    #[error("the journal's own scenario can't be read: {0}")]
    Scenario(String),
    /// The scenario isn't the one whose digest is named.
    #[error("the journal's scenario is not the one it was written under: the digests differ")]
    Digest,
    /// A line that means nothing.
    #[error("line {line} can't be read as input, output or rules")]
    Line {
        /// Counted from 1.
        line: u64,
    },
    /// More outputs than a live switch leaves unwritten.
    #[error("line {line}: over {WAITING_MAX} outputs are not in the journal")]
    TooMany {
        /// Counted from 1.
        line: u64,
    },
    /// It doesn't repeat.
    #[error(transparent)]
    Difference(#[from] Difference),
}

/// Where a replay first differs from what was live.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} differs, after the input `{after}`:\n  the journal has {journal}\n  the replay has  {replay}"
)]
pub struct Difference {
    /// The line of the journal, counted from 1.
    pub line: u64,
    /// The input before it.
    pub after: String,
    /// What came out then; `nothing` when the journal ends.
    pub journal: String,
    /// What comes out now; `nothing` when the replay asks for no more.
    pub replay: String,
}

/// A replay that repeated everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Inputs fed.
    pub inputs: u64,
    /// Outputs that were the same.
    pub outputs: u64,
    /// Calls that came in.
    pub calls: u64,
    /// Whether the journal was closed in good order; else it is cut, and is repeated up to the cut.
    pub whole: bool,
}

impl Replay {
    /// Takes the next line, without its end. A line that was cut in the middle is to be left out: see [`Replay::finish`].
    ///
    /// # Errors
    /// The first difference, or a line that can't be read.
    pub fn line(&mut self, line: &str) -> Result<(), ReplayError> {
        self.line += 1;
        let Some(switch) = &mut self.switch else {
            return self.begin(line);
        };
        let unreadable = ReplayError::Line { line: self.line };
        match line.split_once(' ') {
            _ if line == END => self.ended = true,
            Some(("i", rest)) => {
                let (now, text) = moment(rest).ok_or(unreadable.clone())?;
                switch.handle(now, input::parse(text).ok_or(unreadable)?);
                self.follow(text)?;
            }
            Some(("r", rest)) => {
                let (_, text) = moment(rest).ok_or(unreadable)?;
                let rules = Scenario::from_toml(&header::unescaped(text), "the journal's rules")
                    .map_err(|error| ReplayError::Scenario(error.to_string()))?;
                // One that was refused live is refused again.
                let _ = switch.replace(Arc::new(rules));
                self.follow("other rules")?;
            }
            Some(("o", _)) => self.compare(line)?,
            _ => return Err(unreadable),
        }
        Ok(())
    }

    /// The journal is at its end.
    ///
    /// # Errors
    /// When it was closed in good order and yet lacks outputs.
    pub fn finish(self) -> Result<Report, ReplayError> {
        let Some(switch) = &self.switch else {
            return Err(ReplayError::NoJournal);
        };
        if let (true, Some(replay)) = (self.ended, self.waiting.front()) {
            let replay = replay.clone();
            return Err(self.difference("nothing".to_owned(), replay).into());
        }
        Ok(Report {
            inputs: self.inputs,
            outputs: self.outputs,
            calls: switch.counts().offered,
            whole: self.ended,
        })
    }

    fn begin(&mut self, line: &str) -> Result<(), ReplayError> {
        self.header.push(line.to_owned());
        if self.header.len() == header::LINES {
            let scenario = header::scenario(&std::mem::take(&mut self.header))?;
            self.switch = Some(Box::new(Switch::new(scenario)));
        }
        Ok(())
    }

    /// Keeps what came out of an input, to be compared.
    fn follow(&mut self, input: &str) -> Result<(), ReplayError> {
        self.inputs += 1;
        input.clone_into(&mut self.latest);
        while let Some(output) = self.switch.as_mut().and_then(|switch| switch.poll_output()) {
            self.waiting.push_back(output_line(&output));
        }
        if self.waiting.len() > WAITING_MAX {
            return Err(ReplayError::TooMany { line: self.line });
        }
        Ok(())
    }

    fn compare(&mut self, journal: &str) -> Result<(), ReplayError> {
        match self.waiting.pop_front() {
            Some(replay) if replay == journal => {
                self.outputs += 1;
                Ok(())
            }
            replay => {
                let replay = replay.unwrap_or_else(|| "nothing".to_owned());
                Err(self.difference(journal.to_owned(), replay).into())
            }
        }
    }

    fn difference(&self, journal: String, replay: String) -> Difference {
        Difference {
            line: self.line,
            after: self.latest.clone(),
            journal,
            replay,
        }
    }
}

/// A line's moment, and what follows.
fn moment(text: &str) -> Option<(Time, &str)> {
    let (micros, rest) = text.split_once(' ')?;
    Some((Time::from_micros(micros.parse().ok()?), rest))
}
