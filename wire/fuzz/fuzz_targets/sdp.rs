//! Whatever bytes come, they are a session description or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::sdp::Description;

fuzz_target!(|bytes: &[u8]| {
    let _ = Description::parse(bytes);
});
