//! Why a scenario was refused: where, what, and what to do about it.

use std::{fmt, ops::Range};

/// A scenario that can't be used. It is refused whole; all faults that could be told apart are listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    file: String,
    first: Box<Fault>,
    more: Vec<Fault>,
}

/// One thing that is wrong in a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code of the finding it is, as `vaxel explain` knows it; `V0001` for faults of form.
    pub code: &'static str,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The bytes of the file it is about.
    pub span: Range<usize>,
    /// The line, counted from 1.
    pub line: usize,
    /// The character in that line, counted from 1.
    pub column: usize,
}

impl ScenarioError {
    /// The error for a file that one fault made unreadable.
    pub(super) fn new(file: &str, fault: Fault) -> Self {
        Self {
            file: file.to_owned(),
            first: Box::new(fault),
            more: Vec::new(),
        }
    }

    /// The error for all faults found in a file; `None` when there are none.
    pub(super) fn of(file: &str, mut faults: Vec<Fault>) -> Option<Self> {
        faults.sort_by_key(|fault| fault.span.start);
        let mut faults = faults.into_iter();
        let first = Box::new(faults.next()?);
        Some(Self {
            file: file.to_owned(),
            first,
            more: faults.collect(),
        })
    }

    /// The file, as the caller named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The first fault.
    pub fn first(&self) -> &Fault {
        &self.first
    }

    /// Every fault that was found, in the order of the file; never empty.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        std::iter::once(&*self.first).chain(&self.more)
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.faults().enumerate() {
            let separator = if place == 0 { "" } else { "\n" };
            let Fault {
                message,
                remedy,
                line,
                column,
                ..
            } = fault;
            write!(
                f,
                "{separator}{}:{line}:{column}: {message}\n  help: {remedy}",
                self.file
            )?;
        }
        Ok(())
    }
}

impl Fault {
    /// A fault at these bytes of the text. Long runs of digits are masked: a misplaced telephone number must not
    /// reach a log by way of an error message (invariant 6).
    pub(super) fn new(text: &str, span: Range<usize>, message: &str, remedy: &str) -> Self {
        let before = &text.as_bytes()[..span.start.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        Self {
            code: FORM,
            message: masked(message),
            remedy: masked(remedy),
            line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
            span,
        }
    }
}

/// A file that isn't in the form of a scenario.
const FORM: &str = "V0001";

/// Digits from which a text may be a telephone number. Dates, kommun codes and ports are no such runs.
const TELEPHONE_DIGITS_MIN: usize = 7;

fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from_digit) = rest.split_at(start);
        // With a plus or a zero in front, a number may be written in groups; a date begins with neither.
        let grouped = before.ends_with('+') || from_digit.starts_with('0');
        let len = number_len(from_digit, grouped);
        let (number, after) = from_digit.split_at(len);
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        shown.push_str(before);
        shown.push_str(if digits < TELEPHONE_DIGITS_MIN {
            number
        } else {
            "[digits]"
        });
        rest = after;
    }
    shown + rest
}

/// How many bytes the digits at the beginning take, and with `grouped` the single spaces and hyphens between them.
fn number_len(text: &str, grouped: bool) -> usize {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let joint = |at: usize| grouped && matches!(bytes.get(at), Some(b' ' | b'-')) && digit(at + 1);
    (0..)
        .find(|&at| !digit(at) && !joint(at))
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_knows_its_place() {
        let text = "första = 1\nåä = 2\n";
        let fault = Fault::new(text, 14..16, "wrong", "mend it");
        assert_eq!((fault.line, fault.column), (2, 2));
        let shown = ScenarioError::of("x.toml", vec![fault.clone(), fault])
            .expect("two faults")
            .to_string();
        assert_eq!(
            shown,
            "x.toml:2:2: wrong\n  help: mend it\nx.toml:2:2: wrong\n  help: mend it"
        );
    }

    #[test]
    fn a_telephone_number_does_not_reach_the_message() {
        assert_eq!(
            masked("sip:+46701740605@host:5060"),
            "sip:+[digits]@host:5060"
        );
        assert_eq!(
            masked("no +46 70-174 06 05, nor 070-174 06 05!"),
            "no +[digits], nor [digits]!"
        );
        assert_eq!(masked("no 0180 on 2019-11-01"), "no 0180 on 2019-11-01");
    }

    #[test]
    fn a_span_past_the_end_is_no_panic() {
        assert_eq!(Fault::new("ab", 90..95, "", "").column, 3);
    }
}
