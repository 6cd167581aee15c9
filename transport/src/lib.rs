//! The shell round [`wire`]: tokio sockets and timers.
//!
//! Everything that decides lives in `wire`; this crate only moves bytes, tells the time and draws random numbers.
//! Start with [`SipDriver`] for signalling and [`media::RtpPorts`] for audio.

mod bind;
pub mod certificates;
mod link;
pub mod media;
mod sip;

pub use bind::{BindError, Protocol};
pub use sip::SipDriver;
