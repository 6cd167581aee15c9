//! Session timers (RFC 4028), which know no interval under 90 s: the longest test, and so by its name the first to begin.

use crate::ways::{To::Direct, Way, walk};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_kept_alive_or_ends() {
    let totals = walk(&[
        Way::new("refreshes", Direct, "refreshes", &["answers"]),
        Way::new("is-refreshed", Direct, "is_refreshed", &["answers"]),
        Way::new("vanishes", Direct, "vanishes", &["answers"]),
    ])
    .await;
    assert_eq!(totals["offered"], 3, "{totals}");
}
