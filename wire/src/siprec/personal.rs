//! A participant's address, which may be a telephone number.

use std::fmt;

/// An address of record, such as `sip:+46...@example.com`. Prints as `[personal]`, always.
#[derive(Clone, PartialEq, Eq)]
pub struct Aor(Box<str>);

impl Aor {
    /// Wraps a URI.
    pub fn new(uri: impl Into<Box<str>>) -> Self {
        Self(uri.into())
    }

    /// The URI itself, for the wire and the vault. Never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}
