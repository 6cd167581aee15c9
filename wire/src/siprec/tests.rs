//! Metadata as we write it, and as others do.

use proptest::prelude::*;

use super::*;
use crate::sdp::{Codec, Direction, Origin, Stream};

fn sample() -> Metadata {
    let id = |byte| Id::from_uuid([byte; 16]);
    let mut metadata = Metadata::new(id(1));
    metadata.start_time = Some("2026-03-01T12:00:00Z".into());
    metadata.streams = vec![
        StreamInfo {
            id: id(2),
            label: "caller".into(),
        },
        StreamInfo {
            id: id(3),
            label: "agent".into(),
        },
    ];
    metadata.participants = vec![
        Participant {
            id: id(4),
            // A number set aside by PTS for books and films.
            aor: Some(Aor::new("sip:+46701740605@127.0.0.1")),
            name: Some("caller".into()),
            sends: vec![id(2)],
            receives: vec![id(3)],
        },
        Participant {
            id: id(5),
            aor: Some(Aor::new("sip:nurse&co@127.0.0.1")),
            name: None,
            sends: vec![id(3)],
            receives: vec![id(2)],
        },
    ];
    metadata.extension = vec![
        ("controller".to_owned(), "region-04".to_owned()),
        (
            "basis".to_owned(),
            "PDL 2 kap. 4 § <första> stycket".to_owned(),
        ),
    ];
    metadata
}

fn offer() -> Description {
    let stream = |port, label| {
        let address = std::net::SocketAddr::new([192, 0, 2, 1].into(), port);
        Stream::audio(address, vec![Codec::pcma()])
            .labelled(label)
            .going(Direction::SendOnly)
    };
    Description {
        origin: Origin::new(1, [192, 0, 2, 1].into()),
        streams: vec![stream(10000, "caller"), stream(10002, "agent")],
    }
}

#[test]
fn the_document_is_the_golden_one() {
    assert_eq!(sample().to_xml(), include_str!("golden.xml"));
}

#[test]
fn what_is_written_is_read_back_the_same() {
    assert_eq!(Metadata::parse(sample().to_xml().as_bytes()), Ok(sample()));
}

#[test]
fn a_body_goes_there_and_back() {
    let body = body(&offer(), &sample());
    let parts = split(&body.content_type, &body.bytes).expect("parts");
    assert_eq!(
        parts,
        Parts {
            sdp: offer(),
            metadata: Some(sample())
        }
    );
    let metadata = parts.metadata.expect("metadata");
    assert_eq!(metadata.field("controller"), Some("region-04"));
    assert_eq!(
        metadata.speaker("agent").map(|one| one.id.clone()),
        Some(Id::from_uuid([5; 16]))
    );
    assert!(metadata.speaker("nobody").is_none());
}

#[test]
fn the_callers_number_never_prints() {
    let shown = format!("{:?}", sample());
    assert!(!shown.contains("4670174"), "{shown}");
    assert!(shown.contains("[personal]"));
}

/// In the manner of session border controllers: a prefix, CDATA, unknown elements, no associations, no ids.
#[test]
fn other_peoples_documents_are_read() {
    let text = r#"<?xml version="1.0" encoding="UTF-8"?><!-- c -->
        <rec:recording xmlns:rec="urn:ietf:params:xml:ns:recording:1" xmlns:x="urn:x"><rec:dataMode>partial</rec:dataMode>
        <rec:session session_id="s"><x:ucid>&#48;&lt;1</x:ucid><x:extensiondata><x:field name="a"><![CDATA[1<2]]></x:field>
        <x:field/></x:extensiondata></rec:session><rec:participant participant_id="p"><rec:nameID aor="sip:a@b"/>
        <rec:send>q</rec:send></rec:participant><rec:stream stream_id="q"><rec:label> 1 </rec:label></rec:stream>
        <rec:stream/></rec:recording>"#;
    let metadata = Metadata::parse(text.as_bytes()).expect("metadata");
    assert_eq!(metadata.mode, DataMode::Partial);
    assert_eq!(
        (metadata.session_id.as_str(), metadata.start_time.as_deref()),
        ("s", None)
    );
    assert_eq!(metadata.field("a"), Some("1<2"));
    assert_eq!(
        metadata
            .speaker("1")
            .and_then(|one| one.aor.as_ref())
            .map(Aor::reveal),
        Some("sip:a@b")
    );
    assert!(metadata.streams[1].id.is_empty());
}

/// A transfer, as a client tells it that says who was there before.
#[test]
fn who_has_left_is_told_apart_from_who_is_there() {
    let over = "<disassociate-time>2026-03-01T12:05:00Z</disassociate-time>";
    let text = format!(
        r#"<recording><datamode>complete</datamode>
        <participant participant_id="a"/><participant participant_id="b"/><participant participant_id="c"/>
        <stream stream_id="q"><label>2</label></stream>
        <participantsessionassoc participant_id="a">{over}</participantsessionassoc>
        <participantsessionassoc participant_id="b"/>
        <participantsessionassoc participant_id="c">{over}</participantsessionassoc>
        <participantsessionassoc participant_id="c"/>
        <participantstreamassoc participant_id="a">{over}<send>q</send></participantstreamassoc>
        <participantstreamassoc participant_id="c">{over}<send>q</send></participantstreamassoc>
        <participantstreamassoc participant_id="b"><send>q</send></participantstreamassoc></recording>"#
    );
    let metadata = Metadata::parse(text.as_bytes()).expect("metadata");
    let there = metadata.participants.iter().map(|one| one.id.as_str());
    assert_eq!(there.collect::<Vec<_>>(), ["b", "c"]);
    let left = metadata.left.iter().map(Id::as_str);
    assert_eq!(left.collect::<Vec<_>>(), ["a"]);
    assert_eq!(metadata.speaker("2").map(|one| one.id.as_str()), Some("b"));
}

#[test]
fn a_media_type_without_xml_and_a_body_of_sdp_alone_are_taken() {
    let xml = sample().to_xml();
    let sdp = String::from_utf8(offer().write().to_vec()).expect("text");
    let body = format!(
        "--b\nContent-Type: application/SDP\n\n{sdp}\n--b\nContent-Type: application/rs-metadata; charset=utf-8\n\n\
         {xml}\n--b\nContent-Type: image/png\n\n\0\n--b--\n"
    );
    let parts = split("multipart/mixed; boundary=\"b\"", body.as_bytes()).expect("parts");
    assert_eq!(parts.metadata, Some(sample()));
    assert_eq!(
        split("application/sdp", sdp.as_bytes())
            .expect("sdp")
            .metadata,
        None
    );
    assert_eq!(split("text/plain", b""), Err(SplitError::MediaType));
    let only_metadata = format!("--b\nContent-Type: {METADATA_TYPE}\n\n{xml}\n--b--\n");
    assert_eq!(
        split("multipart/mixed; boundary=b", only_metadata.as_bytes()),
        Err(SplitError::NoSdp)
    );
}

#[test]
fn bombs_and_masses_are_refused() {
    let refused = |text: &str| Metadata::parse(text.as_bytes()).expect_err("refused");
    let bomb =
        "<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><recording>&b;</recording>";
    assert!(matches!(
        refused(bomb),
        MetadataError::Xml(xml::XmlError::Entity { .. })
    ));
    assert!(matches!(
        refused("<recording>&b;</recording>"),
        MetadataError::Xml(xml::XmlError::Entity { .. })
    ));
    assert!(matches!(
        refused("<recording a='&b;'/>"),
        MetadataError::Xml(xml::XmlError::Entity { .. })
    ));
    assert!(matches!(
        refused(&"<recording>".repeat(40)),
        MetadataError::Xml(xml::XmlError::Limit { .. })
    ));
    let many = |element: &str, count| format!("<recording>{}</recording>", element.repeat(count));
    assert!(matches!(
        refused(&many("<a/>", 5000)),
        MetadataError::Xml(xml::XmlError::Limit { .. })
    ));
    assert!(matches!(
        refused(&many("<stream/>", 65)),
        MetadataError::TooMuch { what: "streams" }
    ));
    let attributes: String = (0..20).map(|n| format!(" a{n}=''")).collect();
    assert!(matches!(
        refused(&format!("<recording{attributes}/>")),
        MetadataError::Xml(xml::XmlError::Limit { .. })
    ));
    assert!(matches!(
        refused(&" ".repeat(multipart::LEN_MAX + 1)),
        MetadataError::TooLong { .. }
    ));
    assert_eq!(refused("<html/>"), MetadataError::NotRecording);
    assert_eq!(
        refused("<recording/><recording/>"),
        MetadataError::Xml(xml::XmlError::NoRoot)
    );
    assert!(matches!(
        refused("<recording><a></b></recording>"),
        MetadataError::Xml(xml::XmlError::Malformed { .. })
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Metadata::parse(&bytes);
    }

    #[test]
    fn a_broken_body_is_split_or_refused(at in 0_usize..3000, byte in any::<u8>(), cut in 0_usize..3000) {
        let body = body(&offer(), &sample());
        let mut bytes = body.bytes.to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(cut);
        let _ = split(&body.content_type, &bytes);
    }

    #[test]
    fn any_text_survives_the_document(name in "\\PC{1,20}", value in "[\\PC&<>'\"\n\t]{0,60}") {
        let mut metadata = sample();
        metadata.extension = vec![(name.trim().to_owned(), value.trim().to_owned())];
        prop_assert_eq!(Metadata::parse(metadata.to_xml().as_bytes()), Ok(metadata));
    }
}
