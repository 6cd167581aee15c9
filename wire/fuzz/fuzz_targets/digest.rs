//! Whatever stands in Authorization or WWW-Authenticate, it is checked, answered or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::auth::{Algorithm, Credentials};

fuzz_target!(|text: &str| {
    let mut credentials = Credentials::parse(text).unwrap_or_default();
    credentials.add("u", "r", Algorithm::Md5, Algorithm::Md5.ha1("u", "r", "p"));
    if let Some(chosen) = credentials.choose([text].into_iter())
            && let Some(answer) = credentials.answer(&chosen, "INVITE", "sip:a@b", "c", 1)
        {
        assert!(!answer.value.contains(['\r', '\n']));
    }
});
