//! Keys: one for each controller, and under it one for each recording, wrapped and bound to the recording's tag.
//!
//! Destroying a recording's key file erases every copy of its audio, also those in backups.

pub(super) mod controllers;
pub(super) mod lost;
pub(crate) mod mark;
pub(super) mod missing;
pub(super) mod rotation;

use std::{
    fmt, fs,
    io::{self, Read},
    path::Path,
};

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use hkdf::Hkdf;
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    names::{NameError, RecordingId},
    vault::{VaultError, folder},
};

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const PRINT_LEN: usize = 8;
const TAG_LEN: usize = 16;
/// What names a key without giving it away.
pub(in crate::vault) type Print = [u8; PRINT_LEN];
/// First bytes of a wrapped data key; the last one is the version.
const WRAPPED_MAGIC: &[u8; 4] = b"VXK\x01";
const WRAPPED_LEN: usize = WRAPPED_MAGIC.len() + PRINT_LEN + NONCE_LEN + KEY_LEN + TAG_LEN;

/// 256 bits that are wiped from memory when they go.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key([u8; KEY_LEN]);

impl Key {
    pub(crate) fn random() -> Result<Self, NameError> {
        let mut key = Self([0; KEY_LEN]);
        SysRng
            .try_fill_bytes(&mut key.0)
            .map_err(|_| NameError::NoRandom)?;
        Ok(key)
    }

    /// A key for one purpose (HKDF, RFC 5869): `what` names the purpose, `of` the thing within it.
    pub(crate) fn derive(&self, id: RecordingId, what: &str, of: &str) -> Self {
        let mut key = Self([0; KEY_LEN]);
        // The zero byte keeps purpose and thing apart. 32 bytes is far below HKDF's limit of 255 hashes.
        let expanded = Hkdf::<Sha256>::new(Some(id.as_bytes()), &self.0)
            .expand_multi_info(&[what.as_bytes(), b"\0", of.as_bytes()], &mut key.0);
        debug_assert!(expanded.is_ok());
        key
    }

    pub(crate) fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&self.0.into())
    }

    /// Names the key without giving it away.
    pub(crate) fn print(&self) -> Print {
        let mut print = [0; PRINT_LEN];
        let expanded = Hkdf::<Sha256>::new(None, &self.0).expand(b"vaxel key print 1", &mut print);
        debug_assert!(expanded.is_ok());
        print
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Random bytes for a nonce.
pub(crate) fn nonce<const N: usize>() -> Result<[u8; N], NameError> {
    let mut nonce = [0; N];
    SysRng
        .try_fill_bytes(&mut nonce)
        .map_err(|_| NameError::NoRandom)?;
    Ok(nonce)
}

pub(in crate::vault) fn store_key(path: &Path, key: &Key) -> Result<(), VaultError> {
    folder::write_private(path, &key.0)
}

pub(in crate::vault) fn read_key(path: &Path) -> Result<Option<Key>, VaultError> {
    let unusable = folder::unusable(path);
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(&unusable)?,
    };
    folder::check_closed(path, &file.metadata().map_err(&unusable)?)?;
    // One byte more would show that it isn't a key.
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LEN + 1));
    file.take(KEY_LEN as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(&unusable)?;
    let key = <[u8; KEY_LEN]>::try_from(bytes.as_slice());
    key.map(|key| Some(Key(key)))
        .map_err(|_| VaultError::KeyDamaged {
            path: path.to_owned(),
        })
}

/// Names the key that a data key is under; `None` when it was destroyed, or isn't one.
pub(in crate::vault) fn print_over(path: &Path) -> Result<Option<Print>, VaultError> {
    match fs::read(path) {
        Ok(file) => {
            let rest = file.strip_prefix(WRAPPED_MAGIC.as_slice());
            Ok(rest.and_then(|rest| rest.first_chunk().copied()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(folder::unusable(path)(error)),
    }
}

/// Stores a data key wrapped by the controller's key, whole or not at all.
pub(crate) fn wrap_data_key(
    path: &Path,
    data: &Key,
    master: &Key,
    id: RecordingId,
    tag: &[u8],
) -> Result<(), VaultError> {
    let nonce = nonce::<NONCE_LEN>()?;
    let mut wrapped = Zeroizing::new(Vec::with_capacity(WRAPPED_LEN));
    wrapped.extend_from_slice(&data.0);
    master
        .derive(id, "vaxel data key wrap 1", "")
        .cipher()
        .encrypt_in_place(&nonce.into(), tag, &mut *wrapped)
        .map_err(|_| VaultError::TagChanged { id })?;
    let file = [WRAPPED_MAGIC.as_slice(), &master.print(), &nonce, &wrapped].concat();
    folder::write_private(path, &file)
}

/// Unwraps a recording's data key; fails when the controller's key or the tag is another one.
pub(crate) fn open_data_key(
    path: &Path,
    master: &Key,
    id: RecordingId,
    tag: &[u8],
) -> Result<Key, VaultError> {
    let file = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => VaultError::KeyMissing {
            path: path.to_owned(),
        },
        _ => folder::unusable(path)(error),
    })?;
    let damaged = || VaultError::KeyDamaged {
        path: path.to_owned(),
    };
    let rest = file
        .strip_prefix(WRAPPED_MAGIC.as_slice())
        .ok_or_else(damaged)?;
    let (print, rest) = rest.split_first_chunk::<PRINT_LEN>().ok_or_else(damaged)?;
    let (nonce, wrapped) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
    if wrapped.len() != KEY_LEN + TAG_LEN {
        return Err(damaged());
    }
    if *print != master.print() {
        return Err(VaultError::WrongKey { id });
    }
    let mut opened = Zeroizing::new(wrapped.to_vec());
    master
        .derive(id, "vaxel data key wrap 1", "")
        .cipher()
        .decrypt_in_place(&(*nonce).into(), tag, &mut *opened)
        .map_err(|_| VaultError::TagChanged { id })?;
    <[u8; KEY_LEN]>::try_from(opened.as_slice())
        .map(Key)
        .map_err(|_| damaged())
}
