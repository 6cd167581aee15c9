//! PostgreSQL gone and back while calls are recorded. Run by `tests/with-postgres`; alone in its file, as it stops the database.

mod common;

use std::process::Command;

use common::{Bench, Client, metadata, tag};
use wire::sip::endpoint::TransportKind;

fn database(order: &str) {
    let control = std::env::var("VAXEL_TEST_PG_CTL").expect("run it by tests/with-postgres");
    let ended = Command::new("sh")
        .args(["-c", &format!("{control} {order} >/dev/null 2>&1")])
        .status()
        .expect("a shell");
    assert!(ended.success(), "{order}");
}

#[tokio::test]
async fn calls_go_on_without_the_database_and_are_entered_when_it_is_back() {
    let bench = Bench::start().await;
    let to = bench.handle.sip_addr();
    let mut client = Client::new();
    let before = client
        .record(to, TransportKind::Tcp, &metadata(&tag()))
        .await
        .expect("accepted");
    client.send(&before, 0, 1000.0, 10);

    database("-m immediate stop");
    let mut other = Client::new();
    let without = other
        .record(to, TransportKind::Tcp, &metadata(&tag()))
        .await
        .expect("accepted without an index");
    other.send(&without, 0, 1000.0, 20);
    client.bye(before).await;
    other.bye(without).await;
    bench.until_recorded(2).await;
    assert!(
        bench.metric("vaxel_recorder_index_backlog", &[]) > 2.5,
        "an alarm"
    );

    database("-l /dev/null start");
    let mut look = tokio::time::interval(std::time::Duration::from_millis(20));
    while bench.metric("vaxel_recorder_index_backlog", &[]) > 0.5 {
        look.tick().await;
    }
    let rows = bench.rows();
    let mut found: Vec<_> = rows.iter().map(|row| (row.state, row.packets)).collect();
    found.sort_unstable();
    assert_eq!(found, [("closed", Some(10)), ("closed", Some(20))]);
    let sound = bench
        .store()
        .verify(|wrong| panic!("{wrong:?}"))
        .expect("verified");
    assert_eq!(sound.recordings, 2);
    bench.handle.stop().await;
}
