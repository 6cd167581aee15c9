//! Whatever text comes, it is a URI that prints itself the same twice, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::sip::uri::Uri;

fuzz_target!(|text: &str| {
    if let Ok(uri) = Uri::parse(text) {
        let printed = uri.to_string();
        let again = Uri::parse(&printed).expect("what was printed can be read");
        assert_eq!(again, uri);
        assert!(!printed.contains(['\r', '\n']));
        let _ = (uri.address(), uri.user_decoded().is_some());
    }
});
