//! Any script that a peer and an application may play together ([`script`]), and those that once found something.

mod script;
mod sip_net;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn sessions_end_once_and_leave_nothing_whatever_the_peer_says(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        script::play(&bytes);
    }
}

/// An UPDATE that is being decided on when its call ends, as nobody acknowledges a reliable response: it was never answered, nor forgotten.
#[test]
fn what_is_asked_before_a_call_that_comes_to_nothing_is_answered() {
    script::play(&[
        0x30, 0x58, 0x4e, 0x4f, 0x54, 0x59, 0x3f, 0x34, 0x3c, 0x9a, 0xca, 0x07, 0x3f, 0x36, 0xa4,
        0x1c, 0xd8, 0x1a, 0x57, 0x57,
    ]);
}
