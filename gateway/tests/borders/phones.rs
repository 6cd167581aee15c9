//! Phones that register: challenged, reached by the way they came, gone when they go.

use std::net::SocketAddr;

use gateway::view::QueueView;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wire::{
    auth::{Algorithm, Credentials},
    sip::message::{HeaderName, Message, Method, Response, StatusCode},
};

use crate::rig::{Raw, counted, invite, reply, scenario, secret, soon, start, switch};

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

/// A REGISTER from there by this transport, with these further fields.
fn asks(from: (&str, SocketAddr), cseq: u32, contact: &str, extra: &str) -> String {
    let (by, from) = from;
    format!(
        "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{by} {from};branch=z9hG4bKr{cseq};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:nurse-01@127.0.0.1>;tag=r\r\nTo: <sip:nurse-01@127.0.0.1>\r\nCall-ID: registers\r\nCSeq: {cseq} REGISTER\r\n\
         Contact: {contact}\r\n{extra}Content-Length: 0\r\n\r\n"
    )
}

/// The field that answers a challenge.
fn proof(challenge: &Response, known: &Credentials) -> String {
    assert_eq!(challenge.status, StatusCode::UNAUTHORIZED);
    let asked = challenge.headers.get_all(&HeaderName::WwwAuthenticate);
    let chosen = known.choose(asked).expect("a challenge");
    let answer = known
        .answer(&chosen, "REGISTER", "sip:127.0.0.1", "c0ffee", 1)
        .expect("an answer");
    format!("Authorization: {}\r\n", answer.value)
}

/// A REGISTER with this Contact and these seconds; challenged and answered.
async fn register(phone: &Raw, known: &Credentials, cseq: u32, contact: &str) -> StatusCode {
    let from = ("UDP", phone.local());
    phone.send(asks(from, cseq, contact, "").as_bytes()).await;
    let proof = proof(&phone.response().await, known);
    let proved = asks(from, cseq + 1, contact, &proof);
    phone.send(proved.as_bytes()).await;
    phone.response().await.status
}

/// Says it by a connection, and reads the answer, which has no body.
async fn says(phone: &mut TcpStream, text: &str) -> Response {
    phone.write_all(text.as_bytes()).await.expect("sent");
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(soon(phone.read_u8()).await.expect("an answer"));
    }
    match Message::parse(&read).expect("SIP") {
        Message::Response(response) => response,
        Message::Request(request) => panic!("{request:?}"),
    }
}

/// A browser that is closed, a phone whose line is cut: nobody can call it there until it comes anew.
#[tokio::test]
async fn a_phone_whose_connection_is_gone_is_there_no_more_once_it_was_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let known = credentials(folder.path());
    let gateway = switch(AGENTS, LISTEN, folder.path()).await;
    let connected = TcpStream::connect(gateway.sip_addr()).await;
    let mut phone = connected.expect("connected");
    let from = ("TCP", phone.local_addr().expect("an address"));
    let contact = format!("<sip:nurse-01@{};transport=tcp>", from.1);
    let challenge = says(&mut phone, &asks(from, 1, &contact, "")).await;
    let proof = proof(&challenge, &known);
    let registered = says(&mut phone, &asks(from, 2, &contact, &proof)).await;
    assert_eq!(registered.status, StatusCode::OK);
    let mut live = gateway.monitor().live.clone();
    let there = live.wait_for(|live| live.queues.iter().any(|queue| queue.agents_ready == 1));
    drop(soon(there).await.expect("the switch runs"));
    drop(phone);
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let call = invite(caller.local(), "rings", "");
    caller.send(call.as_bytes()).await;
    let alone = live.wait_for(|live| {
        let alone =
            |queue: &QueueView| (queue.waiting, queue.agents_ready, queue.agents_busy) == (1, 0, 0);
        live.queues.iter().any(alone)
    });
    drop(soon(alone).await.expect("the switch runs"));
    gateway.stop().await;
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

/// A switch with a nurse who registers and a provider that asks who calls.
async fn with_a_trunk(provider: SocketAddr, folder: &std::path::Path) -> gateway::Gateway {
    let hash = Algorithm::Sha256.hash(&["vaxel", "trunk", "secret"]);
    secret(folder, "own.ha1", &format!("vaxel:trunk:SHA-256:{hash}\n"));
    let more = format!(
        r#"
provider = [{{ name = "first", organisation = "medhelp", targets = ["sip:1177@{provider}"], ping = {{ every_s = 0 }} }}]
[[route]]
name = "out"
region = "01"
provider = "first"
handover = "relay"
"#
    );
    let listen = format!("{LISTEN}\nown_credentials = \"own.ha1\"");
    let text = scenario(AGENTS, &listen, &more);
    start(&text, folder).await.expect("a switch")
}

/// What proves who we are to a trunk would prove it to that trunk for whoever gets hold of it.
#[tokio::test]
async fn a_phone_that_asks_who_calls_is_told_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let known = credentials(folder.path());
    let nobody = ([127, 0, 0, 1], 9).into();
    let gateway = with_a_trunk(nobody, folder.path()).await;
    let phone = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let contact = format!("<sip:nurse-01@{}>", phone.local());
    assert_eq!(register(&phone, &known, 1, &contact).await, StatusCode::OK);
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let call = invite(caller.local(), "rings", "X-Kommun-ID: 0488\r\n");
    caller.send(call.as_bytes()).await;
    let rung = phone.request().await;
    let challenge = "WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";
    phone.send(reply(&rung, 401, challenge).as_bytes()).await;
    // What follows from the refusal comes before the answer to this.
    let asked = asks(("UDP", phone.local()), 3, &contact, "");
    phone.send(asked.as_bytes()).await;
    loop {
        match phone.receive().await {
            Message::Request(request) => {
                assert_eq!(request.headers.get(&HeaderName::Authorization), None);
            }
            Message::Response(response) => {
                assert_eq!(response.status, StatusCode::UNAUTHORIZED);
                break;
            }
        }
    }
    gateway.stop().await;
}

/// A phone may call itself what it likes: only calls to its user go there.
#[tokio::test]
async fn a_phone_that_names_itself_by_a_providers_address_gets_none_of_its_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    let known = credentials(folder.path());
    let mut provider = Raw::at("127.0.0.1:0", ([127, 0, 0, 1], 9).into()).await;
    let gateway = with_a_trunk(provider.local(), folder.path()).await;
    provider.face(gateway.sip_addr());
    let phone = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let contact = format!("<sip:1177@{}>", provider.local());
    assert_eq!(register(&phone, &known, 1, &contact).await, StatusCode::OK);
    let caller = Raw::at("127.0.0.1:0", gateway.sip_addr()).await;
    let call = invite(caller.local(), "leaves", "X-Kommun-ID: 0180\r\n");
    caller.send(call.as_bytes()).await;
    let called = tokio::select! {
        called = provider.request() => called,
        diverted = phone.request() => panic!("the phone has it: {}", diverted.uri),
    };
    assert_eq!(called.method, Method::Invite);
    gateway.stop().await;
}
