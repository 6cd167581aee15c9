//! Uttag: from an order without a name in it to a delivery that only the orderer opens, each step written down.

#[path = "uttag/secrets.rs"]
mod secrets;
#[path = "uttag/spoilt.rs"]
mod spoilt;
mod stored;

use std::{fs, io::Read, os::unix::fs::PermissionsExt, path::PathBuf};

use callcore::{
    scenario::Scenario,
    uttag::{Catalogue, Refusal},
};
use recorder::{
    access::{self, Access},
    envelope::{self, Identity},
    lost,
    store::By,
    uttag::{self, Deliver, Delivered, Row, UttagError},
    vault::{Meta, Party},
};
use stored::{Bench, REGION, now, scenario};

const ORDERER: &str = "SE2321000214-E4TQ";
const LINK: &str = "https://stod.example.invalid/?patientID=a81f77c2";
const CATALOGUE: &str = "hsa_id,role,organisation,mail,phone\n\
    SE2321000214-E4TQ,verksamhetschef,region-23,chef@example.invalid,+46701740605\n\
    SE2321000214-N001,sjuksköterska,region-23,n@example.invalid,+46701740605\n";

fn by() -> By {
    By {
        who: "support".into(),
        purpose: "a complaint".into(),
    }
}

fn catalogue() -> Catalogue {
    Catalogue::parse(CATALOGUE).expect("a catalogue")
}

struct Desk {
    bench: Bench,
    scenario: Scenario,
}

impl Desk {
    fn new(recordings: u64) -> Self {
        let bench = Bench::with(recordings);
        let desk = Self {
            bench,
            scenario: scenario(),
        };
        fs::create_dir(desk.path("out")).expect("ours");
        let lookup = format!(
            "patient_id,number\na81f77c2,{}\nbad00001,0701740605\n",
            stored::CALLER
        );
        fs::write(desk.path("lookup.csv"), lookup).expect("ours");
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(desk.path("lookup.csv"), private).expect("ours");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.place.path().join(name)
    }

    fn order(&self, kind: &str, orderer: &str, patient: &str) -> Result<Row, UttagError> {
        let form = [
            ("kind", kind),
            (
                "asked-by",
                if patient.is_empty() {
                    "care-provider"
                } else {
                    "resident"
                },
            ),
            ("controller", REGION),
            ("orderer", orderer),
            ("patient", patient),
        ];
        uttag::order(&self.bench.vault, &self.scenario, form, &by(), now())
    }

    /// An order of a time that goes to the supplier.
    fn sent_of(&self, kind: &str, time: [(&'static str, &'static str); 1]) -> String {
        let form = [
            ("kind", kind),
            ("asked-by", "resident"),
            ("controller", REGION),
            ("orderer", ORDERER),
            ("patient", LINK),
        ];
        let form = form.into_iter().chain(time);
        let order = uttag::order(&self.bench.vault, &self.scenario, form, &by(), now());
        let id = order.expect("taken on").id;
        self.check(&id).expect("entitled");
        id
    }

    fn deliver_with(&self, id: &str, secret: Option<&str>) -> Result<Delivered, UttagError> {
        let how = Deliver {
            to: self.path("out"),
            secret: secret.map(|name| self.path(name)),
            lookup: Some(self.path("lookup.csv")),
        };
        let parts = (&self.bench.vault, &self.bench.index);
        uttag::deliver(
            parts,
            &self.scenario,
            &catalogue(),
            id,
            &how,
            (&by(), now()),
        )
    }

    fn left_in_out(&self) -> usize {
        fs::read_dir(self.path("out")).expect("there").count()
    }

    fn check(&self, id: &str) -> Result<Row, UttagError> {
        uttag::check(&self.bench.vault, id, &catalogue(), "p24", &by(), now())
    }

    fn deliver(&self, id: &str) -> Result<Delivered, UttagError> {
        self.deliver_with(id, None)
    }

    fn delivered(&self, kind: &str, patient: &str) -> (Delivered, String) {
        let id = self.order(kind, ORDERER, patient).expect("taken on").id;
        assert_eq!(self.check(&id).expect("entitled").step, "sent");
        let delivered = self.deliver(&id).expect("delivered");
        let text = text_of(&delivered, &delivered.secret);
        (delivered, text)
    }
}

/// What is in a delivery.
fn text_of(delivered: &Delivered, secret: &str) -> String {
    let sealed = fs::read(&delivered.file).expect("there");
    let identity = Identity::parse(secret).expect("a key");
    let mut bytes = Vec::new();
    let mut opener = envelope::open(sealed.as_slice(), &[identity]).expect("opens");
    opener.read_to_end(&mut bytes).expect("whole");
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Desk {
    fn log(&self) -> Vec<Access> {
        let mut log = Vec::new();
        access::read(&self.bench.vault, REGION, |_, access| log.push(access)).expect("read");
        log
    }

    fn step(&self, id: &str) -> &'static str {
        let listed = uttag::list(&self.bench.vault).expect("read");
        listed
            .rows
            .iter()
            .find(|row| row.id == id)
            .expect("listed")
            .step
    }
}

#[test]
fn an_extract_goes_from_its_order_to_its_end() {
    let desk = Desk::new(2);
    let (delivered, text) = desk.delivered("content", LINK);
    assert_eq!((delivered.recordings, delivered.untied), (2, 0));
    assert_eq!(text.matches("RIFF").count(), 2);
    for id in desk.bench.ids() {
        assert!(text.contains(&format!("recordings/{id}/vcon.json")));
    }
    // The file goes by mail, the secret by SMS: neither is enough.
    assert_eq!(delivered.mail, "chef@example.invalid");
    let stranger = Identity::generate().expect("random");
    let sealed = fs::read(&delivered.file).expect("there");
    assert!(envelope::open(sealed.as_slice(), &[stranger]).is_err());
    assert!(!format!("{delivered:?}").contains("SECRET"));
    assert_eq!(desk.step(&delivered.id), "reported");
    let closed = uttag::close(&desk.bench.vault, &delivered.id, &by(), now());
    assert_eq!(closed.expect("closed").step, "closed");
    let log = desk.log();
    let actions: Vec<&str> = log.iter().map(|access| access.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "uttag-order",
            "uttag-check",
            "uttag-deliver",
            "uttag",
            "uttag",
            "uttag-report",
            "uttag-close"
        ]
    );
    assert!(!format!("{log:?}").contains("a81f77c2") && !format!("{log:?}").contains("+46"));
}

#[test]
fn no_step_is_left_out_or_taken_twice() {
    let desk = Desk::new(1);
    let id = desk.order("content", ORDERER, LINK).expect("taken on").id;
    let must = |result: Result<(), UttagError>, must: &str| match result {
        Err(UttagError::Step { must: found, .. }) => assert_eq!(found, must),
        other => panic!("{other:?}"),
    };
    must(desk.deliver(&id).map(drop), "sent");
    let close = || uttag::close(&desk.bench.vault, &id, &by(), now()).map(drop);
    must(close(), "reported");
    desk.check(&id).expect("entitled");
    must(desk.check(&id).map(drop), "ordered");
    must(close(), "reported");
    desk.deliver(&id).expect("delivered");
    must(desk.deliver(&id).map(drop), "sent");
    close().expect("closed");
    must(close(), "reported");
    for unknown in ["", "000000000000", "../../etc/pas"] {
        assert!(
            matches!(desk.check(unknown), Err(UttagError::Unknown(_))),
            "{unknown}"
        );
    }
}

#[test]
fn who_is_no_verksamhetschef_gets_nothing() {
    let desk = Desk::new(1);
    for (orderer, why) in [
        ("SE2321000214-N001", Refusal::NotManager),
        ("SE2321000214-X", Refusal::NotInCatalogue),
    ] {
        let id = desk.order("content", orderer, LINK).expect("taken on").id;
        match desk.check(&id) {
            Err(UttagError::Refused(refusal)) => assert_eq!(refusal, why),
            other => panic!("{other:?}"),
        }
        assert_eq!(desk.step(&id), "ordered");
        assert!(desk.deliver(&id).is_err());
    }
    assert_eq!(
        desk.log()
            .iter()
            .filter(|one| one.action == "uttag-refused")
            .count(),
        2
    );
    // Whoever has left the post since the check gets nothing either.
    let id = desk.order("content", ORDERER, LINK).expect("taken on").id;
    desk.check(&id).expect("entitled");
    let nobody = Catalogue::parse("hsa_id,role,organisation,mail,phone\n").expect("empty");
    let how = Deliver {
        to: desk.path("out"),
        secret: None,
        lookup: Some(desk.path("lookup.csv")),
    };
    let parts = (&desk.bench.vault, &desk.bench.index);
    let refused = uttag::deliver(parts, &desk.scenario, &nobody, &id, &how, (&by(), now()));
    assert!(matches!(refused, Err(UttagError::Refused(_))));
    let log = desk.log();
    let last = log.last().expect("written");
    assert_eq!((last.action.as_str(), &last.object), ("uttag-refused", &id));
}

#[test]
fn an_order_with_personal_data_leaves_nothing_behind() {
    let desk = Desk::new(1);
    let personal = [stored::CALLER, "https://x.invalid/?patientID=191212121212"];
    for patient in personal {
        let refused = desk
            .order("content", ORDERER, patient)
            .expect_err("refused");
        assert!(matches!(
            refused,
            UttagError::Refused(Refusal::PersonalData { .. })
        ));
        assert!(!refused.to_string().contains(patient));
    }
    assert!(!desk.bench.vault.store().join(".uttag").exists());
    assert!(desk.log().is_empty());
}

#[test]
fn only_the_recordings_of_the_one_who_asks_are_in_it() {
    let desk = Desk::new(2);
    // Somebody else's call, and one whose numbers are gone.
    let other = desk.bench.record(REGION, 7);
    let tag = desk.bench.index.get(other).expect("there").tag;
    let meta = Meta {
        parties: vec![Party {
            stream: "1".into(),
            name: "caller".into(),
            address: "sip:+46701740606@127.0.0.1".into(),
        }],
    };
    let recording = desk.bench.vault.unlock(other, &tag).expect("opens");
    recording.write_meta(&meta).expect("written");
    let erased = desk.bench.record(REGION, 8);
    fs::remove_file(desk.bench.folder(erased).join("meta.vax")).expect("ours");

    let (delivered, text) = desk.delivered("register", LINK);
    assert_eq!((delivered.recordings, delivered.untied), (2, 1));
    assert!(text.contains("\"controller\": \"Region Jämtland Härjedalen\""));
    assert!(text.contains("BTV instruction 8") && text.contains("\"accesses\""));
    assert!(!text.contains(&other.to_string()) && !text.contains(&erased.to_string()));
}

#[test]
fn an_access_log_is_extracted_whole_or_for_one_resident() {
    let desk = Desk::new(1);
    let id = desk.bench.ids()[0].to_string();
    for object in [id.as_str(), "another"] {
        let access = Access {
            who: "anna".into(),
            controller: REGION.into(),
            action: "export".into(),
            object: object.into(),
            purpose: "quality".into(),
        };
        access::write(&desk.bench.vault, now(), &[access]).expect("written");
    }
    let (_, whole) = desk.delivered("access-log", "");
    assert!(whole.contains(&id) && whole.contains("another"));
    let (_, theirs) = desk.delivered("access-log", LINK);
    assert!(theirs.contains(&id) && !theirs.contains("another"));
}

#[test]
fn look_ups_need_the_country_code_and_a_private_file() {
    let desk = Desk::new(1);
    let sent = |patient: &str| {
        let id = desk
            .order("content", ORDERER, patient)
            .expect("taken on")
            .id;
        desk.check(&id).expect("entitled");
        id
    };
    let without_code = sent("https://stod.example.invalid/?patientID=bad00001");
    assert!(matches!(
        desk.deliver(&without_code),
        Err(UttagError::Lookup(3, _))
    ));
    let unknown = sent("https://stod.example.invalid/?patientID=nobody01");
    assert!(matches!(
        desk.deliver(&unknown),
        Err(UttagError::NobodyFound)
    ));
    assert_eq!(desk.step(&unknown), "sent");
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(desk.path("lookup.csv"), open).expect("ours");
    assert!(desk.deliver(&sent(LINK)).is_err());
    assert_eq!(fs::read_dir(desk.path("out")).expect("there").count(), 0);
}

/// Two commands that read `sent` at once would both deliver, each with a secret of its own.
#[test]
fn one_command_at_a_time_takes_a_step() {
    let desk = Desk::new(1);
    let id = desk.order("content", ORDERER, LINK).expect("taken on").id;
    desk.check(&id).expect("entitled");
    let other = fs::File::open(desk.bench.vault.store().join(".uttag")).expect("there");
    other.lock().expect("free");
    assert!(matches!(desk.deliver(&id), Err(UttagError::Busy)));
    assert!(matches!(desk.check(&id), Err(UttagError::Busy)));
    drop(other);
    desk.deliver(&id).expect("delivered");
}

#[test]
fn what_cannot_be_delivered_is_not_written_down_as_delivered() {
    let desk = Desk::new(1);
    let unknown = "https://stod.example.invalid/?patientID=nobody01";
    let id = desk
        .order("content", ORDERER, unknown)
        .expect("taken on")
        .id;
    desk.check(&id).expect("entitled");
    assert!(matches!(desk.deliver(&id), Err(UttagError::NobodyFound)));
    let log = desk.log();
    assert!(
        log.iter().all(|one| one.action != "uttag-deliver"),
        "{log:?}"
    );
}

#[test]
fn an_order_is_of_an_organisation_that_there_is() {
    let desk = Desk::new(1);
    let form = [
        ("kind", "access-log"),
        ("asked-by", "care-provider"),
        ("controller", "region-32"),
        ("orderer", ORDERER),
    ];
    let refused = uttag::order(&desk.bench.vault, &desk.scenario, form, &by(), now());
    assert!(matches!(refused, Err(UttagError::Controller)));
    assert!(!desk.bench.vault.store().join(".access/region-32").exists());
}

/// Whoever listens this year may listen to a call of years ago: the accesses have their time, the recordings theirs.
#[test]
fn the_time_of_an_order_is_that_of_what_is_asked_for() {
    let desk = Desk::new(1);
    let access = Access {
        who: "anna".into(),
        controller: REGION.into(),
        action: "export".into(),
        object: desk.bench.ids()[0].to_string(),
        purpose: "curiosity".into(),
    };
    access::write(&desk.bench.vault, now(), &[access]).expect("written");
    let text = |kind, time| {
        let delivered = desk
            .deliver(&desk.sent_of(kind, [time]))
            .expect("delivered");
        text_of(&delivered, &delivered.secret)
    };
    let this_year = text("access-log", ("from", "2026-01-01"));
    assert!(this_year.contains("curiosity"), "{this_year}");
    let before = text("access-log", ("until", "2026-01-01"));
    assert!(!before.contains("curiosity"));
    let of_then = text("register", ("until", "2019-01-01"));
    assert!(of_then.contains("curiosity"), "{of_then}");
    let of_later = text("register", ("from", "2019-01-01"));
    assert!(!of_later.contains("curiosity"));
}

/// Whoever can't go on is told what comes first, or that nothing is left to do.
#[test]
fn a_step_out_of_turn_says_which_one_comes_first() {
    let desk = Desk::new(1);
    let id = desk.order("content", ORDERER, LINK).expect("taken on").id;
    let early = desk.deliver(&id).expect_err("nobody has checked it");
    assert!(early.to_string().contains("`vaxel uttag check`"), "{early}");
    let (delivered, _) = desk.delivered("content", LINK);
    let again = desk.deliver(&delivered.id).expect_err("it was delivered");
    assert!(again.to_string().contains("`vaxel uttag close`"), "{again}");
}

#[test]
fn a_look_up_file_or_a_folder_that_is_not_there_is_told_as_such() {
    let desk = Desk::new(1);
    let id = desk.order("content", ORDERER, LINK).expect("taken on").id;
    desk.check(&id).expect("entitled");
    fs::remove_file(desk.path("lookup.csv")).expect("ours");
    let misspelt = desk.deliver(&id).expect_err("no file");
    assert!(matches!(misspelt, UttagError::LookupFile(_)));
    assert!(!misspelt.to_string().contains("folder"), "{misspelt}");
    fs::remove_dir(desk.path("out")).expect("ours");
    let nowhere = desk.deliver(&id).expect_err("no folder");
    assert!(matches!(nowhere, UttagError::NoFolder { .. }), "{nowhere}");
}

/// Whoever writes in the store would order for himself what was checked for another.
#[test]
fn an_order_that_was_changed_since_goes_no_further() {
    let desk = Desk::new(1);
    let id = desk.order("content", ORDERER, LINK).expect("taken on").id;
    desk.check(&id).expect("entitled");
    let path = desk.bench.vault.store().join(format!(".uttag/{id}.json"));
    let whole = fs::read_to_string(&path).expect("there");
    let of_another = whole.replace("a81f77c2", "a81f77c3");
    assert_ne!(of_another, whole);
    let without = whole.replace("\"seal\": \"", "\"seal\": \"0");
    for changed in [of_another, without] {
        fs::write(&path, changed).expect("ours");
        let refused = desk.deliver(&id);
        assert!(
            matches!(refused, Err(UttagError::Changed { .. })),
            "{refused:?}"
        );
        let listed = uttag::list(&desk.bench.vault).expect("read");
        assert_eq!((listed.rows.len(), listed.unread.len()), (0, 1));
    }
    // Another's record under this number.
    let other = desk.order("content", ORDERER, LINK).expect("taken on").id;
    let other = desk
        .bench
        .vault
        .store()
        .join(format!(".uttag/{other}.json"));
    fs::copy(other, &path).expect("ours");
    assert!(desk.check(&id).is_err());
    // A signing key that is lost takes no order with it.
    fs::write(&path, whole).expect("ours");
    let keys = desk.bench.vault.keys();
    fs::remove_file(keys.join("signing.key")).expect("there");
    recorder::lost::signing_key_lost(&desk.bench.vault, &by(), now()).expect("said");
    desk.deliver(&id).expect("it is as it was");
}

/// The others are somebody's who waits for theirs.
#[test]
fn a_record_that_cannot_be_read_hides_no_other() {
    let desk = Desk::new(1);
    let [sound, torn] = [(); 2].map(|()| {
        let ordered = desk.order("content", ORDERER, LINK);
        ordered.expect("taken on").id
    });
    let path = desk.bench.vault.store().join(format!(".uttag/{torn}.json"));
    std::fs::write(path, "{").expect("ours");
    let listed = uttag::list(&desk.bench.vault).expect("read");
    assert_eq!(desk.step(&sound), "ordered");
    let [(id, UttagError::File { .. })] = listed.unread.as_slice() else {
        panic!("{:?}", listed.unread);
    };
    assert_eq!((id, listed.rows.len()), (&torn, 1));
}
