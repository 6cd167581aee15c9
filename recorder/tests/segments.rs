//! Hold and transfer in one recording session of another's client: a file for each part of the call, up to a limit, and
//! nothing of it lost.

mod common;

use std::collections::BTreeSet;

use common::{Bench, Client, Recording, metadata, tag};
use recorder::{
    names::{RecordingId, StreamLabel},
    store::Row,
    vault::Kind,
};
use wire::{
    sdp::Direction,
    sip::endpoint::TransportKind,
    siprec::{self, Aor, DataMode, Id, Metadata},
};

const HOLDS: usize = 30;
/// Packets of each stream between two holds.
const SPOKEN: usize = 10;

async fn hold_and_go_on(client: &mut Client, recording: &Recording) {
    for direction in [Direction::Inactive, Direction::SendOnly] {
        client.change(recording, direction).await;
    }
}

fn speak(client: &mut Client, recording: &Recording) {
    client.send(recording, 0, 1000.0, SPOKEN);
    client.send(recording, 1, 400.0, SPOKEN);
}

/// Metadata where the nurse has an address and so a name.
fn with_a_nurse(name: &str) -> Metadata {
    let mut told = metadata(&tag());
    told.participants[1].name = Some(name.into());
    told.participants[1].aor = Some(Aor::new("sip:nurse@127.0.0.1"));
    told
}

/// The pauses marked in the first stream of a recording.
fn pauses(bench: &Bench, row: &Row) -> usize {
    let store = bench.store();
    let (vault, index) = store.parts();
    let id = RecordingId::parse(&row.id).expect("an id");
    let entry = index.get(id).expect("there");
    let recording = vault.unlock(id, &entry.tag).expect("opens");
    let label = StreamLabel::parse("1").expect("a label");
    let mut reader = recording.stream_reader(&label).expect("a stream");
    let mut pauses = 0;
    while let Some(packet) = reader.next_packet().expect("whole") {
        pauses += usize::from(packet.kind == Kind::Paused);
    }
    pauses
}

#[tokio::test]
async fn thirty_holds_are_ten_files_and_no_audio_is_lost() {
    let bench = Bench::start().await;
    let (mut client, recording) = bench.client(TransportKind::Tcp).await;
    speak(&mut client, &recording);
    for _ in 0..HOLDS {
        hold_and_go_on(&mut client, &recording).await;
        speak(&mut client, &recording);
    }
    client.bye(recording).await;
    bench.until_recorded(10).await;
    let rows = bench.rows();
    assert_eq!(rows.len(), 10);
    assert!(
        rows.iter()
            .all(|row| row.state == "closed" && row.packets_lost == Some(0))
    );
    let packets: u64 = rows.iter().filter_map(|row| row.packets).sum();
    assert_eq!(packets, ((HOLDS + 1) * 2 * SPOKEN) as u64);
    // The newest has what followed the ninth hold and all the later ones.
    let last = &rows[0];
    assert_eq!(last.packets, Some(((HOLDS - 8) * 2 * SPOKEN) as u64));
    assert_eq!(pauses(&bench, last), HOLDS - 9);
    assert!(
        rows[1..]
            .iter()
            .all(|row| row.packets == Some(2 * SPOKEN as u64))
    );
    let begun: BTreeSet<_> = rows.iter().map(|row| &row.started).collect();
    assert_eq!(begun.len(), 10, "each says when it began");
    bench
        .store()
        .verify(|wrong| panic!("{wrong:?}"))
        .expect("verified");
    bench.handle.stop().await;
}

#[tokio::test]
async fn the_limit_is_the_scenarios_and_counts_a_call_not_a_session() {
    let bench = Bench::start_with(|options| options.segments_max = 2).await;
    // A client that begins a session for each part: all are taken, whatever the limit.
    for _ in 0..3 {
        let (mut client, recording) = bench.client(TransportKind::Tcp).await;
        speak(&mut client, &recording);
        hold_and_go_on(&mut client, &recording).await;
        speak(&mut client, &recording);
        client.bye(recording).await;
    }
    bench.until_recorded(4).await;
    let packets: Vec<u64> = bench.rows().iter().filter_map(|row| row.packets).collect();
    // The first call has its two; the further sessions aren't cut.
    assert_eq!(packets.iter().sum::<u64>(), 3 * 4 * SPOKEN as u64);
    assert_eq!(packets.len(), 4);
    bench.handle.stop().await;
}

/// A switch that was started anew counts its calls from 1 again.
#[tokio::test]
async fn another_call_of_the_same_number_is_cut_as_any_other() {
    let bench = Bench::start_with(|options| options.segments_max = 2).await;
    for named in [1, 2] {
        let mut told = metadata(&tag());
        told.session_id = Id::from_uuid([named; 16]);
        let mut client = Client::new();
        let at = bench.handle.sip_addr();
        let recording = client.record(at, TransportKind::Tcp, &told).await;
        let recording = recording.expect("accepted");
        speak(&mut client, &recording);
        hold_and_go_on(&mut client, &recording).await;
        speak(&mut client, &recording);
        client.bye(recording).await;
    }
    bench.until_recorded(4).await;
    assert_eq!(bench.rows().len(), 4);
    bench.handle.stop().await;
}

#[tokio::test]
async fn a_transfer_is_another_file_with_who_speaks_then() {
    let bench = Bench::start().await;
    let mut client = Client::new();
    let recording = client
        .record(
            bench.handle.sip_addr(),
            TransportKind::Tcp,
            &with_a_nurse("nurse"),
        )
        .await
        .expect("accepted");
    speak(&mut client, &recording);
    // Another nurse speaks in the same stream; the client says only that.
    let mut told = with_a_nurse("nurse");
    told.mode = DataMode::Partial;
    let mut nurse = told.participants.pop().expect("two");
    nurse.id = Id::from_uuid([77; 16]);
    nurse.name = Some("another nurse".into());
    nurse.aor = Some(Aor::new("sip:another@127.0.0.1"));
    told.participants = vec![nurse];
    let body = siprec::body(&client.offer(Direction::SendOnly), &told);
    client
        .change_body(&recording, body)
        .await
        .expect("accepted");
    speak(&mut client, &recording);
    client.bye(recording).await;
    bench.until_recorded(2).await;
    let mut rows = bench.rows();
    rows.reverse();
    let packets: Vec<u64> = rows.iter().filter_map(|row| row.packets).collect();
    assert_eq!(packets, [2 * SPOKEN as u64; 2]);
    let store = bench.store();
    let (vault, index) = store.parts();
    for (row, name) in rows.iter().zip(["nurse", "another nurse"]) {
        let id = RecordingId::parse(&row.id).expect("an id");
        let entry = index.get(id).expect("there");
        let meta = vault.unlock(id, &entry.tag).expect("opens").meta();
        let meta = meta.expect("readable").expect("kept");
        let spoke = meta.parties.iter().find(|one| one.stream == "2");
        assert_eq!(spoke.map(|one| one.name.as_str()), Some(name));
        let caller = meta.parties.iter().find(|one| one.stream == "1");
        assert!(
            caller.is_some_and(|one| one.address.contains(common::CALLER)),
            "kept through it"
        );
    }
    bench.handle.stop().await;
}

#[tokio::test]
async fn a_call_that_ends_right_after_a_hold_keeps_its_last_words() {
    let bench = Bench::start().await;
    let (mut client, recording) = bench.client(TransportKind::Tcp).await;
    speak(&mut client, &recording);
    hold_and_go_on(&mut client, &recording).await;
    speak(&mut client, &recording);
    client.bye(recording).await;
    bench.until_recorded(2).await;
    let packets: u64 = bench.rows().iter().filter_map(|row| row.packets).sum();
    assert_eq!(packets, 4 * SPOKEN as u64);
    bench.handle.stop().await;
}
