//! Entries that must say something. What is there and blank was left to be filled in, and would be taken for filled in.

use std::ops::Range;

use toml::Spanned;

use super::Reader;

impl Reader<'_> {
    /// A text that says something.
    pub(super) fn says(&mut self, raw: &Spanned<String>, message: &str, remedy: &str) {
        if is_blank(raw.get_ref()) {
            self.fault(raw.span(), message, remedy);
        }
    }

    /// The name of a file, a folder or the like; an empty one would be the folder that the program was started in.
    pub(super) fn names_something(&mut self, key: &str, raw: &Spanned<String>, remedy: &str) {
        self.says(raw, &format!("`{key}` names nothing"), remedy);
    }

    /// The same of what needn't be said.
    pub(super) fn names_something_or_is_left_out(
        &mut self,
        key: &str,
        raw: Option<&Spanned<String>>,
    ) {
        if let Some(raw) = raw {
            self.names_something(key, raw, "write its name, or leave it out");
        }
    }

    /// What personal data are processed for, or which they are: at least one, and each in words.
    pub(super) fn words(
        &mut self,
        raw: &Spanned<Vec<Spanned<String>>>,
        (none, empty): (&str, &str),
        remedy: &str,
    ) {
        let mut at: Option<(Range<usize>, &str)> = None;
        match raw.get_ref().iter().find(|word| is_blank(word.get_ref())) {
            Some(word) => at = Some((word.span(), empty)),
            None if raw.get_ref().is_empty() => at = Some((raw.span(), none)),
            None => {}
        }
        if let Some((span, message)) = at {
            self.fault(span, message, remedy);
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
