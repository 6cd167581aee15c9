//! SRTP (RFC 3711) with keys from the session description (SDES, RFC 4568).
//!
//! A [`Crypto`] is one `a=crypto` line: a [`Suite`] and the [`MasterKey`] by which its writer encrypts. What comes is opened
//! by an [`Opener`] of the peer's line, what goes is closed by a [`Sealer`] of ours: each direction has its own.
//!
//! The ciphers are the `webrtc-srtp` crate's. The lines travel in SIP: who can read that can listen.

mod context;
mod crypto;
mod key;

pub use context::{OpenError, Opener, SealError, Sealer};
pub use crypto::{Crypto, CryptoError, LINES_MAX, Srtp, Suite};
pub use key::MasterKey;
