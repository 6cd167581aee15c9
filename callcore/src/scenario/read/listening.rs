//! The addresses that a switch listens on: one, or one for each network it stands in; and the ports for audio there.

use std::{net::SocketAddr, ops::Range};

use toml::Spanned;

use super::Reader;
use crate::scenario::{AudioPorts, AudioPortsError, LISTEN_ADDRESSES_MAX, raw::OneOrMany};

/// Addresses with the places where they stand.
pub(super) type Placed = Vec<(SocketAddr, Range<usize>)>;

impl Reader<'_> {
    /// One address or a list of them, each once; `default` where nothing is said.
    pub(super) fn addresses(
        &mut self,
        raw: Option<&Spanned<OneOrMany>>,
        default: SocketAddr,
    ) -> Placed {
        let Some(raw) = raw else {
            return vec![(default, 0..0)];
        };
        let texts = self.texts(raw);
        if texts.is_empty() {
            let remedy = "name at least one, such as `127.0.0.1:5060`";
            self.fault(raw.span(), "there is no address to listen on", remedy);
        }
        if texts.len() > LISTEN_ADDRESSES_MAX {
            let message = format!("over {LISTEN_ADDRESSES_MAX} addresses to listen on");
            let remedy = "name one for each network that this machine stands in";
            self.fault(raw.span(), &message, remedy);
        }
        let mut found: Placed = Vec::new();
        for (text, span) in texts.into_iter().take(LISTEN_ADDRESSES_MAX) {
            let Ok(address) = text.parse::<SocketAddr>() else {
                let remedy = "write `127.0.0.1:5060`, or `[::1]:5060` for IPv6";
                self.fault(span, "this is no address to listen on", remedy);
                continue;
            };
            self.once(&found, address, span.clone());
            found.push((address, span));
        }
        if found.is_empty() {
            // There is a fault, so nobody will listen there.
            found.push((default, 0..0));
        }
        found
    }

    /// The addresses for SIP by UDP and TCP: others are told each of them, so each must lead here.
    pub(super) fn sip_addresses(
        &mut self,
        raw: Option<&Spanned<OneOrMany>>,
        default: SocketAddr,
    ) -> Placed {
        let found = self.addresses(raw, default);
        for (address, span) in &found {
            if address.ip().is_unspecified() {
                let message = format!(
                    "others are told the address that is listened on, and {} leads nobody here",
                    address.ip()
                );
                let remedy = "name each address of this machine by which it is to be reached: `sip = [\"192.0.2.10:5060\", \"[2001:db8::10]:5060\"]`";
                self.fault(span.clone(), &message, remedy);
            }
        }
        found
    }

    /// Those for TLS, beside those for UDP and TCP.
    pub(super) fn tls_beside(&mut self, tls: &Placed, sip: &Placed) {
        for (address, span) in tls {
            self.once(sip, *address, span.clone());
            let several = tls.len() > 1 || sip.len() > 1;
            if address.ip().is_unspecified() && several {
                let message = format!("{} is none of several addresses", address.ip());
                let remedy = "name each address for TLS: `address = [\"192.0.2.10:5061\", \"[2001:db8::10]:5061\"]`";
                self.fault(span.clone(), &message, remedy);
            }
        }
    }

    /// The UDP ports for audio, where it is said which.
    pub(super) fn audio_ports(&mut self, raw: Option<&Spanned<String>>) -> Option<AudioPorts> {
        let raw = raw?;
        let read = raw.get_ref().parse();
        let tell = |error: &AudioPortsError| {
            self.fault(raw.span(), &error.to_string(), &error.remedy());
        };
        read.inspect_err(tell).ok()
    }

    /// Those of a switch. SIP is spoken by UDP too, and whoever opens a firewall to audio doesn't mean SIP.
    pub(super) fn audio_ports_beside(
        &mut self,
        raw: Option<&Spanned<String>>,
        sip: &Placed,
    ) -> AudioPorts {
        let Some((raw, ports)) = raw.zip(self.audio_ports(raw)) else {
            return AudioPorts::SWITCH;
        };
        for (address, _) in sip {
            if ports.range().contains(&address.port()) {
                let message = format!("SIP is listened on among them, at {address}");
                let remedy =
                    "leave SIP's port out of the range, or move SIP (`sip` under [listen])";
                self.fault(raw.span(), &message, remedy);
            }
        }
        ports
    }

    fn once(&mut self, known: &Placed, address: SocketAddr, span: Range<usize>) {
        // Port 0 is another one each time.
        let same = known.iter().any(|(other, _)| *other == address) && address.port() != 0;
        if same {
            let message = format!("{address} is listened on twice");
            self.fault(span, &message, "name each address and port once");
        }
    }
}
