//! Whatever bytes come, they are recording metadata or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::siprec::Metadata;

fuzz_target!(|bytes: &[u8]| {
    let _ = Metadata::parse(bytes);
});
