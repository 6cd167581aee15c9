//! Recording clients of others, as they differ; and what no client should send: refused, nothing stored.

mod common;

use std::collections::BTreeSet;

use bytes::Bytes;
use callcore::scenario::Scenario;
use common::{Bench, CALLER, Client, Recording, metadata, tag};
use recorder::Untagged;
use wire::{
    sdp::{Description, Direction},
    sip::{
        endpoint::TransportKind,
        message::{Body, HeaderName, Headers, StatusCode},
    },
    siprec,
};

/// A body of SDP and metadata, as another client writes it.
fn body(sdp: &Description, kind: &str, xml: &str) -> Body {
    let sdp = sdp.to_body();
    let sdp = String::from_utf8(sdp.bytes.to_vec()).expect("text");
    // No closing delimiter, one preamble, LF only in the heads: all of it was seen.
    let text = format!(
        "preamble\r\n--x\nContent-Type: application/sdp\n\n{sdp}\r\n--x\nContent-Type: {kind}\nContent-Disposition: recording-session\n\n{xml}\r\n--x--"
    );
    Body {
        content_type: "multipart/mixed; boundary=\"x\"".into(),
        bytes: Bytes::from(text),
    }
}

fn sdp_without_labels(client: &Client) -> Description {
    let mut sdp = client.offer(Direction::SendOnly);
    for stream in &mut sdp.streams {
        stream.label = None;
    }
    sdp
}

async fn ask(client: &mut Client, bench: &Bench, body: Body) -> Result<Recording, StatusCode> {
    let mut headers = Headers::new();
    headers.push(HeaderName::Require, siprec::OPTION_TAG);
    let session = client.invite(
        bench.handle.sip_addr(),
        TransportKind::Tcp,
        headers,
        Some(body),
    );
    let response = client.final_response(session).await?;
    let answer = Description::parse(&response.body).expect("an answer");
    Ok(Recording { session, answer })
}

#[tokio::test]
async fn clients_of_others_are_recorded() {
    let xml = metadata(&tag()).to_xml();
    let vendor = "<acme:agent xmlns:acme=\"http://acme.example/srs\"><acme:skill level=\"3\">x</acme:skill></acme:agent>";
    let cases = [
        ("application/rs-metadata+xml", xml.clone()),
        ("application/rs-metadata", xml.clone()),
        ("Application/RS-Metadata+XML; charset=UTF-8", xml.clone()),
        // Extension data of its own, before and after ours.
        (
            "application/rs-metadata+xml",
            xml.replace("<participant ", &format!("{vendor}<participant ")),
        ),
        (
            "application/rs-metadata+xml",
            xml.replace("</recording>", &format!("{vendor}</recording>")),
        ),
        // The namespace of an early draft, none, and one with a prefix.
        (
            "application/rs-metadata+xml",
            xml.replace("recording:1\">", "recording\">"),
        ),
        (
            "application/rs-metadata",
            xml.replace(" xmlns=\"urn:ietf:params:xml:ns:recording:1\"", ""),
        ),
        ("application/rs-metadata", prefixed(&xml)),
    ];
    let bench = Bench::start().await;
    let count = cases.len() as u64;
    for (kind, xml) in cases {
        for labels in [true, false] {
            let mut client = Client::new();
            let sdp = if labels {
                client.offer(Direction::SendOnly)
            } else {
                sdp_without_labels(&client)
            };
            let recording = ask(&mut client, &bench, body(&sdp, kind, &xml))
                .await
                .unwrap_or_else(|status| panic!("{kind}, labels {labels}: {status:?}\n{xml}"));
            client.send(&recording, 0, 1000.0, 5);
            client.send(&recording, 1, 400.0, 5);
            client.bye(recording).await;
        }
    }
    bench.until_recorded(2 * count).await;
    let rows = bench.rows();
    assert!(
        rows.iter()
            .all(|row| (row.state, row.packets, row.streams) == ("closed", Some(10), 2)),
        "{rows:?}"
    );
    bench.handle.stop().await;
}

/// Every element with a prefix, as some clients write it.
fn prefixed(xml: &str) -> String {
    let mut text = xml.replace(
        "xmlns=\"urn:ietf:params:xml:ns:recording:1\"",
        "xmlns:rs=\"urn:ietf:params:xml:ns:recording:1\"",
    );
    for name in ["recording", "datamode", "session", "participant", "stream"] {
        text = text
            .replace(&format!("<{name} "), &format!("<rs:{name} "))
            .replace(&format!("<{name}>"), &format!("<rs:{name}>"))
            .replace(&format!("</{name}>"), &format!("</rs:{name}>"));
    }
    text
}

#[tokio::test]
async fn what_no_client_should_send_is_refused_and_nothing_is_stored() {
    let xml = metadata(&tag()).to_xml();
    let bomb = "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let outside = "<!DOCTYPE r [<!ENTITY a SYSTEM \"file:///etc/hostname\">]>";
    let after_head = |more: &str| xml.replacen("?>", &format!("?>{more}"), 1);
    let controller = |id: &str| xml.replace(">region-01<", &format!(">{id}<"));
    let cases = [
        ("a bomb", after_head(bomb), StatusCode::BAD_REQUEST),
        (
            "an entity from outside",
            after_head(outside),
            StatusCode::BAD_REQUEST,
        ),
        ("garbage", "\u{0}<<>>".to_owned(), StatusCode::BAD_REQUEST),
        (
            "a label of 20 kB",
            xml.replace(">1</label>", &format!(">{}</label>", "x".repeat(20_000))),
            StatusCode::BAD_REQUEST,
        ),
        (
            "another controller",
            controller("region-23"),
            StatusCode::FORBIDDEN,
        ),
        (
            "a path for a controller",
            controller("../../etc"),
            StatusCode::FORBIDDEN,
        ),
        (
            "a zero byte",
            xml.replace("name=\"purpose\">", "name=\"purpose\">\0"),
            StatusCode::NOT_ACCEPTABLE_HERE,
        ),
        (
            "no tag",
            xml.replace("name=\"controller\"", "name=\"owner\""),
            StatusCode::NOT_ACCEPTABLE_HERE,
        ),
    ];
    let bench = Bench::start().await;
    for (what, xml, status) in cases {
        let mut client = Client::new();
        let body = body(
            &client.offer(Direction::SendOnly),
            siprec::METADATA_TYPE,
            &xml,
        );
        let refused = ask(&mut client, &bench, body).await.map(|_| ());
        assert_eq!(refused, Err(status), "{what}");
    }
    nothing_is_stored(&bench);
    bench.handle.stop().await;
}

#[tokio::test]
async fn a_megabyte_of_label_and_no_metadata_at_all_are_refused() {
    let xml = metadata(&tag()).to_xml();
    let bench = Bench::start().await;
    // A megabyte is more than a message may have: the connection ends before anybody reads it.
    let mut client = Client::new();
    let long = xml.replace(">1</label>", &format!(">{}</label>", "x".repeat(1 << 20)));
    let long = body(
        &client.offer(Direction::SendOnly),
        siprec::METADATA_TYPE,
        &long,
    );
    assert!(ask(&mut client, &bench, long).await.is_err());
    // Without any metadata nobody knows whose it would be.
    let mut client = Client::new();
    let bare = client.offer(Direction::SendOnly).to_body();
    let refused = ask(&mut client, &bench, bare).await.map(|_| ());
    assert_eq!(refused, Err(StatusCode::NOT_ACCEPTABLE_HERE));
    nothing_is_stored(&bench);
    bench.handle.stop().await;
}

fn nothing_is_stored(bench: &Bench) {
    assert_eq!(bench.rows(), []);
    let folders = std::fs::read_dir(bench.place.path().join("store")).expect("there");
    let names = folders.map(|one| {
        one.expect("readable")
            .file_name()
            .into_string()
            .expect("text")
    });
    let stored: Vec<_> = names
        .filter(|name| !name.starts_with('.') && !name.starts_with("index"))
        .collect();
    assert_eq!(stored, Vec::<String>::new());
}

#[tokio::test]
async fn a_forged_tag_in_mid_call_changes_nothing() {
    let bench = Bench::start().await;
    let mut client = Client::new();
    let xml = metadata(&tag()).to_xml();
    let first = body(
        &client.offer(Direction::SendOnly),
        siprec::METADATA_TYPE,
        &xml,
    );
    let recording = ask(&mut client, &bench, first).await.expect("accepted");
    client.send(&recording, 0, 1000.0, 5);
    let mut forged = tag();
    forged.latest = Some(jiff::civil::date(2026, 12, 1));
    let text = metadata(&forged).to_xml();
    let sdp = client.offer(Direction::SendOnly);
    let refused = client
        .change_body(&recording, body(&sdp, "application/rs-metadata", &text))
        .await;
    assert_eq!(refused.map(|_| ()), Err(StatusCode::NOT_ACCEPTABLE_HERE));
    // Refused whole: it isn't paused either.
    let hold = body(
        &client.offer(Direction::Inactive),
        siprec::METADATA_TYPE,
        &text,
    );
    let refused = client.change_body(&recording, hold).await;
    assert_eq!(refused.map(|_| ()), Err(StatusCode::NOT_ACCEPTABLE_HERE));
    client.send(&recording, 0, 1000.0, 5);
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let row = bench.row();
    assert_eq!((row.packets, &*row.latest), (Some(10), "2029-11-22"));
    let shown = bench
        .store()
        .show(&row.id, &common::asker())
        .expect("opens");
    assert!(!format!("{shown:?}").contains(CALLER));
    bench.handle.stop().await;
}

#[tokio::test]
async fn a_peer_records_only_for_the_controllers_it_may() {
    let here = std::net::IpAddr::from([127, 0, 0, 1]);
    for (peer, may, expected) in [
        (here, "region-01", None),
        (here, "region-23", Some(StatusCode::FORBIDDEN)),
        (
            [192, 0, 2, 1].into(),
            "region-01",
            Some(StatusCode::FORBIDDEN),
        ),
    ] {
        let bench = Bench::start_with(|options| {
            options.controllers.insert("region-23".to_owned());
            options.peers.insert(peer, [may.to_owned()].into());
        })
        .await;
        let mut client = Client::new();
        let asked = client
            .record(
                bench.handle.sip_addr(),
                TransportKind::Tcp,
                &metadata(&tag()),
            )
            .await;
        assert_eq!(asked.as_ref().err(), expected.as_ref(), "{peer} for {may}");
        if expected.is_some() {
            assert_eq!(bench.rows(), []);
        }
        bench.handle.stop().await;
    }
}

/// What a recording client of another maker sends: who speaks in which stream, and nothing of ours.
fn foreign(session: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><recording xmlns=\"urn:ietf:params:xml:ns:recording:1\"><datamode>complete</datamode>\
         <session session_id=\"{session}\"/>\
         <participant participant_id=\"p1\"><nameID aor=\"sip:caller@192.0.2.1\"/></participant>\
         <stream stream_id=\"s1\" session_id=\"{session}\"><label>1</label></stream>\
         <participantstreamassoc participant_id=\"p1\"><send>s1</send></participantstreamassoc></recording>"
    )
}

#[tokio::test]
async fn a_client_without_tags_records_the_calls_of_the_queue_that_it_is_named_with() {
    let text = include_str!("../../scenarios/jamtland-2025.toml");
    let scenario = Scenario::from_toml(text, "jamtland-2025").expect("shipped");
    let untagged = Untagged::of(&scenario, &scenario.queues[0]).expect("a rule");
    let bench = Bench::start_with(|options| {
        options.controllers.insert("region-23".to_owned());
        options.untagged.insert([127, 0, 0, 1].into(), untagged);
    })
    .await;
    let parts = |client: &Client, xml: &str| {
        let sdp = sdp_without_labels(client);
        body(&sdp, siprec::METADATA_TYPE, xml)
    };
    let ours = metadata(&tag()).to_xml();
    let half = ours.replace("name=\"basis\"", "name=\"bases\"");
    let other = ours.replace(">region-01<", ">region-21<");
    let pretends = ours.replace(">stockholm<", ">(untagged)<");
    for (what, xml, expected) in [
        ("no metadata", None, Ok("region-23")),
        ("one call", Some(foreign("c1")), Ok("region-23")),
        ("the same call", Some(foreign("c1")), Ok("region-23")),
        ("a tag", Some(ours), Ok("region-01")),
        (
            "half a tag",
            Some(half),
            Err(StatusCode::NOT_ACCEPTABLE_HERE),
        ),
        ("another's tag", Some(other), Err(StatusCode::FORBIDDEN)),
        (
            "a tag that says it is none",
            Some(pretends),
            Err(StatusCode::NOT_ACCEPTABLE_HERE),
        ),
    ] {
        let mut client = Client::new();
        let sent = match &xml {
            Some(xml) => parts(&client, xml),
            None => client.offer(Direction::SendOnly).to_body(),
        };
        let count = |controller: &str| {
            let rows = bench.rows().into_iter();
            rows.filter(|row| row.controller == controller).count()
        };
        let before = expected.as_ref().map_or(0, |whose| count(whose));
        let asked = ask(&mut client, &bench, sent).await;
        assert_eq!(asked.as_ref().err(), expected.as_ref().err(), "{what}");
        if let (Ok(recording), Ok(controller)) = (asked, expected) {
            client.send(&recording, 0, 1000.0, 5);
            client.bye(recording).await;
            assert_eq!(count(controller), before + 1, "{what}");
        }
    }
    let (store, rows) = (bench.store(), bench.rows());
    let calls: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.controller == "region-23")
        .map(|row| {
            let shown = store.show(&row.id, &common::asker()).expect("opens");
            let call = shown.tag.into_iter().find(|field| field.name == "call");
            call.expect("every tag has one").text
        })
        .collect();
    assert_eq!(
        (rows.len(), calls.len()),
        (4, 2),
        "two sessions of one call"
    );
    bench.handle.stop().await;
}
