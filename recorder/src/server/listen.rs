//! Where the recorder listens: UDP and TCP, and TLS with the words of `[listen.tls]`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use callcore::scenario::{RecorderSettings, TlsSettings};
use transport::{Limits, Listen, Networks, TlsListen, mutual::CertificateFiles};
use wire::sip::uri::{Scheme, Uri};

use super::{Options, RecorderError};

/// What the settings say. With a `siprec` that is reached by TLS nothing else is open but to this machine.
pub(super) fn listen_of(settings: &RecorderSettings) -> Result<Listen, RecorderError> {
    let uri = Uri::parse(&settings.siprec).map_err(|_| RecorderError::Address)?;
    let address = uri.address().ok_or(RecorderError::Address)?;
    let by_tls = is_by_tls(&uri);
    let mut listen = Listen::plain(if by_tls {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    } else {
        address
    });
    // Its peers are its own choice.
    listen.limits = Limits {
        exempt: Networks::everyone(),
        ..Limits::default()
    };
    match &settings.tls {
        Some(tls) => {
            listen.tls = Some(TlsListen {
                addresses: if by_tls {
                    vec![address]
                } else {
                    tls.addresses.clone()
                },
                config: files_of(tls).server()?,
                names: tls.trusted_names.clone(),
            });
        }
        None if by_tls => return Err(RecorderError::NoCertificate),
        None => {}
    }
    Ok(listen)
}

/// An address outside this machine where anybody would be let in who gets there: neither peers are listed, nor a name
/// trusted that a certificate proves.
pub(super) fn open_to_all(listen: &Listen, options: &Options) -> Option<SocketAddr> {
    if options.named || !options.peers.is_empty() {
        return None;
    }
    let tls = listen.tls.iter().flat_map(|tls| &tls.addresses);
    let mut all = listen.sip.iter().chain(tls);
    all.find(|at| !at.ip().is_loopback()).copied()
}

/// Whether nobody on the way reads the signalling.
pub(crate) fn is_by_tls(uri: &Uri) -> bool {
    let tls = |transport: &str| transport.eq_ignore_ascii_case("tls");
    uri.scheme == Scheme::Sips || uri.transport().is_some_and(tls)
}

fn files_of(tls: &TlsSettings) -> CertificateFiles {
    let file = |name: &str| PathBuf::from(name);
    CertificateFiles {
        certificate: file(&tls.certificate),
        key: file(&tls.key),
        peers_ca: tls.peers_ca.as_deref().map(file),
    }
}
