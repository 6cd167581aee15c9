//! A TLS handshake and nothing after it: whether a peer will be believed, asked before anything depends on it.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, CertificateError, ClientConfig},
};

use crate::{streams::server_name, tasks::HANDSHAKE_MAX};

/// Why a peer is not spoken to by TLS. That nobody is there isn't known by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its certificate leads to no CA that is trusted.
    #[error("nobody who is trusted here signed its certificate")]
    Untrusted,
    /// Its certificate is somebody else's.
    #[error("its certificate is not for that address")]
    OtherName,
    /// Its certificate is out of date.
    #[error("its certificate is not valid today")]
    Expired,
    /// Its certificate can't be believed for another reason.
    #[error("its certificate can't be checked")]
    Certificate,
    /// It speaks something else there.
    #[error("no TLS is spoken there")]
    NoTls,
}

/// Opens a TLS connection to a peer that must prove to be its address, as a call does, and closes it again.
///
/// # Errors
/// When calls would fail for the certificate's sake.
pub async fn believes(config: Arc<ClientConfig>, peer: SocketAddr) -> Result<(), Refused> {
    let Some(name) = server_name(peer, None) else {
        return Ok(());
    };
    let Ok(Ok(stream)) = timeout(HANDSHAKE_MAX, TcpStream::connect(peer)).await else {
        return Ok(());
    };
    let shaking = TlsConnector::from(config).connect(name, stream);
    let error = match timeout(HANDSHAKE_MAX, shaking).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error,
        // Who doesn't know what a handshake is waits for more of it, or ends the connection.
        Err(_) => return Err(Refused::NoTls),
    };
    if matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    ) {
        return Err(Refused::NoTls);
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.and_then(refused).map_or(Ok(()), Err)
}

/// `None`: the peer refused, or went; the calls will tell.
fn refused(error: &rustls::Error) -> Option<Refused> {
    use CertificateError as Wrong;
    match error {
        rustls::Error::InvalidCertificate(wrong) => Some(match wrong {
            // One of the same name and another key is another.
            Wrong::UnknownIssuer | Wrong::BadSignature => Refused::Untrusted,
            Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => Refused::OtherName,
            Wrong::Expired
            | Wrong::ExpiredContext { .. }
            | Wrong::NotValidYet
            | Wrong::NotValidYetContext { .. } => Refused::Expired,
            _ => Refused::Certificate,
        }),
        rustls::Error::InvalidMessage(_) => Some(Refused::NoTls),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test says what it expects")]

    use std::fs;

    use tokio::{io::AsyncWriteExt, net::TcpListener};
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::mutual;

    /// What becomes of a peer with a certificate for these names, and of one that speaks something else.
    async fn asked(names: Option<&'static [&'static str]>) -> Result<(), Refused> {
        let names_text = names.map_or_else(String::new, |names| names.join("-"));
        let folder = format!("vaxel-handshake-{names_text}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        let files = mutual::generate(&folder, names.unwrap_or_default()).expect("certificates");
        let client = mutual::trusting(&folder.join("ca.pem")).expect("a CA");
        let acceptor = TlsAcceptor::from(files.server().expect("a certificate"));
        let _gone = fs::remove_dir_all(&folder);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let peer = listener.local_addr().expect("its address");
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody");
            match names {
                Some(_) => drop(acceptor.accept(stream).await),
                None => stream
                    .write_all(b"SIP/2.0 400 ?\r\n\r\n")
                    .await
                    .expect("said"),
            }
        });
        let found = believes(client, peer).await;
        serving.await.expect("served");
        found
    }

    #[tokio::test]
    async fn a_peer_must_prove_to_be_the_address_that_is_called() {
        assert_eq!(asked(Some(&["127.0.0.1"])).await, Ok(()));
        assert_eq!(asked(Some(&["192.0.2.1"])).await, Err(Refused::OtherName));
        assert_eq!(asked(None).await, Err(Refused::NoTls));
    }
}
