//! What a switch that starts anew leaves to the next: who was promised to be called back is, by the phone that registered before.

use std::path::Path;

use testkit::{
    AnswerPlan, CallPlan, Ended, Phone,
    desk::{self, Desk},
};
use wire::sip::{message::Headers, uri::Uri};

use super::*;

/// What a letter begins with that is the scenario, as the program before has read it.
const SCENARIO: &[u8] = b"vaxel scenario\n";
/// A number that nobody has. It must reach the caller's phone, and nothing that is said or written.
const NUMBER: &str = "+46701740605";

/// One nurse, who registers, and a queue that offers to call back whoever has to wait at all.
fn calls_back(sip: SocketAddr, web: SocketAddr, credentials: &str) -> String {
    let queue = "agents = [{ register = \"nurse-01\" }], wrap_up_s = 2, callback = { after_expected_wait_s = 1, at_most = 2, offer = \"offer\" }";
    let listen = format!("trusted = [\"127.0.0.0/8\"], credentials = \"{credentials}\", sip =");
    let announced = "announcement = [{ name = \"offer\", file = \"callback-offer.wav\" }]";
    let text = text(sip, web).replace("agents = [{ simulated = 9 }]", queue);
    format!(
        "{announced}\n{}",
        text.replace("listen = { sip =", &format!("listen = {{ {listen}"))
    )
}

/// Calls while the nurse talks, presses the key, and is hung up on.
async fn is_promised(phone: &mut Phone, sip: SocketAddr) {
    let plan = CallPlan {
        from: format!("<sip:{NUMBER}@127.0.0.1>").into(),
        keys: "1".into(),
        ..CallPlan::default()
    };
    let target = Uri::parse(&format!("sip:1177@{sip}")).expect("a URI");
    let asked = phone.call(target, Headers::new(), plan).await;
    assert_eq!((asked.code(), asked.ended), (200, Ended::Peer));
}

fn replays(journal: &Path) {
    let replayed = Command::new(PROGRAM)
        .arg("replay")
        .arg(journal)
        .output()
        .expect("started");
    let said = String::from_utf8_lossy(&replayed.stderr).into_owned();
    assert!(replayed.status.success(), "{}: {said}", journal.display());
    let text = std::fs::read_to_string(journal).expect("a journal");
    assert!(text.ends_with("end\n") && !text.contains(&NUMBER[3..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_promised_it_is_called_back_by_the_next_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = Opened::new();
    let (sip, web) = (opened.sip, opened.web);
    let scenario = calls_back(sip, web, &desk::credentials(folder.path()));
    let journal = folder.path().join("run.journal");
    let mut switch = opened.start_with(folder.path(), &scenario, &["--journal", path(&journal)]);
    switch.says(READY).await;
    let nurse = Desk::registers(sip, ";q=0.7").await;
    let first = Raw::new(sip).await;
    let (_, tag) = first.call("talks").await;
    let talk = nurse.is_asked("INVITE").await;
    nurse.picks_up(&talk).await;
    nurse.is_asked("ACK").await;
    let mut caller = Phone::bind().expect("a phone");
    is_promised(&mut caller, sip).await;

    switch.start_anew();
    // The promise is nothing that it waits for.
    switch.says("no new calls; 1 in progress").await;
    let hung_up = async {
        nurse.is_hung_up_on().await;
    };
    tokio::join!(first.hang_up("talks", &tag), hung_up);
    switch
        .says("started anew: to be called back 1, phones registered 1, nurses in wrap-up 1")
        .await;
    let called = caller.answer(AnswerPlan::default());
    let talks = async {
        // Nobody has registered since.
        let call = nurse.is_asked("INVITE").await;
        nurse.picks_up(&call).await;
        nurse.is_asked("ACK").await;
        switch.interrupt();
        let drains = |said: String| said.matches("may end within").count() == 2;
        http::wait_for("the drain", async || drains(switch.said()).then_some(())).await;
        switch.interrupt();
        nurse.is_hung_up_on().await;
    };
    let (called, ()) = tokio::join!(called, talks);
    assert_eq!((called.code(), called.ended), (200, Ended::Peer));
    let dialled = called.request.as_ref().expect("an INVITE").uri.to_string();
    assert!(dialled.starts_with(&format!("sip:{NUMBER}@")));
    assert!(switch.ends().await.success());
    assert!(!switch.said().contains(&NUMBER[3..]));
    replays(&journal);
    replays(&folder.path().join("run.journal.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_of_and_calls_are_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = Opened::new();
    let sip = opened.sip;
    opened
        .letters
        .push(b"{\"version\":99,\"calls\":[]}".to_vec());
    let mut switch = opened.start(folder.path());
    let said = switch.says(READY).await;
    assert!(said.contains("started anew without"), "{said}");
    let phone = Raw::new(sip).await;
    let (status, tag) = phone.call("anyway").await;
    assert_eq!(status, 200);
    phone.hang_up("anyway", &tag).await;
    switch.interrupt();
    assert!(switch.ends().await.success());
}

/// Broken in the moment after the program before this one had read it for the last time: that one has stopped, and this one goes on by
/// what was read then.
#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_that_is_broken_at_the_last_moment_is_as_it_was_before_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut opened = Opened::new();
    let (sip, web) = (opened.sip, opened.web);
    let checked = text(sip, web);
    let estate = br#"{"version":1,"callbacks":[],"phones":[],"writing":[]}"#;
    opened.letters.push([SCENARIO, checked.as_bytes()].concat());
    opened.letters.push(estate.to_vec());
    let mut switch = opened.start_with(folder.path(), "operator = 7", &[]);
    let said = switch.says(READY).await;
    assert!(said.contains("goes on by the scenario as it was"), "{said}");
    assert!(said.contains("started anew: to be called back 0"), "{said}");
    let phone = Raw::new(sip).await;
    let (status, tag) = phone.call("there").await;
    assert_eq!(status, 200);
    phone.hang_up("there", &tag).await;
    // Whole again, it is read as ever.
    std::fs::write(folder.path().join("restart.toml"), &checked).expect("a file");
    switch.reread();
    switch.says("rules replaced").await;
    switch.start_anew();
    http::wait_for("the next one", async || {
        (switch.said().matches(READY).count() == 2).then_some(())
    })
    .await;
    assert_eq!(switch.said().matches("as it was").count(), 1);
    switch.interrupt();
    assert!(switch.ends().await.success());
}

fn path(file: &Path) -> &str {
    file.to_str().expect("UTF-8")
}
