//! Hand-over: the controller gets all of it or is told which file isn't right, and nothing goes here before its receipt.

#[path = "handover/forged.rs"]
mod forged;
#[path = "handover/left_out.rs"]
mod left_out;
mod stored;

use std::{
    fs,
    io::{Read, Write},
    ops::ControlFlow,
    path::PathBuf,
};

use callcore::scenario::Scenario;
use jiff::{Timestamp, civil::date};
use recorder::{
    access,
    envelope::{self, Identity},
    gallring,
    handover::{self, Closed, Created, HandoverError, Receipt, Receiver, Verified, Wanted},
    index::Mark,
    names::RecordingId,
    store::By,
};
use stored::{Bench, REGION, now};

/// Region 23 wants its recordings; another region has decided nothing.
const SCENARIO: &str = r#"
    organisation = [
      { id = "inera", name = "Inera AB", kind = "processor" },
      { id = "region-23", name = "Region Jämtland Härjedalen", kind = "region" },
      { id = "region-01", name = "Region Stockholm", kind = "region" },
    ]
    operator = { organisation = "inera" }
    queue = [{ name = "q", controller = "region-23" }]
    route = [{ name = "r", all = true, unknown = true, invalid = true, conflict = true, queue = "q" }]
    retention = [
      { class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" },
      { class = "telephone-number", earliest = "2 years", latest = "3 years", basis = "BTV instruction 3" },
    ]
    decision = [
      { controller = "region-23", diary_number = "RS/1/2022", date = 2022-02-01, permits = "hand-over", classes = ["audio", "telephone-number"] },
    ]
"#;

fn scenario() -> Scenario {
    Scenario::from_toml(SCENARIO, "test").unwrap_or_else(|error| panic!("{error}"))
}

fn by() -> By {
    By {
        who: "anna".into(),
        purpose: "RS/1/2022".into(),
    }
}

struct Sides {
    bench: Bench,
    region: Identity,
}

impl Sides {
    fn with(recordings: u64) -> Self {
        Self {
            bench: Bench::with(recordings),
            region: Identity::generate().expect("random"),
        }
    }

    fn hold(&self, id: RecordingId) {
        let placed = self.bench.index.hold(id, "a dispute", "anna", now());
        assert!(placed.expect("held"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.place.path().join(name)
    }

    fn receiver_key(&self) -> String {
        let text = Receiver::of(&self.region).to_text();
        let line = text
            .lines()
            .find_map(|it| it.strip_prefix("# receipt-key: "));
        line.expect("in it").to_owned()
    }

    fn create(&self, controller: &str) -> Result<Created, HandoverError> {
        self.create_under(&scenario(), controller)
    }

    fn create_under(
        &self,
        scenario: &Scenario,
        controller: &str,
    ) -> Result<Created, HandoverError> {
        self.create_beside(scenario, controller, &mut || {})
    }

    /// With something that happens before each recording.
    fn create_beside(
        &self,
        scenario: &Scenario,
        controller: &str,
        each: &mut dyn FnMut(),
    ) -> Result<Created, HandoverError> {
        let wanted = Wanted {
            controller: controller.to_owned(),
            ..Wanted::default()
        };
        let parts = (&self.bench.vault, &self.bench.index);
        let receiver = Receiver::of(&self.region);
        let package = self.path("package.age");
        let by = by();
        handover::create(
            parts,
            scenario,
            &wanted,
            &receiver,
            &package,
            (&by, now()),
            each,
        )
    }

    fn verify(&self, out: Option<&str>) -> Result<Verified, HandoverError> {
        let out = out.map(|name| self.path(name));
        let identities = std::slice::from_ref(&self.region);
        handover::verify(&self.path("package.age"), identities, out.as_deref(), now())
    }

    fn close_at(&self, receipt: &Receipt, at: Timestamp) -> Result<Closed, HandoverError> {
        let parts = (&self.bench.vault, &self.bench.index);
        let mut watch = |_| ControlFlow::Continue(());
        handover::close(parts, &scenario(), receipt, (&by(), at), &mut watch)
    }

    fn close(&self, receipt: &Receipt) -> Result<Closed, HandoverError> {
        self.close_at(receipt, now())
    }

    /// Opens the package, changes what is in it, and seals it again, as somebody in the middle might who has the public key.
    fn reseal(&self, change: impl Fn(&mut Vec<u8>)) {
        let path = self.path("package.age");
        let identities = std::slice::from_ref(&self.region);
        let sealed = fs::read(&path).expect("there");
        let mut bytes = Vec::new();
        let mut opener = envelope::open(sealed.as_slice(), identities).expect("opens");
        opener.read_to_end(&mut bytes).expect("whole");
        change(&mut bytes);
        let mut sealer = envelope::seal(Vec::new(), &[self.region.recipient()]).expect("begins");
        sealer.write_all(&bytes).expect("taken");
        fs::write(&path, sealer.finish().expect("ended")).expect("ours");
    }
}

fn place_of(bytes: &[u8], what: &[u8]) -> usize {
    let mut windows = bytes.windows(what.len());
    windows.position(|window| window == what).expect("in it")
}

/// A file as it stands in an archive (ustar), shorter than a block.
fn small_file(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 1024];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(124, format!("{:011o}\0", bytes.len()).as_bytes());
    put(148, b"        0");
    put(257, b"ustar\x0000");
    put(512, bytes);
    let sum: u32 = block[..512].iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Packing takes hours, and gallring works beside.
#[test]
fn what_is_erased_while_others_are_packed_keeps_none_of_them() {
    let sides = Sides::with(3);
    let gone = sides.bench.ids()[2];
    let mut erase = || {
        let erased = sides.bench.index.forget(Mark::Recording, &[gone]);
        erased.expect("as a run leaves it");
    };
    let created = sides.create_beside(&scenario(), REGION, &mut erase);
    let created = created.expect("packed");
    assert_eq!((created.recordings, created.wrong.len()), (2, 1));
    assert_eq!(created.wrong[0].0, gone.to_string());
}

#[test]
fn the_region_gets_all_of_it_and_then_it_goes_here() {
    let sides = Sides::with(3);
    sides.bench.record("region-01", 7);
    let ids = sides.bench.ids();
    let created = sides.create(REGION).expect("packed");
    assert_eq!(
        (created.recordings, created.files, created.wrong.len()),
        (3, 9, 0)
    );
    // Before the receipt nothing goes, although its time has come.
    let (vault, index) = (&sides.bench.vault, &sides.bench.index);
    let mut watch = |_| ControlFlow::Continue(());
    let day = date(2022, 3, 1);
    let report = gallring::run(vault, index, &scenario(), day, now(), &mut watch).expect("ran");
    assert_eq!(report.recordings, 0);

    // A program that was killed had begun to unpack another one.
    let stale = sides.path("region.vaxel-part/data/another");
    fs::create_dir_all(&stale).expect("ours");
    // What is called so by others is theirs.
    let theirs = sides.path("region.part");
    fs::create_dir(&theirs).expect("ours");
    let verified = sides.verify(Some("region")).expect("as it was packed");
    assert!(!sides.path("region/data/another").exists() && theirs.exists());
    assert_eq!(verified.from, "Inera AB");
    assert_eq!(
        (verified.receipt.recordings, verified.receipt.files),
        (3, 9)
    );
    let folder = sides.path("region/data").join(
        ids.iter()
            .find(|id| index.get(**id).expect("there").tag.controller == REGION.into())
            .expect("one")
            .to_string(),
    );
    let sound = fs::read(folder.join("audio.wav")).expect("unpacked");
    assert!(sound.starts_with(b"RIFF"));
    let vcon = fs::read_to_string(folder.join("vcon.json")).expect("unpacked");
    assert!(vcon.contains(stored::CALLER) && vcon.contains("\"0.4.0\""));

    let closed = sides.close(&verified.receipt).expect("closed");
    assert_eq!(
        (closed.recordings, closed.erased.recordings, closed.stay),
        (3, 3, 0)
    );
    assert_eq!(sides.bench.ids().len(), 1, "another's recording stays");
    let mut register = Vec::new();
    gallring::register(vault, true, |line| register.push(line)).expect("whole");
    assert_eq!(register[0].destroyed.decision, "RS/1/2022");
    assert!(matches!(
        sides.close(&verified.receipt),
        Err(HandoverError::Closed(_))
    ));
    let mut actions = Vec::new();
    access::read(vault, REGION, |_, access| actions.push(access.action)).expect("read");
    assert_eq!(
        actions,
        ["hand-over", "hand-over", "hand-over", "hand-over-closed"]
    );
    assert_eq!(handover::list(vault).expect("read")[0].id, created.handover);
}

#[test]
fn a_forged_or_foreign_receipt_erases_nothing() {
    let sides = Sides::with(2);
    sides.create(REGION).expect("packed");
    let receipt = sides.verify(None).expect("whole").receipt;
    let changed = |change: fn(&mut Receipt)| {
        let mut receipt = receipt.clone();
        change(&mut receipt);
        sides.close(&receipt).expect_err("no true receipt")
    };
    for change in [
        (|receipt| receipt.recordings = 1) as fn(&mut Receipt),
        |receipt| receipt.manifest = "0".repeat(64),
        |receipt| receipt.received = "2026-01-16T09:00:00Z".into(),
        |receipt| receipt.signature = "0".repeat(128),
        |receipt| receipt.signature = String::new(),
        |receipt| receipt.controller = "region-01".into(),
    ] {
        assert!(matches!(changed(change), HandoverError::Forged(_)));
    }
    for change in [
        (|receipt| receipt.handover = "0".repeat(32)) as fn(&mut Receipt),
        |receipt| receipt.handover = "../../etc/passwd".into(),
        |receipt| receipt.handover = String::new(),
    ] {
        assert!(matches!(changed(change), HandoverError::Foreign));
    }
    // Signed by another region, of a package of its own.
    let other = Sides::with(2);
    other.create(REGION).expect("packed");
    let foreign = other.verify(None).expect("whole").receipt;
    assert!(matches!(sides.close(&foreign), Err(HandoverError::Foreign)));
    assert!(matches!(
        Receipt::parse("{}"),
        Err(HandoverError::NoReceipt)
    ));
    assert_eq!(sides.bench.ids().len(), 2);
    let alike = sides.bench.index.alike().expect("read");
    assert!(alike.iter().all(|group| group.handed_over.is_empty()));
    sides.close(&receipt).expect("the true one");
}

/// Whoever could exchange the key on its way would get the recordings, and have them erased here with a receipt of their own.
#[test]
fn another_key_than_the_scenario_names_gets_nothing_and_erases_nothing() {
    let sides = Sides::with(2);
    let created = sides.create(REGION).expect("packed");
    assert!(!created.receiver_named, "nobody names one");
    let receipt = sides.verify(None).expect("whole").receipt;
    let naming = |identity: &Identity| {
        let print = Receiver::of(identity).fingerprint();
        let text = SCENARIO.replace(
            r#"Härjedalen", kind = "region""#,
            &format!(r#"Härjedalen", kind = "region", receiver = "{print}""#),
        );
        Scenario::from_toml(&text, "test").unwrap_or_else(|error| panic!("{error}"))
    };
    let (own, other) = (
        naming(&sides.region),
        naming(&Identity::generate().expect("random")),
    );
    let parts = (&sides.bench.vault, &sides.bench.index);
    let mut watch = |_| ControlFlow::Continue(());
    let refused = handover::close(parts, &other, &receipt, (&by(), now()), &mut watch);
    assert!(
        matches!(refused, Err(HandoverError::OtherReceiver { .. })),
        "{refused:?}"
    );
    assert_eq!(sides.bench.ids().len(), 2);
    fs::remove_file(sides.path("package.age")).expect("ours");
    let refused = sides.create_under(&other, REGION);
    assert!(
        matches!(refused, Err(HandoverError::OtherReceiver { .. })),
        "{refused:?}"
    );
    assert!(!sides.path("package.age").exists());
    let created = sides.create_under(&own, REGION).expect("packed");
    assert!(created.receiver_named);
    let closed = handover::close(parts, &own, &receipt, (&by(), now()), &mut watch);
    assert_eq!(closed.expect("closed").erased.recordings, 2);
}

#[test]
fn retention_has_the_last_word() {
    let sides = Sides::with(2);
    sides.create(REGION).expect("packed");
    let receipt = sides.verify(None).expect("whole").receipt;
    let held = sides.bench.ids()[0];
    sides.hold(held);
    let closed = sides.close(&receipt).expect("closed");
    assert_eq!((closed.erased.recordings, closed.stay), (1, 1));
    assert_eq!(sides.bench.ids(), [held]);
    // A receipt comes once: an index that has lost it, and here the hold, learns of it from the hand-over.
    let bench = sides.bench.with_new_index();
    let mut go_on = |_| ControlFlow::Continue(());
    let (vault, index, day) = (&bench.vault, &bench.index, date(2026, 1, 15));
    let ran = gallring::run(vault, index, &scenario(), day, now(), &mut go_on);
    assert_eq!(ran.expect("ran").recordings, 1);
}

#[test]
fn without_a_decision_nothing_is_handed_over() {
    let sides = Sides::with(1);
    sides.bench.record("region-01", 7);
    for controller in ["region-01", "nobody"] {
        let refused = sides.create(controller);
        assert!(
            matches!(refused, Err(HandoverError::NoDecision { .. })),
            "{controller}"
        );
    }
    // One that was entered, and isn't the latest, isn't looked for in vain.
    let other = sides.create_under(&stored::scenario(), REGION);
    let said = other.expect_err("it says erase").to_string();
    assert!(said.contains("RS/903/2025 of 2025-07-31"), "{said}");
    assert!(!sides.path("package.age").exists());
}

#[test]
fn a_tampered_package_says_which_file() {
    let sides = Sides::with(1);
    sides.create(REGION).expect("packed");
    let sound = fs::read(sides.path("package.age")).expect("there");
    let refused = |out: &str| match sides.verify(Some(out)) {
        Err(HandoverError::Tampered { file, what, .. }) => {
            assert!(!sides.path(out).exists(), "nothing of it is kept");
            assert!(!sides.path(&format!("{out}.part")).exists());
            (file, what)
        }
        other => panic!("{other:?}"),
    };
    // Under the seal: the archive says how far it came.
    let mut changed = sound.clone();
    let last = changed.len() - 40;
    changed[last] ^= 1;
    fs::write(sides.path("package.age"), &changed).expect("ours");
    assert!(!refused("a").0.is_empty());
    let restore = || fs::write(sides.path("package.age"), &sound).expect("ours");
    // By somebody who sealed it anew: the digests say which.
    restore();
    sides.reseal(|bytes| {
        let at = place_of(bytes, b"RIFF");
        bytes[at + 60] ^= 1;
    });
    assert!(refused("b").0.ends_with("audio.wav"));
    restore();
    sides.reseal(|bytes| {
        let at = place_of(bytes, b"\"region-23\"");
        bytes[at + 1] = b'R';
    });
    assert!(refused("c").0.ends_with(".json"));
    restore();
    sides.reseal(|bytes| {
        let at = place_of(bytes, b"Source-Organization: Inera");
        bytes[at + 21] = b'X';
    });
    assert_eq!(refused("d").0, "bag-info.txt");
    // A file that nobody stated, beside the payload: it would have been unpacked with the rest.
    restore();
    sides.reseal(|bytes| {
        let at = place_of(bytes, b"/manifest-sha256.txt") / 512 * 512;
        let name = bytes[at..at + 100].to_vec();
        let name = String::from_utf8_lossy(&name).replace("manifest-sha256.txt", "more.txt");
        let more = small_file(name.trim_end_matches('\0'), b"open me");
        bytes.splice(at..at, more);
    });
    assert_eq!(refused("f").0, "more.txt");
    // The last file of the payload left out.
    restore();
    sides.reseal(|bytes| {
        let name = b"vcon.json";
        let at = place_of(bytes, name) / 512 * 512;
        let manifest = place_of(bytes, b"/manifest-sha256.txt") / 512 * 512;
        bytes.drain(at..manifest);
    });
    let (file, what) = refused("e");
    assert!(
        file.ends_with("vcon.json") && what.contains("missing"),
        "{file}: {what}"
    );
}

#[test]
fn nobody_else_opens_a_package() {
    let mut sides = Sides::with(1);
    sides.create(REGION).expect("packed");
    let bytes = fs::read(sides.path("package.age")).expect("there");
    for secret in [
        b"RIFF".as_slice(),
        stored::CALLER.as_bytes(),
        REGION.as_bytes(),
    ] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    sides.region = Identity::generate().expect("random");
    assert!(matches!(
        sides.verify(None),
        Err(HandoverError::Envelope { .. })
    ));
}

#[test]
fn a_receivers_key_reads_back() {
    let sides = Sides::with(0);
    let receiver = Receiver::of(&sides.region);
    let path = sides.path("region.pub");
    fs::write(&path, receiver.to_text()).expect("ours");
    assert_eq!(Receiver::read(&path).expect("reads"), receiver);
    let recipient = envelope::read_recipient(path.to_str().expect("text"));
    assert_eq!(recipient.expect("one"), sides.region.recipient());
    fs::write(&path, sides.region.recipient().to_string()).expect("ours");
    assert!(matches!(
        Receiver::read(&path),
        Err(HandoverError::Receiver)
    ));
}

/// With the receipt it goes here, and a backup may have what was spoilt.
#[test]
fn what_is_spoilt_is_not_handed_over_as_whole() {
    let sides = Sides::with(2);
    let id = sides.bench.ids()[0];
    sides.bench.spoil(id);
    let created = sides.create(REGION).expect("packed");
    assert_eq!(created.recordings, 1);
    let [(wrong, why)] = &created.wrong[..] else {
        panic!("{:?}", created.wrong);
    };
    assert_eq!(*wrong, id.to_string());
    assert!(why.contains("backup"), "{why}");
}

/// Whoever packs again doesn't take away what another hand-over waits for.
#[test]
fn a_package_that_is_there_is_not_written_over() {
    let sides = Sides::with(1);
    sides.create(REGION).expect("packed");
    let before = fs::read(sides.path("package.age")).expect("there");
    let again = sides.create(REGION);
    assert!(
        matches!(again, Err(HandoverError::There { .. })),
        "{again:?}"
    );
    assert_eq!(fs::read(sides.path("package.age")).expect("there"), before);
    let known = handover::list(&sides.bench.vault).expect("read");
    assert_eq!(known.len(), 1, "and no hand-over was begun");
}
