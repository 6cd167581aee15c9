//! The SIPREC recording server: audio to vault as it arrives, index, export.
//!
//! No audio reaches the disk unencrypted or untagged (invariant 3). It never opens a call of its own and shares nothing
//! with the gateway but the wire.
//!
//! Commands start at [`store::open_existing`].

pub mod access;
pub mod api;
mod archive;
pub mod backup;
mod board;
pub mod check;
pub mod credentials;
pub mod envelope;
pub mod export;
pub mod gallring;
pub mod handover;
pub mod index;
pub mod ledger;
pub mod lost;
mod moment;
pub mod monitor;
pub mod names;
mod opus;
pub mod place;
pub mod reconcile;
pub mod recover;
pub mod rotate;
mod server;
pub mod store;
pub mod tally;
mod text;
pub mod uttag;
pub mod vault;
pub mod vcon;

pub use server::{
    ASK_AFTER, Options, RECORDINGS_MAX, RTP_PORTS, Recorder, RecorderError, RecorderHandle,
    RefusalReason, SPOOL_BYTES_MAX, Untagged,
};
