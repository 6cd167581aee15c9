//! Speech that an encoder of others made, recorded by SIPREC, and read by a decoder of others (Debian's opus-tools).

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{Bench, Client, level, metadata, tag, tone};
use wire::{
    rtp::Sender,
    sdp::{Codec, Direction},
    sip::endpoint::TransportKind,
};

const RATE: u32 = 8000;
const SECONDS: usize = 3;
const OPUS: u8 = 111;

/// Runs a program to its end; what it said.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; tests/install-peers"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A tone as packets of 20 ms from `opusenc`.
fn packets(place: &Path, hertz: f64) -> Vec<Vec<u8>> {
    let (wav, opus): (PathBuf, PathBuf) = (place.join("in.wav"), place.join("in.opus"));
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(&wav, spec).expect("ours");
    for sample in tone(hertz, 0, SECONDS * RATE as usize) {
        file.write_sample(sample).expect("written");
    }
    file.finalize().expect("written");
    run(
        "opusenc",
        &[
            "--quiet",
            "--framesize",
            "20",
            "--bitrate",
            "24",
            text(&wav),
            text(&opus),
        ],
    );
    let file = fs::read(opus).expect("there");
    let (mut rest, mut found, mut packet) = (file.as_slice(), Vec::new(), Vec::new());
    while !rest.is_empty() {
        let count = usize::from(rest[26]);
        let mut body = &rest[27 + count..];
        for length in &rest[27..27 + count] {
            let (here, after) = body.split_at(usize::from(*length));
            packet.extend_from_slice(here);
            body = after;
            if *length < 255 {
                found.push(std::mem::take(&mut packet));
            }
        }
        rest = body;
    }
    // After head and tags.
    found.split_off(2)
}

#[tokio::test]
async fn what_opusenc_made_and_siprec_carried_opusdec_plays() {
    let bench = Bench::start().await;
    let place = tempfile::tempdir().expect("a folder");
    let mut client = Client::new();
    let mut offer = client.offer(Direction::SendOnly);
    for stream in &mut offer.streams {
        stream.codecs = vec![Codec {
            channels: 2,
            ..Codec::new(OPUS, "opus", 48_000)
        }];
    }
    let to = bench.handle.sip_addr();
    let recording = client
        .record_as(to, TransportKind::Udp, &offer, &metadata(&tag()))
        .await
        .expect("accepted");
    let tones = [1000.0, 400.0];
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(5));
    let [caller, nurse] = tones.map(|hertz| packets(place.path(), hertz));
    let mut senders = [1, 2].map(|ssrc| Sender::new(OPUS, ssrc, 1, 1));
    for (number, (caller, nurse)) in caller.iter().zip(&nurse).enumerate() {
        let spoken = [caller, nurse].into_iter().zip(&mut senders);
        for (stream, (packet, sender)) in spoken.enumerate() {
            let mut datagram = Vec::new();
            sender.next(packet, 960, false, &mut datagram);
            // The nurse's thirtieth to fortieth are lost.
            if stream == 0 || !(30..40).contains(&number) {
                client.send_datagram(&recording, stream, &datagram);
            }
        }
        // Not more at once than a socket holds.
        pace.tick().await;
    }
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let row = bench.row();
    assert_eq!((row.packets_lost, row.gaps), (Some(10), Some(1)));
    let out = place.path().join("out.opus");
    bench
        .store()
        .export(&row.id, &out, &common::asker())
        .expect("exports");
    let said = run("opusinfo", &[text(&out)]);
    assert!(said.contains("CONTROLLER=region-01"), "{said}");
    let (warnings, lower) = (["warning", "error", "hole", "corrupt"], said.to_lowercase());
    assert!(!warnings.iter().any(|word| lower.contains(word)), "{said}");
    let heard = place.path().join("heard.wav");
    run(
        "opusdec",
        &["--quiet", "--rate", "8000", text(&out), text(&heard)],
    );
    let wav = hound::WavReader::open(heard).expect("a sound file");
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, RATE));
    let all: Vec<i16> = wav.into_samples().map(|one| one.expect("whole")).collect();
    let (left, right): (Vec<i16>, Vec<i16>) =
        all.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    let end = left.len() - 8000..left.len() - 2000;
    for (side, own, other) in [(&left, 1000.0, 400.0), (&right, 400.0, 1000.0)] {
        let (own, other) = (
            level(&side[end.clone()], own),
            level(&side[end.clone()], other),
        );
        assert!(own > 5000.0 && other < 500.0, "{own} {other}");
    }
    bench.handle.stop().await;
}
