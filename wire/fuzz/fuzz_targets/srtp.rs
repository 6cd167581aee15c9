//! Whatever datagrams come, they are opened or refused; whatever line comes, it is a key or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::srtp::{Crypto, MasterKey, Opener, Suite};

fuzz_target!(|bytes: &[u8]| {
    let named = "7 AES_CM_128_HMAC_SHA1_32 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|1:2";
    let plain = Crypto::new(
        1,
        Suite::AesCm128HmacSha1_80,
        MasterKey::new([7; MasterKey::LEN]),
    );
    for line in [Some(plain), Crypto::parse(named).ok()].into_iter().flatten() {
        let mut opener = Opener::new(line);
        for datagram in bytes.to_vec().chunks_mut(60) {
            let _ = opener.open(datagram);
            let _ = opener.open_control(datagram);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Crypto::parse(text);
    }
});
