//! Two clients, each of a controller of its own, that do whatever a script of bytes says: hold, go on, tell who speaks, lose packets,
//! send what belongs to nobody, give up, end. Whatever that is, each recording is its controller's own, closed, and whole.

mod common;

use std::collections::BTreeSet;

use callcore::tag::RecordingTag;
use common::{Bench, CONTROLLER, Client, Recording, metadata, tag};
use proptest::{
    collection::vec,
    prelude::any,
    test_runner::{Config, TestRunner},
};
use recorder::{
    index::State,
    names::RecordingId,
    store::{Filter, Store},
};
use wire::{
    sdp::Direction,
    sip::{endpoint::TransportKind, message::Headers},
    siprec::{self, DataMode},
};

const CONTROLLERS: [&str; 2] = [CONTROLLER, "region-02"];
/// What each says, so that it shows where it went.
const SAID: [u8; 2] = [0x11, 0x22];
/// A second or two each, most of it waiting for answers.
const CASES: u32 = 24;
const STEPS_MAX: usize = 30;
/// Packets at a time.
const SPOKEN: usize = 5;

struct Caller {
    number: usize,
    client: Client,
    recording: Option<Recording>,
    began: usize,
}

impl Caller {
    fn new(number: usize) -> Self {
        Self {
            number,
            client: Client::new(),
            recording: None,
            began: 0,
        }
    }

    fn tag(&self) -> RecordingTag {
        RecordingTag {
            controller: CONTROLLERS[self.number].into(),
            ..tag()
        }
    }

    async fn step(&mut self, bench: &Bench, act: u8) {
        let to = bench.handle.sip_addr();
        let told = metadata(&self.tag());
        let Some(recording) = self.recording.take() else {
            if act.is_multiple_of(4) {
                let body = siprec::body(&self.client.offer(Direction::SendOnly), &told);
                let mut headers = Headers::new();
                headers.push(wire::sip::message::HeaderName::Require, siprec::OPTION_TAG);
                let session = self
                    .client
                    .invite(to, TransportKind::Tcp, headers, Some(body));
                self.client.give_up(session).await;
            } else {
                let begun = self.client.record(to, TransportKind::Tcp, &told).await;
                self.recording = Some(begun.expect("accepted"));
                self.began += 1;
            }
            return;
        };
        match act {
            0..=2 => self.speak(&recording),
            3 => {
                let _held = self.client.change(&recording, Direction::Inactive).await;
            }
            4 => {
                let _on = self.client.change(&recording, Direction::SendOnly).await;
            }
            5 => self.client.lose(usize::from(act & 1), SPOKEN),
            6 => {
                self.client.send_datagram(&recording, 0, &[0x80; 7]);
                let mut other = told;
                other.mode = DataMode::Partial;
                other.participants[1].name = Some("another nurse".into());
                let offer = self.client.offer(Direction::SendOnly);
                let body = siprec::body(&offer, &other);
                // Refused or not, it goes on.
                let _either = self.client.change_body(&recording, body).await;
            }
            _ => return self.end(recording).await,
        }
        self.recording = Some(recording);
    }

    fn speak(&mut self, recording: &Recording) {
        for stream in 0..2 {
            for _ in 0..SPOKEN {
                let codes = [SAID[self.number]; 160];
                self.client.send_codes(recording, stream, &codes);
            }
        }
    }

    async fn end(&mut self, recording: Recording) {
        self.client.bye(recording).await;
    }
}

/// Nothing of one controller lies with another, at any time.
fn is_apart(bench: &Bench) {
    let store = bench.store();
    for row in bench.rows() {
        assert!(CONTROLLERS.contains(&&*row.controller), "{row:?}");
        let id = RecordingId::parse(&row.id).expect("an id");
        let entry = store.parts().1.get(id).expect("there");
        store
            .parts()
            .0
            .unlock(id, &entry.tag)
            .expect("opens under its own tag");
    }
}

/// Index and vault agree, each file is closed and whole, and holds what its own controller's caller said.
fn is_sound(store: &Store, began: [usize; 2]) {
    let (vault, index) = store.parts();
    assert_eq!(index.left_open().expect("read"), [], "each is closed");
    store.verify(|wrong| panic!("{wrong:?}")).expect("read");
    let rows = store.list(&Filter::default()).expect("listed");
    let known: BTreeSet<String> = rows.iter().map(|row| row.id.clone()).collect();
    let near = vault.recordings_near(None).expect("listed");
    let there: BTreeSet<String> = near.iter().map(|one| one.id.to_string()).collect();
    assert_eq!(known, there);
    for (number, controller) in CONTROLLERS.iter().enumerate() {
        let of = rows.iter().filter(|row| row.controller == *controller);
        assert!(of.count() >= began[number], "one at least for each session");
    }
    for row in rows {
        let entry = index
            .get(RecordingId::parse(&row.id).expect("an id"))
            .expect("there");
        assert_eq!(entry.state, State::Closed, "{row:?}");
        let recording = vault.unlock(entry.id, &entry.tag).expect("opens");
        let own = CONTROLLERS.iter().position(|one| *one == row.controller);
        let own = SAID[own.expect("known")];
        let labels = recording.labels().expect("listed");
        let files: BTreeSet<String> = labels.iter().map(|one| recording.file_name(one)).collect();
        assert_eq!(files, entry.files.iter().cloned().collect(), "{row:?}");
        let mut packets = 0;
        for label in &labels {
            let mut reader = recording.stream_reader(label).expect("a stream");
            while let Some(packet) = reader.next_packet().expect("whole") {
                if packet.kind.is_audio() {
                    packets += 1;
                    assert!(packet.payload.iter().all(|code| *code == own), "{row:?}");
                }
            }
        }
        assert_eq!(packets, entry.tally.packets, "{row:?}");
    }
}

async fn play(script: &[u8]) {
    let bench = Bench::start_with(|options| {
        options.controllers = CONTROLLERS.map(str::to_owned).into();
    })
    .await;
    let mut callers = [0, 1].map(Caller::new);
    for byte in script {
        let caller = &mut callers[usize::from(byte >> 7)];
        caller.step(&bench, byte & 7).await;
        is_apart(&bench);
    }
    for caller in &mut callers {
        if let Some(recording) = caller.recording.take() {
            caller.end(recording).await;
        }
    }
    bench.until(|figures| figures.open == 0).await;
    let began = [0, 1].map(|number: usize| callers[number].began);
    // What was begun for one that gave up is closed by its end.
    bench.handle.stop().await;
    is_sound(&common::store_in(&bench.place), began);
}

#[test]
fn whatever_clients_do_each_recording_is_its_controllers_own_and_whole() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(Config::with_cases(CASES));
    let tested = runner.run(&vec(any::<u8>(), 0..STEPS_MAX), |script| {
        runtime.block_on(play(&script));
        Ok(())
    });
    tested.unwrap_or_else(|error| panic!("{error}"));
}
