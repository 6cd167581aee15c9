//! How a journal begins: its form, the rule set whole, and what was changed in it after it was read.

use std::sync::Arc;

use super::{FORM, ReplayError, wrap_ups};
use crate::{scenario::Scenario, time::Span};

/// What the lines of a journal mean: which rules, under which version of the program.
#[derive(Debug, Clone)]
pub struct Header<'t> {
    /// The scenario as it was read.
    pub scenario: &'t Scenario,
    /// The text it was read from.
    pub text: &'t str,
    /// The version of the program that writes.
    pub version: &'t str,
}

impl Header<'_> {
    /// The lines, each with its end.
    pub fn lines(&self) -> String {
        format!(
            "{FORM}\nversion {}\ndigest {}\nscenario {}\nwrap-up {}\n",
            self.version,
            self.scenario.routes.digest(),
            escaped(self.text),
            wrap_ups(self.scenario)
        )
    }
}

/// How many lines a header has.
pub(super) const LINES: usize = 5;

/// The rule set that a header tells of.
pub(super) fn scenario(lines: &[String]) -> Result<Arc<Scenario>, ReplayError> {
    let [form, _, digest, text, wrap_up] = lines else {
        return Err(ReplayError::NoJournal);
    };
    if form != FORM {
        return Err(ReplayError::NoJournal);
    }
    let value = |line: &str, key: &str| {
        let rest = line
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(' '));
        rest.map(str::to_owned).ok_or(ReplayError::NoJournal)
    };
    let text = unescaped(&value(text, "scenario")?);
    let mut scenario = Scenario::from_toml(&text, "the journal's scenario")
        .map_err(|error| ReplayError::Scenario(error.to_string()))?;
    if scenario.routes.digest().to_string() != value(digest, "digest")? {
        return Err(ReplayError::Digest);
    }
    let wrap_up = value(wrap_up, "wrap-up")?;
    let spans = wrap_up.split_ascii_whitespace();
    for (queue, micros) in scenario.queues.iter_mut().zip(spans) {
        let micros = micros.parse().map_err(|_| ReplayError::NoJournal)?;
        queue.wrap_up = Span::from_micros(micros);
    }
    Ok(Arc::new(scenario))
}

/// A text on one line.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

pub(super) fn unescaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text
}
