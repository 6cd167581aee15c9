//! By what way it is reached.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use callcore::scenario::RecorderSettings;
use recorder::api::{ServeError, tokens::Role};

use super::{
    OURS, WHY, filled,
    http::{ask, ask_tls},
    ids, served, token,
};

/// Invariant 7.
#[tokio::test]
async fn the_api_outside_loopback_is_refused_without_tls() {
    let bench = filled();
    let (recorder, refused) = served(&bench, |settings| settings.api = "0.0.0.0:0".into()).await;
    assert!(
        matches!(refused, Err(ServeError::NoTls { .. })),
        "{refused:?}"
    );
    recorder.stop().await;
}

#[tokio::test]
async fn by_tls_the_same_is_read() {
    let bench = filled();
    let (chain, key) = (
        bench.place.path().join("api.pem"),
        bench.place.path().join("api.key"),
    );
    let made =
        transport::certificates::Certificate::files_for_loopback(&chain, &key).expect("made");
    let name = |path: &PathBuf| Some(path.to_str().expect("UTF-8").into());
    let adapt = |settings: &mut RecorderSettings| {
        (settings.certificate, settings.certificate_key) = (name(&chain), name(&key));
    };
    let (recorder, server) = served(&bench, adapt).await;
    let server = server.expect("serves");
    assert!(server.url().starts_with("https://"));
    let token = token(&bench, Role::Reader, OURS);
    let headers = [("Authorization", &*token), WHY];
    let answer = ask_tls(
        server.addr(),
        made.der().clone(),
        "/api/recordings",
        &headers,
    )
    .await;
    assert_eq!((answer.status, ids(&answer).len()), (200, 3));
    let plain = ask(server.addr(), "/api/recordings", &headers).await;
    assert!(
        !String::from_utf8_lossy(&plain.body).contains("controller"),
        "nothing in the clear"
    );
    server.stop().await;
    recorder.stop().await;
    // A key that others may read isn't used.
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("ours");
    let (_recorder, refused) = served(&bench, adapt).await;
    assert!(matches!(refused, Err(ServeError::Certificate(_))));
}
