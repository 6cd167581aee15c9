//! The authenticator against our own client, and against those who cheat.

use super::*;
use crate::{auth::Answer, sip::message::Message};

const SEAL: [u8; 32] = [7; 32];

fn credentials() -> Credentials {
    let mut known = Credentials::default();
    for algorithm in Algorithm::ALL {
        known.add(
            "nurse-01",
            "vaxel",
            algorithm,
            algorithm.ha1("nurse-01", "vaxel", "secret"),
        );
    }
    known
}

fn register(extra: &str) -> Request {
    let text = format!(
        "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5066;branch=z9hG4bK1\r\nFrom: <sip:nurse-01@127.0.0.1>;tag=a\r\n\
         To: <sip:nurse-01@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n{extra}Content-Length: 0\r\n\r\n"
    );
    match Message::parse(text.as_bytes()).expect("well formed") {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request was written"),
    }
}

fn answer(challenge: &Headers, count: u32) -> Answer {
    let values = challenge.get_all(&HeaderName::WwwAuthenticate);
    let known = credentials();
    let chosen = known
        .choose(values)
        .expect("a challenge that can be answered");
    known
        .answer(&chosen, "REGISTER", "sip:127.0.0.1", "c0ffee", count)
        .expect("an answer")
}

fn at(secs: u64) -> Time {
    Time(Duration::from_secs(secs))
}

#[test]
fn who_proves_it_is_believed_once_for_each_count() {
    let mut authenticator = Authenticator::new("vaxel", SEAL);
    let known = credentials();
    assert_eq!(
        authenticator.check(at(1), &register(""), &known),
        Err(Doubt::Missing)
    );
    let challenge = authenticator.challenge(at(1), Doubt::Missing, &credentials());
    let first = answer(&challenge, 1);
    assert!(first.value.contains("algorithm=SHA-256"));
    let signed = register(&format!("Authorization: {}\r\n", first.value));
    assert_eq!(
        authenticator.check(at(2), &signed, &known).as_deref(),
        Ok("nurse-01")
    );
    // The same again is a replay.
    assert_eq!(
        authenticator.check(at(2), &signed, &known),
        Err(Doubt::Stale)
    );
    let second = register(&format!(
        "Authorization: {}\r\n",
        answer(&challenge, 2).value
    ));
    assert_eq!(
        authenticator.check(at(200), &second, &known).as_deref(),
        Ok("nurse-01")
    );
    let late = register(&format!(
        "Authorization: {}\r\n",
        answer(&challenge, 3).value
    ));
    assert_eq!(
        authenticator.check(at(302), &late, &known),
        Err(Doubt::Stale)
    );
    let again = authenticator.challenge(at(302), Doubt::Stale, &credentials());
    assert!(
        again
            .get(&HeaderName::WwwAuthenticate)
            .is_some_and(|value| value.contains("stale=true"))
    );
}

#[test]
fn md5_is_taken_from_those_who_know_no_other() {
    let mut authenticator = Authenticator::new("vaxel", SEAL);
    let challenge = authenticator.challenge(at(1), Doubt::Missing, &credentials());
    let md5 = challenge
        .get_all(&HeaderName::WwwAuthenticate)
        .filter(|value| value.contains("MD5"));
    let known = credentials();
    let chosen = known.choose(md5).expect("MD5");
    let answer = known
        .answer(&chosen, "REGISTER", "sip:127.0.0.1", "c", 1)
        .expect("an answer");
    let signed = register(&format!("Authorization: {}\r\n", answer.value));
    assert!(authenticator.check(at(1), &signed, &credentials()).is_ok());
}

#[test]
fn what_is_forged_is_refused() {
    let mut authenticator = Authenticator::new("vaxel", SEAL);
    let challenge = authenticator.challenge(at(1), Doubt::Missing, &credentials());
    let good = answer(&challenge, 1).value;
    let mut refused = |value: String| {
        let signed = register(&format!("Authorization: {value}\r\n"));
        authenticator
            .check(at(1), &signed, &credentials())
            .expect_err("forged")
    };
    assert_eq!(refused(good.replace("nurse-01", "nurse-02")), Doubt::Wrong);
    assert_eq!(
        refused(good.replace("nc=00000001", "nc=00000002")),
        Doubt::Wrong
    );
    assert_eq!(
        refused(good.replace("uri=\"sip:127.0.0.1\"", "uri=\"sip:192.0.2.1\"")),
        Doubt::Wrong
    );
    assert_eq!(refused(good.replace("SHA-256", "SHA-512")), Doubt::Wrong);
    assert_eq!(
        refused(good.replace("realm=\"vaxel\"", "realm=\"other\"")),
        Doubt::Missing
    );
    // A nonce of somebody else's, rightly answered.
    let other =
        Authenticator::new("vaxel", [8; 32]).challenge(at(1), Doubt::Missing, &credentials());
    assert_eq!(refused(answer(&other, 1).value), Doubt::Stale);
}

#[test]
fn used_nonces_are_remembered_within_bounds() {
    let mut authenticator = Authenticator::new("vaxel", SEAL);
    for count in 0..NONCES_MAX + 100 {
        let nonce = authenticator.nonce(at(1));
        assert_eq!(authenticator.spend(at(1), &nonce, 1), Ok(()), "{count}");
    }
    assert_eq!(authenticator.used.len(), NONCES_MAX);
    let later = authenticator.nonce(at(400));
    assert_eq!(authenticator.spend(at(400), &later, 1), Ok(()));
    assert_eq!(authenticator.used.len(), 1);
}

#[test]
fn who_has_no_stronger_hash_is_not_asked_for_one() {
    let mut known = Credentials::default();
    let ha1 = Algorithm::Md5.ha1("nurse-01", "vaxel", "secret");
    known.add("nurse-01", "vaxel", Algorithm::Md5, ha1);
    let mut authenticator = Authenticator::new("vaxel", SEAL);
    for (known, algorithms) in [(&known, 1), (&Credentials::default(), 2)] {
        let challenge = authenticator.challenge(at(1), Doubt::Missing, known);
        let asked = challenge.get_all(&HeaderName::WwwAuthenticate);
        let asked: Vec<&str> = asked.collect();
        assert_eq!(asked.len(), algorithms, "{asked:?}");
        assert!(asked.iter().any(|asked| asked.contains("algorithm=MD5")));
    }
}

/// A phone of before RFC 2617 is believed, for each nonce once.
#[test]
fn who_knows_no_qop_is_believed_once_for_each_nonce() {
    let mut authenticator = Authenticator::new("vaxel", SEAL);
    let known = credentials();
    let shown = |authenticator: &mut Authenticator, password: &str| {
        let challenge = authenticator.challenge(at(1), Doubt::Missing, &known);
        let nonce = challenge
            .get(&HeaderName::WwwAuthenticate)
            .and_then(|value| value.split("nonce=\"").nth(1)?.split('"').next())
            .expect("a nonce");
        let md5 = |parts: &[&str]| Algorithm::Md5.hash(parts);
        let ha1 = md5(&["nurse-01", "vaxel", password]);
        let response = md5(&[&ha1, nonce, &md5(&["REGISTER", "sip:127.0.0.1"])]);
        register(&format!(
            "Authorization: Digest username=\"nurse-01\", realm=\"vaxel\", nonce=\"{nonce}\", uri=\"sip:127.0.0.1\", \
             response=\"{response}\"\r\n"
        ))
    };
    let first = shown(&mut authenticator, "secret");
    let known = credentials();
    let believed = authenticator.check(at(2), &first, &known);
    assert_eq!(believed.as_deref(), Ok("nurse-01"));
    let replayed = authenticator.check(at(3), &first, &known);
    assert_eq!(replayed, Err(Doubt::Stale));
    let wrong = shown(&mut authenticator, "guess");
    assert_eq!(
        authenticator.check(at(3), &wrong, &known),
        Err(Doubt::Wrong)
    );
}
