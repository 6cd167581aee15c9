//! SIP on a stream: pings, lengths, limits.

use wire::sip::{
    limits::{HEADER_FIELDS_MAX, LINE_MAX, MESSAGE_MAX, VIAS_MAX},
    message::{Message, ParseErrorKind},
    stream::{Frame, FrameError, Framer},
};

fn options(extra: &str, body: &str) -> String {
    format!(
        "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
         Call-ID: c\r\nCSeq: 1 OPTIONS\r\n{extra}\r\n\r\n{body}"
    )
}

#[test]
fn a_ping_is_told_and_a_lone_line_break_skipped() {
    let mut framer = Framer::default();
    framer.push(b"\r\n");
    assert!(framer.next().is_none());
    framer.push(b"\r\n\r\n");
    assert!(matches!(framer.next(), Some(Ok(Frame::Ping))));
    assert!(framer.next().is_none());
    framer.push(options("Content-Length: 2", "hi").as_bytes());
    let Some(Ok(Frame::Message(Message::Request(request)))) = framer.next() else {
        panic!("a request")
    };
    assert_eq!(request.body, "hi");
    assert!(framer.next().is_none());
}

#[test]
fn without_a_length_the_stream_is_lost_but_answered() {
    for extra in ["X: y", "Content-Length: x", "Content-Length: 1\r\nl: 2"] {
        let mut framer = Framer::default();
        framer.push(options(extra, "").as_bytes());
        let Some(Err(error)) = framer.next() else {
            panic!("{extra}: an error")
        };
        assert!(error.closes(), "{extra}");
        if let FrameError::NoLength(error) | FrameError::Malformed(error) = error {
            assert!(error.bad_request().is_some(), "{extra}");
        }
    }
}

#[test]
fn a_malformed_message_leaves_the_stream_whole() {
    let mut framer = Framer::default();
    framer.push(options("Max-Forwards: 300\r\nContent-Length: 2", "hi").as_bytes());
    framer.push(options("Content-Length: 0", "").as_bytes());
    assert!(matches!(framer.next(), Some(Err(error)) if !error.closes()));
    assert!(matches!(framer.next(), Some(Ok(Frame::Message(_)))));
}

#[test]
fn no_more_than_one_message_is_held() {
    let mut framer = Framer::default();
    let mut pushed = 0;
    let error = loop {
        framer.push(&[b'x'; 1000]);
        pushed += 1000;
        if let Some(frame) = framer.next() {
            break frame.expect_err("not SIP");
        }
    };
    assert!(error.closes() && pushed < MESSAGE_MAX + 1000);
    framer.push(options("Content-Length: 0", "").as_bytes());
    assert!(
        framer.next().is_none(),
        "a closed stream gives nothing more"
    );

    let mut framer = Framer::default();
    framer.push(options(&format!("Content-Length: {MESSAGE_MAX}"), "").as_bytes());
    assert!(matches!(framer.next(), Some(Err(FrameError::TooLarge))));
}

#[test]
fn each_limit_is_told_apart() {
    let kind = |extra: &str| {
        Message::parse(options(extra, "").as_bytes())
            .expect_err("refused")
            .kind
    };
    assert_eq!(
        kind(&"X: y\r\n".repeat(HEADER_FIELDS_MAX)),
        ParseErrorKind::TooManyFields
    );
    assert_eq!(
        kind(&format!("X: {}", "y".repeat(LINE_MAX))),
        ParseErrorKind::LineTooLong
    );
    assert_eq!(
        kind(&format!("X: y{}", "\r\n yyyyyyy".repeat(LINE_MAX / 8))),
        ParseErrorKind::LineTooLong
    );
    assert_eq!(
        kind(&"v: SIP/2.0/UDP h\r\n".repeat(VIAS_MAX)),
        ParseErrorKind::TooManyVias
    );
    assert_eq!(kind("X: a\nY: b"), ParseErrorKind::BareLineBreak);
    assert_eq!(kind("X: a\rY: b"), ParseErrorKind::ControlCharacter);
    assert_eq!(kind("X: a\0"), ParseErrorKind::ControlCharacter);
    assert_eq!(kind("X y: a"), ParseErrorKind::FieldName);
    let long = options("Subject: x", &"z".repeat(MESSAGE_MAX));
    assert_eq!(
        Message::parse(long.as_bytes()).expect_err("refused").kind,
        ParseErrorKind::MessageTooLarge
    );
    assert_eq!(
        Message::parse(b"\r\n\r\n").expect_err("nothing").kind,
        ParseErrorKind::Empty
    );
}

#[test]
fn latin_1_is_read_where_it_is_harmless() {
    let latin = |field: &[u8]| {
        let mut bytes = options("Content-Length: 0\r\n?", "").into_bytes();
        let at = bytes.iter().position(|byte| *byte == b'?').expect("mark");
        bytes.splice(at..=at, field.iter().copied());
        Message::parse(&bytes)
    };
    let message = latin(b"Subject: V\xe4xel").expect("harmless");
    assert!(message.headers().iter().any(|(_, value)| value == "Växel"));
    assert!(latin(b"Contact: \"\xc5sa\" <sip:a@h>").is_ok());
    assert_eq!(
        latin(b"Contact: <sip:\xe5sa@h>")
            .expect_err("not in a URI")
            .kind
            .status()
            .code(),
        400
    );
    assert_eq!(
        latin(b"Via: SIP/2.0/UDP h;branch=\xe5")
            .expect_err("not in a branch")
            .kind,
        ParseErrorKind::NotUtf8
    );
}
