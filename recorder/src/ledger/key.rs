//! The key that signs ledgers, and the public half that others check with.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{LedgerError, file, given_up};
use crate::{
    names::NameError,
    text::{hex, unhex},
    vault::{Vault, folder},
};

const KEY: &str = "key";
/// Handed to whoever is to check a ledger; 64 hexadecimal digits.
const PUBLIC: &str = "pub";
const KEY_LEN: usize = 32;
/// Two things get the same name by chance once in 2^64 of them.
pub(crate) const PSEUDONYM_LEN: usize = 16;
/// Keeps these signatures apart from any others the key might make.
const CONTEXT: &[u8] = b"vaxel ledger 1\n";

/// Signs ledgers of one store. The key is wiped from memory with it.
pub struct Signer(SigningKey);

impl Signer {
    /// Reads the key of a store, or makes it when nothing in the store shows that there was one.
    ///
    /// # Errors
    /// When it can't be read or written, or is gone.
    pub(crate) fn of(vault: &Vault) -> Result<Self, LedgerError> {
        if let Some(signer) = Self::read(vault.keys())? {
            signer.put_public_back(vault)?;
            return Ok(signer);
        }
        vault.refuse_keys_away()?;
        Self::open(vault.keys())
    }

    /// Reads the key in this folder, or makes it when there is none.
    ///
    /// # Errors
    /// When it can't be read or written, or is gone though ledgers were signed with it.
    pub fn open(keys: &Path) -> Result<Self, LedgerError> {
        match Self::read(keys)? {
            Some(signer) => Ok(signer),
            None => Self::make(keys),
        }
    }

    /// The key that signs now; another than the one that was said to take the lost one's place isn't it.
    fn read(keys: &Path) -> Result<Option<Self>, LedgerError> {
        let said = given_up::statements(keys)?;
        let path = given_up::path(keys, said.len() + 1, KEY);
        let signer = Self::read_at(&path)?;
        match (&signer, said.last()) {
            (Some(signer), Some(said)) if signer.public() != said.now => {
                Err(LedgerError::Key { path })
            }
            // Only what is made by the statement is ever in its place.
            (None, Some(_)) => Err(LedgerError::KeyLost { path }),
            _ => Ok(signer),
        }
    }

    /// Writes the public half again where that alone is gone. It is said, and only the key that the ledgers know is taken: another in
    /// its place would else vouch for itself.
    fn put_public_back(&self, vault: &Vault) -> Result<(), LedgerError> {
        let number = given_up::statements(vault.keys())?.len() + 1;
        let path = given_up::path(vault.keys(), number, PUBLIC);
        if path.try_exists().map_err(folder::unusable(&path))? {
            return Ok(());
        }
        // A later one was compared with what was stated when it was made.
        if number == 1 && given_up::beside(vault)?.is_some_and(|known| known != self.public()) {
            return Err(LedgerError::OtherKey {
                path: given_up::path(vault.keys(), number, KEY),
            });
        }
        tracing::warn!(path = %path.display(), "the public half of the signing key was gone, and is made again of the secret half");
        let public = self.public() + "\n";
        Ok(folder::keep(&path, public.as_bytes())?)
    }

    fn read_at(path: &Path) -> Result<Option<Self>, LedgerError> {
        match fs::read(path) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let seed =
                    <[u8; KEY_LEN]>::try_from(bytes.as_slice()).map_err(|_| LedgerError::Key {
                        path: path.to_owned(),
                    })?;
                Ok(Some(Self(SigningKey::from_bytes(&Zeroizing::new(seed)))))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(folder::unusable(path)(error).into()),
        }
    }

    fn make(keys: &Path) -> Result<Self, LedgerError> {
        // Two first accesses at one time must not make two keys.
        let _alone = alone(keys)?;
        if let Some(signer) = Self::read(keys)? {
            return Ok(signer);
        }
        if file::has_signed(keys) {
            return Err(LedgerError::KeyLost {
                path: given_up::path(keys, 1, KEY),
            });
        }
        Self::make_at(keys, 1)
    }

    /// Safe on disk when this returns, before anything is signed with it: what it signed shows that there was one.
    fn make_at(keys: &Path, number: usize) -> Result<Self, LedgerError> {
        let mut seed = Zeroizing::new([0; KEY_LEN]);
        SysRng
            .try_fill_bytes(seed.as_mut_slice())
            .map_err(|_| NameError::NoRandom)?;
        let key = SigningKey::from_bytes(&seed);
        let public = hex(key.verifying_key().as_bytes()) + "\n";
        folder::write_private(&given_up::path(keys, number, PUBLIC), public.as_bytes())?;
        folder::write_private(&given_up::path(keys, number, KEY), seed.as_slice())?;
        folder::sync_folder(keys)?;
        Ok(Self(key))
    }

    /// The key that is to take the place of the one of that number: made, or by a run that was stopped before it said so.
    pub(crate) fn next(keys: &Path, lost: usize) -> Result<Self, LedgerError> {
        match Self::read_at(&given_up::path(keys, lost + 1, KEY))? {
            Some(signer) => Ok(signer),
            None => Self::make_at(keys, lost + 1),
        }
    }

    /// Reads every key of a store that is there, by its number from 0, also those that were given up and turned up.
    pub(crate) fn all_there(vault: &Vault) -> Result<BTreeMap<usize, Self>, LedgerError> {
        let mut found = BTreeMap::new();
        for number in 0..=given_up::statements(vault.keys())?.len() {
            let path = given_up::path(vault.keys(), number + 1, KEY);
            if let Some(signer) = Self::read_at(&path)? {
                found.insert(number, signer);
            }
        }
        Ok(found)
    }

    /// Whether ledgers were signed, and the key that signs isn't there.
    pub(crate) fn is_lost(keys: &Path) -> Result<bool, LedgerError> {
        let (_, is_there) = Self::place(keys)?;
        Ok(!is_there && file::has_signed(keys))
    }

    /// The same, also where it is there and can't sign.
    pub(crate) fn is_missing(vault: &Vault) -> bool {
        match Self::read(vault.keys()) {
            Ok(Some(_)) => false,
            // Where nobody can tell, somebody has to look.
            Ok(None) => Self::is_lost(vault.keys()).unwrap_or(true),
            Err(_) => true,
        }
    }

    /// Where the key that signs lies, if it is there.
    pub(crate) fn place(keys: &Path) -> Result<(PathBuf, bool), LedgerError> {
        let number = given_up::statements(keys)?.len() + 1;
        let path = given_up::path(keys, number, KEY);
        let is_there = path.try_exists().map_err(folder::unusable(&path))?;
        Ok((path, is_there))
    }

    /// A name for something in a ledger: whoever has this key, and the thing, makes the same, and nobody else can tell what it is of.
    pub(crate) fn pseudonym(&self, of: &[&str]) -> [u8; PSEUDONYM_LEN] {
        let mut name = [0; PSEUDONYM_LEN];
        let parts = of
            .iter()
            .flat_map(|part| [b"\0".as_slice(), part.as_bytes()]);
        let info: Vec<&[u8]> = [b"vaxel pseudonym 1".as_slice()]
            .into_iter()
            .chain(parts)
            .collect();
        // 16 bytes is far below HKDF's limit of 255 hashes.
        let expanded =
            Hkdf::<Sha256>::new(None, self.0.as_bytes()).expand_multi_info(&info, &mut name);
        debug_assert!(expanded.is_ok());
        name
    }

    /// The public half, 64 hexadecimal digits.
    pub fn public(&self) -> String {
        hex(self.0.verifying_key().as_bytes())
    }

    /// A signature over the name of a ledger, or of something else in the store, and its last hash; 128 hexadecimal digits.
    pub(crate) fn sign(&self, ledger: &str, hash: &str) -> String {
        hex(&self.0.sign(&signed_bytes(ledger, hash)).to_bytes())
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.public())
    }
}

/// Keeps every other maker of a signing key out while it lives.
pub(crate) fn alone(keys: &Path) -> Result<fs::File, LedgerError> {
    let alone = fs::File::open(keys).and_then(|folder| folder.lock().map(|()| folder));
    Ok(alone.map_err(folder::unusable(keys))?)
}

/// The public half of the first key; `None` when nothing was ever signed, or it is gone.
pub(super) fn read_public(keys: &Path) -> Result<Option<VerifyingKey>, LedgerError> {
    let path = given_up::path(keys, 1, PUBLIC);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // What was signed shows whether it is the one: by another's no signature holds.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let signer = Signer::read_at(&given_up::path(keys, 1, KEY))?;
            if signer.is_some() {
                tracing::warn!(path = %path.display(), "it is gone: what is signed is checked with the secret half, and the next entry puts it back");
            }
            return Ok(signer.map(|signer| signer.0.verifying_key()));
        }
        Err(error) => return Err(folder::unusable(&path)(error).into()),
    };
    parse_public(text.trim())
        .map(Some)
        .ok_or(LedgerError::Key { path })
}

/// A public key from its hexadecimal digits.
pub(crate) fn parse_public(text: &str) -> Option<VerifyingKey> {
    let bytes = <[u8; KEY_LEN]>::try_from(unhex(text)?.as_slice()).ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

pub(super) fn is_signed(key: &VerifyingKey, ledger: &str, hash: &str, signature: &str) -> bool {
    let bytes = unhex(signature).and_then(|bytes| <[u8; 64]>::try_from(bytes.as_slice()).ok());
    bytes.is_some_and(|bytes| {
        key.verify_strict(&signed_bytes(ledger, hash), &Signature::from_bytes(&bytes))
            .is_ok()
    })
}

fn signed_bytes(ledger: &str, hash: &str) -> Vec<u8> {
    [CONTEXT, ledger.as_bytes(), b"\n", hash.as_bytes()].concat()
}
