//! What leaves a store by the command: who it was is written down, nothing goes where it shouldn't, and the exit code says
//! whose fault it is.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::{
    fs,
    io::{ErrorKind, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use callcore::{
    retention::ObjectClass, scenario::Scenario, switch::CallId, tag::RecordingTag, time::Time,
};
use recorder::{
    access,
    envelope::{Recipient, seal},
    index::Index,
    names::RecordingId,
    recover,
    vault::Vault,
};
use serde_json::Value;

const CONFIG: &str = "jamtland-2025";
const REGION: &str = "region-23";
/// Set aside by PTS for books and films (data/test_numbers.csv).
const NUMBER: &str = "+46701740605";

/// A folder with an empty store of the scenario.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        drop(Index::open(&place.vault()).expect("fresh"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn vault(&self) -> Vault {
        let text = include_str!("../scenarios/jamtland-2025.toml");
        let scenario = Scenario::from_toml(text, CONFIG).expect("a shipped scenario");
        let settings = scenario.recorder.expect("it records");
        let at = |part: &str| self.0.path().join(part);
        Vault::open(&at(&settings.store), &at(&settings.keys)).expect("opens")
    }

    fn ask(&self, args: &[&str]) -> Output {
        self.ask_as("bosse", args)
    }

    fn ask_as(&self, user: &str, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
        command.current_dir(self.0.path()).env("USER", user);
        command.args(args).args(["--config", CONFIG, "--data", "."]);
        command.output().expect("it runs")
    }

    fn found(&self, args: &[&str]) -> Value {
        let output = self.ask(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn vaxel(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
    command.args(args).output().expect("it runs")
}

fn private(path: &Path, text: &str) -> String {
    fs::write(path, text).expect("ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("ours");
    path.display().to_string()
}

fn order(place: &Place, user: &str, more: &[&str]) -> Output {
    let args = [
        "uttag",
        "order",
        "--kind",
        "access-log",
        "--asked-by",
        "care-provider",
        "--orderer",
        "SE2321000214-E4TQ",
    ];
    place.ask_as(user, &[&args, more].concat())
}

/// The account's name and number, as the system has them.
fn account() -> String {
    let told = |what| {
        let told = Command::new("id").arg(what).output().expect("it runs");
        String::from_utf8_lossy(&told.stdout).trim().to_owned()
    };
    format!("{} (uid {})", told("-un"), told("-u"))
}

/// Whoever says that it is somebody else is written down as well; the name and number of an account are nobody's to choose.
#[test]
fn the_access_log_has_the_account_whatever_name_is_said() {
    let place = Place::new();
    let of_region = ["--controller", REGION];
    let anna = ["--as", "Anna", "--purpose", "diary 7"];
    for more in [&of_region[..], &[&of_region[..], &anna].concat()] {
        let taken = order(&place, "bosse", more);
        assert!(taken.status.success(), "{}", said(&taken));
    }
    let mut log = Vec::new();
    let each = |_: &str, one: access::Access| log.push((one.who, one.purpose));
    access::read(&place.vault(), REGION, each).expect("read");
    let account = account();
    let what = "uttag: access-log for care-provider";
    assert_eq!(
        log,
        [
            (account.clone(), what.to_owned()),
            (
                format!("Anna (said by {account})"),
                format!("{what}: diary 7")
            ),
        ]
    );
}

#[test]
fn what_is_asked_for_wrongly_is_wrong_usage() {
    let place = Place::new();
    let long = "x".repeat(2000);
    for more in [
        &["--controller", "region-32"][..],
        &["--controller", REGION, "--purpose", &long],
        &["--controller", REGION, "--purpose", "one\ntwo"],
        &["--controller", REGION, "--as", " "],
        &["--controller", REGION, "--as", "Anna\u{1b}[2K"],
    ] {
        let refused = order(&place, "bosse", more);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    }
    assert!(!place.vault().store().join(".access").exists());
    for args in [
        ["recordings", "show", "abc"],
        ["recordings", "show", "../x"],
        ["store", "rotate-key", "--controller=regoin-23"],
        ["store", "rotate-key", "--controller=../x"],
    ] {
        let refused = place.ask(&args);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    }
}

/// A token that was revoked after the last backup held again in what was restored from it.
#[test]
fn a_revoked_token_does_not_come_back_with_a_backup() {
    let place = Place::new();
    let recipient = place.found(&["backup", "key", "--out", "backup.key"]);
    let recipient = recipient["recipient"].as_str().expect("one").to_owned();
    let tomorrow = jiff::Zoned::now().date().tomorrow().expect("a day");
    let token = place.found(&[
        "recorder",
        "token",
        "create",
        "--name",
        "Anna",
        "--organisation",
        REGION,
        "--role",
        "reader",
        "--expires",
        &tomorrow.to_string(),
    ]);
    let made = [
        "backup",
        "create",
        "--to",
        "there",
        "--force",
        "--recipient",
    ];
    let name = place.found(&[&made[..], &[&recipient]].concat())["name"].clone();
    let id = token["id"].as_str().expect("one");
    place.found(&["recorder", "token", "revoke", id]);
    // The region can see who opened its recordings to whom.
    let mut log = Vec::new();
    let each = |_: &str, one: access::Access| {
        assert_eq!(one.who, account());
        assert!(
            one.purpose.starts_with("reader for Anna until "),
            "{}",
            one.purpose
        );
        log.push((one.action, one.object));
    };
    access::read(&place.vault(), REGION, each).expect("read");
    let step = |action: &str| (action.to_owned(), id.to_owned());
    assert_eq!(log, [step("token-create"), step("token-revoke")]);
    let name = name.as_str().expect("one");
    let back = ["backup", "restore", name, "--identity", "backup.key"];
    place.found(&[&back[..], &["--to", "new"]].concat());
    let tokens = fs::read(place.path("new/keys/api/tokens.json")).expect("restored");
    let tokens: Value = serde_json::from_slice(&tokens).expect("JSON");
    assert_eq!(tokens[0]["id"], token["id"]);
    assert!(tokens[0]["revoked"].is_string(), "{tokens:#}");
    let keys = place.path("there-keys/vaxel-keys.age");
    fs::remove_file(keys).expect("ours");
    let listed = place.ask(&["backup", "list", "--json"]);
    assert_eq!(listed.status.code(), Some(1), "no backup opens any more");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["keys_missing"], true);
}

/// A recording of this moment, whose key is there.
fn record(vault: &Vault) {
    let tag = RecordingTag {
        controller: REGION.into(),
        processor: "inera".into(),
        operator: "inera".into(),
        region: "23".into(),
        kommun: "2380".into(),
        purpose: "patient-safety-and-quality".into(),
        basis: "GDPR Art. 9.2 h".into(),
        agreement: "inera-region-23".into(),
        class: ObjectClass::Audio,
        earliest: jiff::civil::date(2028, 11, 22),
        latest: None,
        route: "jamtland".into(),
        table: "0123456789abcdef".into(),
        call: CallId(7),
        started: Time::from_micros(1_795_318_000_000_000),
    };
    let id = RecordingId::random().expect("random");
    vault.begin(id, &tag).expect("begins");
    let index = Index::open(vault).expect("there");
    index.insert_open(id, &tag).expect("entered");
}

fn backed_up(place: &Place) -> String {
    let recipient = place.found(&["backup", "key", "--out", "backup.key"]);
    let recipient = recipient["recipient"].as_str().expect("one");
    let args = ["backup", "create", "--to", "there", "--force"];
    let made = place.found(&[&args[..], &["--recipient", recipient]].concat());
    made["name"].as_str().expect("one").to_owned()
}

/// Whoever has the backups can still open what was destroyed: nobody may take that for done.
#[test]
fn what_stays_in_the_backups_is_a_finding() {
    let place = Place::new();
    record(&place.vault());
    let tomorrow = jiff::Zoned::now().date().tomorrow().expect("a day");
    let day = tomorrow.to_string();
    let args = ["recorder", "token", "create", "--name", "Anna"];
    let more = [
        "--organisation",
        REGION,
        "--role",
        "reader",
        "--expires",
        &day,
    ];
    let token = place.found(&[&args[..], &more].concat());
    let id = token["id"].as_str().expect("one");
    let index = Index::open(&place.vault()).expect("there");
    let held = index.left_open().expect("read")[0].id.to_string();
    backed_up(&place);
    fs::rename(place.path("there-keys"), place.path("unplugged")).expect("ours");
    for args in [
        &["recorder", "token", "revoke", id][..],
        &["gallring", "run"],
        &["store", "rotate-key", "--controller", REGION],
        &["recordings", "hold", &held, "--reason", "a dispute"],
    ] {
        let done = place.ask(args);
        let said = said(&done);
        assert_eq!(done.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("vaxel backup keys"), "{said}");
    }
    fs::rename(place.path("unplugged"), place.path("there-keys")).expect("ours");
    assert!(place.ask(&["gallring", "run"]).status.success());
}

#[test]
fn the_wrong_key_and_a_misspelt_file_are_wrong_usage() {
    let place = Place::new();
    let name = backed_up(&place);
    let other = place.found(&["backup", "key", "--out", "other.key"]);
    let to = ["--to", "new", "--identity"];
    let restore = ["backup", "restore", &name];
    let sealed = {
        let recipient = other["recipient"].as_str().expect("one");
        let recipient = Recipient::parse(recipient).expect("one");
        let mut sealer = seal(Vec::new(), &[recipient]).expect("seals");
        sealer.write_all(b"a package").expect("sealed");
        sealer.finish().expect("ends")
    };
    fs::write(place.path("package.age"), sealed).expect("ours");
    for args in [
        [
            &restore[..],
            &to,
            &["backup.key", "--register", "misspelt.log"],
        ]
        .concat(),
        [&restore[..], &to, &["backup.key", "--keys", "misspelt.age"]].concat(),
        [&restore[..], &to, &["other.key"]].concat(),
    ] {
        let refused = place.ask(&args);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{args:?}: {}",
            said(&refused)
        );
    }
    for args in [
        &[
            "handover",
            "verify",
            "package.age",
            "--identity",
            "backup.key",
        ][..],
        &[
            "handover",
            "verify",
            "misspelt.age",
            "--identity",
            "backup.key",
        ],
        &[
            "handover",
            "verify",
            "package.age",
            "--identity",
            "misspelt.key",
        ],
        &["handover", "close", "misspelt.json"],
        &["backup", "test", "--identity", "misspelt.key"],
        &["backup", "test", "--identity", "other.key"],
        &["recordings", "reconcile", "--calls", "misspelt"],
    ] {
        let refused = place.ask(args);
        let why = said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {why}");
        assert!(!why.contains("folder of its own"), "{args:?}: {why}");
    }
    assert!(!place.path("new").exists(), "nothing is left half-made");
    let listed = place.ask(&["backup", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let tested = &listed["tested"];
    assert!(tested.is_null(), "another's key is no trial: {tested}");
}

/// Where nothing else is left, the key part has to be named.
#[test]
fn who_restores_where_nothing_is_left_is_asked_for_the_key_part() {
    let place = Place::new();
    let name = backed_up(&place);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let restore = |more: &[&str]| {
        let audio = place.path("there").join(format!("{name}.audio.age"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
        command.current_dir(elsewhere.path());
        command.args(["backup", "restore"]).arg(audio);
        command.arg("--identity").arg(place.path("backup.key"));
        command.args(["--to", "new"]).args(more);
        command.output().expect("it runs")
    };
    let refused = restore(&[]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("--keys"), "{}", said(&refused));
    let keys = place.path("there-keys").join("vaxel-keys.age");
    let restored = restore(&["--keys", keys.to_str().expect("UTF-8")]);
    assert!(restored.status.success(), "{}", said(&restored));
}

#[test]
fn a_store_that_is_not_there_is_wrong_usage() {
    let nowhere = tempfile::tempdir().expect("a folder");
    for args in [
        &["recordings", "list"][..],
        &["gallring", "plan"],
        &["backup", "list"],
        &["handover", "list"],
        &["uttag", "list"],
        &["store", "recover"],
        &["store", "rotate-key", "--controller", REGION],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaxel"));
        command.args(args).arg("--data").arg(nowhere.path());
        let refused = command.output().expect("it runs");
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{args:?}: {}",
            said(&refused)
        );
        assert!(said(&refused).contains("--data"), "{}", said(&refused));
    }
}

/// A header without a line below it leaves everybody to guess.
#[test]
fn what_there_is_none_of_is_a_sentence() {
    let place = Place::new();
    record(&place.vault());
    for (args, sentence) in [
        (&["recordings", "holds"][..], "No recording is held"),
        (&["recordings", "list", "--kommun", "0180"], "--kommun 0180"),
        (&["gallring", "register"], "nothing was erased"),
        (&["gallring", "register", "--verify"], "nothing was erased"),
        (&["handover", "list"], "No hand-overs"),
        (&["uttag", "list"], "No extracts"),
        (&["backup", "list"], "no backup"),
    ] {
        let told = place.ask(args);
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(text.contains(sentence), "{args:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    }
    let reconciled = place.ask(&["recordings", "reconcile"]);
    let text = String::from_utf8_lossy(&reconciled.stdout).into_owned();
    assert!(!text.contains("1970"), "{text}");
}

#[test]
fn a_list_that_was_cut_says_so() {
    let place = Place::new();
    let vault = place.vault();
    (0..2).for_each(|_| record(&vault));
    let index = Index::open(&vault).expect("there");
    let id = index.left_open().expect("read")[0].id.to_string();
    let held = place.ask(&["recordings", "hold", &id, "--reason", " "]);
    assert_eq!(
        held.status.code(),
        Some(2),
        "nobody knows why: {}",
        said(&held)
    );
    for (limit, cut) in [("1", true), ("2", false), ("18446744073709551615", false)] {
        let listed = place.ask(&["recordings", "list", "--json", "--limit", limit]);
        assert!(listed.status.success(), "{}", said(&listed));
        assert_eq!(said(&listed).contains("there are more"), cut, "{limit}");
        let rows: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
        assert_eq!(rows.as_array().map(Vec::len), Some(if cut { 1 } else { 2 }));
    }
}

/// Whoever adds a line to the catalogue orders extracts, and has them sent to himself.
#[test]
fn a_catalogue_that_others_may_change_decides_nothing() {
    let place = Place::new();
    let hsa = place.path("hsa-example.csv");
    fs::write(&hsa, include_str!("../scenarios/hsa-example.csv")).expect("ours");
    let taken = order(&place, "bosse", &["--controller", REGION, "--json"]);
    let taken: Value = serde_json::from_slice(&taken.stdout).expect("JSON");
    let id = taken["id"].as_str().expect("one");
    for (mode, code) in [(0o646, 2), (0o664, 2), (0o644, 0)] {
        fs::set_permissions(&hsa, fs::Permissions::from_mode(mode)).expect("ours");
        let checked = place.ask(&["uttag", "check", id]);
        let said = said(&checked);
        assert_eq!(checked.status.code(), Some(code), "{mode:o}: {said}");
    }
}

/// A switch answers its own machine only; whoever listens elsewhere would have the token that replaces its rules.
#[test]
fn the_token_of_a_switch_goes_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = private(&folder.path().join("token"), "a token for one test only\n");
    for to in [
        "http://192.0.2.1:1177",
        "http://switch.example:1177",
        "http://127.0.0.1.example:1177",
        "http://127.0.0.1:1177@switch.example",
        "http://localhost@switch.example",
        "https://127.0.0.1:1177",
        "127.0.0.1:1177",
    ] {
        let refused = vaxel(&["routes", "apply", "today", "--token", &token, "--to", to]);
        assert_eq!(refused.status.code(), Some(2), "{to}: {}", said(&refused));
    }
    // Nor to what the environment names for the web.
    let [proxy, gone] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    proxy.set_nonblocking(true).expect("ours");
    let address = |of: &TcpListener| format!("http://{}", of.local_addr().expect("bound"));
    let (through, to) = (address(&proxy), address(&gone));
    drop(gone);
    let nobody = Command::new(env!("CARGO_BIN_EXE_vaxel"))
        .args(["routes", "apply", "today", "--token", &token, "--to", &to])
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, &through)))
        .output()
        .expect("it runs");
    assert_eq!(nobody.status.code(), Some(3), "{}", said(&nobody));
    let asked = proxy.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(asked, Err(ErrorKind::WouldBlock));
}

/// The supplier's file with telephone numbers, given for the ledger.
#[test]
fn what_is_no_ledger_is_not_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = private(&folder.path().join("x"), &format!("\"{NUMBER}\"\n"));
    let refused = vaxel(&["ropa", "--ledger", &file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!said(&refused).contains(NUMBER), "{}", said(&refused));
}

/// The others are somebody's who waits for theirs.
#[test]
fn an_extract_that_cannot_be_read_hides_no_other() {
    let place = Place::new();
    let [sound, torn] = ["anna", "bosse"].map(|user| {
        let taken = order(&place, user, &["--controller", REGION, "--json"]);
        let taken: Value = serde_json::from_slice(&taken.stdout).expect("JSON");
        taken["id"].as_str().expect("one").to_owned()
    });
    let record = place.vault().store().join(format!(".uttag/{torn}.json"));
    fs::write(record, "{").expect("ours");
    for json in [false, true] {
        let more: &[&str] = if json { &["--json"] } else { &[] };
        let listed = place.ask(&[&["uttag", "list"], more].concat());
        assert_eq!(listed.status.code(), Some(1), "{}", said(&listed));
        let rows = String::from_utf8_lossy(&listed.stdout);
        assert!(rows.contains(&sound) && !rows.contains(&torn), "{rows}");
        assert!(said(&listed).contains(&torn), "{}", said(&listed));
    }
}

#[test]
fn what_changes_a_store_is_refused_while_its_keys_are_away() {
    let place = Place::new();
    let vault = place.vault();
    record(&vault);
    let index = Index::open(&vault).expect("there");
    let id = index.left_open().expect("read")[0].id.to_string();
    drop(index);
    let key_lost = [
        "store",
        "key-lost",
        "--controller",
        REGION,
        "--reason",
        "a fire",
    ];
    let refused = place.ask(&key_lost);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    let (keys, disk) = (vault.keys(), place.path("disk"));
    fs::rename(keys, &disk).expect("ours");
    fs::DirBuilder::new().create(keys).expect("ours");
    fs::set_permissions(keys, fs::Permissions::from_mode(0o700)).expect("ours");
    for args in [
        &["gallring", "run"][..],
        &["recordings", "hold", &id, "--reason", "a complaint"],
        &key_lost,
    ] {
        let refused = place.ask(args);
        assert!(!refused.status.success(), "{args:?}");
        let said = said(&refused);
        assert!(
            said.contains("mount the disk of `keys`"),
            "{args:?}: {said}"
        );
    }
    let listed = place.ask(&["recordings", "list"]);
    assert!(listed.status.success(), "{}", said(&listed));
    assert_eq!(fs::read_dir(keys).expect("there").count(), 0);
}

/// They are what it is restored for.
#[test]
fn keys_that_are_gone_stand_in_the_way_of_no_restore() {
    let place = Place::new();
    let vault = place.vault();
    record(&vault);
    let index = Index::open(&vault).expect("there");
    recover::close_left_open(&vault, &index).expect("closed");
    drop(index);
    let name = backed_up(&place);
    let keys = vault.keys().to_owned();
    // The signing key alone; all of them, their folder there; their folder too.
    fs::remove_file(keys.join("signing.key")).expect("it signed the backup");
    for to in ["one", "two", "three"] {
        let back = ["backup", "restore", &name, "--identity", "backup.key"];
        let restored = place.ask(&[&back[..], &["--to", to]].concat());
        assert!(restored.status.success(), "{to}: {}", said(&restored));
        assert!(place.path(to).join("keys/signing.key").is_file(), "{to}");
        if keys.exists() {
            fs::remove_dir_all(&keys).expect("ours");
        }
        if to == "one" {
            fs::create_dir(&keys).expect("ours");
            fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).expect("ours");
        }
    }
}
