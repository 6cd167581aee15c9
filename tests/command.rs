//! What the command says, and the code it ends with, when something is wrong or somebody only asks.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::Path,
    process::{Command, Output, Stdio},
};

/// One of the addresses that belong to nobody (RFC 5737).
const NOT_LOOPBACK: &str = "192.0.2.1:1177";

#[test]
fn each_command_tells_what_it_is() {
    let commands = [
        "demo",
        "gateway",
        "recorder",
        "load",
        "simulate",
        "recordings",
        "replay",
    ];
    let all = vaxel(&["--help"]);
    assert!(all.status.success());
    for command in commands {
        assert!(out(&all).contains(command), "{command} is listed");
        let help = vaxel(&[command, "--help"]);
        assert!(help.status.success(), "{command}");
        assert!(out(&help).contains("Usage: vaxel"), "{command}");
    }
    for what in ["list", "show", "export"] {
        assert!(vaxel(&["recordings", what, "--help"]).status.success());
    }
    assert_eq!(vaxel(&["no-such-command"]).status.code(), Some(2));
    assert_eq!(vaxel(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_missing_scenario_is_a_sentence() {
    for command in ["gateway", "recorder", "recordings"] {
        let mut args = vec![command, "--config", "nowhere.toml"];
        args.extend((command == "recordings").then_some("list"));
        refused(&vaxel(&args), 2, &["nowhere.toml", "imy-2019"]);
    }
    refused(&vaxel(&["simulate", "nowhere.toml"]), 2, &["nowhere.toml"]);
}

/// Invariant 8: file, line and column, the line itself, and what to do; and nothing is started.
#[test]
fn a_broken_scenario_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let today = include_str!("../scenarios/today.toml");
    let broken = today.replacen("controller = \"region-03\"", "controler = \"region-03\"", 1);
    let line = 1 + broken
        .lines()
        .position(|line| line.contains("controler"))
        .expect("it was put in");
    fs::write(folder.path().join("broken.toml"), &broken).expect("written");
    for command in ["gateway", "recorder"] {
        let refusal = vaxel_in(folder.path(), &[command, "--config", "broken.toml"]);
        let place = format!("broken.toml:{line}:");
        refused(&refusal, 2, &[&place, "controler", "controller"]);
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "nothing was begun: {left:?}");
    fs::write(folder.path().join("none.toml"), "operator = ").expect("written");
    let refusal = vaxel_in(folder.path(), &["simulate", "none.toml"]);
    refused(&refusal, 2, &["none.toml:1:"]);
}

/// A name may stand in a scenario that somebody else wrote, and would else set the terminal's title, or hide what follows.
#[test]
fn a_name_of_others_gives_the_terminal_no_orders() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hostile.toml");
    let orders = "\\u001b]0;owned\\u0007\\u009b2J\\u202e";
    let named = include_str!("../scenarios/today.toml").replacen(
        "name = \"Inera AB\"",
        &format!("name = \"{orders}\""),
        1,
    );
    assert!(named.contains(orders));
    std::fs::write(&file, &named).expect("written");
    let file = file.to_str().expect("UTF-8");
    let is_order = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    for args in [
        &["ropa", "--config", file][..],
        &["ropa", "--config", file, "--json"],
    ] {
        let output = vaxel(args);
        let said = out(&output) + &err(&output);
        assert!(said.contains("\\u001b]0;owned"), "{said:?}");
        assert!(!said.contains(is_order), "{said:?}");
    }
    // What is no TOML at all is shown with its line.
    std::fs::write(file, "operator = \u{1b}]0;owned\u{7}\n").expect("written");
    let output = vaxel(&["routes", "check", file]);
    assert!(!(out(&output) + &err(&output)).contains(is_order));
}

#[test]
fn a_port_in_use_is_a_sentence_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let in_use = [address(tcp.local_addr()), address(udp.local_addr())];
    for taken in &in_use {
        let args = ["gateway", "--sip", taken, "--web", "127.0.0.1:0"];
        refused(&vaxel_in(folder.path(), &args), 3, &[taken, "another port"]);
        let args = ["recorder", "--sip", taken, "--web", "127.0.0.1:0"];
        refused(&vaxel_in(folder.path(), &args), 3, &[taken, "another port"]);
    }
    let taken = &in_use[0];
    let args = ["gateway", "--sip", "127.0.0.1:0", "--web", taken];
    refused(&vaxel_in(folder.path(), &args), 3, &[taken, "another port"]);
    let args = ["recorder", "--sip", "127.0.0.1:0", "--web", taken];
    refused(&vaxel_in(folder.path(), &args), 3, &[taken, "another port"]);
}

/// Root may write anywhere, so a file stands where the folder should be.
#[test]
fn a_store_that_cant_be_written_is_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("recordings"), "a file").expect("written");
    let args = ["recorder", "--sip", "127.0.0.1:0", "--web", "127.0.0.1:0"];
    refused(&vaxel_in(folder.path(), &args), 3, &["recordings"]);
    refused(
        &vaxel(&["recordings", "list", "--data", "/proc/none"]),
        2,
        &["/proc/none"],
    );
}

/// What no machine could do is said of the scenario, and not of the machine.
#[test]
fn a_place_that_is_none_is_wrong_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let today = include_str!("../scenarios/today.toml");
    let store = "store = \"recordings/inera/store\"";
    assert!(today.contains(store));
    let text = today.replace(store, "store = \"s3://\"");
    fs::write(folder.path().join("bucket.toml"), text).expect("written");
    let args = ["recorder", "--config", "bucket.toml"];
    refused(&vaxel_in(folder.path(), &args), 2, &["s3://bucket/prefix"]);
}

/// Invariant 7, as a person meets it.
#[test]
fn a_listener_outside_loopback_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for web in ["0.0.0.0:0", NOT_LOOPBACK, "[::]:0"] {
        for command in ["gateway", "recorder"] {
            let args = [command, "--sip", "127.0.0.1:0", "--web", web];
            let refusal = vaxel_in(folder.path(), &args);
            refused(&refusal, 3, &["127.0.0.1"]);
        }
    }
}

#[test]
fn wrong_arguments_are_wrong_usage() {
    for args in [
        ["gateway", "--at", "yesterday"],
        ["load", "--to", "nobody"],
        ["load", "--kommun", "18"],
        ["load", "--talk", "-1"],
        ["load", "--patience", "-1"],
        ["load", "--rate", "0"],
        ["load", "--talk", "1e300"],
        ["load", "--calls", "0"],
        ["load", "--at-once", "0"],
        ["demo", "--calls", "0"],
        ["simulate", "--threads", "0"],
        ["simulate", "--threads", "257"],
        ["recordings", "list", "--limit=0"],
        ["simulate", "--days", "0"],
        ["simulate", "--start", "tomorrow"],
        ["simulate", "--replications", "0"],
        ["simulate", "--report", "nowhere/report.html"],
        ["simulate", "--days", "-1"],
        ["replay", "no-such-journal", "--json"],
        ["staff", "--region=21", "--sl=80/1s"],
        ["demo", "--shift", "65000"],
    ] {
        let refusal = vaxel(&args);
        assert_eq!(
            refusal.status.code(),
            Some(2),
            "{args:?}: {}",
            err(&refusal)
        );
        let digits = err(&refusal).matches('0').count();
        assert!(digits < 30, "what was given is told in short: {args:?}");
    }
}

#[test]
fn two_outputs_in_one_file_are_refused_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["simulate", "--hours-csv", "a.csv", "--calls-csv", "a.csv"];
    let refusal = vaxel_in(folder.path(), &args);
    refused(&refusal, 2, &["a.csv", "two outputs"]);
}

/// What an operator changed and broke isn't taken for the built-in scenario of that name.
#[test]
fn a_scenario_that_cannot_be_read_is_not_the_built_in_one_of_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("scenarios")).expect("made");
    let changed = folder.path().join("scenarios/today.toml");
    // Latin 1, as an old editor saves it.
    fs::write(changed, b"operator = \"Link\xf6ping\"").expect("written");
    let refusal = vaxel_in(folder.path(), &["routes", "check", "scenarios/today.toml"]);
    refused(&refusal, 2, &["scenarios/today.toml", "UTF-8"]);
    let other = vaxel_in(folder.path(), &["routes", "check", "today"]);
    assert!(other.status.success(), "{}", err(&other));
}

/// A device, or whatever was named by mistake.
#[test]
fn files_without_an_end_are_refused() {
    refused(&vaxel(&["routes", "check", "/dev/zero"]), 2, &["larger"]);
    refused(&vaxel(&["ropa", "--ledger", "/dev/zero"]), 2, &["line 1"]);
    let replay = ["simulate", "today", "--replay", "/dev/zero"];
    refused(&vaxel(&replay), 2, &["line 1"]);
    let against = ["simulate", "today", "--against", "/dev/zero"];
    refused(&vaxel(&against), 2, &["larger"]);
}

#[test]
fn the_erlang_formulas_answer_or_say_which_number_is_wrong() {
    let erlang = |further: &[&str]| {
        let args = ["erlang", "--lambda-per-h", "20000", "--mu-per-h", "7.5"];
        vaxel(&[&args, further].concat())
    };
    let overloaded = erlang(&["--agents", "30", "--theta-per-h", "6", "--json"]);
    assert!(overloaded.status.success(), "{}", err(&overloaded));
    let found: serde_json::Value = serde_json::from_slice(&overloaded.stdout).expect("JSON");
    assert!(found["p_abandon"].as_f64() > Some(0.98), "{found}");
    for (wrong, word) in [
        (["--agents", "30", "--theta-per-h", "nan"], "--theta-per-h"),
        (["--agents", "30", "--within-s", "inf"], "--within-s"),
        (["--agents", "30", "--theta-per-h", "1e-9"], "--theta-per-h"),
        // The figures would be no numbers.
        (
            ["--agents", "30", "--theta-per-h", "1e308"],
            "--theta-per-h",
        ),
        (["--agents", "30", "--within-s", "1e300"], "--within-s"),
        (["--agents", "4000000000", "--theta-per-h", "6"], "--agents"),
        // Patience doesn't help where nobody ever answers.
        (["--agents", "0", "--theta-per-h", "6"], "give 1 to"),
        (
            ["--agents", "30", "--within-s", "-1"],
            "--within-s -1.0: give",
        ),
    ] {
        refused(&erlang(&wrong), 2, &[word]);
    }
}

#[test]
fn what_is_asked_for_as_json_is_json_also_when_a_token_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let ask = |args: &[&str]| {
        let all = [
            "recorder", "token", "--config", "today", "--data", ".", "--json",
        ];
        let output = vaxel_in(folder.path(), &[&all, args].concat());
        assert!(output.status.success(), "{}", err(&output));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    let tomorrow = jiff::Zoned::now()
        .date()
        .tomorrow()
        .expect("a day")
        .to_string();
    let made = ask(&[
        "create",
        "--name",
        "Anna",
        "--organisation",
        "region-21",
        "--role",
        "dpo",
        "--expires",
        &tomorrow,
    ]);
    let id = made["id"].as_str().expect("an id");
    assert_eq!(ask(&["revoke", id])["id"], id);
    assert_eq!(ask(&["prune"])["forgotten"], 1);
}

/// Nobody listens: every call fails, the figures say so, and the exit code too.
#[test]
fn a_load_against_nobody_fails() {
    let free = UdpSocket::bind("127.0.0.1:0").expect("a port");
    // By TCP a refused connection is known at once; by UDP only the callers' patience ends it.
    let nobody = free.local_addr().expect("an address");
    let to = format!("sip:1177@{nobody};transport=tcp");
    drop(free);
    let output = vaxel(&[
        "load", "--to", &to, "--calls", "3", "--rate", "50", "--json",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["answered"], 0);
    assert_eq!(report["unreached"], 3, "{report:#}");
    assert_eq!(report["failed"], serde_json::json!({}), "{report:#}");
}

#[test]
fn a_day_simulated_twice_is_the_same_day() {
    let args = ["simulate", "today", "--seed", "3", "--twice", "--json"];
    let [one, other] = [vaxel(&args), vaxel(&args)].map(|output| {
        assert!(output.status.success(), "{}", err(&output));
        let mut summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(
            summary["calls"]["offered"].as_u64() > Some(1000),
            "{summary:#}"
        );
        assert_eq!(summary["recorded_at_switch_for_provider"], 0);
        summary["digest"].take()
    });
    assert_eq!(one, other);
}

#[test]
fn a_shell_is_told_of_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = vaxel(&["completions", shell]);
        assert!(script.status.success(), "{}", err(&script));
        for word in ["gallring", "reconcile", "patience"] {
            assert!(out(&script).contains(word), "{word} in {shell}'s");
        }
    }
    refused(&vaxel(&["completions", "dos"]), 2, &["bash"]);
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("man1");
    let made = made.to_str().expect("UTF-8");
    let pages = vaxel(&["man", "--to", made]);
    assert!(pages.status.success(), "{}", err(&pages));
    let page = |name: &str| fs::read_to_string(Path::new(made).join(name)).expect("written");
    assert_eq!(page("vaxel.1").trim_end(), out(&vaxel(&["man"])).trim_end());
    assert!(page("vaxel-gallring-run.1").contains("register"));
}

/// `vaxel simulate | head -1`: the reader leaves, and the command ends without a complaint.
#[test]
fn a_reader_who_leaves_is_no_fault() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vaxel"))
        .args(["simulate", "today"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vaxel runs");
    // Gone before the first line is written: a whole day is simulated first.
    drop(child.stdout.take());
    let mut complaints = BufReader::new(child.stderr.take().expect("piped")).lines();
    let complaint = complaints.next().and_then(Result::ok);
    assert_eq!(complaint, None);
    assert!(child.wait().expect("it ends").success());
}

fn vaxel(args: &[&str]) -> Output {
    vaxel_in(Path::new(env!("CARGO_TARGET_TMPDIR")), args)
}

fn vaxel_in(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vaxel"))
        .current_dir(folder)
        .args(args)
        .output()
        .expect("vaxel runs")
}

/// It ended with that code, printed nothing as a result, didn't panic, and said these words.
fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = err(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{}", out(output));
    assert!(!said.contains("panicked"), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} in: {said}");
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn address(address: std::io::Result<SocketAddr>) -> String {
    address.expect("an address").to_string()
}
