//! What holds for any bytes: nothing panics, printing is stable, and no value gets out of its line.

use proptest::prelude::*;
use wire::sip::{
    header::{CSeq, MediaType, NameAddr, Via},
    message::{
        HeaderName, HeaderValue, Headers, Message, Method, Request, Response, StatusCode,
        split_list,
    },
    stream::Framer,
    uri::Uri,
};

const INVITE: &str = include_str!("torture/wsinv.sip");

fn invite() -> Vec<u8> {
    INVITE.replace('\n', "\r\n").into_bytes()
}

/// Everything that can be asked of a message, so that no answer can panic.
fn ask_everything(message: &Message) {
    let headers = message.headers();
    let _ = (
        headers.via_top(),
        headers.from(),
        headers.to(),
        headers.cseq(),
        headers.contact(),
        headers.contact_uri(),
    );
    let _ = (
        headers.content_type(),
        headers.max_forwards(),
        headers.addresses(&HeaderName::Route),
    );
    if let Message::Request(request) = message {
        let _ = (
            request.uri.address(),
            request.uri.user_decoded().map(String::from),
            request.body(),
        );
        let _ = Response::to(request, StatusCode::OK, "OK").to_bytes();
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        match Message::parse(&bytes) {
            Ok(message) => ask_everything(&message),
            Err(error) => drop(error.bad_request().map(|response| response.to_bytes())),
        }
    }

    #[test]
    fn a_changed_invite_is_read_or_refused_and_prints_the_same_twice(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..8)
    ) {
        let mut bytes = invite();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        match Message::parse(&bytes) {
            Ok(message) => {
                ask_everything(&message);
                let printed = message.to_bytes();
                let again = Message::parse(&printed).expect("what was printed can be read");
                prop_assert_eq!(&again, &message);
                prop_assert_eq!(again.to_bytes(), printed);
            }
            Err(error) => {
                if let Some(response) = error.bad_request() {
                    let status_line_ends = response.to_bytes().windows(2).filter(|pair| pair == b"\r\n").count();
                    prop_assert_eq!(status_line_ends, response.headers.len() + 3);
                }
            }
        }
    }

    #[test]
    fn typed_values_print_what_they_read(text in "[ -~\u{e5}]{0,60}") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(Uri::parse(&uri.to_string()), Ok(uri));
        }
        for text in [text.clone(), format!("\"x\" <sip:{text}"), format!("sip:{text}@h;a={text}"), format!("<sip:h>;{text}")] {
            if let Ok(address) = NameAddr::parse(&text) {
                prop_assert_eq!(NameAddr::parse(&address.to_string()), Ok(address));
            }
        }
        for text in [text.clone(), format!("SIP/2.0/UDP {text}"), format!("SIP/2.0/UDP h;{text}")] {
            if let Ok(via) = Via::parse(&text) {
                prop_assert_eq!(Via::parse(&via.to_string()), Ok(via));
            }
        }
        if let Ok(cseq) = CSeq::parse(&text) {
            prop_assert_eq!(CSeq::parse(&cseq.to_string()), Ok(cseq));
        }
        if let Ok(media) = MediaType::parse(&text) {
            prop_assert_eq!(MediaType::parse(&media.to_string()), Ok(media));
        }
        prop_assert!(split_list(&text).all(|item| !item.is_empty()));
    }

    #[test]
    fn nothing_put_into_a_message_adds_a_line(evil in any::<String>()) {
        let mut uri = Uri::parse("sip:1177@192.0.2.1").expect("uri");
        uri.user = Some(evil.as_str().into());
        uri.params.set(&evil, Some(&evil));
        uri.headers = Some(evil.as_str().into());
        uri.host = evil.as_str().into();
        let mut request = Request::new(Method::Invite, uri.clone());
        let mut address = NameAddr::new(uri);
        address.display = Some(evil.as_str().into());
        address.params.set("tag", Some(&evil));
        request.headers.push(HeaderName::From, &address);
        request.headers.push(HeaderName::Subject, evil.as_str());
        request.headers.push_first(HeaderName::UserAgent, evil.clone());
        request.headers.set(HeaderName::Subject, format_args!("{evil}"));
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        prop_assert_eq!(lines(&request.to_bytes()), 2 * 6);
        let response = Response::to(&request, StatusCode::OK, &evil);
        prop_assert_eq!(lines(&response.to_bytes()), 2 * 4);
        prop_assert!(HeaderValue::parse(&evil).is_none_or(|value| !value.as_str().contains(['\r', '\n', '\0'])));
        prop_assert!(HeaderName::parse(&evil).is_none_or(|name| !name.as_str().contains(['\r', '\n', ':'])));
    }

    #[test]
    fn a_stream_gives_the_same_messages_however_it_is_cut(cuts in proptest::collection::vec(1..200_usize, 1..60)) {
        let mut stream = Vec::new();
        for _ in 0..3 {
            stream.extend(invite());
            stream.extend(b"\r\n\r\n");
        }
        let (mut framer, mut messages, mut rest, mut cuts) = (Framer::default(), 0, stream.as_slice(), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
            framer.push(piece);
            rest = after;
            while let Some(frame) = framer.next() {
                messages += usize::from(matches!(frame, Ok(wire::sip::stream::Frame::Message(_))));
            }
        }
        prop_assert_eq!(messages, 3);
        prop_assert!(!framer.is_partial());
    }

    #[test]
    fn a_stream_of_any_bytes_ends_or_waits(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let mut framer = Framer::default();
        framer.push(&bytes);
        let frames = std::iter::from_fn(|| framer.next()).take(bytes.len() + 1).count();
        prop_assert!(frames <= bytes.len());
    }
}

#[test]
fn lists_are_split_outside_quotes_and_brackets() {
    let mut headers = Headers::new();
    headers.push(
        HeaderName::Contact,
        r#""a, \"b" <sip:a,b@h>;q=1 , <sip:c@h>,, sip:d@h"#,
    );
    headers.push(HeaderName::Contact, "<sip:e@h>");
    let items: Vec<_> = headers.list(&HeaderName::Contact).collect();
    assert_eq!(
        items,
        [
            r#""a, \"b" <sip:a,b@h>;q=1"#,
            "<sip:c@h>",
            "sip:d@h",
            "<sip:e@h>"
        ]
    );
}

#[test]
fn fields_keep_their_order() {
    let mut headers = Headers::new();
    headers.push(
        HeaderName::Via,
        "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2",
    );
    headers.push(HeaderName::Subject, "x");
    headers.push_first(HeaderName::Via, "SIP/2.0/UDP c;branch=3");
    let first = headers.remove_first(&HeaderName::Via).expect("c");
    assert_eq!(first.as_str(), "SIP/2.0/UDP c;branch=3");
    headers.remove_first(&HeaderName::Via);
    assert_eq!(
        headers.get(&HeaderName::Via),
        Some("SIP/2.0/UDP b;branch=2")
    );
    headers.push(HeaderName::Subject, "y");
    headers.set(HeaderName::Subject, "z");
    assert_eq!(
        headers.get_all(&HeaderName::Subject).collect::<Vec<_>>(),
        ["z"]
    );
    assert_eq!((headers.len(), headers.remove(&HeaderName::Via)), (2, 1));
}
