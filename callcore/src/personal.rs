//! Personal data in a wrapper that can't be printed.
//!
//! Invariant 6: a telephone number is never in a log line, a metric label, a file name or an error message.
//! [`Personal`] has no `Display`, its `Debug` shows a placeholder, and it can't be serialised: the only way
//! to the value is [`Personal::reveal`], which is easy to search for.

use std::fmt;

/// A personal datum. Prints as `[personal]`, always.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the place that must have it (the wire, the vault). Never for a log.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// A caller's telephone number in E.164 form, `+46...`.
pub type CallerNumber = Personal<E164>;

/// A telephone number in E.164 form: `+` and 4 to 15 digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164(String);

impl E164 {
    /// Reads a number as it comes in SIP: `+46...`, `0046...`, or a Swedish national number `0...`.
    /// Spaces and what else separates digits for the eye (RFC 3966 section 5.1.1) are passed over. `None` when it is no such number (then the caller is unknown).
    pub fn parse(text: &str) -> Option<Self> {
        let mut compact = String::with_capacity(text.len());
        compact.extend(text.split([' ', '-', '.', '(', ')']));
        let (country, rest) = if let Some(rest) = compact.strip_prefix('+') {
            ("+", rest)
        } else if let Some(rest) = compact.strip_prefix("00") {
            ("+", rest)
        } else {
            ("+46", compact.strip_prefix('0')?)
        };
        let number = [country, rest].concat();
        let digits = number.strip_prefix('+')?;
        let valid = (4..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        valid.then_some(Self(number))
    }

    /// The number, `+` first.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_never_prints() {
        let number = Personal::new(E164::parse("070-174 06 05").expect("a test number"));
        assert_eq!(format!("{number:?}"), "[personal]");
        assert_eq!(number.reveal().as_str(), "+46701740605");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "anonymous",
            "1177",
            "+0",
            "+46 70 17406 05 99999999",
            "0x",
            "+46a",
        ] {
            assert!(E164::parse(text).is_none(), "{text}");
        }
        assert_eq!(
            E164::parse("0046701740605").map(|n| n.0),
            Some("+46701740605".to_owned())
        );
    }
}
