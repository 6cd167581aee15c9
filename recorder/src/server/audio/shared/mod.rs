//! Ports that many streams share. Each says in its offer by which number (SSRC) its packets are known (RFC 5576), so that one
//! socket serves them all, and one look at it brings a run of packets.
//!
//! [`allot`] gives out the places, for whoever answers offers; [`table`] tells the streams of one port apart and drives each;
//! [`thread`] has the sockets, and lets what came gather in [`arrivals`]. Who shares no such number has a port and a task of its own ([`media`](super::media)).

mod allot;
mod arrivals;
mod table;
#[cfg(test)]
mod tests;
mod thread;

pub(in crate::server) use allot::{Claim, Seat, SharedPorts};
pub(in crate::server) use table::Key;
