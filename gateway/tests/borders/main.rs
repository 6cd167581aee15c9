//! The switch's borders, live: what comes in by its sockets from phones, trunks, strangers and attackers.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod attacks;
mod injected;
mod named;
mod phones;
mod rig;
mod secure;
mod silence;
mod torture;
mod trunk;
