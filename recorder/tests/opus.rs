//! An Opus stream (RFC 7587): offered alone or beside G.711, stored as it comes, given out as Ogg.

mod common;

use common::{Bench, Client, Recording, metadata, tag};
use wire::{
    rtp::Sender,
    sdp::{Codec, Description, Direction},
    sip::{endpoint::TransportKind, message::StatusCode},
};

const OPUS: u8 = 96;
/// 20 ms of SILK: its frame is nobody's voice.
const SPOKEN: [u8; 6] = [0x48, 1, 2, 3, 4, 5];

/// Two streams with these codecs each.
fn offer(client: &Client, codecs: [Vec<Codec>; 2]) -> Description {
    let mut offer = client.offer(Direction::SendOnly);
    for (stream, codecs) in offer.streams.iter_mut().zip(codecs) {
        stream.codecs = codecs;
    }
    offer
}

fn opus() -> Codec {
    Codec {
        channels: 2,
        fmtp: Some("usedtx=1;stereo=0".into()),
        ..Codec::new(OPUS, "opus", 48_000)
    }
}

async fn record(client: &mut Client, bench: &Bench, codecs: [Vec<Codec>; 2]) -> Recording {
    let offer = offer(client, codecs);
    let to = bench.handle.sip_addr();
    client
        .record_as(to, TransportKind::Tcp, &offer, &metadata(&tag()))
        .await
        .expect("accepted")
}

/// Sends packets of 20 ms; those whose number is in `lost` don't come.
fn send(client: &Client, recording: &Recording, stream: usize, packets: u64, lost: &[u64]) {
    let mut sender = Sender::new(OPUS, 50 + stream as u32, 1, 77);
    let mut datagram = Vec::new();
    for number in 0..packets {
        sender.next(&SPOKEN, 960, false, &mut datagram);
        if !lost.contains(&number) {
            client.send_datagram(recording, stream, &datagram);
        }
    }
}

#[tokio::test]
async fn opus_is_stored_as_it_comes_and_comes_out_as_ogg() {
    let bench = Bench::start().await;
    // First in the offer, so it is meant; G.711 beside it is for those who can't.
    for beside in [vec![opus()], vec![opus(), Codec::pcma()]] {
        let mut client = Client::new();
        let recording = record(&mut client, &bench, [beside.clone(), beside]).await;
        let answered = &recording.answer.streams[0].codecs;
        assert_eq!(
            (answered.len(), answered[0].payload_type, &*answered[0].name),
            (1, OPUS, "opus")
        );
        send(&client, &recording, 0, 50, &[20, 21]);
        send(&client, &recording, 1, 30, &[]);
        client.bye(recording).await;
    }
    bench.until_recorded(2).await;
    for row in bench.rows() {
        assert_eq!(
            (row.packets, row.packets_lost, row.gaps),
            (Some(78), Some(2), Some(1))
        );
        let store = bench.store();
        let shown = store.show(&row.id, &common::asker()).expect("opens");
        assert!(
            shown
                .files
                .iter()
                .all(|file| file.codec == "opus" && file.condition == "whole")
        );
        let out = bench.place.path().join("out.wav");
        let exported = store
            .export(&row.id, &out, &common::asker())
            .expect("exports");
        assert_eq!(
            (exported.packets, exported.packets_lost, exported.streams),
            (78, 2, 2)
        );
        let [file] = &exported.files[..] else {
            panic!("{exported:?}");
        };
        assert!(file.ends_with("out.opus") && !out.exists());
        let bytes = std::fs::read(file).expect("there");
        assert!(bytes.starts_with(b"OggS") && contains(&bytes, b"OpusTags"));
        assert!(contains(&bytes, &SPOKEN), "as it came");
    }
    // Encrypted on the disk, like any audio.
    let found = recorder::check::check(
        None,
        &recorder::check::Targets {
            store: Some(bench.place.path().join("store")),
            keys: Some(bench.place.path().join("keys")),
            ..Default::default()
        },
    );
    assert_eq!(found.findings, []);
    bench.handle.stop().await;
}

#[tokio::test]
async fn one_side_in_g711_and_the_other_in_opus_are_heard_in_one_file() {
    let bench = Bench::start().await;
    let mut client = Client::new();
    let codecs = [vec![Codec::pcma()], vec![opus()]];
    let recording = record(&mut client, &bench, codecs).await;
    client.send(&recording, 0, 1000.0, 50);
    let mut sender = Sender::new(OPUS, 51, 1, 77);
    let mut datagram = Vec::new();
    for packet in spoken(50, 500.0) {
        sender.next(&packet, 960, false, &mut datagram);
        client.send_datagram(&recording, 1, &datagram);
    }
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let (store, row) = (bench.store(), bench.row());
    let out = bench.place.path().join("out");
    let exported = store
        .export(&row.id, &out, &common::asker())
        .expect("exports");
    assert_eq!(exported.files, [out.with_extension("wav")]);
    assert_eq!(
        (exported.packets, exported.streams, exported.whole),
        (100, 2, true)
    );
    let wav = hound::WavReader::open(&exported.files[0]).expect("a sound file");
    let samples: Vec<i16> = wav.into_samples().map(|one| one.expect("whole")).collect();
    let last = |channel: usize| -> Vec<i16> {
        let of = samples.iter().skip(channel).step_by(2);
        let of: Vec<i16> = of.copied().collect();
        of[of.len() - 4000..].to_vec()
    };
    assert!(
        common::level(&last(0), 1000.0) > 7000.0,
        "the caller on the left"
    );
    let right = last(1);
    let (tone, other) = (common::level(&right, 500.0), common::level(&right, 1000.0));
    assert!(
        tone > 5000.0 && other < 500.0,
        "the nurse on the right: {tone} {other}"
    );
    bench.handle.stop().await;
}

/// Packets of 20 ms of a tone, as a telephone codes it.
fn spoken(packets: usize, hertz: f64) -> Vec<Vec<u8>> {
    let application = opus_rs::Application::Voip;
    let mut encoder = opus_rs::OpusEncoder::new(16_000, 1, application).expect("known");
    let packet = |number: usize| {
        let angle = |at: usize| std::f64::consts::TAU * hertz * at as f64 / 16_000.0;
        let samples: Vec<f32> = (320 * number..320 * (number + 1))
            .map(|at| 0.25 * angle(at).sin() as f32)
            .collect();
        let mut packet = vec![0; 400];
        let length = encoder.encode(&samples, 320, &mut packet).expect("fits");
        packet.truncate(length);
        packet
    };
    (0..packets).map(packet).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// What came by another number would be taken for no audio: the client is told, and goes on by the old one.
#[tokio::test]
async fn a_stream_keeps_its_payload_type() {
    let bench = Bench::start().await;
    let mut client = Client::new();
    let recording = record(&mut client, &bench, [vec![opus()], vec![opus()]]).await;
    let renumbered = Codec {
        payload_type: OPUS + 1,
        ..opus()
    };
    let other = offer(&client, [vec![renumbered], vec![opus()]]);
    let refused = client.change_to(&recording, &other).await;
    assert_eq!(refused.err(), Some(StatusCode::NOT_ACCEPTABLE_HERE));
    send(&client, &recording, 0, 10, &[]);
    client.bye(recording).await;
    bench.until_recorded(1).await;
    assert_eq!(bench.row().packets, Some(10));
    bench.handle.stop().await;
}
