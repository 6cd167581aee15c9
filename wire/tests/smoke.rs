//! One INVITE there and back.
use wire::sip::message::{HeaderName, Message, Response, StatusCode};

#[test]
fn an_invite_there_and_back() {
    let text = "INVITE sip:1177@192.0.2.1;kommun-id=0180 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKx;rport, SIP/2.0/TCP [2001:db8::9]\r\nf: \"A \\\"B\" <sip:anonymous@anonymous.invalid>;tag=1\r\nTo: <sip:1177@192.0.2.1>\r\ni: abc\r\nCSeq: 1 INVITE\r\nm: <sip:a@192.0.2.9:5070>\r\nc: application/sdp\r\nl: 3\r\n\r\nv=0tail";
    let Message::Request(request) = Message::parse(text.as_bytes()).expect("valid") else {
        panic!("request")
    };
    assert_eq!(request.uri.param("kommun-id"), Some("0180"));
    assert_eq!(request.headers.list(&HeaderName::Via).count(), 2);
    assert_eq!(request.body().expect("body").bytes, "v=0");
    let again = Message::parse(&request.to_bytes()).expect("valid");
    assert_eq!(again, Message::Request(request.clone()));
    let response = Response::to(&request, StatusCode::OK, "OK");
    assert!(
        String::from_utf8_lossy(&response.to_bytes())
            .ends_with("CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
    );
}
