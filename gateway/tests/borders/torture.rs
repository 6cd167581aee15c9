//! RFC 4475 and RFC 5118 at the live switch: each message, the answer that the RFC asks for, and the switch alive.
//!
//! The messages of RFC 4475 are those of `wire`'s parser tests, in its notation.

use std::path::Path;

use wire::auth::Algorithm;

use crate::rig::{Raw, secret, switch};

/// Name, and the statuses that may come first (but 100); none: silence.
type Verdict = (&'static str, &'static [u16]);

/// Silence is the answer to responses that belong to nothing, and to what has no readable return address.
const RFC_4475: [Verdict; 49] = [
    ("wsinv", &[481]),
    ("intmeth", &[501]),
    ("esc01", &[200, 404, 488]),
    ("escnull", &[401]),
    ("esc02", &[501]),
    ("lwsdisp", &[200]),
    ("longreq", &[200, 404, 488]),
    ("dblreq", &[401]),
    ("semiuri", &[200]),
    ("transports", &[200]),
    ("mpart01", &[405, 481]),
    ("unreason", &[]),
    ("noreason", &[]),
    ("badinv01", &[400]),
    ("clerr", &[400]),
    ("ncl", &[400]),
    ("scalar02", &[400]),
    ("scalarlg", &[]),
    ("quotbal", &[400]),
    ("ltgtruri", &[400]),
    ("lwsruri", &[400]),
    ("lwsstart", &[400]),
    ("trws", &[400]),
    ("escruri", &[400]),
    ("baddate", &[200, 404, 488]),
    ("regbadct", &[400]),
    ("badaspec", &[200]),
    ("baddn", &[400]),
    ("badvers", &[505]),
    ("mismatch01", &[400]),
    ("mismatch02", &[400]),
    ("bigcode", &[]),
    ("badbranch", &[200]),
    ("insuf", &[]),
    ("unkscm", &[416]),
    ("novelsc", &[416]),
    ("unksm2", &[401]),
    ("bext01", &[420]),
    ("invut", &[415, 488]),
    ("regaut01", &[401]),
    ("multi01", &[400]),
    ("mcl01", &[400]),
    ("bcast", &[]),
    ("zeromf", &[483]),
    ("cparam01", &[401]),
    ("cparam02", &[401]),
    ("regescrt", &[401]),
    ("sdp01", &[200, 406, 488]),
    // No Contact: RFC 3261 lets nobody be called back without one, and nobody speaks RFC 2543 any more.
    ("inv2543", &[400]),
];

/// RFC 5118 section 4, in messages of our own. `4.2` and `4.3` differ by a port that could be part of the address.
const RFC_5118: [(&str, &str, &[u16]); 10] = [
    (
        "4.1",
        "REGISTER sip:[2001:db8::10] SIP/2.0\r\nContact: \"A\" <sip:u@[2001:db8::1]>\r\n",
        &[401],
    ),
    ("4.2", "REGISTER sip:2001:db8::10 SIP/2.0\r\n", &[400]),
    (
        "4.3",
        "REGISTER sip:[2001:db8::10:5070] SIP/2.0\r\n",
        &[401],
    ),
    (
        "4.4",
        "REGISTER sip:[2001:db8::10]:5070 SIP/2.0\r\n",
        &[401],
    ),
    (
        "4.5",
        "OPTIONS sip:u@[2001:db8::10] SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKx\r\n",
        &[200],
    ),
    (
        "4.6",
        "OPTIONS sip:u@[2001:db8::10] SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKy\r\n",
        &[200],
    ),
    (
        "4.7",
        "INVITE sip:u@[2001:db8::10] SIP/2.0\r\nContact: <sip:u@[2001:db8::1]>\r\nSDP: c=IN IP6 2001:db8::20",
        &[200, 183],
    ),
    (
        "4.8",
        "INVITE sip:u@[2001:db8::10] SIP/2.0\r\nContact: <sip:u@[2001:db8::1]>\r\nSDP: c=IN IP6 2001:db8::20\r\nc=IN IP4 192.0.2.1",
        &[200, 183, 400, 488],
    ),
    (
        "4.9",
        "REGISTER sip:[2001:db8::10] SIP/2.0\r\nContact: <sip:u@[2001:db8::1]>, <sip:u@192.0.2.1>\r\n",
        &[401],
    ),
    (
        "4.10",
        "INVITE sip:u@[2001:db8::10] SIP/2.0\r\nContact: <sip:u@[::ffff:192.0.2.10]>\r\nSDP: c=IN IP6 ::ffff:192.0.2.10",
        &[200, 183],
    ),
];

async fn tormented(name: &str, raw: &mut Raw, bytes: &[u8], allowed: &[u16]) -> Option<String> {
    let said = raw.says(bytes).await;
    let first = said.into_iter().find(|code| *code != 100);
    let right = match first {
        Some(code) => allowed.contains(&code),
        None => allowed.is_empty(),
    };
    (!right).then(|| format!("{name}: {first:?}, expected one of {allowed:?}"))
}

async fn torturer(folder: &Path, local: &str) -> (gateway::Gateway, Raw) {
    let hash = Algorithm::Sha256.hash(&["nurse-01", "vaxel", "secret"]);
    secret(
        folder,
        "phones.ha1",
        &format!("nurse-01:vaxel:SHA-256:{hash}\n"),
    );
    let agents = r#"[{ register = "nurse-01" }]"#;
    let gateway = switch(agents, r#"credentials = "phones.ha1""#, folder).await;
    // Answers go to the port that Via names: SIP's own, at an address that nobody else has.
    let raw = Raw::at(local, gateway.sip_addr()).await;
    (gateway, raw)
}

#[tokio::test]
async fn every_message_of_rfc_4475_is_answered_as_it_asks() {
    let folder = tempfile::tempdir().expect("a folder");
    let (gateway, mut raw) = torturer(folder.path(), "127.44.75.1:5060").await;
    let mut wrong = Vec::new();
    for (name, allowed) in RFC_4475 {
        let bytes = load(name);
        wrong.extend(tormented(name, &mut raw, &bytes, allowed).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    gateway.stop().await;
}

#[tokio::test]
async fn every_message_of_rfc_5118_is_answered_as_it_asks() {
    let folder = tempfile::tempdir().expect("a folder");
    let (gateway, mut raw) = torturer(folder.path(), "127.51.18.1:5060").await;
    let mut wrong = Vec::new();
    for (name, text, allowed) in RFC_5118 {
        let bytes = dressed(name, text);
        wrong.extend(tormented(name, &mut raw, bytes.as_bytes(), allowed).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    gateway.stop().await;
}

/// A message of its start line and what is special about it.
fn dressed(name: &str, text: &str) -> String {
    let (start, rest) = text.split_once("\r\n").expect("a start line");
    let method = start.split(' ').next().unwrap_or_default();
    let (fields, sdp) = match rest.split_once("SDP: ") {
        Some((fields, address)) => (
            fields,
            format!(
                "v=0\r\no=- 1 1 IN IP6 2001:db8::20\r\ns=-\r\n{address}\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n"
            ),
        ),
        None => (rest, String::new()),
    };
    let kind = if sdp.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK5118{name}\r\nMax-Forwards: 70\r\nFrom: <sip:u@[2001:db8::1]>;tag=f\r\n\
         To: <sip:u@[2001:db8::10]>\r\nCall-ID: {name}@[2001:db8::1]\r\nCSeq: 1 {method}\r\n{fields}{kind}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// The bytes a file stands for, in a transaction of its own.
fn load(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/torture");
    let text =
        std::fs::read_to_string(folder.join(format!("{name}.sip"))).expect("a file of that name");
    let text = text.replace("z9hG4bKtorture", &format!("z9hG4bK{name}"));
    let mut bytes = Vec::new();
    let mut rest = text.as_str();
    while let Some((plain, after)) = rest.split_once('«') {
        bytes.extend(plain.replace('\n', "\r\n").into_bytes());
        let (inside, after) = after.split_once('»').expect("a closing »");
        match inside.split_once('*') {
            Some((piece, times)) => {
                bytes.extend(piece.repeat(times.parse().expect("a number")).into_bytes());
            }
            None => bytes.extend(
                inside
                    .split(' ')
                    .map(|digits| u8::from_str_radix(digits, 16).expect("hex")),
            ),
        }
        rest = after;
    }
    bytes.extend(rest.replace('\n', "\r\n").into_bytes());
    bytes
}
