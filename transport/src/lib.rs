//! The shell round [`wire`]: tokio sockets and timers.
//!
//! Everything that decides lives in `wire`; this crate only moves bytes, tells the time and draws random numbers.
//! Start with [`SipDriver`] for signalling and [`media::RtpPorts`] for audio.

mod alarm;
pub mod batch;
mod bind;
pub mod buckets;
pub mod certificates;
mod datagrams;
mod guard;
pub mod handed;
pub mod handshake;
mod identity;
mod inbox;
pub mod letter;
mod link;
mod listen;
pub mod media;
pub mod mutual;
mod open;
mod routes;
pub mod shared;
mod sip;
mod streams;
mod tasks;
mod web_socket;

pub use alarm::Alarm;
pub use bind::{BindError, Protocol};
pub use guard::{Limits, Networks, Refusals};
pub use listen::{Listen, TlsListen};
pub use sip::SipDriver;
pub use tokio_rustls::rustls::ClientConfig as TlsClient;
pub use web_socket::{DoorClosed, FRAME_LEN_MAX, FramesIn, FramesOut, SUBPROTOCOL, WebSocketDoor};
