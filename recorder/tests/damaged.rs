//! An index that came to harm where a start doesn't look: found behind the start, and nothing new is recorded then.

mod common;

use std::{fs, path::Path};

use common::{Bench, CONTROLLER, Client, metadata, settings, start_in, tag};
use recorder::{Options, RecorderError, index::IndexError};
use wire::sip::{endpoint::TransportKind, message::StatusCode};

/// Stands in rows only, so that a page which holds it holds rows.
const ROUTE: &str = "a route of old recordings";

/// Rows of recordings that nobody looks for, many pages of them.
fn fill(index: &Path) {
    let db = rusqlite::Connection::open(index).expect("there");
    let sql = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 500) \
         INSERT INTO recordings (id, state, controller, processor, operator, region, kommun, purpose, basis, \
         agreement, class, earliest, latest, route, \"table\", call, started, started_micros) \
         SELECT printf('%032x', n), 'closed', ?1, 'p', 'o', '01', '0180', 'p', 'b', 'a', 'audio', '2020-01-01', '', \
         ?2, 't', n, '2018-01-01T00:00:00Z', 1514764800000000 + n FROM number";
    db.execute(sql, [CONTROLLER, ROUTE]).expect("filled");
}

/// In place, as a fault of the disk does it.
fn damage(index: &Path) {
    let mut bytes = fs::read(index).expect("readable");
    let route = ROUTE.as_bytes();
    let holds = |page: &&mut [u8]| page.windows(route.len()).any(|part| part == route);
    let mut pages = bytes.chunks_mut(4096).filter(holds);
    pages.nth(9).expect("a page of rows").fill(0);
    fs::write(index, bytes).expect("ours");
}

#[tokio::test]
async fn a_damaged_index_is_found_behind_the_start_and_refused_by_the_next() {
    let bench = Bench::start().await;
    bench.handle.stop().await;
    let (settings, place) = (settings(bench.place.path()), bench.place);
    let index = Path::new(&*settings.store).join("index.sqlite");
    fill(&index);
    damage(&index);

    let options = || Options::new([CONTROLLER.to_owned()]);
    let handle = start_in(&place, options())
        .await
        .expect("it was closed whole");
    let mut ready = handle.monitor().ready;
    ready.wait_for(|ready| !ready).await.expect("it runs");
    let (to, by) = (handle.sip_addr(), TransportKind::Tcp);
    let refused = Client::new().record(to, by, &metadata(&tag())).await;
    assert_eq!(refused.err(), Some(StatusCode::SERVICE_UNAVAILABLE));
    handle.stop().await;

    let refused = start_in(&place, options()).await;
    let corrupt = |error| matches!(error, RecorderError::Index(IndexError::Corrupt { .. }));
    assert!(refused.is_err_and(corrupt));
}
