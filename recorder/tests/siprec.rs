//! The recorder as a recording client meets it: SIPREC and RTP in, an exported sound file out.

mod common;

use std::{net::UdpSocket, time::Duration};

use common::{Bench, CALLER, CONTROLLER, Client, export, level, metadata, start_in, store_in, tag};
use recorder::{Options, RecorderError, store::Filter, vault::VaultError};
use wire::{
    sdp::Direction,
    sip::{
        endpoint::TransportKind,
        message::{Headers, StatusCode},
    },
};

#[tokio::test]
async fn tones_come_out_in_their_channels() {
    for by in [TransportKind::Udp, TransportKind::Tcp] {
        let bench = Bench::start().await;
        let (mut client, recording) = bench.client(by).await;
        let labels: Vec<_> = recording
            .answer
            .streams
            .iter()
            .map(|stream| stream.label.as_deref())
            .collect();
        assert_eq!(labels, [Some("1"), Some("2")]);
        assert!(
            recording
                .answer
                .streams
                .iter()
                .all(|stream| stream.direction == Direction::RecvOnly)
        );

        client.send(&recording, 0, 1000.0, 50);
        client.send(&recording, 1, 400.0, 50);
        client.bye(recording).await;
        bench.until_recorded(1).await;

        let store = bench.store();
        let row = store.list(&Filter::default()).expect("listed").remove(0);
        assert_eq!(
            (row.state, &*row.controller, row.packets, row.packets_lost),
            ("closed", CONTROLLER, Some(100), Some(0))
        );
        let (left, right) = export(&store, &bench.place, &row.id);
        assert!(left.len() >= 8000, "{} samples", left.len());
        // The tones begin where the packets came, a moment after the recording did.
        let begin = left.len() - 7000;
        let (left, right) = (&left[begin..begin + 4000], &right[begin..begin + 4000]);
        assert!(level(left, 1000.0) > 7000.0 && level(left, 400.0) < 200.0);
        assert!(level(right, 400.0) > 6000.0 && level(right, 1000.0) < 400.0);
        bench.handle.stop().await;
    }
}

#[tokio::test]
async fn the_whole_tag_is_stored_and_no_number_is() {
    let bench = Bench::start().await;
    let (mut client, recording) = bench.client(TransportKind::Tcp).await;
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let store = bench.store();
    let id = store.list(&Filter::default()).expect("listed").remove(0).id;
    let shown = store.show(&id, &common::asker()).expect("opens");
    let fields: Vec<_> = shown
        .tag
        .iter()
        .map(|field| (field.name, field.text.clone()))
        .collect();
    assert_eq!(fields, tag().fields());
    bench.handle.stop().await;
    let mut folders = vec![bench.place.path().to_owned()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("readable");
            let digits = CALLER.trim_start_matches('+').as_bytes();
            assert!(
                !bytes.windows(digits.len()).any(|part| part == digits),
                "{}",
                path.display()
            );
            read += 1;
        }
    }
    assert!(read >= 6, "{read} files");
}

#[tokio::test]
async fn a_pause_is_kept_and_what_comes_in_it_is_not() {
    let bench = Bench::start_with(|options| options.segments_max = 1).await;
    let (mut client, recording) = bench.client(TransportKind::Udp).await;
    client.send(&recording, 0, 1000.0, 10);
    let answer = client.change(&recording, Direction::Inactive).await;
    assert!(
        answer
            .streams
            .iter()
            .all(|stream| stream.direction == Direction::Inactive)
    );
    let answer = client.change(&recording, Direction::SendOnly).await;
    assert_eq!(
        answer.streams[0].address,
        recording.answer.streams[0].address
    );
    client.send(&recording, 0, 1000.0, 10);
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let row = bench.row();
    assert_eq!((row.packets, row.packets_lost), (Some(20), Some(0)));
    bench.handle.stop().await;
}

#[tokio::test]
async fn lost_packets_are_a_gap() {
    let bench = Bench::start().await;
    let (mut client, recording) = bench.client(TransportKind::Udp).await;
    client.send(&recording, 0, 1000.0, 10);
    client.lose(0, 5);
    client.send(&recording, 0, 1000.0, 20);
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let row = bench.row();
    assert_eq!(
        (row.packets, row.packets_lost, row.gaps),
        (Some(30), Some(5), Some(1))
    );
    assert!((bench.metric("vaxel_recorder_packets_lost_total", &[]) - 5.0).abs() < 0.5);
    bench.handle.stop().await;
}

#[tokio::test]
async fn what_is_no_tagged_recording_is_refused_and_counted() {
    let bench = Bench::start_with(|options| options.recordings_max = 1).await;
    let mut client = Client::new();
    let (to, by) = (bench.handle.sip_addr(), TransportKind::Tcp);

    let call = client.invite(
        to,
        by,
        Headers::new(),
        Some(client.offer(Direction::SendRecv).to_body()),
    );
    assert_eq!(
        client.final_response(call).await.err(),
        Some(StatusCode::EXTENSION_REQUIRED)
    );
    let mut untagged = metadata(&tag());
    untagged.extension.clear();
    assert_eq!(
        client.record(to, by, &untagged).await.err(),
        Some(StatusCode::NOT_ACCEPTABLE_HERE)
    );
    let mut unfinished = metadata(&tag());
    unfinished.extension.retain(|(name, _)| name != "earliest");
    assert_eq!(
        client.record(to, by, &unfinished).await.err(),
        Some(StatusCode::NOT_ACCEPTABLE_HERE)
    );
    let mut foreign = tag();
    foreign.controller = "medhelp".into();
    assert_eq!(
        client.record(to, by, &metadata(&foreign)).await.err(),
        Some(StatusCode::FORBIDDEN)
    );
    let recording = client
        .record(to, by, &metadata(&tag()))
        .await
        .expect("accepted");
    assert_eq!(
        client.record(to, by, &metadata(&tag())).await.err(),
        Some(StatusCode::SERVICE_UNAVAILABLE)
    );
    client.bye(recording).await;
    bench.until_recorded(1).await;

    let refused = bench.handle.monitor().figures.borrow().refused.clone();
    let expected = [
        ("controller", 1),
        ("full", 1),
        ("not-siprec", 1),
        ("tag", 2),
    ];
    assert_eq!(
        refused,
        expected
            .map(|(reason, count)| (reason.to_owned(), count))
            .into()
    );
    assert!((bench.metric("vaxel_recorder_refused_total", &["tag"]) - 2.0).abs() < 0.5);
    assert_eq!(bench.rows().len(), 1);
    bench.handle.stop().await;
}

#[tokio::test]
async fn audio_from_another_source_is_not_recorded() {
    let bench = Bench::start().await;
    let (mut client, recording) = bench.client(TransportKind::Udp).await;
    client.send(&recording, 0, 1000.0, 10);
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut datagram = Vec::new();
    wire::rtp::Sender::new(8, 1, 1, 1).next(&[0x55; 160], 160, false, &mut datagram);
    stranger
        .send_to(&datagram, recording.answer.streams[0].address)
        .expect("sent");
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let row = bench.row();
    assert_eq!(row.packets, Some(10));
    assert!(
        (bench.metric("vaxel_recorder_datagrams_dropped_total", &["source"]) - 1.0).abs() < 0.5
    );
    bench.handle.stop().await;
}

#[tokio::test]
async fn stopping_ends_and_closes_what_is_open() {
    let bench = Bench::start().await;
    let (mut client, recording) = bench.client(TransportKind::Tcp).await;
    client.send(&recording, 0, 1000.0, 25);
    let Bench { place, handle } = bench;
    tokio::join!(handle.stop(), client.until_ended());
    let row = store_in(&place)
        .list(&Filter::default())
        .expect("listed")
        .remove(0);
    assert_eq!((row.state, row.packets), ("closed", Some(25)));

    let again = start_in(&place, Options::new([CONTROLLER.to_owned()]))
        .await
        .expect("the lock was let go");
    assert_eq!(
        again.monitor().figures.borrow().controllers[CONTROLLER].recordings,
        1
    );
    let second = start_in(&place, Options::new([CONTROLLER.to_owned()])).await;
    assert!(matches!(
        second,
        Err(RecorderError::Vault(VaultError::InUse { .. }))
    ));
    again.stop().await;
}

#[tokio::test]
async fn a_stream_that_joins_later_is_recorded_with_the_others() {
    let bench = Bench::start().await;
    let (mut client, mut recording) = bench.client(TransportKind::Udp).await;
    client.send(&recording, 0, 1000.0, 10);
    let three = client.offer_of(&["1", "2", "interpreter"], Direction::SendOnly);
    recording.answer = client
        .change_to(&recording, &three)
        .await
        .expect("accepted");
    client.send(&recording, 2, 400.0, 30);
    let fewer = client.offer_of(&["1"], Direction::SendOnly);
    let refused = client.change_to(&recording, &fewer).await;
    assert_eq!(refused.err(), Some(StatusCode::NOT_ACCEPTABLE_HERE));
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let store = bench.store();
    let id = store.list(&Filter::default()).expect("listed").remove(0).id;
    let files: Vec<_> = store
        .show(&id, &common::asker())
        .expect("opens")
        .files
        .into_iter()
        .map(|file| (file.label, file.condition, file.packets))
        .collect();
    let expected = [
        ("1", "whole", 10),
        ("2", "empty", 0),
        ("interpreter", "whole", 30),
    ];
    assert_eq!(
        files,
        expected.map(|(label, condition, packets)| (
            label.to_owned(),
            condition.to_owned(),
            packets
        ))
    );
    let (_, right) = export(&store, &bench.place, &id);
    assert!(level(&right[right.len() - 4000..], 400.0) > 6000.0);
    bench.handle.stop().await;
}

/// The place of a stream that is over is used again (RFC 3264 section 8.1), and so is its label.
#[tokio::test]
async fn a_stream_that_is_taken_away_and_comes_back_is_recorded() {
    let bench = Bench::start().await;
    let (mut client, mut recording) = bench.client(TransportKind::Udp).await;
    client.send(&recording, 1, 1000.0, 10);
    for round in 0..2 {
        let mut without = client.offer(Direction::SendOnly);
        without.streams[1].address.set_port(0);
        let answer = client
            .change_to(&recording, &without)
            .await
            .expect("accepted");
        assert!(answer.streams[1].is_rejected(), "{round}");
        let again = client.offer(Direction::SendOnly);
        recording.answer = client
            .change_to(&recording, &again)
            .await
            .expect("accepted");
        assert!(!recording.answer.streams[1].is_rejected(), "{round}");
        client.send(&recording, 1, 1000.0, 20);
    }
    client.send(&recording, 0, 400.0, 5);
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let row = bench.row();
    assert_eq!((row.state, row.packets), ("closed", Some(55)));
    let shown = bench
        .store()
        .show(&row.id, &common::asker())
        .expect("opens");
    let files = shown.files.into_iter();
    let files: Vec<_> = files.map(|file| (file.label, file.packets)).collect();
    let expected = [("1", 5), ("2", 10), ("3", 20), ("4", 20)];
    assert_eq!(
        files,
        expected.map(|(label, packets)| (label.to_owned(), packets))
    );
    bench.handle.stop().await;
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_nothing_open() {
    let bench = Bench::start().await;
    let to = bench.handle.sip_addr();
    let mut client = Client::new();
    let mut headers = Headers::new();
    headers.push(
        wire::sip::message::HeaderName::Require,
        wire::siprec::OPTION_TAG,
    );
    let body = wire::siprec::body(&client.offer(Direction::SendOnly), &metadata(&tag()));
    let session = client.invite(to, TransportKind::Tcp, headers, Some(body));
    client.give_up(session).await;
    bench.until(|figures| figures.open == 0).await;
    let Bench { place, handle } = bench;
    handle.stop().await;
    let rows = store_in(&place).list(&Filter::default()).expect("listed");
    assert!(rows.iter().all(|row| row.state != "open"), "{rows:?}");
}

/// Silence suppression, hold, reports beside the audio: silence says nothing of who is there. Whoever is asked does.
#[tokio::test]
async fn a_silent_client_that_is_there_stays_and_one_that_is_gone_does_not() {
    let bench = Bench::start_with(|options| options.ask_after = Duration::ZERO).await;
    let (mut here, kept) = bench.client(TransportKind::Udp).await;
    let (gone, _lost) = bench.client(TransportKind::Udp).await;
    // Its program starts again at the same address and knows of nothing.
    let mut other = gone.started_again();
    tokio::select! {
        () = bench.until_recorded(1) => {}
        () = other.until_ended() => panic!("it has no session"),
        () = here.until_ended() => panic!("it is there, and says so"),
    }
    let states = || {
        let mut states: Vec<_> = bench.rows().into_iter().map(|row| row.state).collect();
        states.sort_unstable();
        states
    };
    assert_eq!(states(), ["open", "truncated"]);
    here.bye(kept).await;
    bench.until_recorded(2).await;
    assert_eq!(states(), ["closed", "truncated"]);
    bench.handle.stop().await;
}
