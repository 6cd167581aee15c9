//! SIP, SDP, RTP and SIPREC: bytes to values and back, transactions and dialogs as state machines.
//!
//! This crate opens no socket, reads no clock and draws no random number. A driver feeds it bytes and
//! moments and carries out what it asks for, so two endpoints and a lossy network between them fit in one test.
//! It knows nothing of kommuner, queues or controllers: the programs translate.
//!
//! Start with [`sip::endpoint::Endpoint`].

pub mod auth;
mod base64;
pub mod g711;
pub mod pidf;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod siprec;
pub mod srtp;
pub mod time;
pub mod wav;
