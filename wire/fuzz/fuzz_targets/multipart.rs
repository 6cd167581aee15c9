//! Whatever bytes come, they are split into parts or refused. The first line is the Content-Type.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let cut = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (kind, body) = bytes.split_at(cut);
    if let Ok(kind) = std::str::from_utf8(kind) {
        let _ = wire::siprec::split(kind, body);
    }
    let _ = wire::siprec::split("multipart/mixed;boundary=b", bytes);
});
