//! A typical INVITE with SDP: parse, print, and an answer made.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wire::sip::message::{Message, Response, StatusCode};

const INVITE: &str = "INVITE sip:11770180@192.0.2.1:5060;transport=udp SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK87asdks7;rport\r\n\
Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bKnashds8;received=192.0.2.9;rport=5070\r\n\
Record-Route: <sip:192.0.2.20;lr>\r\n\
Max-Forwards: 69\r\n\
From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1928301774\r\n\
To: <sip:1177@192.0.2.1>\r\n\
Call-ID: a84b4c76e66710@192.0.2.9\r\n\
CSeq: 314159 INVITE\r\n\
Contact: <sip:caller@192.0.2.9:5070;transport=udp>\r\n\
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE, PRACK\r\n\
Supported: replaces, timer, 100rel\r\n\
User-Agent: Example Phone 1.2.3\r\n\
P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=2400100000000; network-provided\r\n\
X-Kommun-ID: 0180\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 201\r\n\r\n\
v=0\r\no=- 2890844526 2890844526 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
a=sendrecv\r\n";

fn messages(bench: &mut Criterion) {
    let bytes = INVITE.as_bytes();
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let Message::Request(request) = &message else {
        return;
    };
    bench.bench_function("parse INVITE", |b| {
        b.iter(|| Message::parse(black_box(bytes)))
    });
    bench.bench_function("print INVITE", |b| {
        b.iter(|| black_box(&message).to_bytes())
    });
    bench.bench_function("answer INVITE", |b| {
        b.iter(|| Response::to(black_box(request), StatusCode::TRYING, "Trying").to_bytes())
    });
}

criterion_group!(benches, messages);
criterion_main!(benches);
