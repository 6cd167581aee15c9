//! The index in a PostgreSQL that is reached by TLS, checked against the one certificate that is named. Run by
//! `tests/with-postgres`.

mod common;

use common::{Bench, CONTROLLER, settings};
use recorder::{Options, Recorder, index::Filter, place::Place, store};
use wire::sip::endpoint::TransportKind;

fn url(name: &str) -> String {
    std::env::var(name).expect("run it by tests/with-postgres")
}

#[tokio::test]
async fn a_recording_is_entered_and_found_by_tls_and_nobody_else_s_certificate_will_do() {
    let (near, far) = (url("VAXEL_TEST_POSTGRES"), url("VAXEL_TEST_POSTGRES_TLS"));
    common::postgres::run(&near, "CREATE SCHEMA by_tls");
    let place = tempfile::tempdir().expect("a folder");
    let mut settings = settings(place.path());
    settings.index = Some(format!("{far}&options=-csearch_path%3Dby_tls").into());
    let handle = Recorder::start(&settings, Options::new([CONTROLLER.to_owned()]))
        .await
        .expect("starts");
    let bench = Bench { place, handle };
    let (mut client, recording) = bench.client(TransportKind::Tcp).await;
    client.send(&recording, 0, 1000.0, 5);
    client.bye(recording).await;
    bench.until_recorded(1).await;
    let store = store::open_existing_place(Place::of(&settings).expect("a place"));
    let store = store.expect("opens");
    let rows = store.list(&Filter::default()).expect("listed");
    assert_eq!((rows.len(), rows[0].packets), (1, Some(5)));
    // It is the database that says so: fails when nobody is there by TLS.
    let by_tls = "SELECT 1 / count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE ssl AND client_addr IS NOT NULL";
    common::postgres::run(&near, by_tls);
    bench.handle.stop().await;
    // A certificate that signed something else.
    let others = tempfile::tempdir().expect("a folder");
    let files = transport::mutual::generate(others.path(), &["127.0.0.1"]).expect("made");
    let ca = files.peers_ca.expect("a CA");
    let (base, _) = far.split_once('?').expect("parameters");
    settings.index = Some(format!("{base}?sslrootcert={}", ca.display()).into());
    let refused = store::open_existing_place(Place::of(&settings).expect("a place"));
    let refused = refused.map(|_| ()).expect_err("refused").to_string();
    assert!(refused.to_lowercase().contains("certificate"), "{refused}");
}
