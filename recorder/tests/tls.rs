//! SIPREC by TLS: with the words of `[listen.tls]`, from those whose certificate is trusted.

mod common;

use std::{net::SocketAddr, path::Path};

use callcore::scenario::{RecorderSettings, TlsSettings};
use common::{Bench, CONTROLLER, Client, metadata, settings, tag};
use recorder::{Options, Recorder, RecorderError};
use transport::{
    Listen, Networks,
    mutual::{CertificateFiles, generate},
};
use wire::sip::{endpoint::TransportKind, message::StatusCode};

const NAME: &str = "switch.example.invalid";

fn tls(files: &CertificateFiles, trusted: &[&str]) -> TlsSettings {
    let text = |path: &Path| path.to_str().expect("UTF-8").into();
    TlsSettings {
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        certificate: text(&files.certificate),
        key: text(&files.key),
        peers_ca: files.peers_ca.as_deref().map(text),
        trusted_names: trusted.iter().map(|name| (*name).into()).collect(),
    }
}

async fn start(
    adapt: impl FnOnce(&mut RecorderSettings),
) -> (
    tempfile::TempDir,
    Result<recorder::RecorderHandle, RecorderError>,
) {
    let place = tempfile::tempdir().expect("a folder");
    let mut settings = settings(place.path());
    adapt(&mut settings);
    let options = Options::new([CONTROLLER.to_owned()]);
    let started = Recorder::start(&settings, options).await;
    (place, started)
}

/// A client that shows its certificate and checks the recorder's.
fn client(files: &CertificateFiles) -> Client {
    let mut listen = Listen::plain(SocketAddr::from(([127, 0, 0, 1], 0)));
    listen.limits.exempt = Networks::everyone();
    listen.tls_client = Some(files.client().expect("certificates"));
    Client::listening(listen)
}

#[tokio::test]
async fn a_session_by_tls_is_recorded_and_one_without_the_trusted_certificate_is_not() {
    let files_at = tempfile::tempdir().expect("a folder");
    let files = generate(files_at.path(), &["127.0.0.1", NAME]).expect("made");
    let (place, handle) = start(|settings| {
        settings.siprec = "sip:recorder@127.0.0.1:0;transport=tls".into();
        settings.tls = Some(tls(&files, &[NAME]));
    })
    .await;
    let bench = Bench {
        place,
        handle: handle.expect("starts"),
    };
    let to = bench.handle.tls_addr().expect("by TLS");
    let mut trusted = client(&files);
    let recording = trusted
        .record(to, TransportKind::Tls, &metadata(&tag()))
        .await
        .expect("accepted");
    trusted.send(&recording, 0, 1000.0, 10);
    // Inside the session, too.
    trusted
        .change(&recording, wire::sdp::Direction::SendOnly)
        .await;
    trusted.send(&recording, 0, 1000.0, 10);
    trusted.bye(recording).await;
    bench.until_recorded(1).await;
    assert_eq!(bench.row().packets, Some(20));
    // A certificate of the same CA with another name, and none at all.
    let others_at = tempfile::tempdir().expect("a folder");
    let mut other = client(&CertificateFiles {
        peers_ca: files.peers_ca.clone(),
        ..generate(others_at.path(), &["127.0.0.1"]).expect("made")
    });
    let refused = other
        .record(to, TransportKind::Tls, &metadata(&tag()))
        .await;
    assert!(refused.is_err(), "a certificate of somebody else's CA");
    let plain = bench.handle.sip_addr();
    for by in [TransportKind::Udp, TransportKind::Tcp] {
        let refused = Client::new().record(plain, by, &metadata(&tag())).await;
        assert_eq!(refused.err(), Some(StatusCode::FORBIDDEN), "{by:?}");
    }
    assert_eq!(bench.rows().len(), 1);
    bench.handle.stop().await;
}

#[tokio::test]
async fn by_tls_needs_a_certificate_that_nobody_else_reads() {
    let (_place, refused) =
        start(|settings| settings.siprec = "sips:recorder@127.0.0.1:0".into()).await;
    assert!(matches!(refused, Err(RecorderError::NoCertificate)));
    let files_at = tempfile::tempdir().expect("a folder");
    let files = generate(files_at.path(), &["127.0.0.1"]).expect("made");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&files.key, open).expect("ours");
    let (_place, refused) = start(|settings| settings.tls = Some(tls(&files, &[]))).await;
    assert!(
        matches!(refused, Err(RecorderError::Certificate(_))),
        "{refused:?}"
    );
}

/// Invariant 7, for those who bring recordings: outside this machine they are known, by address or by certificate.
#[tokio::test]
async fn a_recorder_outside_loopback_that_takes_anybody_is_refused() {
    let files_at = tempfile::tempdir().expect("a folder");
    let files = generate(files_at.path(), &["127.0.0.1", NAME]).expect("made");
    // TEST-NET-2 (RFC 5737) is no address of this machine: who gets past the question fails to listen.
    let outside = SocketAddr::from(([198, 51, 100, 1], 5070));
    let plain: Box<str> = format!("sip:recorder@{outside}").into();
    let (_place, refused) = start(|settings| settings.siprec = plain.clone()).await;
    let Err(RecorderError::Anybody { address }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(address, outside);
    // A certificate of its own tells nothing of who comes.
    let by_tls = |names: &[&str]| TlsSettings {
        addresses: vec![outside],
        ..tls(&files, names)
    };
    let (_place, refused) = start(|settings| settings.tls = Some(by_tls(&[]))).await;
    assert!(
        matches!(refused, Err(RecorderError::Anybody { .. })),
        "{refused:?}"
    );
    let (_place, refused) = start(|settings| settings.tls = Some(by_tls(&[NAME]))).await;
    assert!(
        matches!(refused, Err(RecorderError::Bind(_))),
        "{refused:?}"
    );

    let place = tempfile::tempdir().expect("a folder");
    let settings = RecorderSettings {
        siprec: plain,
        ..settings(place.path())
    };
    let mut options = Options::new([CONTROLLER.to_owned()]);
    options
        .peers
        .insert([192, 0, 2, 2].into(), [CONTROLLER.to_owned()].into());
    let refused = Recorder::start(&settings, options).await;
    assert!(
        matches!(refused, Err(RecorderError::Bind(_))),
        "{refused:?}"
    );
}
