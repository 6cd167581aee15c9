//! A peer and an application that play a script against the SIP endpoint: dialogs, reliable responses, session timers, transfers.
//!
//! `cd wire && cargo +nightly fuzz run dialog`
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/script/mod.rs"]
mod script;
#[path = "../../tests/sip_net/mod.rs"]
mod sip_net;

fuzz_target!(|bytes: &[u8]| script::play(bytes));
