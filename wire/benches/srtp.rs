//! A packet of 20 ms closed and opened again: what encryption costs each leg of a call.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use wire::{
    rtp::Sender,
    srtp::{Crypto, MasterKey, Opener, Sealer, Suite},
};

fn packets(bench: &mut Criterion) {
    let line = Crypto::new(
        1,
        Suite::AesCm128HmacSha1_80,
        MasterKey::new([7; MasterKey::LEN]),
    );
    let mut stream = Sender::new(8, 1, 0, 0);
    let mut plain = || {
        let mut packet = Vec::with_capacity(200);
        stream.next(&[0x55; 160], 160, false, &mut packet);
        packet
    };
    let mut sealer = Sealer::new(&line);
    bench.bench_function("seal 20 ms", |b| {
        b.iter_batched_ref(
            &mut plain,
            |packet| sealer.seal(black_box(packet)).is_ok(),
            BatchSize::SmallInput,
        );
    });
    // Its own counters: what is opened must come in order.
    let (mut sealer, mut opener) = (Sealer::new(&line), Opener::new(line));
    let mut sealed = || {
        let mut packet = plain();
        let _ = sealer.seal(&mut packet);
        packet
    };
    bench.bench_function("open 20 ms", |b| {
        b.iter_batched_ref(
            &mut sealed,
            |packet| opener.open(black_box(packet)).is_ok(),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, packets);
criterion_main!(benches);
