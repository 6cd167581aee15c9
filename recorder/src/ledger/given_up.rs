//! A signing key that is lost for good: another takes its place, and what the old one signed is checked as before.
//!
//! ```text
//! signing.key      signs, signing.pub is its public half
//! signing.lost     says that signing.key was lost for good: both public halves, and where every ledger was then
//! signing.2.key    made when that was said: what is written since is signed with it (signing.2.pub, signing.2.lost, signing.3.key)
//! ```
//!
//! The statement lies with the keys, like where ledgers were signed last: whoever only writes in the store makes no second key, the
//! old key signs nothing new, and neither of the two changes what stood before. Whoever writes among the keys has the key that
//! signs, and could say this as well: that only the operator's word, and copies that others have, show.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    LedgerError,
    file::Head,
    key::{is_signed, parse_public, read_public},
    line::Written,
};
use crate::{
    store::By,
    text::hex,
    vault::{Vault, folder},
};

/// That a signing key was lost for good, and another took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// When it was said, RFC 3339 in UTC.
    pub at: String,
    /// The public half of the lost one; empty when nobody had it any more: then its signatures can't be checked, only that
    /// nothing was changed since.
    pub before: String,
    /// The public half of the new one.
    pub now: String,
}

/// The same as it lies with the keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub(crate) at: String,
    pub(crate) who: String,
    pub(crate) reason: String,
    pub(crate) before: String,
    pub(crate) now: String,
    /// Of whom there were access logs.
    pub(crate) controllers: BTreeSet<String>,
    /// Where every ledger was, by its name: what the old key signed, and no more.
    pub(super) ends: BTreeMap<String, Head>,
    /// Whether it stands in the ledgers as well.
    pub(crate) is_noted: bool,
}

impl Statement {
    /// Before anything is known of the ledgers, and of the key that comes.
    pub(crate) fn of(by: &By, at: Timestamp, before: &str) -> Self {
        Self {
            at: at.to_string(),
            who: by.who.clone(),
            reason: by.purpose.clone(),
            before: before.to_owned(),
            now: String::new(),
            controllers: BTreeSet::new(),
            ends: BTreeMap::new(),
            is_noted: false,
        }
    }

    /// Whether there was no ledger.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn change(&self) -> KeyChange {
        KeyChange {
            at: self.at.clone(),
            before: self.before.clone(),
            now: self.now.clone(),
        }
    }

    pub(crate) fn pin(&mut self, ledger: &str, seq: u64, hash: &str) {
        let hash = hash.to_owned();
        self.ends.insert(ledger.to_owned(), Head { seq, hash });
    }
}

/// A file of a signing key, from 1.
pub(super) fn path(keys: &Path, number: usize, what: &str) -> PathBuf {
    keys.join(match number {
        1 => format!("signing.{what}"),
        number => format!("signing.{number}.{what}"),
    })
}

/// What was said of each key that was lost, oldest first.
///
/// # Errors
/// When it can't be read.
pub(crate) fn statements(keys: &Path) -> Result<Vec<Statement>, LedgerError> {
    let mut found = Vec::new();
    loop {
        let path = path(keys, found.len() + 1, "lost");
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(folder::unusable(&path)(error).into()),
            Ok(bytes) => found
                .push(serde_json::from_slice(&bytes).map_err(|_| LedgerError::Statement { path })?),
        }
    }
}

/// In the store: the public half of the first key, for when it goes with the secret one.
const BESIDE: &str = ".signing.pub";

/// Where the public half of the first key lies beside the ledgers.
pub(crate) fn beside_path(vault: &Vault) -> PathBuf {
    vault.store().join(BESIDE)
}

/// The public half of the first key, as it lies beside the ledgers, where others may write; `None` when it doesn't.
///
/// # Errors
/// When it can't be read.
pub(crate) fn beside(vault: &Vault) -> Result<Option<String>, LedgerError> {
    let path = beside_path(vault);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => Ok(Some(
            other.map_err(folder::unusable(&path))?.trim().to_owned(),
        )),
    }
}

/// Writes what is said of the key of that number; on disk when this returns.
pub(crate) fn state(keys: &Path, number: usize, of: &Statement) -> Result<(), LedgerError> {
    let text = serde_json::to_vec(of).unwrap_or_default();
    Ok(folder::keep(&path(keys, number, "lost"), &text)?)
}

/// Forgets where a ledger was that was erased: another may come to be under its name.
pub(super) fn forget(keys: &Path, ledger: &str) -> Result<(), LedgerError> {
    for (before, mut said) in statements(keys)?.into_iter().enumerate() {
        if said.ends.remove(ledger).is_some() {
            state(keys, before + 1, &said)?;
        }
    }
    Ok(())
}

/// The public keys of a store: of all that ever signed, and what each of them signed.
#[derive(Debug, Clone)]
pub struct PublicKeys {
    given_up: Vec<(Option<VerifyingKey>, Statement)>,
    /// `None` when nobody has it.
    signs: Option<VerifyingKey>,
}

impl From<VerifyingKey> for PublicKeys {
    /// For whoever was given one public key, and nothing else.
    fn from(key: VerifyingKey) -> Self {
        Self {
            given_up: Vec::new(),
            signs: Some(key),
        }
    }
}

/// The public keys of a store, as whoever has the key folder reads them; `None` when nothing was ever signed.
///
/// # Errors
/// When they are there and aren't any.
pub fn public_keys(keys: &Path) -> Result<Option<PublicKeys>, LedgerError> {
    let found = PublicKeys::read(keys)?;
    Ok((found.signs.is_some() || !found.given_up.is_empty()).then_some(found))
}

impl PublicKeys {
    /// Also where nobody has the public half of the key that signs.
    pub(crate) fn read(keys: &Path) -> Result<Self, LedgerError> {
        let mut given_up = Vec::new();
        let mut signs = None;
        for (before, said) in statements(keys)?.into_iter().enumerate() {
            let parse = |text: &str| {
                parse_public(text).ok_or_else(|| LedgerError::Statement {
                    path: path(keys, before + 1, "lost"),
                })
            };
            let old = match said.before.as_str() {
                "" => None,
                public => Some(parse(public)?),
            };
            signs = Some(parse(&said.now)?);
            given_up.push((old, said));
        }
        if given_up.is_empty() {
            signs = read_public(keys)?;
        }
        Ok(Self { given_up, signs })
    }

    /// The public half of the key that signs, 64 hexadecimal digits; empty when nobody has it.
    pub(crate) fn signing(&self) -> String {
        let signs = self.signs.map(|key| hex(key.as_bytes()));
        signs.unwrap_or_default()
    }

    /// When keys were given up that signed something in this ledger.
    pub(super) fn changes_in(&self, ledger: &str) -> Vec<KeyChange> {
        let said = self.given_up.iter().map(|(_, said)| said);
        let of_it = said.filter(|said| said.ends.contains_key(ledger));
        of_it.map(Statement::change).collect()
    }

    /// Which key signed that line: how many were given up before it.
    pub(crate) fn generation(&self, ledger: &str, seq: u64) -> usize {
        let ends = self.given_up.iter().map(|(_, said)| said.ends.get(ledger));
        ends.take_while(|end| end.is_none_or(|end| seq > end.seq))
            .count()
    }

    /// Whether it is known that a line is one of ours: by its signature, or as the last one that a lost key signed.
    pub(super) fn knows(&self, ledger: &str, written: &Written) -> Result<Known, &'static str> {
        let seq = written.line.seq;
        let (key, end) = match self.given_up.get(self.generation(ledger, seq)) {
            Some((key, said)) => (key, said.ends.get(ledger)),
            None => (&self.signs, None),
        };
        let is_end = end.is_some_and(|end| end.seq == seq);
        if is_end && end.is_some_and(|end| end.hash != written.hash) {
            return Err("it isn't what stood there when the signing key was given up");
        }
        let signed = match (&written.signature, key) {
            (Some(signature), Some(key)) => {
                if !is_signed(key, ledger, &written.hash, signature) {
                    return Err("its signature is another's");
                }
                true
            }
            // Nobody has that key's public half: its end stands in the statement, and what is before that is chained to it.
            (Some(_), None) if end.is_none() => return Err("nobody has the key to check it with"),
            _ => false,
        };
        Ok(match (signed, is_end) {
            (true, _) => Known::Signed,
            (false, true) => Known::Stated,
            (false, false) => Known::Not,
        })
    }

    /// Whether something of that name that is no ledger is what was signed: by its signature, or as it was when a key was given up.
    pub(crate) fn vouch_for(&self, name: &str, hash: &str, signature: &str) -> bool {
        let mut ends = self.given_up.iter().map(|(_, said)| said.ends.get(name));
        let is_stated = ends.any(|end| end.is_some_and(|end| end.hash == hash));
        let signs = self.signs.as_ref();
        is_stated || signs.is_some_and(|key| is_signed(key, name, hash, signature))
    }

    /// How many lines of it at least were there when a key was given up.
    pub(super) fn lines_min(&self, ledger: &str) -> u64 {
        let ends = self.given_up.iter();
        let seqs = ends.filter_map(|(_, said)| said.ends.get(ledger).map(|end| end.seq));
        seqs.max().unwrap_or_default()
    }
}

/// How a line is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// By its signature.
    Signed,
    /// By what was said when a key was given up: as good as a signature.
    Stated,
    Not,
}
