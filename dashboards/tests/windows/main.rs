//! The page in a real browser, in more windows than the browser holds connections to one host (six).

#[path = "../../examples/preview/made_up.rs"]
#[allow(dead_code, reason = "the preview and other tests use all of it")]
mod made_up;

mod browser;

use std::{net::Ipv4Addr, time::Duration};

use browser::Browser;
use tokio::time::{interval, timeout};

const WINDOWS: usize = 8;
/// What the page's title is before it has heard from the switch.
const UNHEARD: &str = "Vaxel";
/// Only a hung test takes this long.
const HUNG: Duration = Duration::from_secs(60);
/// Between two questions to the browser, which tells nothing by itself.
const ASK_EVERY: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn all_windows_of_a_browser_share_one_connection_and_the_last_one_still_hears() {
    let stage = made_up::stage();
    let title = stage.app.title.clone();
    assert_ne!(title, UNHEARD);
    let server = dashboards::serve((Ipv4Addr::LOCALHOST, 0).into(), stage.app.clone())
        .await
        .expect("a free port");
    let page = server.addr();
    let streams = || stage.app.gateway.arrivals.receiver_count();
    let browser = Browser::with_windows(WINDOWS, page);

    until(async || heard(&browser.windows(page).await, WINDOWS, &title)).await;
    until(async || streams() == 1).await;

    // Whichever of them listens for the others is among these.
    for (window, _) in browser.windows(page).await.iter().skip(1) {
        browser.close(window).await;
    }
    until(async || browser.windows(page).await.len() == 1 && streams() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lets_no_page_keep_anything_sees_it_all_the_same() {
    let stage = made_up::stage();
    let title = stage.app.title.clone();
    let server = dashboards::serve((Ipv4Addr::LOCALHOST, 0).into(), stage.app.clone())
        .await
        .expect("a free port");
    let browser = Browser::that_keeps_nothing(2, server.addr());
    until(async || heard(&browser.windows(server.addr()).await, 2, &title)).await;
    until(async || stage.app.gateway.arrivals.receiver_count() == 2).await;
}

/// Whether so many windows are there, and each has heard from the switch, which tells the title.
fn heard(windows: &[(String, String)], count: usize, title: &str) -> bool {
    windows.len() == count && windows.iter().all(|(_, its)| its == title)
}

async fn until(mut so: impl AsyncFnMut() -> bool) {
    let mut ticks = interval(ASK_EVERY);
    let waited = timeout(HUNG, async {
        while !so().await {
            ticks.tick().await;
        }
    });
    waited.await.expect("it comes about");
}
