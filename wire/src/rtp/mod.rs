//! RTP: audio in packets (RFC 3550), its payload types for telephony (RFC 3551, RFC 4733).

pub mod control;
mod event;
mod packet;
mod receiver;

pub use event::ToneEvent;
pub use packet::{HEADER_LEN, Packet, PacketError, Sender, is_rtcp};
pub(crate) use packet::{body_offset, fixed_header};
pub use receiver::{Arrival, Receiver, Stats};

/// µ-law audio.
pub const PCMU: u8 = 0;
/// A-law audio.
pub const PCMA: u8 = 8;
/// Key presses (RFC 4733) by the dynamic payload type that nearly everyone uses, and that we offer.
pub const TELEPHONE_EVENT: u8 = 101;
/// Samples a second of all three.
pub const CLOCK_RATE: u32 = 8000;
/// Samples in the 20 ms that a packet usually holds.
pub const SAMPLES_PER_PACKET: usize = 160;
