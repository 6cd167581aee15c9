//! Streams whose offers say by which numbers their packets are known share a port; all others have one each.

mod common;

use std::{collections::BTreeSet, net::SocketAddr};

use common::{Bench, Client, Recording, Runs, metadata, tag};
use wire::{sdp::Direction, sip::endpoint::TransportKind};

async fn record(bench: &Bench, client: &mut Client) -> Recording {
    let (to, by) = (bench.handle.sip_addr(), TransportKind::Tcp);
    let made = client.record(to, by, &metadata(&tag())).await;
    made.expect("accepted")
}

fn ports(recording: &Recording) -> BTreeSet<SocketAddr> {
    let streams = recording.answer.streams.iter();
    streams.map(|stream| stream.address).collect()
}

fn speak(client: &mut Client, recording: &Recording, packets: usize) {
    for stream in [0, 1] {
        client.send(recording, stream, 1000.0, packets);
    }
}

#[tokio::test]
async fn a_session_on_a_shared_port_loses_nothing_by_hold_or_goodbye() {
    let bench = Bench::start().await;
    let mut client = Client::sharing(1);
    let recording = record(&bench, &mut client).await;
    assert_eq!(ports(&recording).len(), 1);
    speak(&mut client, &recording, 10);
    let answer = client.change(&recording, Direction::Inactive).await;
    assert_eq!(answer.streams[0].address, answer.streams[1].address);
    // Nobody is to hear this.
    speak(&mut client, &recording, 7);
    let answer = client.change(&recording, Direction::SendOnly).await;
    assert_eq!(
        answer.streams[1].address,
        recording.answer.streams[1].address
    );
    speak(&mut client, &recording, 20);
    client.bye_overtaking(recording, 3).await;
    bench.until_recorded(2).await;
    let packets: Vec<_> = bench
        .rows()
        .iter()
        .map(|row| (row.state, row.packets, row.packets_lost))
        .collect();
    assert_eq!(
        packets,
        [46, 20].map(|packets| ("closed", Some(packets), Some(0)))
    );
    let paused = bench.metric("vaxel_recorder_datagrams_dropped_total", &["paused"]);
    assert!((paused - 14.0).abs() < 0.5, "{paused}");
    bench.handle.stop().await;
}

#[tokio::test]
async fn runs_of_packets_are_taken_apart() {
    let bench = Bench::start().await;
    let mut clients = [Client::sharing(1), Client::sharing(11)];
    let mut recordings = Vec::new();
    for client in &mut clients {
        recordings.push(record(&bench, client).await);
    }
    assert_eq!(ports(&recordings[0]), ports(&recordings[1]));
    let runs = Runs::new();
    let mut datagrams = Vec::new();
    for _ in 0..50 {
        for client in &mut clients {
            datagrams.extend([0, 1].map(|stream| client.next_datagram(stream, &[0x55; 160])));
        }
    }
    // One that belongs to nobody, in the middle.
    datagrams.insert(30, Client::sharing(21).next_datagram(0, &[0x55; 160]));
    runs.send(recordings[0].answer.streams[0].address, &datagrams);
    for (client, recording) in clients.iter_mut().zip(recordings) {
        client.bye(recording).await;
    }
    bench.until_recorded(2).await;
    assert!(bench.rows().iter().all(|row| row.packets == Some(100)));
    let strange = bench.metric("vaxel_recorder_datagrams_dropped_total", &["ssrc"]);
    assert!((strange - 1.0).abs() < 0.5, "{strange}");
    bench.handle.stop().await;
}

#[tokio::test]
async fn who_cannot_be_told_apart_has_ports_of_its_own() {
    let bench = Bench::start().await;
    let mut clients = [Client::sharing(1), Client::sharing(2), Client::new()];
    let mut recordings = Vec::new();
    for client in &mut clients {
        recordings.push(record(&bench, client).await);
    }
    // The second has a number of the first's, from the same address; the third says none.
    let counts = recordings.iter().map(|one| ports(one).len());
    assert_eq!(counts.collect::<Vec<_>>(), [1, 2, 2]);
    for (number, (client, recording)) in clients.iter_mut().zip(recordings).enumerate() {
        speak(client, &recording, 10 + number);
        client.bye(recording).await;
    }
    bench.until_recorded(3).await;
    let packets: BTreeSet<_> = bench.rows().iter().filter_map(|row| row.packets).collect();
    assert_eq!(packets, [20, 22, 24].into());
    bench.handle.stop().await;
}

#[tokio::test]
async fn a_stream_that_joins_comes_to_the_shared_port_only_with_a_number() {
    let bench = Bench::start().await;
    for (first, shares) in [(1, true), (11, false)] {
        let mut client = Client::sharing(first);
        let mut recording = record(&bench, &mut client).await;
        let mut three = client.offer_of(&["1", "2", "interpreter"], Direction::SendOnly);
        if !shares {
            three.streams[2].sources.clear();
        }
        let before = recording.answer.streams[0].address;
        recording.answer = client
            .change_to(&recording, &three)
            .await
            .expect("accepted");
        let with_first = recording.answer.streams.iter();
        let with_first = with_first.map(|stream| stream.address == before);
        assert_eq!(with_first.collect::<Vec<_>>(), [true, true, shares]);
        speak(&mut client, &recording, 10);
        client.send(&recording, 2, 400.0, 5);
        client.bye(recording).await;
    }
    bench.until_recorded(2).await;
    assert!(bench.rows().iter().all(|row| row.packets == Some(25)));
    bench.handle.stop().await;
}

#[tokio::test]
async fn a_stream_may_change_its_number_but_not_to_anothers() {
    let bench = Bench::start().await;
    let mut client = Client::sharing(1);
    let recording = record(&bench, &mut client).await;
    speak(&mut client, &recording, 10);
    let mut offer = client.offer(Direction::SendOnly);
    offer.streams[0].sources[0].ssrc = 2;
    offer.streams[1].sources[0].ssrc = 2;
    assert!(client.change_to(&recording, &offer).await.is_err());
    client.renumber(31);
    let offer = client.offer(Direction::SendOnly);
    client
        .change_to(&recording, &offer)
        .await
        .expect("accepted");
    speak(&mut client, &recording, 10);
    client.bye(recording).await;
    bench.until_recorded(1).await;
    assert_eq!(bench.row().packets, Some(40));
    bench.handle.stop().await;
}
