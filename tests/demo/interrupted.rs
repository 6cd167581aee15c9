//! Ctrl-C in the midst of calls.

use std::process::Command;

use serde_json::Value;
use testkit::{CallPlan, Ended, Phone, Sound, Until, child::Child};
use wire::sip::message::{HeaderName, Headers};

use crate::{
    ports::Shift,
    run::{VAXEL, recordings, sum},
};

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_calls_and_closes_recordings() {
    let folder = tempfile::tempdir().expect("a folder");
    let shift = Shift::free();
    let mut command = Command::new(VAXEL);
    command
        .current_dir(folder.path())
        .args(["-vv", "demo", "--json", "--rate", "4"])
        .args(["--shift", &shift.by.to_string()]);
    let mut demo = Child::start("vaxel demo", &mut command);
    demo.says("recorded call=").await;
    demo.interrupt();
    let status = demo.ends().await;
    assert_eq!(status.code(), Some(0), "{}", demo.said());
    let summary: Value = serde_json::from_str(&demo.printed()).expect("JSON and nothing else");
    let ended = |key: &str| summary[key].as_u64().expect("a number");
    assert_eq!(ended("offered"), ended("completed") + ended("failed"));
    assert_eq!(summary["unaccounted"], 0);
    let here = recordings(folder.path(), "imy-2019");
    assert_eq!(here.len() as u64, sum(&summary["recorded"]));
    for row in here
        .iter()
        .chain(&recordings(folder.path(), "medhelp-2019"))
    {
        assert_eq!(row["state"], "closed", "{row:#}");
    }
}

/// A person's own phone is told by BYE.
#[tokio::test(flavor = "multi_thread")]
async fn a_phone_in_a_call_is_told_by_bye() {
    let folder = tempfile::tempdir().expect("a folder");
    let shift = Shift::free();
    let mut command = Command::new(VAXEL);
    command
        .current_dir(folder.path())
        .args(["-vv", "demo", "--json", "--quiet-callers"])
        .args(["--shift", &shift.by.to_string()]);
    let mut demo = Child::start("vaxel demo", &mut command);
    demo.says("Ctrl-C").await;
    let mut phone = Phone::bind().expect("a port");
    let switch = ([127, 0, 0, 1], 5060 + shift.by).into();
    let call = tokio::spawn(async move {
        let mut headers = Headers::new();
        // Östersund: its region answered its own calls in 2018 too.
        headers.push(HeaderName::parse("X-Kommun-ID").expect("a name"), "2380");
        let plan = CallPlan {
            sound: Sound::Tone(440.0),
            until: Until::PeerEnds,
            ..CallPlan::default()
        };
        let target = wire::sip::uri::Uri::sip(Some("1177"), switch);
        phone.call(target, headers, plan).await
    });
    demo.says("recorded call=").await;
    demo.interrupt();
    let result = call.await.expect("the phone");
    assert_eq!(result.ended, Ended::Peer, "{result:?}");
    assert!(demo.ends().await.success(), "{}", demo.said());
    let here = recordings(folder.path(), "imy-2019");
    assert_eq!(here.len(), 1);
    assert_eq!(here[0]["state"], "closed");
    assert_eq!(here[0]["kommun"], "2380");
}
