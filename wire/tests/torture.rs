//! RFC 4475: messages with each of its torments, and what this parser says to them.
//!
//! The files hold messages of our own that show what the RFC's namesakes show. In them a line ends with LF (CRLF when sent),
//! `«07 00»` stands for bytes, `«text*3»` for repetition.

use std::path::Path;

use wire::sip::{
    header::{Malformed, NameAddr},
    message::{HeaderName, Message, ParseErrorKind as Kind, StatusCode},
    uri::{Scheme, UriError},
};

/// What the parser is to say.
enum Verdict {
    /// It is read.
    Read,
    /// It is refused for that reason, and answered with that status (0: not answered).
    Refused(Kind, u16),
}

use Verdict::{Read, Refused};

#[test]
fn every_torture_message_gets_its_verdict() {
    for (section, name, verdict) in cases() {
        let found = Message::parse(&load(name));
        match (verdict, found) {
            (Read, Ok(message)) => {
                let again = Message::parse(&message.to_bytes())
                    .unwrap_or_else(|error| panic!("{name} printed: {error}"));
                assert_eq!(again, message, "{section} {name}: print and parse again");
            }
            (Read, Err(error)) => panic!("{section} {name}: refused: {error}"),
            (Refused(kind, status), Err(error)) => {
                assert_eq!(error.kind, kind, "{section} {name}");
                let answer = error.bad_request();
                let found = answer.as_ref().map_or(0, |response| response.status.code());
                assert_eq!(found, status, "{section} {name}");
                if let Some(answer) = answer {
                    assert!(
                        !answer.reason.contains("user"),
                        "{name}: the peer's text isn't repeated"
                    );
                }
            }
            (Refused(kind, _), Ok(_)) => panic!("{section} {name}: must be refused: {kind}"),
        }
    }
}

#[test]
fn every_file_has_a_verdict() {
    let named: Vec<_> = cases()
        .into_iter()
        .map(|(_, name, _)| format!("{name}.sip"))
        .collect();
    for entry in std::fs::read_dir(folder()).expect("folder") {
        let file = entry
            .expect("entry")
            .file_name()
            .into_string()
            .expect("name");
        assert!(named.contains(&file), "{file} has no verdict");
    }
}

/// Section, name, verdict.
type Case = (&'static str, &'static str, Verdict);

fn cases() -> Vec<Case> {
    valid()
        .into_iter()
        .chain(malformed())
        .chain(well_formed_but_wrong())
        .collect()
}

fn valid() -> Vec<Case> {
    vec![
        ("3.1.1.1", "wsinv", Read),
        ("3.1.1.2", "intmeth", Read),
        ("3.1.1.3", "esc01", Read),
        ("3.1.1.4", "escnull", Read),
        ("3.1.1.5", "esc02", Read),
        ("3.1.1.6", "lwsdisp", Read),
        ("3.1.1.7", "longreq", Read),
        ("3.1.1.8", "dblreq", Read),
        ("3.1.1.9", "semiuri", Read),
        ("3.1.1.10", "transports", Read),
        ("3.1.1.11", "mpart01", Read),
        ("3.1.1.12", "unreason", Read),
        ("3.1.1.13", "noreason", Read),
    ]
}

fn malformed() -> Vec<Case> {
    let field = |name, why, status| Refused(Kind::Field(name, why), status);
    vec![
        (
            "3.1.2.1",
            "badinv01",
            field(HeaderName::Via, Malformed::Param, 400),
        ),
        (
            "3.1.2.2",
            "clerr",
            Refused(
                Kind::BodyCut {
                    announced: 9999,
                    present: 94,
                },
                400,
            ),
        ),
        (
            "3.1.2.3",
            "ncl",
            field(HeaderName::ContentLength, Malformed::Number, 400),
        ),
        (
            "3.1.2.4",
            "scalar02",
            field(HeaderName::MaxForwards, Malformed::Number, 400),
        ),
        (
            "3.1.2.5",
            "scalarlg",
            field(HeaderName::CSeq, Malformed::Number, 0),
        ),
        (
            "3.1.2.6",
            "quotbal",
            field(HeaderName::To, Malformed::OpenQuote, 400),
        ),
        (
            "3.1.2.7",
            "ltgtruri",
            Refused(Kind::RequestUri(UriError::Scheme), 400),
        ),
        ("3.1.2.8", "lwsruri", Refused(Kind::StartLine, 400)),
        // The RFC lets a receiver mend the two that follow; guessing what a start line means isn't worth it.
        ("3.1.2.9", "lwsstart", Refused(Kind::StartLine, 400)),
        ("3.1.2.10", "trws", Refused(Kind::StartLine, 400)),
        ("3.1.2.11", "escruri", Refused(Kind::RequestUriHeaders, 400)),
        // Date is not read here: the RFC allows to leave it alone.
        ("3.1.2.12", "baddate", Read),
        (
            "3.1.2.13",
            "regbadct",
            field(HeaderName::Contact, Malformed::BareUri, 400),
        ),
        // Spaces inside the brackets can mean one thing only.
        ("3.1.2.14", "badaspec", Read),
        (
            "3.1.2.15",
            "baddn",
            field(HeaderName::From, Malformed::DisplayName, 400),
        ),
        ("3.1.2.16", "badvers", Refused(Kind::Version, 505)),
        ("3.1.2.17", "mismatch01", Refused(Kind::MethodMismatch, 400)),
        ("3.1.2.18", "mismatch02", Refused(Kind::MethodMismatch, 400)),
        ("3.1.2.19", "bigcode", Refused(Kind::Status, 0)),
    ]
}

/// What is wrong with most of these is the endpoint's to say.
fn well_formed_but_wrong() -> Vec<Case> {
    vec![
        ("3.2.1", "badbranch", Read),
        (
            "3.3.1",
            "insuf",
            Refused(Kind::Missing(HeaderName::From), 0),
        ),
        ("3.3.2", "unkscm", Read),
        ("3.3.3", "novelsc", Read),
        ("3.3.4", "unksm2", Read),
        ("3.3.5", "bext01", Read),
        ("3.3.6", "invut", Read),
        ("3.3.7", "regaut01", Read),
        (
            "3.3.8",
            "multi01",
            Refused(Kind::Repeated(HeaderName::From), 400),
        ),
        (
            "3.3.9",
            "mcl01",
            Refused(Kind::Repeated(HeaderName::ContentLength), 400),
        ),
        ("3.3.10", "bcast", Read),
        ("3.3.11", "zeromf", Read),
        ("3.3.12", "cparam01", Read),
        ("3.3.13", "cparam02", Read),
        ("3.3.14", "regescrt", Read),
        ("3.3.15", "sdp01", Read),
        ("3.4.1", "inv2543", Read),
    ]
}

#[test]
fn the_short_tortuous_invite_means_what_it_says() {
    let Ok(Message::Request(request)) = Message::parse(&load("wsinv")) else {
        panic!("wsinv is a request")
    };
    let from = request.from().expect("from");
    assert_eq!(from.display.as_deref(), Some(r#"A Svensson \""#));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(request.to().expect("to").tag(), Some("1918181833n"));
    assert_eq!(request.max_forwards().expect("there").0, 68);
    assert_eq!(request.cseq().expect("cseq").number, 9);
    let vias: Vec<_> = request.headers.list(&HeaderName::Via).collect();
    assert_eq!(vias.len(), 3);
    assert_eq!(request.via_top().expect("via").branch(), Some("390skdjuw"));
    assert_eq!(request.headers.get(&HeaderName::Subject), Some(""));
    let fangled = HeaderName::parse("newFangledHeader").expect("token");
    assert_eq!(
        request.headers.get(&fangled),
        Some("newfangled value continued newfangled value")
    );
    let contact = request
        .headers
        .get(&HeaderName::Contact)
        .map(NameAddr::parse)
        .expect("there")
        .expect("address");
    assert_eq!(contact.display.as_deref(), Some(r#"Quoted string """#));
    assert_eq!(contact.params.value("newparam"), Some("newvalue"));
    assert!(contact.params.has("secondparam"));
}

#[test]
fn what_is_odd_but_legal_is_kept() {
    let Ok(Message::Request(request)) = Message::parse(&load("intmeth")) else {
        panic!("intmeth is a request")
    };
    assert!(request.method.as_str().starts_with("!odd-Method"));
    assert_eq!(&*request.uri.host, "example.com");
    assert_eq!(
        request.to().expect("to").display.as_deref(),
        Some("BEL:\x07 NUL:\0 DEL:\x7f")
    );

    let Ok(Message::Request(request)) = Message::parse(&load("semiuri")) else {
        panic!("semiuri is a request")
    };
    assert_eq!(
        request.uri.user_decoded().as_deref(),
        Some("user;par=u@example.net")
    );

    let Ok(Message::Request(request)) = Message::parse(&load("unkscm")) else {
        panic!("unkscm is a request")
    };
    assert_eq!(
        request.uri.scheme,
        Scheme::Other("nobodyknowsthisscheme".into())
    );

    let Ok(Message::Response(response)) = Message::parse(&load("noreason")) else {
        panic!("noreason is a response")
    };
    assert_eq!(
        (response.status, &*response.reason),
        (StatusCode::TRYING, "")
    );

    let Ok(Message::Request(request)) = Message::parse(&load("dblreq")) else {
        panic!("dblreq is a request")
    };
    assert!(request.body.is_empty());
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

/// The bytes a file stands for.
fn load(name: &str) -> Vec<u8> {
    let text =
        std::fs::read_to_string(folder().join(format!("{name}.sip"))).expect("a file of that name");
    let mut bytes = Vec::new();
    let mut rest = text.as_str();
    while let Some((plain, after)) = rest.split_once('«') {
        bytes.extend(plain.replace('\n', "\r\n").into_bytes());
        let (inside, after) = after.split_once('»').expect("a closing »");
        match inside.split_once('*') {
            Some((piece, times)) => {
                bytes.extend(piece.repeat(times.parse().expect("a number")).into_bytes())
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
