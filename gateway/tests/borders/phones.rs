//! Phones that register: challenged, reached by the way they came, gone when they go.

use wire::{
    auth::{Algorithm, Credentials},
    sip::message::{HeaderName, Method, StatusCode},
};

use crate::rig::{Raw, counted, invite, secret, soon, switch};

const AGENTS: &str = r#"[{ register = "nurse-01" }]"#;
const LISTEN: &str = r#"credentials = "phones.ha1""#;

fn credentials(folder: &std::path::Path) -> Credentials {
    let mut known = Credentials::default();
    let mut text = String::new();
    for algorithm in Algorithm::ALL {
        let hash = algorithm.hash(&["nurse-01", "vaxel", "secret"]);
        text += &format!("nurse-01:vaxel:{}:{hash}\n", algorithm.as_str());
        known.add(
            "nurse-01",
            "vaxel",
            algorithm,
            algorithm.ha1("nurse-01", "vaxel", "secret"),
        );
    }
    secret(folder, "phones.ha1", &text);
    known
}

/// A REGISTER with this Contact and these seconds; challenged and answered.
async fn register(phone: &Raw, known: &Credentials, cseq: u32, contact: &str) -> StatusCode {
    let send = |number: u32, extra: String| {
        let from = phone.local();
        format!(
            "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKr{number};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:nurse-01@127.0.0.1>;tag=r\r\nTo: <sip:nurse-01@127.0.0.1>\r\nCall-ID: registers\r\nCSeq: {number} REGISTER\r\n\
             Contact: {contact}\r\n{extra}Content-Length: 0\r\n\r\n"
        )
    };
    phone.send(send(cseq, String::new()).as_bytes()).await;
    let challenge = phone.response().await;
    assert_eq!(challenge.status, StatusCode::UNAUTHORIZED);
    let asked = challenge.headers.get_all(&HeaderName::WwwAuthenticate);
    let chosen = known.choose(asked).expect("a challenge");
    let answer = known
        .answer(&chosen, "REGISTER", "sip:127.0.0.1", "c0ffee", 1)
        .expect("an answer");
    let proof = format!("Authorization: {}\r\n", answer.value);
    phone.send(send(cseq + 1, proof).as_bytes()).await;
    phone.response().await.status
}

#[tokio::test]
async fn a_nurse_registers_is_rung_by_her_way_and_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let known = credentials(folder.path());
    let gateway = switch(AGENTS, LISTEN, folder.path()).await;
    let phone = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    // Its Contact is an address that nobody can reach: it stands behind NAT.
    let contact = "<sip:nurse-01@192.0.2.33:5060>";
    assert_eq!(register(&phone, &known, 1, contact).await, StatusCode::OK);
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    caller
        .send(invite(caller.local(), "rings", "").as_bytes())
        .await;
    let rung = phone.request().await;
    assert_eq!(rung.method, Method::Invite);
    assert_eq!(rung.uri.to_string(), "sip:nurse-01@192.0.2.33:5060");
    let gone = format!("{contact};expires=0");
    assert_eq!(register(&phone, &known, 3, &gone).await, StatusCode::OK);
    caller
        .send(invite(caller.local(), "waits", "").as_bytes())
        .await;
    // The call that rang waits again, and so does the next.
    let mut live = gateway.monitor().live.clone();
    soon(live.wait_for(|live| live.queues.iter().any(|queue| queue.waiting == 2)))
        .await
        .expect("the switch runs");
    gateway.stop().await;
}

#[tokio::test]
async fn who_cant_prove_it_is_no_nurse_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    credentials(folder.path());
    let gateway = switch(AGENTS, LISTEN, folder.path()).await;
    let phone = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let mut wrong = Credentials::default();
    let ha1 = Algorithm::Md5.ha1("nurse-01", "vaxel", "guess");
    wrong.add("nurse-01", "vaxel", Algorithm::Md5, ha1);
    let status = register(&phone, &wrong, 1, "<sip:x@127.0.0.1>").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        counted(&gateway, "vaxel_sip_refused_total", "wrong_credentials"),
        1
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_caller_from_outside_is_asked_who_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    credentials(folder.path());
    let listen = format!("{LISTEN}\ntrusted = [\"127.9.0.0/16\"]");
    let gateway = switch(AGENTS, &listen, folder.path()).await;
    let stranger = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    stranger
        .send(invite(stranger.local(), "who", "").as_bytes())
        .await;
    assert_eq!(stranger.response().await.status, StatusCode::TRYING);
    assert_eq!(stranger.response().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        counted(&gateway, "vaxel_sip_refused_total", "unauthenticated"),
        1
    );
    gateway.stop().await;
}
