//! Values of SIP header fields, and the place that a caller's network tells (PIDF-LO).
//!
//! `cd wire && cargo +nightly fuzz run header`
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{
    pidf,
    sip::{
        header::{CSeq, MediaType, NameAddr, Via},
        message::split_list,
    },
};

fuzz_target!(|bytes: &[u8]| {
    let _ = pidf::municipalities(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for text in split_list(text) {
        if let Ok(via) = Via::parse(text) {
            assert!(Via::parse(&via.to_string()).is_ok());
        }
        if let Ok(address) = NameAddr::parse(text) {
            let printed = address.to_string();
            assert!(!printed.contains(['\r', '\n']));
            assert!(NameAddr::parse(&printed).is_ok());
        }
        let _ = (CSeq::parse(text), MediaType::parse(text));
    }
});
