//! Ledgers: files that are only added to, each line bound to the one before it, signed at the end of every addition.
//!
//! ```text
//! <JSON of a line> TAB <SHA-256 of the JSON> [TAB <signature over name and SHA-256>]
//! ```
//!
//! A line's JSON holds its number and the hash of the line before it, so nothing can be changed, left out or moved
//! without breaking every later hash. What was signed last is also kept beside the key, so that cutting the end off shows.
//!
//! Signatures are Ed25519 (RFC 8032), not an HMAC: a region or an authority can check the register with the public key
//! alone, and can't forge it with what it was given.

mod file;
mod gauge;
mod given_up;
mod key;
mod line;
mod verify;

use std::path::PathBuf;

pub use self::{
    file::Ledger,
    given_up::{KeyChange, PublicKeys, public_keys},
    key::Signer,
    line::Line,
    verify::{Verified, read, verify},
};
pub(crate) use self::{
    file::{end_of, forget_head, signed_in, signed_lines, was_signed},
    gauge::SigningKeyGauge,
    given_up::{Statement, beside, beside_path, state, statements},
    key::{PSEUDONYM_LEN, alone, parse_public},
    verify::{follows, has_lines, verify_at},
};
use crate::{names::NameError, vault::VaultError};

/// What stands before the first line.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// No entry of ours is longer; a longer line in the file isn't ours.
pub const LINE_LEN_MAX: usize = 64 * 1024;

/// Why a ledger refuses.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file or folder can't be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The operating system gave no random bytes for a key.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The signing key is there and isn't one.
    #[error("the signing key {} is damaged: restore it from the key backup; what it signed can still be checked with `signing.pub`", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// Its public half is gone, and it isn't the key of these ledgers.
    #[error("the signing key {} isn't the one that this store's ledgers were signed with, by its public half beside them (`.signing.pub`), and `signing.pub` is gone: restore both from the key backup, and find out who changed them", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
    },
    /// The signing key isn't there, and it was.
    #[error("the signing key {} is gone, and ledgers were signed with it: restore it from the key backup; only when it is lost for good, and isn't in the key part of a backup: `vaxel store key-lost --signing-key --reason \"...\"`", path.display())]
    KeyLost {
        /// The file.
        path: PathBuf,
    },
    /// What was said when a signing key was given up can't be read.
    #[error("{} isn't what was written when the signing key was given up: restore it from the key backup", path.display())]
    Statement {
        /// The file.
        path: PathBuf,
    },
    /// A line isn't what was written.
    #[error("{}{}: {what}; restore the file from a backup and find out who changed it", path.display(), at(*line))]
    Broken {
        /// The ledger.
        path: PathBuf,
        /// The line, from 1; 0 where it is the whole, or its end.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An entry that can't be written as a line.
    #[error(
        "an entry of {bytes} bytes is too long for a ledger: at most {LINE_LEN_MAX}; shorten the purpose or reason"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

fn at(line: u64) -> String {
    match line {
        0 => String::new(),
        line => format!(", line {line}"),
    }
}

#[cfg(test)]
mod tests;
