//! The SIPREC recording server: audio to vault as it arrives, index, export.
//!
//! No audio reaches the disk unencrypted or untagged (invariant 3). It never opens a call of its own and shares nothing
//! with the gateway but the wire.

pub mod export;
pub mod index;
pub mod monitor;
pub mod names;
pub mod tally;
pub mod vault;
