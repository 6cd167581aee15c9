//! A nurse with several phones: all ring, one gets the call, and the queue knows of one nurse.

use std::net::SocketAddr;

use testkit::desk::{Desk, credentials};
use wire::sip::message::{HeaderName, Request, StatusCode};

use crate::{
    TO_QUEUE,
    handed_on::refer,
    handset::Handset,
    rig::Rig,
    routes,
    talk::{REGIONAL, Talk},
};

/// A switch whose queue has one nurse, who registers.
async fn switch() -> (tempfile::TempDir, Rig, SocketAddr) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = credentials(folder.path());
    let agents = "[{ register = \"nurse-01\", srtp = \"offer\" }]";
    let rig = Rig::start_with_credentials(&file, agents, &routes(TO_QUEUE)).await;
    let at = rig.gateway.sip_addr();
    (folder, rig, at)
}

/// Calls the queue, which answers.
async fn calls(rig: &Rig) -> (Handset, wire::sip::endpoint::SessionId) {
    let mut caller = Handset::new().await;
    let offer = caller.talks();
    let call = caller.call(rig.gateway.sip_addr(), &[REGIONAL], Some(offer));
    caller.is_answered().await;
    (caller, call)
}

/// The key that a phone was offered.
fn key(call: &Request) -> String {
    let body = call.body().expect("an offer");
    let text = String::from_utf8(body.bytes.to_vec()).expect("text");
    let line = text.lines().find(|line| line.starts_with("a=crypto"));
    line.expect("a key").to_owned()
}

#[tokio::test]
async fn all_phones_ring_and_the_first_that_answers_has_the_call() {
    let (_folder, rig, at) = switch().await;
    let desk = Desk::registers(at, "").await;
    let mut soft = Desk::registers(at, "").await;
    let told = soft.register("").await;
    let contacts: Vec<&str> = told.headers.get_all(&HeaderName::Contact).collect();
    assert_eq!(contacts.len(), 2, "both are told");
    let (mut caller, call) = calls(&rig).await;
    let (at_desk, at_soft) = (desk.is_asked("INVITE").await, soft.is_asked("INVITE").await);
    assert_ne!(key(&at_desk), key(&at_soft), "a key of its own for each");
    desk.says(180, &at_desk).await;
    soft.says(180, &at_soft).await;
    soft.picks_up(&at_soft).await;
    soft.is_asked("ACK").await;
    let cancel = desk.gives_up(&at_desk).await;
    let why = cancel.headers.get(&HeaderName::Reason);
    assert_eq!(why, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    caller.hangs_up(call);
    soft.is_hung_up_on().await;
    let kept = rig.stop().await;
    let (completed, unaccounted) = (kept.totals.completed, kept.totals.unaccounted);
    assert_eq!((completed, unaccounted), (1, 0));
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&1), "once");
}

#[tokio::test]
async fn a_phone_that_answers_too_late_is_acknowledged_and_hung_up_on() {
    let (_folder, rig, at) = switch().await;
    let (desk, soft) = (Desk::registers(at, "").await, Desk::registers(at, "").await);
    let (mut caller, call) = calls(&rig).await;
    let (at_desk, at_soft) = (desk.is_asked("INVITE").await, soft.is_asked("INVITE").await);
    desk.says(180, &at_desk).await;
    soft.picks_up(&at_soft).await;
    soft.is_asked("ACK").await;
    let cancel = desk.is_asked("CANCEL").await;
    desk.picks_up(&at_desk).await;
    desk.says(200, &cancel).await;
    desk.is_asked("ACK").await;
    desk.is_hung_up_on().await;
    caller.hangs_up(call);
    soft.is_hung_up_on().await;
    let totals = rig.stop().await.totals;
    assert_eq!((totals.completed, totals.unaccounted), (1, 0));
}

#[tokio::test]
async fn a_busy_phone_leaves_the_others_and_the_less_wanted_come_after() {
    let (_folder, rig, at) = switch().await;
    let desk = Desk::registers(at, "").await;
    let soft = Desk::registers(at, ";q=0.9").await;
    let home = Desk::registers(at, ";q=0.9").await;
    let (mut caller, call) = calls(&rig).await;
    let at_desk = desk.is_asked("INVITE").await;
    desk.says(486, &at_desk).await;
    let (at_soft, at_home) = (soft.is_asked("INVITE").await, home.is_asked("INVITE").await);
    soft.says(486, &at_soft).await;
    soft.is_asked("ACK").await;
    home.picks_up(&at_home).await;
    home.is_asked("ACK").await;
    caller.hangs_up(call);
    home.is_hung_up_on().await;
    let totals = rig.stop().await.totals;
    assert_eq!((totals.completed, totals.unaccounted), (1, 0));
}

/// The less wanted phone rings once the other has rung for its share: here half of ten seconds.
#[tokio::test]
async fn a_phone_that_nobody_picks_up_goes_on_ringing_when_the_next_one_does() {
    let (_folder, rig, at) = switch().await;
    let desk = Desk::registers(at, "").await;
    let home = Desk::registers(at, ";q=0.1").await;
    let (mut caller, call) = calls(&rig).await;
    let at_desk = desk.is_asked("INVITE").await;
    desk.says(180, &at_desk).await;
    let at_home = home.is_asked("INVITE").await;
    home.says(180, &at_home).await;
    desk.picks_up(&at_desk).await;
    desk.is_asked("ACK").await;
    home.gives_up(&at_home).await;
    caller.hangs_up(call);
    desk.is_hung_up_on().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_nurse_who_declines_on_one_phone_declines_on_all() {
    let (_folder, rig, at) = switch().await;
    let (desk, soft) = (Desk::registers(at, "").await, Desk::registers(at, "").await);
    let home = Desk::registers(at, ";q=0.1").await;
    let (mut caller, call) = calls(&rig).await;
    let (at_desk, at_soft) = (desk.is_asked("INVITE").await, soft.is_asked("INVITE").await);
    soft.says(180, &at_soft).await;
    desk.says(603, &at_desk).await;
    soft.gives_up(&at_soft).await;
    // The caller is back in the line, and rung for again once the nurse has been left alone for a while: all phones anew.
    let again = desk.is_asked("INVITE").await;
    assert_ne!(again.call_id(), at_desk.call_id());
    desk.says(180, &again).await;
    soft.is_asked("INVITE").await;
    caller.hangs_up(call);
    desk.is_asked("CANCEL").await;
    drop(home);
    rig.stop().await;
}

#[tokio::test]
async fn who_leaves_while_phones_ring_leaves_none_ringing() {
    let (_folder, rig, at) = switch().await;
    let (desk, mut soft) = (Desk::registers(at, "").await, Desk::registers(at, "").await);
    let gone = soft.register(";expires=0").await;
    assert_eq!(gone.headers.get_all(&HeaderName::Contact).count(), 1);
    soft.register("").await;
    let (mut caller, call) = calls(&rig).await;
    for phone in [&desk, &soft] {
        let rings = phone.is_asked("INVITE").await;
        phone.says(180, &rings).await;
    }
    caller.hangs_up(call);
    desk.is_asked("CANCEL").await;
    soft.is_asked("CANCEL").await;
    let totals = rig.stop().await.totals;
    assert_eq!(totals.outcomes.get("abandoned"), Some(&1));
    assert_eq!(totals.unaccounted, 0);
}

/// The URIs that a History-Info names, in order.
fn visited(call: &Request) -> Vec<String> {
    let entries = call.headers.list(&HeaderName::HistoryInfo);
    let inside = |entry: &str| entry.split(['<', '>']).nth(1).map(str::to_owned);
    entries.filter_map(inside).collect()
}

#[tokio::test]
async fn a_phone_behind_a_proxy_is_called_through_it_and_no_phone_hears_of_the_others() {
    let (_folder, rig, at) = switch().await;
    let mut desk = Desk::registers(at, "").await;
    let path = "<sip:edge.invalid;lr>, <sip:10.0.0.1:5062;lr;ob>";
    let told = desk
        .register(&format!("\r\nSupported: path\r\nPath: {path}"))
        .await;
    let named = HeaderName::parse("Path").expect("a token");
    assert_eq!(told.headers.get(&named), Some(path), "it is told again");
    let bare = Desk::registers(at, "").await;
    let (mut caller, call) = calls(&rig).await;
    let (at_desk, at_bare) = (desk.is_asked("INVITE").await, bare.is_asked("INVITE").await);
    assert_eq!(at_desk.headers.get(&HeaderName::Route), Some(path));
    assert_eq!(at_desk.uri.to_string(), desk.contact());
    assert_eq!(at_bare.headers.get(&HeaderName::Route), None);
    let nurse = format!("sip:nurse-01@{at}");
    for asked in [&at_desk, &at_bare] {
        assert_eq!(visited(asked), [format!("sip:1177@{at}"), nurse.clone()]);
    }
    bare.says(180, &at_bare).await;
    desk.says(180, &at_desk).await;
    bare.picks_up(&at_bare).await;
    bare.is_asked("ACK").await;
    let cancel = desk.gives_up(&at_desk).await;
    assert_eq!(cancel.headers.get(&HeaderName::Route), Some(path));
    caller.hangs_up(call);
    bare.is_hung_up_on().await;
    rig.stop().await;
}

/// As telephones do: they know each other by user and switch, not by Contact.
#[tokio::test]
async fn a_nurse_hands_the_call_on_to_one_who_registers_by_her_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = credentials(folder.path());
    let nurse = Handset::new().await;
    let agents = format!("[\"{}\", {{ register = \"nurse-01\" }}]", nurse.uri());
    let rig = Rig::start_with_credentials(&file, &agents, &routes(TO_QUEUE)).await;
    let at = rig.gateway.sip_addr();
    let desk = Desk::registers(at, "\r\nPath: <sip:edge.invalid;lr>").await;
    let mut two = Talk::through(rig, nurse).await;
    two.nurse.is_confirmed().await;
    for stranger in ["<sip:nurse-02@127.0.0.1>", "<sip:nurse-01@127.0.0.9>"] {
        let refused = refer(&mut two.nurse, two.talk, stranger).await;
        assert_eq!(refused, Err(StatusCode::FORBIDDEN), "{stranger}");
    }
    let named = format!("<sip:nurse-01@{at}>");
    assert_eq!(refer(&mut two.nurse, two.talk, &named).await, Ok(()));
    let asked = desk.is_asked("INVITE").await;
    let route = asked.headers.get(&HeaderName::Route);
    assert_eq!(route, Some("<sip:edge.invalid;lr>"));
    desk.picks_up(&asked).await;
    desk.is_asked("ACK").await;
    two.nurse.is_ended().await;
    two.caller.hangs_up(two.call);
    desk.is_hung_up_on().await;
    let kept = two.rig.stop().await;
    assert_eq!(kept.totals.recorded.get("region-04"), Some(&2));
    assert_eq!((kept.totals.completed, kept.totals.unaccounted), (1, 0));
}
