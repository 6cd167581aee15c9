//! What leaves a store by the command: who it was is written down, nothing goes where it shouldn't, and the exit code says
//! whose fault it is.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod backups;
mod extracts;
mod nowhere_else;
mod usage;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use callcore::{
    retention::ObjectClass, scenario::Scenario, switch::CallId, tag::RecordingTag, time::Time,
};
use recorder::{index::Index, names::RecordingId, vault::Vault};
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
        let text = include_str!("../../scenarios/jamtland-2025.toml");
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
