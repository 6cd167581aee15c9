//! Whatever datagrams come, a receiver takes them.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use wire::{
    rtp::{Packet, Receiver, ToneEvent, control::Told},
    time::Time,
};

fuzz_target!(|bytes: &[u8]| {
    let _ = Told::read(bytes, 7);
    let mut receiver = Receiver::new(8000);
    for (number, datagram) in (0_u64..).zip(bytes.chunks(40)) {
        if let Ok(packet) = Packet::parse(datagram) {
            receiver.receive(Time(Duration::from_millis(20 * number)), &packet);
            let _ = ToneEvent::parse(packet.payload);
        }
    }
});
