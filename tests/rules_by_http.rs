//! Rules replaced over HTTP: only with the token, only whole, and the token's file is nobody else's to read.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use testkit::child::Child;

const VAXEL: &str = env!("CARGO_BIN_EXE_vaxel");
const TODAY: &str = include_str!("../scenarios/today.toml");

/// A switch by this scenario whose rules may be replaced with this token, and where its page is.
async fn start(token: &Path, scenario: &Path) -> (Child, String) {
    let mut command = Command::new(VAXEL);
    command
        .args(["gateway", "--sip", "127.0.0.1:0", "--web", "127.0.0.1:0"])
        .arg("--admin-token")
        .arg(token)
        .arg("--config")
        .arg(scenario);
    let mut switch = Child::start("gateway", &mut command);
    let line = switch.says("stop: Ctrl-C").await;
    let page = line
        .split("page: ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let page = page.expect("the page's address").to_owned();
    (switch, page)
}

#[tokio::test]
async fn rules_are_replaced_only_with_the_token_and_only_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permitted");
        path
    };
    let token = file("token", "a token for one test only\n", 0o600);
    let wrong = file("wrong", "another token for this test\n", 0o600);
    let open = file("open", "a token for one test only\n", 0o644);
    let good = file("good.toml", TODAY, 0o644);
    let bad = file(
        "bad.toml",
        &TODAY.replacen("controller = ", "controler = ", 1),
        0o644,
    );

    a_token_that_others_may_read_is_refused(&open);
    a_token_that_can_be_guessed_is_refused_before_anything_is_opened(folder.path());

    let (mut switch, page) = start(&token, &good).await;
    let apply = |scenario: &Path, token: &Path| -> Output {
        let mut command = Command::new(VAXEL);
        command
            .args(["routes", "apply", "--to", &page])
            .arg(scenario);
        command.arg("--token").arg(token).output().expect("it runs")
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let stranger = apply(&good, &wrong);
    assert_eq!(stranger.status.code(), Some(1), "{}", said(&stranger));
    assert!(
        said(&stranger).contains("Authorization"),
        "{}",
        said(&stranger)
    );
    let broken = apply(&bad, &token);
    assert_eq!(broken.status.code(), Some(1));
    assert!(said(&broken).contains("controler"), "{}", said(&broken));
    // A region's calls recorded under another region's agreement: an error that the rules in force don't have.
    let own = r#"id = "inera-03", controller = "region-03""#;
    let other = own.replace("region-03", "region-04");
    let lawless = file("lawless.toml", &TODAY.replacen(own, &other, 1), 0o644);
    let worse = apply(&lawless, &token);
    assert_eq!(worse.status.code(), Some(1));
    assert!(said(&worse).contains("V0202"), "{}", said(&worse));
    assert_eq!(apply(&good, &open).status.code(), Some(2));
    let replaced = apply(&good, &token);
    assert_eq!(replaced.status.code(), Some(0), "{}", said(&replaced));
    // Who did it stands in the history as they are called, or it isn't done.
    let by = |name: &str| {
        let mut command = Command::new(VAXEL);
        command.args(["routes", "apply", "--to", &page, "--json", "--by", name]);
        let command = command.arg(&good).arg("--token").arg(&token);
        command.output().expect("it runs")
    };
    let by_name = by("Åsa, drift");
    assert_eq!(by_name.status.code(), Some(0), "{}", said(&by_name));
    let change: serde_json::Value = serde_json::from_slice(&by_name.stdout).expect("JSON");
    assert_eq!(change["by"], "Åsa, drift");
    let nameless = by(&"x".repeat(65));
    assert_eq!(nameless.status.code(), Some(1), "{}", said(&nameless));
    switch.terminate();
    assert!(switch.ends().await.success());
}

fn a_token_that_can_be_guessed_is_refused_before_anything_is_opened(folder: &Path) {
    let token = folder.join("short");
    fs::write(&token, "guess me\n").expect("written");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("permitted");
    // Who opens this first would say that it is taken.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let taken = socket.local_addr().expect("an address").to_string();
    let (journal, ledger) = (folder.join("a.journal"), folder.join("a.ledger"));
    let refused = Command::new(VAXEL)
        .args(["gateway", "--web", "127.0.0.1:0", "--sip", &taken])
        .arg("--admin-token")
        .arg(&token)
        .arg("--journal")
        .arg(&journal)
        .arg("--ledger")
        .arg(&ledger)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("at least 16 characters"), "{said}");
    assert!(!said.contains("guess me"), "{said}");
    assert!(!journal.exists() && !ledger.exists(), "nothing was begun");
}

fn a_token_that_others_may_read_is_refused(open: &Path) {
    let refused = Command::new(VAXEL)
        .args(["gateway", "--sip", "127.0.0.1:0", "--web", "127.0.0.1:0"])
        .arg("--admin-token")
        .arg(open)
        .output()
        .expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "others may read the token");
}
