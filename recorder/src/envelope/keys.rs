//! Who may open an envelope: a secret key (identity), and its public half (recipient), as age writes them.

use std::{fmt, fs, path::Path};

use rand::{TryRng, rngs::SysRng};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{EnvelopeError, KEY_LEN, bech32, derive};
use crate::{names::NameError, vault::folder};

const SECRET_PREFIX: &str = "age-secret-key-";
const PUBLIC_PREFIX: &str = "age";
/// A file of keys has a few lines; a longer one isn't one.
const KEY_FILE_LEN_MAX: u64 = 64 * 1024;

/// A secret key. Wiped from memory with it; Debug shows nothing of it.
pub struct Identity(StaticSecret);

/// A public key: whoever has the secret half opens what is sealed for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient(PublicKey);

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self, EnvelopeError> {
        let mut secret = Zeroizing::new([0; KEY_LEN]);
        random(secret.as_mut_slice())?;
        Ok(Self(StaticSecret::from(*secret)))
    }

    /// Reads `AGE-SECRET-KEY-1...`.
    ///
    /// # Errors
    /// When it isn't one.
    pub fn parse(text: &str) -> Result<Self, EnvelopeError> {
        let bytes = bech32::decode(SECRET_PREFIX, text.trim()).ok_or(EnvelopeError::Identity)?;
        let bytes = Zeroizing::new(bytes);
        <[u8; KEY_LEN]>::try_from(bytes.as_slice())
            .map(|secret| Self(StaticSecret::from(secret)))
            .map_err(|_| EnvelopeError::Identity)
    }

    /// As age writes it, `AGE-SECRET-KEY-1...`.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(bech32::encode(SECRET_PREFIX, self.0.as_bytes()).to_ascii_uppercase())
    }

    /// Its public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0))
    }

    /// A further key for one purpose, that only whoever has this one can derive.
    pub(crate) fn derive(&self, what: &str) -> Zeroizing<[u8; KEY_LEN]> {
        derive(self.0.as_bytes(), &[], what.as_bytes())
    }

    pub(super) const fn secret(&self) -> &StaticSecret {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(of {})", self.recipient())
    }
}

impl Recipient {
    /// Reads `age1...`.
    ///
    /// # Errors
    /// When it isn't one.
    pub fn parse(text: &str) -> Result<Self, EnvelopeError> {
        let bytes = bech32::decode(PUBLIC_PREFIX, text.trim()).ok_or(EnvelopeError::Recipient)?;
        <[u8; KEY_LEN]>::try_from(bytes.as_slice())
            .map(|public| Self(PublicKey::from(public)))
            .map_err(|_| EnvelopeError::Recipient)
    }

    pub(super) const fn public(&self) -> &PublicKey {
        &self.0
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(PUBLIC_PREFIX, self.0.as_bytes()))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The identities in a file as `age-keygen` writes it: one a line, `#` begins a remark.
///
/// # Errors
/// When others can read it, or there is none in it.
pub fn read_identities(path: &Path) -> Result<Vec<Identity>, EnvelopeError> {
    folder::check_private_file(path).map_err(std::io::Error::other)?;
    let text = Zeroizing::new(read_lines(path)?);
    let found: Vec<Identity> = lines(&text)
        .map(Identity::parse)
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(EnvelopeError::Identity);
    }
    Ok(found)
}

/// A recipient: the text itself, or a file whose first line that isn't a remark is one.
///
/// # Errors
/// When it is neither.
pub fn read_recipient(text: &str) -> Result<Recipient, EnvelopeError> {
    let path = Path::new(text);
    if !path.is_file() {
        return Recipient::parse(text);
    }
    let text = read_lines(path)?;
    Recipient::parse(lines(&text).next().unwrap_or_default())
}

fn read_lines(path: &Path) -> Result<String, EnvelopeError> {
    if fs::metadata(path)?.len() > KEY_FILE_LEN_MAX {
        return Err(EnvelopeError::Identity);
    }
    Ok(fs::read_to_string(path)?)
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

pub(super) fn random(bytes: &mut [u8]) -> Result<(), NameError> {
    SysRng
        .try_fill_bytes(bytes)
        .map_err(|_| NameError::NoRandom)
}
