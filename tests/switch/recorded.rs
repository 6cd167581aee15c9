//! What the recorder is told of a call, and by which way: hold, the caller's number, TLS.

use std::{
    collections::BTreeSet, fs, io::Read, os::unix::fs::PermissionsExt, path::Path, time::Duration,
};

use callcore::{scenario::Scenario, uttag::Catalogue};
use recorder::{
    check::{self, Targets},
    envelope::{self, Identity},
    names::{RecordingId, StreamLabel},
    store::{By, Filter, Row, Store},
    uttag::{self, Deliver},
    vault::Kind,
};
use testkit::{DEADLINE, Phone};
use wire::{
    rtp::Sender,
    sdp::{Description, Direction},
};

use crate::{
    TO_QUEUE, at,
    handset::Handset,
    rig::{A_WHILE, Kept, Rig, answers, scenario},
    routes,
    talk::{REGIONAL, Talk},
};

const HOLDS: usize = 30;
/// Of a recording: the caller's and the nurse's.
const STREAMS: f64 = 2.0;
/// What the nurse says while the caller holds.
const ON_HOLD: u8 = 0xAA;
/// Set aside by PTS for books and films (data/test_numbers.csv).
const NUMBER: &str = "+46701740605";

/// One on hold, one talking: as often as a phone likes, ten files, and each part of the talk is in one of them.
#[tokio::test]
async fn thirty_holds_are_ten_recordings_and_every_part_of_the_talk_is_in_one() {
    let mut two = Talk::begin().await;
    let offered = two.asked.body().expect("an offer");
    let offered = Description::parse(&offered.bytes).expect("SDP");
    let to = offered.streams[0].address;
    let mut sender = Sender::new(8, 7, 7, 7);
    for part in 0..=HOLDS {
        // What is said while on hold may be on its way yet when the talk goes on.
        let mut on_its_way = 0.0;
        if part > 0 {
            two.caller
                .changes(two.call, Direction::SendOnly, (&mut two.nurse, two.talk))
                .await;
            // Held when its recording is closed; of the last, which is paused, nothing goes to the recorder any more.
            let held = until(
                &two.rig,
                |now, before| now.open == 0 || now.pauses == before.pauses + STREAMS,
                || {
                    on_its_way += if part < 10 { 1.0 } else { 0.0 };
                    two.nurse.says(&mut sender, to, ON_HOLD);
                },
            );
            held.await;
            two.caller
                .changes(two.call, Direction::SendRecv, (&mut two.nurse, two.talk))
                .await;
        }
        let recorded = until(
            &two.rig,
            |now, before| now.packets > before.packets + on_its_way,
            || {
                two.nurse.says(&mut sender, to, part as u8);
            },
        );
        recorded.await;
    }
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    let kept = two.rig.stop().await;
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&10));
    let store = kept.store();
    let rows = store.list(&Filter::default()).expect("a list");
    assert_eq!(rows.len(), 10);
    assert!(rows.iter().all(|row| row.state == "closed"), "{rows:?}");
    let stored: Vec<(usize, BTreeSet<u8>)> = rows.iter().map(|row| nurses(&store, row)).collect();
    // Newest first: the last one has what came after the ninth hold, each later hold marked.
    for (at, (pauses, said)) in stored.iter().rev().enumerate() {
        let parts = if at == 9 { 9..=HOLDS } else { at..=at };
        let mut heard = said.clone();
        // A hold is a moment old when the recorder hears of it.
        heard.remove(&ON_HOLD);
        let parts = parts.map(|part| part as u8);
        assert_eq!(heard, parts.collect(), "file {at}");
        assert_eq!(*pauses, if at == 9 { HOLDS - 9 } else { 0 }, "file {at}");
    }
}

/// As many recordings as there may be: another nurse's words are in the one there is, and where they begin is marked.
#[tokio::test]
async fn a_transfer_beyond_the_limit_is_marked_in_the_recording_that_goes_on() {
    let mut nurse = Handset::new().await;
    let rig = Rig::start_with_segments(1, &nurse.targets(), &routes(TO_QUEUE)).await;
    let mut caller = Handset::new().await;
    let offer = caller.talks();
    let session = caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(offer));
    let (talk, request) = nurse.answers().await;
    caller.is_answered().await;
    let offered = request.body().expect("an offer");
    let to = Description::parse(&offered.bytes).expect("SDP").streams[0].address;
    let mut sender = Sender::new(8, 7, 7, 7);
    let recorded = |now: &Figures, before: &Figures| now.packets > before.packets;
    until(&rig, recorded, || nurse.says(&mut sender, to, 1)).await;
    let of_nurse = nurse.act(|ep, _| ep.named(talk).expect("it is up"));
    let mut second = Handset::new().await;
    let offer = second.talks();
    let replaces = [("Replaces", of_nurse.as_str())];
    second.call(rig.gateway.sip_addr(), &replaces, Some(offer));
    second.is_answered().await;
    nurse.is_ended().await;
    until(&rig, recorded, || second.says(&mut sender, to, 2)).await;
    caller.hangs_up(session);
    second.is_ended().await;
    let kept = rig.stop().await;
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&1));
    let store = kept.store();
    let rows = store.list(&Filter::default()).expect("a list");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(nurses(&store, row), (1, [1, 2].into()));
}

/// What the recorder has come to.
struct Figures {
    open: usize,
    packets: f64,
    pauses: f64,
}

fn figures(rig: &Rig) -> Figures {
    let monitor = rig.recorder();
    let families = monitor.metrics.gather();
    let sum = |name: &str| {
        let families = families.iter().filter(|one| one.name() == name);
        let all = families.flat_map(|one| one.get_metric());
        all.map(|one| one.get_counter().get_value()).sum()
    };
    Figures {
        open: monitor.figures.borrow().open,
        packets: sum("vaxel_recorder_packets_total"),
        pauses: sum("vaxel_recorder_pauses_total"),
    }
}

/// Speaks, and goes on until the recorder has come so far.
async fn until(rig: &Rig, so: impl Fn(&Figures, &Figures) -> bool, mut speak: impl FnMut()) {
    let before = figures(rig);
    let look = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            speak();
            if so(&figures(rig), &before) {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, look).await.expect("in time");
}

/// The pauses marked in the nurse's stream, and every code that is in it.
fn nurses(store: &Store, row: &Row) -> (usize, BTreeSet<u8>) {
    let (vault, index) = store.parts();
    let id = RecordingId::parse(&row.id).expect("an id");
    let tag = index.get(id).expect("there").tag;
    let label = StreamLabel::parse("2").expect("a label");
    let recording = vault.unlock(id, &tag).expect("opens");
    let mut reader = recording.stream_reader(&label).expect("a stream");
    let (mut pauses, mut said) = (0, BTreeSet::new());
    while let Some(packet) = reader.next_packet().expect("whole") {
        match packet.kind {
            Kind::Audio => said.extend(packet.payload.iter()),
            Kind::Paused => pauses += 1,
            _ => {}
        }
    }
    (pauses, said)
}

/// The caller's number goes to the recorder, encrypted at once: who asks for an extract finds the call by it, and nobody
/// finds the number.
#[tokio::test]
async fn a_call_is_found_by_its_callers_number_and_the_number_is_nowhere() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start(&at(&nurse), &routes(TO_QUEUE)).await;
    let from = format!("<sip:{NUMBER}@127.0.0.1>");
    tokio::join!(
        rig.call_from(&from, "0488", A_WHILE),
        nurse.answer(answers())
    );
    let kept = rig.stop().await;
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&1));
    assert_eq!(extract(&kept, NUMBER), Some((1, 0)));
    // A person who never called: nothing of the caller's.
    assert_eq!(extract(&kept, "+46701740606"), Some((0, 0)));
    let targets = Targets {
        store: Some(kept.folder.path().join("store")),
        keys: Some(kept.folder.path().join("keys")),
        ..Targets::default()
    };
    let checked = check::check(None, &targets);
    assert!(
        checked.files >= 6 && checked.findings.is_empty(),
        "{checked:?}"
    );
}

/// An order for what is held of whoever has that number: recordings delivered, and those nobody can be tied to.
fn extract(kept: &Kept, number: &str) -> Option<(u64, u64)> {
    let store = kept.store();
    let (vault, index) = store.parts();
    let folder = tempfile::tempdir().expect("a folder");
    let lookup = folder.path().join("lookup.csv");
    fs::write(&lookup, format!("patient_id,number\na81f77c2,{number}\n")).expect("ours");
    fs::set_permissions(&lookup, fs::Permissions::from_mode(0o600)).expect("ours");
    let form = [
        ("kind", "content"),
        ("asked-by", "resident"),
        ("controller", "region-04"),
        ("orderer", "SE2321000214-E4TQ"),
        (
            "patient",
            "https://stod.example.invalid/?patientID=a81f77c2",
        ),
    ];
    let catalogue = "hsa_id,role,organisation,mail,phone\n\
        SE2321000214-E4TQ,verksamhetschef,region-04,chef@example.invalid,+46701740605\n";
    let catalogue = Catalogue::parse(catalogue).expect("a catalogue");
    let by = By {
        who: "support".into(),
        purpose: "a complaint".into(),
    };
    let now = jiff::Timestamp::now();
    let text = scenario(
        "[{ simulated = 1 }]",
        "sip:recorder@127.0.0.1:5070",
        &routes(TO_QUEUE),
    );
    let scenario = Scenario::from_toml(&text, "rig.toml").expect("valid");
    let id = uttag::order(vault, &scenario, form, &by, now)
        .expect("taken on")
        .id;
    uttag::check(vault, &id, &catalogue, "inera", &by, now).expect("entitled");
    let how = Deliver {
        to: folder.path().to_owned(),
        secret: None,
        lookup: Some(lookup),
    };
    let delivered = uttag::deliver((vault, index), &scenario, &catalogue, &id, &how, (&by, now));
    let delivered = delivered.expect("delivered");
    assert_eq!(
        sounds(&delivered.file, &delivered.secret),
        delivered.recordings
    );
    Some((delivered.recordings, delivered.untied))
}

/// The sound files in a delivery.
fn sounds(file: &Path, secret: &str) -> u64 {
    let sealed = fs::read(file).expect("there");
    let identity = Identity::parse(secret).expect("a key");
    let mut bytes = Vec::new();
    let mut opener = envelope::open(sealed.as_slice(), &[identity]).expect("opens");
    opener.read_to_end(&mut bytes).expect("whole");
    String::from_utf8_lossy(&bytes).matches("RIFF").count() as u64
}

/// From the switch by TLS, to a recorder that takes nothing else from outside its machine. Its audio is encrypted then.
#[tokio::test]
async fn a_call_is_recorded_by_tls() {
    let mut nurse = Phone::bind().expect("a phone");
    let rig = Rig::start_by_tls(&at(&nurse), &routes(TO_QUEUE)).await;
    tokio::join!(rig.call("0488", A_WHILE), nurse.answer(answers()));
    let metrics = rig.recorder().metrics.gather();
    let kept = rig.stop().await;
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&1));
    let mut streams = metrics
        .iter()
        .filter(|one| one.name() == "vaxel_recorder_streams_total");
    let streams = streams.next().expect("counted").get_metric();
    assert_eq!(streams.len(), 1, "all in one way");
    assert_eq!(streams[0].get_label()[0].value(), "srtp");
    let recordings = kept.recordings();
    assert_eq!(recordings.len(), 1);
    assert!(testkit::tone::heard(
        &recordings[0].1[0],
        crate::CALLER_TONE
    ));
}

/// Both hold each other: what the held one does leaves the other's hold as it is, and the next recording begins when neither holds.
#[tokio::test]
async fn two_who_hold_each_other_talk_again_when_neither_holds() {
    let mut two = Talk::begin().await;
    two.nurse.is_confirmed().await;
    let (call, talk) = (two.call, two.talk);
    let caller = (&mut two.caller, call);
    two.nurse.changes(talk, Direction::SendOnly, caller).await;
    is_through(&mut two.caller).await;
    for held in [Direction::SendOnly, Direction::SendRecv] {
        let nurse = (&mut two.nurse, talk);
        two.caller.changes(call, held, nurse).await;
        is_through(&mut two.nurse).await;
    }
    let caller = (&mut two.caller, call);
    two.nurse.changes(talk, Direction::SendRecv, caller).await;
    is_through(&mut two.caller).await;
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    let recorded = two.rig.stop().await.totals.recorded;
    assert_eq!(recorded.get("region-04"), Some(&2), "before and after");
}

/// The change that it agreed to is acknowledged: it may ask for another.
async fn is_through(phone: &mut Handset) {
    let acknowledged =
        |event| matches!(event, wire::sip::endpoint::Event::ChangeConfirmed { .. }).then_some(());
    phone.sees("the ACK", acknowledged).await;
}

/// A description that differs from the one before has the next number (RFC 3264 section 8): a phone may pass over others.
#[tokio::test]
async fn each_answer_to_a_change_has_the_next_number() {
    let mut two = Talk::begin().await;
    let read = |body: Option<wire::sip::message::Body>| {
        Description::parse(&body.expect("an answer").bytes).expect("SDP")
    };
    let mut before = read(two.answered.body()).origin;
    for held in [Direction::SendOnly, Direction::SendRecv] {
        two.caller.asks_for(two.call, held).await;
        two.nurse.is_asked_for(held).await;
        two.nurse.agrees(two.talk, held);
        let now = read(two.caller.has_changed().await);
        assert_eq!(now.streams[0].direction, held.reversed());
        assert_eq!(now.origin, before.next());
        before = now.origin;
    }
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    two.rig.stop().await;
}

#[tokio::test]
async fn hold_reaches_the_nurse_and_begins_another_recording() {
    let mut two = Talk::begin().await;
    for held in [Direction::SendOnly, Direction::SendRecv] {
        two.caller
            .changes(two.call, held, (&mut two.nurse, two.talk))
            .await;
    }
    two.caller.hangs_up(two.call);
    two.nurse.is_ended().await;
    let kept = two.rig.stop().await;
    assert_eq!(
        kept.totals.recorded.get("region-04"),
        Some(&2),
        "before hold and after"
    );
    assert_eq!(kept.recordings().len(), 2);
}
