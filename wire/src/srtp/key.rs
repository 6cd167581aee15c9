//! The secret of one direction.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::base64;

/// Bytes of an AES-128 key.
const KEY_LEN: usize = 16;
/// Bytes of the salt that goes with it.
const SALT_LEN: usize = 14;

/// A master key and its master salt (RFC 4568 section 6.1). It is never printed, and wiped when dropped; what is derived from
/// it lives as long as the call, in the cipher.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; Self::LEN]);

impl MasterKey {
    /// Bytes of key and salt together.
    pub const LEN: usize = KEY_LEN + SALT_LEN;

    /// From bytes that nobody can guess: they are to be random, and used for one direction of one call.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(super) fn parse(base64: &str) -> Option<Self> {
        base64::decode(base64).map(Self)
    }

    pub(super) fn write(&self) -> String {
        base64::encode(&self.0)
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.0[..KEY_LEN]
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.0[KEY_LEN..]
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(secret)")
    }
}
