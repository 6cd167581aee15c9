//! Sealed envelopes: what leaves this machine is encrypted to somebody's public key, in the format of `age`
//! (<https://age-encryption.org/v1>), so that whoever receives it can open it with a tool that isn't ours.
//!
//! ```text
//! header    the file key, wrapped for each recipient (X25519, HKDF-SHA-256), and an HMAC over all of that
//! payload   chunks of 64 KiB, each sealed with ChaCha20-Poly1305; number and finality are in the nonce
//! ```
//!
//! Only the X25519 recipient is spoken here. A passphrase (scrypt) isn't: where a secret must travel by another
//! channel, it is a key made for that one envelope ([`Identity::generate`]), which nobody can guess.

mod bech32;
mod header;
mod keys;
mod payload;

use std::io::{self, Read, Write};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

pub use self::{
    keys::{Identity, Recipient, read_identities, read_recipient},
    payload::{Opener, Sealer},
};
use crate::names::NameError;

/// Bytes of the key that a header carries.
const FILE_KEY_LEN: usize = 16;
/// Bytes of every derived key.
const KEY_LEN: usize = 32;

/// Why an envelope can't be sealed or opened. Nothing of what is in it is ever said.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// A text that is no public key.
    #[error(
        "this is neither an age recipient nor a file with one: it begins with `age1` and has 62 characters; `age-keygen -y` prints it"
    )]
    Recipient,
    /// A text that is no secret key.
    #[error(
        "there is no age identity in it: a line that begins with `AGE-SECRET-KEY-1`, as `age-keygen` writes it"
    )]
    Identity,
    /// Nobody could open it.
    #[error("no recipient is named: nobody could open it again")]
    NoRecipient,
    /// Not an age file, or one of a kind that isn't spoken here.
    #[error("this is no age envelope: {0}")]
    NotOne(&'static str),
    /// Sealed for somebody else.
    #[error("it is sealed for somebody else: none of these identities opens it")]
    NotForUs,
    /// The header isn't what the sealer wrote.
    #[error("its header was changed after it was sealed")]
    HeaderChanged,
    /// The operating system gave no random bytes.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Begins an envelope: what is written is sealed for every recipient. [`Sealer::finish`] ends it.
///
/// # Errors
/// When nobody is named, there is no randomness, or it can't be written.
pub fn seal<W: Write>(mut out: W, recipients: &[Recipient]) -> Result<Sealer<W>, EnvelopeError> {
    if recipients.is_empty() {
        return Err(EnvelopeError::NoRecipient);
    }
    let mut file_key = Zeroizing::new([0; FILE_KEY_LEN]);
    keys::random(file_key.as_mut_slice())?;
    out.write_all(header::write(&file_key, recipients)?.as_bytes())?;
    let mut nonce = [0; payload::NONCE_LEN];
    keys::random(&mut nonce)?;
    out.write_all(&nonce)?;
    Ok(Sealer::new(out, &derive(&*file_key, &nonce, b"payload")))
}

/// Opens an envelope with whichever identity fits. What is read from it was sealed by its sender, chunk by chunk; reading
/// on to the end says whether the end is there.
///
/// # Errors
/// When it is no envelope, sealed for somebody else, or its header was changed.
pub fn open<R: Read>(mut input: R, identities: &[Identity]) -> Result<Opener<R>, EnvelopeError> {
    let file_key = header::read(&mut input, identities)?;
    let mut nonce = [0; payload::NONCE_LEN];
    input
        .read_exact(&mut nonce)
        .map_err(|_| EnvelopeError::NotOne("it ends after its header"))?;
    Ok(Opener::new(input, &derive(&*file_key, &nonce, b"payload")))
}

fn derive(secret: &[u8], salt: &[u8], what: &[u8]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    // 32 bytes is far below HKDF's limit of 255 hashes.
    let expanded = Hkdf::<Sha256>::new(Some(salt), secret).expand(what, key.as_mut_slice());
    debug_assert!(expanded.is_ok());
    key
}

#[cfg(test)]
mod tests;
