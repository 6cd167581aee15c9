//! The lines of a head (RFC 3261 section 7.3.1).

use super::text::cut;

/// A line without its end.
#[derive(Clone, Copy, Default)]
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    /// It ended with LF alone.
    pub(super) bare: bool,
}

pub(super) struct Lines<'a> {
    pub(super) rest: &'a str,
}

impl<'a> Lines<'a> {
    /// The next line, when it continues the one before (RFC 3261 section 7.3.1).
    pub(super) fn next_folded(&mut self) -> Option<Line<'a>> {
        self.rest
            .starts_with([' ', '\t'])
            .then(|| self.next())
            .flatten()
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = cut(self.rest, b'\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        let whole = (line.as_bytes().last() == Some(&b'\r')).then(|| line.get(..line.len() - 1));
        Some(whole.flatten().map_or(
            Line {
                text: line,
                bare: true,
            },
            |text| Line { text, bare: false },
        ))
    }
}
