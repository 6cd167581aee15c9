//! Whatever bytes come, they are a SIP message that prints itself the same twice, or refused.
//!
//! `cd wire && cargo +nightly fuzz run message fuzz/corpus/message tests/torture`
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::sip::message::Message;

fuzz_target!(|bytes: &[u8]| {
    match Message::parse(bytes) {
        Ok(message) => {
            let printed = message.to_bytes();
            let again = Message::parse(&printed).expect("what was printed can be read");
            assert_eq!(again.to_bytes(), printed);
        }
        Err(error) => drop(error.bad_request().map(|response| response.to_bytes())),
    }
});
