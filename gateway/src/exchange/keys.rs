//! Keys that a caller presses, each told once, however the phone tells it: as an event in RTP (RFC 4733), or in an INFO with a body of the
//! kind that telephones sent before there were packages (RFC 6086 section 2).

use std::time::Instant;

use callcore::{
    digit::Digit,
    switch::{CallId, Input},
};
use transport::SipDriver;
use wire::sip::{
    endpoint::SessionId,
    message::{Body, Method, Request},
};

use super::{Exchange, call::Leg};

/// How a phone tells keys. There are some that do both: the first way that is heard in a call is the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyWay {
    Rtp,
    Info,
}

impl Exchange {
    pub(super) fn key(&mut self, id: CallId, way: KeyWay, digit: Digit) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if *call.keys_by.get_or_insert(way) == way {
            self.input(Input::Digit(id, digit));
        }
    }

    /// A request in a session that has been answered already. A key is ours until somebody has the call, and then theirs, as an event
    /// in RTP is: a provider may have a menu of its own.
    pub(super) fn told(&mut self, sip: &mut SipDriver, session: SessionId, request: &Request) {
        let body = request.body().filter(|_| request.method == Method::Info);
        let (Some(Leg::Caller(id)), Some(body)) = (self.legs.get(&session).copied(), body) else {
            return;
        };
        let Some(digit) = digit_in(&body) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        // Each costs a step, or a request to somebody who may not answer.
        if !call.pace.takes(Instant::now()) {
            return;
        }
        let far = call.far.session();
        match far.filter(|_| self.switch.talks(id)) {
            Some(far) => {
                let now = sip.now();
                // Whoever has just hung up needs no key.
                let _ = sip.endpoint().inform(now, far, body);
            }
            None => self.key(id, KeyWay::Info, digit),
        }
    }
}

/// The key that a body tells: `Signal=1` among the lines of `application/dtmf-relay`, or all of `application/dtmf`.
fn digit_in(body: &Body) -> Option<Digit> {
    let kind = body.content_type.split(';').next()?.trim();
    let text = std::str::from_utf8(&body.bytes).ok()?;
    if kind.eq_ignore_ascii_case("application/dtmf") {
        return digit(text);
    }
    if !kind.eq_ignore_ascii_case("application/dtmf-relay") {
        return None;
    }
    let mut fields = text.lines().filter_map(|line| line.split_once('='));
    let (_, value) = fields.find(|(name, _)| name.trim().eq_ignore_ascii_case("signal"))?;
    digit(value)
}

/// By what stands on the key, or by the number of its event: some phones write `*` as 10.
fn digit(value: &str) -> Option<Digit> {
    let value = value.trim();
    let by_number = || value.parse().ok().and_then(Digit::from_event);
    Digit::parse(&value.to_ascii_uppercase()).or_else(by_number)
}

#[cfg(test)]
mod tests {
    use wire::sip::uri::Uri;

    use super::*;
    use crate::{
        exchange::bench::{Bench, Peer, tag_of},
        media::MediaEvent,
    };

    #[test]
    fn a_key_is_read_from_both_kinds_of_body() {
        let read = |kind: &str, text: &'static str| {
            let body = Body {
                content_type: kind.into(),
                bytes: text.as_bytes().into(),
            };
            digit_in(&body).map(Digit::as_char)
        };
        let relay = "application/dtmf-relay";
        for (text, key) in [
            ("Signal=1\r\nDuration=160\r\n", '1'),
            ("Duration=160\nsignal = #\n", '#'),
            ("Signal=*", '*'),
            ("Signal=10\r\n", '*'),
            ("Signal=d\r\n", 'D'),
        ] {
            assert_eq!(read(relay, text), Some(key), "{text}");
        }
        assert_eq!(read("Application/DTMF; x=y", " 5\r\n"), Some('5'));
        for (kind, text) in [
            (relay, "Signal=16"),
            (relay, "Signal=12345"),
            (relay, "1"),
            (relay, ""),
            ("application/dtmf", ""),
            ("application/sdp", "1"),
        ] {
            assert_eq!(read(kind, text), None, "{kind} {text}");
        }
    }

    const MENU: &str = r#"
queue = [{ name = "sormland", region = "04", controller = "region-04", agents = [{ simulated = 1 }], ring_s = 10 }]
announcement = [{ name = "menu", file = "region.wav" }]
[[route]]
name = "all"
all = true
unknown = true
invalid = true
conflict = true
queue = "sormland"
menu = { announcement = "menu", choices = [{ digit = "1", continue = true }] }
"#;

    /// A caller who hears the menu.
    async fn chooses() -> (Bench, Peer, String) {
        let (mut bench, caller) = (Bench::new(MENU), Peer::new().await);
        let switch = bench.address();
        let called = async {
            let offer = Peer::sdp(5000);
            caller.asks(switch, ("INVITE", 1, ""), &offer).await;
            let tag = tag_of(&caller.is_told(200).await);
            caller.asks(switch, ("ACK", 1, &tag), "").await;
            tag
        };
        let tag = bench.until(called).await;
        assert_eq!(bench.state().expect("a call").1, "announcement");
        (bench, caller, tag)
    }

    async fn informs(bench: &mut Bench, caller: &Peer, tag: &str) {
        let switch = bench.address();
        let informed = async {
            let kind = "Content-Type: application/dtmf-relay\r\n";
            let key = "Signal=1\r\nDuration=160\r\n";
            caller.asks_with(switch, ("INFO", 2, tag), kind, key).await;
            caller.is_told(200).await;
            // The answer to another says that the first has been read.
            caller.asks(switch, ("INFO", 3, tag), "").await;
            caller.is_told(200).await
        };
        bench.until(informed).await;
    }

    #[tokio::test]
    async fn a_key_that_comes_by_info_chooses_in_a_menu() {
        let (mut bench, caller, tag) = chooses().await;
        informs(&mut bench, &caller, &tag).await;
        assert_eq!(bench.state().expect("a call").1, "ringing");
    }

    /// Whoever has a menu of its own reads it there.
    #[tokio::test]
    async fn a_key_that_comes_by_info_goes_on_to_who_has_the_call() {
        let (mut bench, [caller, first, _second], _) = Bench::talking().await;
        let switch = bench.address();
        let key = "Signal=1\r\nDuration=160\r\n";
        let informed = async {
            let tag = tag_of(&caller.is_told(200).await);
            caller.asks(switch, ("ACK", 1, &tag), "").await;
            let kind = "Content-Type: application/dtmf-relay\r\n";
            caller.asks_with(switch, ("INFO", 2, &tag), kind, key).await;
            first.is_asked(Method::Info).await
        };
        let body = bench.until(informed).await.body().expect("a key");
        assert_eq!(&*body.content_type, "application/dtmf-relay");
        assert_eq!(body.bytes, key);
    }

    #[tokio::test]
    async fn keys_by_info_faster_than_anybody_presses_are_dropped() {
        let (mut bench, ..) = Bench::talking().await;
        let caller = bench.exchange.calls.values().next();
        let session = caller.expect("a call").caller;
        let mut request = Request::new(Method::Info, Uri::sip(None, bench.address()));
        request.set_body(Some(Body {
            content_type: "application/dtmf".into(),
            bytes: "1".into(),
        }));
        for _ in 0..1000 {
            bench.exchange.told(&mut bench.sip, session, &request);
        }
        let counters = bench.sip.endpoint().counters();
        let sent = counters.requests_sent.get("INFO").copied();
        assert!(sent.is_some_and(|sent| sent < 50), "{sent:?}");
    }

    #[tokio::test]
    async fn of_a_phone_that_tells_keys_in_two_ways_the_first_counts() {
        let (mut bench, caller, tag) = chooses().await;
        let id = bench.state().expect("a call").0;
        let no_choice = Digit::parse("9").expect("a key");
        for (key, state) in [(no_choice, "announcement"), (Digit::ONE, "ringing")] {
            let pressed = MediaEvent::Key(id, key);
            bench.exchange.on_media(&mut bench.sip, pressed);
            assert_eq!(bench.state(), Some((id, state)));
            if state == "announcement" {
                informs(&mut bench, &caller, &tag).await;
                assert_eq!(bench.state(), Some((id, state)), "it is told in RTP too");
            }
        }
    }
}
