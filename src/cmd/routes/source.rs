//! The text of a scenario, from which thousands of findings may be shown: each takes its lines and not the whole.

use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::show;

/// A file as a terminal may have it, with its lines found.
#[derive(Debug)]
pub(super) struct Source {
    name: String,
    text: String,
    /// Where each line begins; the first does at 0.
    lines: Vec<usize>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        // As long as it was, so that what lies where stays so.
        let text = show::harmless_source(text);
        let after = |(at, _)| at + 1;
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(after));
        Self {
            name: show::harmless(name),
            lines: lines.collect(),
            text,
        }
    }

    /// The bytes of a line, counted from 1, without the blanks around it.
    pub(super) fn line(&self, number: u32) -> Range<usize> {
        let Some(place) = (number as usize).checked_sub(1) else {
            return 0..0;
        };
        let content = self.text.get(self.range(place, place)).unwrap_or_default();
        if content.is_empty() {
            return 0..0;
        }
        let blanks = content.len() - content.trim_start().len();
        let first = self.lines[place] + blanks.min(content.len());
        first..(first + content.trim().len())
    }

    /// The bytes from one line to the end of another; none beyond the last.
    fn range(&self, first: usize, last: usize) -> Range<usize> {
        let end = self.text.len();
        let begins = |place: usize| self.lines.get(place).copied().unwrap_or(end);
        begins(first)..begins(last.saturating_add(1))
    }

    fn line_at(&self, offset: usize) -> usize {
        self.lines
            .partition_point(|&begins| begins <= offset)
            .saturating_sub(1)
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset().saturating_add(span.len());
        // A line more on each side: what stands between lines decides where an empty one begins and ends.
        let (before_max, after_max) = (before.saturating_add(1), after.saturating_add(1));
        let first = self.line_at(span.offset()).saturating_sub(before_max);
        let last = self.line_at(end).saturating_add(after_max);
        let lines = self.range(first, last);
        let from = lines.start;
        let part = self.text.get(lines).ok_or(MietteError::OutOfBounds)?;
        let within = SourceSpan::new(
            span.offset()
                .checked_sub(from)
                .ok_or(MietteError::OutOfBounds)?
                .into(),
            span.len(),
        );
        let found = part.read_span(&within, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            found.data(),
            SourceSpan::new((found.span().offset() + from).into(), found.span().len()),
            found.line() + first,
            found.column(),
            found.line_count(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found() {
        let source = Source::new("x.toml", "a\n  bc \nd");
        assert_eq!(source.line(2), 4..6);
        assert_eq!(source.line(3), 8..9);
        assert_eq!(Source::new("x.toml", "a\n").line(9), 0..0);
        assert_eq!(Source::new("x.toml", "").line(1), 0..0);
    }

    /// Every line of a text, with every context.
    #[test]
    fn a_part_is_shown_as_from_the_whole() {
        let text = "one\n\ntwo three\n  four\nfive";
        let source = Source::new("x.toml", text);
        for (line, around) in (1..=5).flat_map(|line| (0..9).map(move |around| (line, around))) {
            let span = SourceSpan::from(source.line(line));
            let whole = text.read_span(&span, around, around).expect("within");
            let part = source.read_span(&span, around, around).expect("within");
            assert_eq!(part.data(), whole.data(), "{line} {around}");
            assert_eq!(part.span(), whole.span(), "{line} {around}");
            let places = [&part, &whole].map(|it| (it.line(), it.column()));
            assert_eq!(places[0], places[1], "{line} {around}");
        }
        let beyond = SourceSpan::new((text.len() + 5).into(), 1);
        assert!(source.read_span(&beyond, 1, 1).is_err());
    }
}
