//! Audio that comes encrypted (SRTP, RFC 7866 section 12.2), by ports of its own and by shared ones.

mod common;

use callcore::scenario::Srtp;
use common::{Bench, Client, Recording, export, level, metadata, tag};
use wire::{
    rtp::Sender,
    sdp::{Direction, PLAIN_RTP, SECURE_RTP, Stream},
    sip::{endpoint::TransportKind, message::StatusCode},
};

const DROPPED: &str = "vaxel_recorder_datagrams_dropped_total";

/// A client on ports of its own, and one on a shared port.
fn clients() -> [Client; 2] {
    [Client::new(), Client::sharing(1)].map(|client| client.encrypting(1))
}

async fn record(bench: &Bench, client: &mut Client) -> Result<Recording, StatusCode> {
    let (to, by) = (bench.handle.sip_addr(), TransportKind::Tcp);
    client.record(to, by, &metadata(&tag())).await
}

/// Each stream has a tone of its own.
fn speak(client: &mut Client, recording: &Recording, packets: usize) {
    for (stream, hertz) in [(0, 440.0), (1, 1000.0)] {
        client.send(recording, stream, hertz, packets);
    }
}

/// Every recording has both tones, each in its channel.
fn hear(bench: &Bench) {
    for row in bench.rows() {
        let (caller, nurse) = export(&bench.store(), &bench.place, &row.id);
        assert!(level(&caller, 440.0) > 5000.0 && level(&nurse, 1000.0) > 5000.0);
    }
}

#[tokio::test]
async fn what_is_said_is_recorded_and_each_stream_answered_with_a_key_of_its_own() {
    let bench = Bench::start().await;
    for mut client in clients() {
        let recording = record(&bench, &mut client).await.expect("accepted");
        let streams = &recording.answer.streams;
        assert!(streams.iter().all(|stream| &*stream.protocol == SECURE_RTP));
        let keys = [0, 1].map(|place| streams[place].crypto[0].key.clone());
        assert_ne!(keys[0], keys[1]);
        let offered = client.offer(Direction::SendOnly).streams;
        let theirs = offered.iter().flat_map(|stream| &stream.crypto);
        assert!(theirs.into_iter().all(|line| !keys.contains(&line.key)));
        speak(&mut client, &recording, 50);
        client.bye(recording).await;
    }
    bench.until_recorded(2).await;
    assert!(
        bench
            .rows()
            .iter()
            .all(|row| (row.packets, row.packets_lost) == (Some(100), Some(0)))
    );
    hear(&bench);
    let began = bench.metric("vaxel_recorder_streams_total", &["srtp"]);
    assert!((began - 4.0).abs() < 0.5, "{began}");
    bench.handle.stop().await;
}

#[tokio::test]
async fn what_is_not_closed_by_the_streams_key_is_counted_and_never_stored() {
    let bench = Bench::start().await;
    for mut client in clients() {
        let recording = record(&bench, &mut client).await.expect("accepted");
        let ssrc = recording_ssrc(&client);
        // Before anything true was heard, and amid it.
        for first in [7, 1000] {
            let mut plain = Vec::new();
            let mut sender = Sender::new(8, ssrc, first, 1_000_000);
            for _ in 0..5 {
                sender.next(&[0x55; 160], 160, false, &mut plain);
                client.send_datagram(&recording, 0, &plain);
            }
            speak(&mut client, &recording, 10);
        }
        let again = client.next_datagram(0, &[0x55; 160]);
        client.send_datagram(&recording, 0, &again);
        client.send_datagram(&recording, 0, &again);
        client.bye(recording).await;
    }
    bench.until_recorded(2).await;
    assert!(
        bench.rows().iter().all(|row| row.packets == Some(41)),
        "{:?}",
        bench.rows()
    );
    hear(&bench);
    let dropped = ["unauthenticated", "replayed"].map(|reason| bench.metric(DROPPED, &[reason]));
    assert!(
        (dropped[0] - 20.0).abs() < 0.5 && (dropped[1] - 2.0).abs() < 0.5,
        "{dropped:?}"
    );
    bench.handle.stop().await;
}

/// What the packets of a client's first stream carry.
fn recording_ssrc(client: &Client) -> u32 {
    let offer = client.offer(Direction::SendOnly);
    offer.streams[0]
        .sources
        .first()
        .map_or(100, |source| source.ssrc)
}

#[tokio::test]
async fn hold_keeps_the_key_and_a_new_one_counts_from_its_offer_on() {
    let bench = Bench::start_with(|options| options.segments_max = 1).await;
    for mut client in clients() {
        let recording = record(&bench, &mut client).await.expect("accepted");
        speak(&mut client, &recording, 20);
        client.change(&recording, Direction::Inactive).await;
        client.change(&recording, Direction::SendOnly).await;
        speak(&mut client, &recording, 20);
        client = client.encrypting(100);
        client.change(&recording, Direction::SendOnly).await;
        speak(&mut client, &recording, 20);
        client.bye(recording).await;
    }
    bench.until_recorded(2).await;
    assert!(
        bench.rows().iter().all(|row| row.packets == Some(120)),
        "{:?}",
        bench.rows()
    );
    hear(&bench);
    bench.handle.stop().await;
}

#[tokio::test]
async fn keys_beside_plain_rtp_are_taken_unless_encryption_is_off() {
    for (srtp, encrypted) in [(None, true), (Some(Srtp::Off), false)] {
        let bench = Bench::start_with(|options| options.srtp = srtp).await;
        let mut client = Client::new().encrypting(1);
        let mut offer = client.offer(Direction::SendOnly);
        for stream in &mut offer.streams {
            stream.protocol = PLAIN_RTP.into();
        }
        let (to, by) = (bench.handle.sip_addr(), TransportKind::Udp);
        let made = client.record_as(to, by, &offer, &metadata(&tag())).await;
        let recording = made.expect("accepted");
        let took = |stream: &Stream| (&*stream.protocol == PLAIN_RTP, !stream.crypto.is_empty());
        let taken = recording.answer.streams.iter().map(took);
        assert_eq!(taken.collect::<Vec<_>>(), [(true, encrypted); 2]);
        if encrypted {
            speak(&mut client, &recording, 50);
            client.bye(recording).await;
            bench.until_recorded(1).await;
            hear(&bench);
        } else {
            // Only keys: there is nothing to agree on.
            let refused = record(&bench, &mut client).await;
            assert_eq!(refused.err(), Some(StatusCode::NOT_ACCEPTABLE_HERE));
        }
        bench.handle.stop().await;
    }
}

#[tokio::test]
async fn plain_audio_is_refused_where_encryption_is_demanded() {
    let bench = Bench::start_with(|options| options.srtp = Some(Srtp::Require)).await;
    let refused = record(&bench, &mut Client::new()).await;
    assert_eq!(refused.err(), Some(StatusCode::NOT_ACCEPTABLE_HERE));
    let mut client = Client::sharing(1).encrypting(1);
    let recording = record(&bench, &mut client).await.expect("accepted");
    speak(&mut client, &recording, 10);
    // Nor may it become plain: what there is goes on.
    let mut offer = client.offer(Direction::SendOnly);
    offer.streams[1].protocol = PLAIN_RTP.into();
    offer.streams[1].crypto.clear();
    let refused = client.change_to(&recording, &offer).await;
    assert_eq!(refused.err(), Some(StatusCode::NOT_ACCEPTABLE_HERE));
    speak(&mut client, &recording, 10);
    client.bye(recording).await;
    bench.until_recorded(1).await;
    assert_eq!(bench.row().packets, Some(40));
    let refused = bench.metric("vaxel_recorder_refused_total", &["srtp"]);
    assert!((refused - 1.0).abs() < 0.5, "{refused}");
    bench.handle.stop().await;
}
