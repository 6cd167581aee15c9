//! However a stream is cut, the same frames come out, and what is held is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::sip::stream::Framer;

fn frames(bytes: &[u8], cut: usize) -> (usize, usize) {
    let (mut good, mut bad) = (0, 0);
    let mut framer = Framer::default();
    for piece in bytes.chunks(cut) {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            match frame {
                Ok(_) => good += 1,
                Err(_) => bad += 1,
            }
        }
    }
    (good, bad)
}

fuzz_target!(|bytes: &[u8]| {
    let whole = frames(bytes, bytes.len().max(1));
    assert_eq!(whole, frames(bytes, 7));
});
