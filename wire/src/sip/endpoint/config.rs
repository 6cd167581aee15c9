//! What an endpoint is told about itself.

use std::{net::SocketAddr, time::Duration};

use super::local::LocalAddress;

/// What this endpoint is and how much it will hold.
#[derive(Debug, Clone)]
pub struct Config {
    /// The addresses it names in Via and Contact, one for each network it is in: at least one.
    pub locals: Vec<LocalAddress>,
    /// The same for WebSocket, wherever it comes in.
    pub advertised_ws: Option<SocketAddr>,
    /// The user part of its Contact, such as `1177`.
    pub contact_user: Box<str>,
    /// `User-Agent` and `Server`.
    pub product: Box<str>,
    /// Sessions held at once; the next INVITE is answered 503 with Retry-After.
    pub sessions_max: usize,
    /// T1, the round-trip estimate (RFC 3261 section 17.1.1.1).
    pub t1: Duration,
    /// Sends every UDP request that is over 1300 bytes by TCP instead, and by UDP after all when no connection can be
    /// had (RFC 3261 section 18.1.1).
    pub tcp_when_large: bool,
    /// Extensions understood by the user of the endpoint, such as `siprec`: named in `Supported`, and accepted in
    /// `Require` (RFC 3261 section 8.2.2.3).
    pub supported: Vec<Box<str>>,
    /// REGISTER is given to the user of the endpoint; else it is refused with 405.
    pub registrar: bool,
    /// Reliable provisional responses (RFC 3262): announced, sent to callers who ask for them, acknowledged.
    pub reliable: bool,
    /// Session timers (RFC 4028); `None`: neither asked for nor kept.
    pub session_timer: Option<SessionTimer>,
    /// REFER inside sessions (RFC 3515) and INVITE with Replaces (RFC 3891).
    pub transfers: bool,
    /// Makes tags, branches and Call-IDs hard to guess; from the driver's random source. Whoever knows it can guess
    /// them all.
    pub seed: [u8; 32],
}

impl Config {
    /// An element at this address, with the RFC's own timers and room for 60 000 sessions.
    pub fn default_for(advertised: SocketAddr, seed: [u8; 32]) -> Self {
        Self {
            locals: vec![LocalAddress::plain(advertised)],
            advertised_ws: None,
            contact_user: "vaxel".into(),
            product: concat!("vaxel/", env!("CARGO_PKG_VERSION")).into(),
            sessions_max: 60_000,
            t1: Duration::from_millis(500),
            tcp_when_large: true,
            supported: Vec::new(),
            registrar: false,
            reliable: false,
            session_timer: None,
            transfers: false,
            seed,
        }
    }
}

/// How long a session lives without a sign of life (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimer {
    /// What is asked for, and the most that is granted.
    pub expires: Duration,
    /// The least that is granted: a peer that wants to be asked more often is told 422.
    pub min: Duration,
}
