//! Recorder, listeners, traffic, and the tests inside the file.

use std::net::SocketAddr;

use toml::Spanned;

use super::{Reader, listening::Placed, names::Names};
use crate::{
    scenario::{
        Expectation, HOLIDAY_FACTOR_MAX, Listen, Queue, RecorderSettings, Retention, TlsSettings,
        Traffic, WEEKEND_FACTOR_MAX,
        raw::{RawExpect, RawListen, RawRecorder, RawTls, RawTraffic},
        values,
    },
    sources::Source,
    time::{Span, Time},
};

/// Where the switch listens unless the scenario says otherwise: on this machine only.
const SIP_DEFAULT: SocketAddr = SocketAddr::new(LOCALHOST, 5060);
const TLS_DEFAULT: SocketAddr = SocketAddr::new(LOCALHOST, 5061);
const RECORDER_TLS_DEFAULT: SocketAddr = SocketAddr::new(LOCALHOST, 5071);
const REALM_DEFAULT: &str = "vaxel";
const WEB_DEFAULT: SocketAddr = SocketAddr::new(LOCALHOST, 1177);
const LOCALHOST: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// Who is believed unless the scenario says otherwise: this machine only.
const TRUSTED_DEFAULT: [(std::net::IpAddr, u8); 2] = [
    (LOCALHOST, 8),
    (std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), 128),
];

const RECORDER_API_DEFAULT: &str = "127.0.0.1:1178";
const STORE_DEFAULT: &str = "recordings/store";
const KEYS_DEFAULT: &str = "recordings/keys";
const SPOOL_DEFAULT: &str = "recordings/spool";

impl Reader<'_> {
    pub(super) fn recorder(
        &mut self,
        raw: Option<RawRecorder>,
        names: &Names,
        queues: &[Queue],
        retention: &[Retention],
    ) -> Option<RecorderSettings> {
        let raw = raw?;
        self.recorders_files(&raw);
        self.sip_uri(raw.siprec.get_ref(), raw.siprec.span());
        if let Some(api) = &raw.api {
            self.socket(api);
        }
        let text = |raw: &Option<Spanned<String>>, default: &str| {
            raw.as_ref()
                .map_or_else(|| default.to_owned(), |text| text.get_ref().clone())
        };
        let (store, keys) = (
            text(&raw.store, STORE_DEFAULT),
            text(&raw.keys, KEYS_DEFAULT),
        );
        let in_s3 = store.starts_with("s3://");
        let spool = in_s3.then(|| text(&raw.spool, SPOOL_DEFAULT));
        if let (Some(raw), false) = (&raw.spool, in_s3) {
            let remedy = "leave `spool` out, or set `store = \"s3://bucket/prefix\"`";
            self.fault(raw.span(), "a spool is for a store in S3", remedy);
        }
        for raw in [&raw.store, &raw.index].into_iter().flatten() {
            if has_secret(raw.get_ref()) {
                let remedy = "name the user only, and put the secret in the file that `credentials` names, or in the environment";
                self.fault(raw.span(), "a secret stands in the scenario", remedy);
            }
        }
        if is_inside(&keys, spool.as_ref().unwrap_or(&store)) {
            let span = raw
                .keys
                .as_ref()
                .or(raw.store.as_ref())
                .map_or(0..0, Spanned::span);
            let remedy = "put them apart: whoever copies the store must not get the keys with it";
            self.fault(span, "the keys lie inside the store", remedy);
        }
        self.pairs_and_limits(&raw);
        let tls = raw.tls.map(|tls| self.recorder_tls(tls));
        let peers = self.peers(raw.peers, names);
        let untagged = self.untagged(raw.untagged, &peers, names, (queues, retention));
        let given = |raw: Option<Spanned<String>>| raw.map(|raw| raw.into_inner().into());
        Some(RecorderSettings {
            peers,
            untagged,
            siprec: raw.siprec.into_inner().into(),
            store: store.into(),
            keys: keys.into(),
            index: given(raw.index),
            spool: spool.map(Into::into),
            credentials: given(raw.credentials),
            tls,
            segments_max: raw.segments_max.map(Spanned::into_inner),
            srtp: self.srtp_said(raw.srtp.as_ref()),
            rtp_ports: self.audio_ports(raw.rtp_ports.as_ref()),
            api: text(&raw.api, RECORDER_API_DEFAULT).into(),
            certificate: given(raw.certificate),
            certificate_key: given(raw.certificate_key),
            calls: given(raw.calls),
        })
    }

    fn recorders_files(&mut self, raw: &RawRecorder) {
        for (key, raw) in [
            ("store", &raw.store),
            ("keys", &raw.keys),
            ("index", &raw.index),
            ("spool", &raw.spool),
            ("credentials", &raw.credentials),
            ("certificate", &raw.certificate),
            ("certificate_key", &raw.certificate_key),
            ("calls", &raw.calls),
        ] {
            self.names_something_or_is_left_out(key, raw.as_ref());
        }
    }

    /// What belongs together is there, and no limit lets nothing through.
    fn pairs_and_limits(&mut self, raw: &RawRecorder) {
        if let (Some(alone), None) | (None, Some(alone)) = (&raw.certificate, &raw.certificate_key)
        {
            let remedy = "name both files, `certificate` and `certificate_key`";
            self.fault(
                alone.span(),
                "a certificate without its key is of no use",
                remedy,
            );
        }
        if let Some(none) = raw.segments_max.as_ref().filter(|max| *max.get_ref() == 0) {
            let remedy = "write at least 1: a call that is recorded has a recording";
            self.fault(none.span(), "no recording at all", remedy);
        }
    }

    pub(super) fn listen(&mut self, raw: RawListen) -> Listen {
        let web = raw.web.and_then(|raw| self.socket(&raw));
        let sip = self.sip_addresses(raw.sip.as_ref(), SIP_DEFAULT);
        let tls = raw.tls.map(|tls| {
            let (settings, placed) = self.tls(tls, TLS_DEFAULT);
            self.tls_beside(&placed, &sip);
            settings
        });
        let remedy = "write an address or a network, such as `10.0.0.0/8`";
        let mut network = |raw: &Spanned<String>| {
            self.value(raw, "this is no network", remedy, |text| {
                values::network(text)
            })
        };
        let trusted = match raw.trusted {
            Some(networks) => networks.iter().filter_map(&mut network).collect(),
            None => TRUSTED_DEFAULT.to_vec(),
        };
        let rtp_shared = raw.rtp_shared.iter().filter_map(&mut network).collect();
        let rtp_ports = self.audio_ports_beside(raw.rtp_ports.as_ref(), &sip);
        let srtp = self.srtp_said(raw.srtp.as_ref()).unwrap_or_default();
        let kommun_sources = self.kommun_sources(raw.kommun_sources);
        let dns = raw.dns.and_then(|raw| self.socket(&raw));
        for (key, raw) in [
            ("credentials", &raw.credentials),
            ("own_credentials", &raw.own_credentials),
            ("realm", &raw.realm),
        ] {
            self.names_something_or_is_left_out(key, raw.as_ref());
        }
        Listen {
            sip: sip.into_iter().map(|(address, _)| address).collect(),
            web: web.unwrap_or(WEB_DEFAULT),
            trusted,
            rtp_shared,
            rtp_ports,
            srtp,
            tls,
            credentials: raw.credentials.map(|file| file.into_inner().into()),
            own_credentials: raw.own_credentials.map(|file| file.into_inner().into()),
            realm: raw
                .realm
                .map_or_else(|| REALM_DEFAULT.into(), |realm| realm.into_inner().into()),
            kommun_sources,
            dns,
        }
    }

    /// The recorder is where its `siprec` says, and there alone.
    fn recorder_tls(&mut self, raw: RawTls) -> TlsSettings {
        let span = raw.address.as_ref().map_or(0..0, Spanned::span);
        let (settings, placed) = self.tls(raw, RECORDER_TLS_DEFAULT);
        if placed.len() > 1 {
            let remedy = "name one address: switches in other networks reach it by their routes";
            self.fault(span, "the recorder listens at one address", remedy);
        }
        settings
    }

    fn tls(&mut self, raw: RawTls, default: SocketAddr) -> (TlsSettings, Placed) {
        if raw.peers_ca.is_none()
            && let Some(name) = raw.trusted_names.first()
        {
            self.fault(
                name.span(),
                "names are believed only from certificates that are checked",
                "name the CA: `peers_ca = \"trunks-ca.pem\"`",
            );
        }
        for (key, raw) in [("certificate", &raw.certificate), ("key", &raw.key)] {
            self.names_something(key, raw, "name the PEM file");
        }
        self.names_something_or_is_left_out("peers_ca", raw.peers_ca.as_ref());
        let text = |raw: Spanned<String>| raw.into_inner().into();
        let placed = self.addresses(raw.address.as_ref(), default);
        let settings = TlsSettings {
            addresses: placed.iter().map(|(address, _)| *address).collect(),
            certificate: text(raw.certificate),
            key: text(raw.key),
            peers_ca: raw.peers_ca.map(text),
            trusted_names: raw.trusted_names.into_iter().map(text).collect(),
        };
        (settings, placed)
    }

    fn kommun_sources(&mut self, raw: Option<Vec<Spanned<String>>>) -> Vec<Source> {
        let Some(names) = raw else {
            return Source::DEFAULT.to_vec();
        };
        let words = Source::ALL.map(|source| (source.name(), source));
        let mut sources = Vec::new();
        for name in &names {
            let Some(source) = self.word(name, "source of a kommun-ID", &words) else {
                continue;
            };
            if sources.contains(&source) {
                self.fault(name.span(), "this source is named twice", "name each once");
            }
            sources.push(source);
        }
        sources
    }

    fn socket(&mut self, raw: &Spanned<String>) -> Option<SocketAddr> {
        self.value(
            raw,
            "this is no address to listen on",
            "write `127.0.0.1:5060`",
            |text| text.parse().ok(),
        )
    }

    pub(super) fn traffic(&mut self, raw: &RawTraffic) -> Traffic {
        let secs = |raw: &Option<Spanned<u32>>, default| {
            Span::from_secs(raw.as_ref().map_or(default, |raw| *raw.get_ref()))
        };
        let talk_mean = secs(&raw.talk_mean_s, 420);
        if talk_mean == Span::ZERO {
            let span = raw.talk_mean_s.as_ref().map_or(0..0, Spanned::span);
            self.fault(
                span,
                "calls last no time at all",
                "write the mean talk time in seconds, such as 420",
            );
        }
        Traffic {
            calls_per_year: raw
                .calls_per_year
                .as_ref()
                .map_or(4_900_000, |calls| *calls.get_ref()),
            talk_mean,
            talk_sd: secs(&raw.talk_sd_s, 240),
            weekend_factor: self.factor(raw.weekend_factor.as_ref(), 1.25, WEEKEND_FACTOR_MAX),
            holiday_factor: self.factor(raw.holiday_factor.as_ref(), 1.3, HOLIDAY_FACTOR_MAX),
            regions: raw
                .regions
                .iter()
                .filter_map(|code| self.region(code.get_ref(), code.span()))
                .collect(),
        }
    }

    /// A factor on the calls of a mean day.
    fn factor(&mut self, raw: Option<&Spanned<f64>>, default: f64, most: f64) -> f64 {
        let sane = |factor: &f64| (0.0..=most).contains(factor).then_some(*factor);
        let read = raw.and_then(|raw| {
            self.value(
                raw,
                "this is no factor",
                &format!("write a number from 0 to {most}, such as 1.25"),
                sane,
            )
        });
        read.unwrap_or(default)
    }

    pub(super) fn expectation(&mut self, raw: RawExpect, names: &Names) -> Expectation {
        names.routes.find(self, &raw.route);
        let remedy =
            "write `2018-11-05T22:15` (a Swedish clock), or add an offset such as `+01:00`";
        Expectation {
            at: self
                .value(&raw.at, "this is no moment", remedy, values::moment)
                .unwrap_or(Time::from_micros(0)),
            kommun: raw.kommun.into_inner().into(),
            route: raw.route.into_inner().into(),
            recorded: raw.recorded,
        }
    }
}

/// Whether a folder is another or lies in it, as far as their names tell.
fn is_inside(folder: &str, other: &str) -> bool {
    let parts = |path: &str| -> Vec<String> {
        path.split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .map(str::to_owned)
            .collect()
    };
    folder.starts_with('/') == other.starts_with('/') && parts(folder).starts_with(&parts(other))
}

/// Whether a URL holds a secret: `user:secret@`, or a parameter that says so.
fn has_secret(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let parameters = rest.split_once('?').map_or("", |(_, after)| after);
    user.contains(':')
        || parameters
            .split('&')
            .any(|one| one.starts_with("password=") || one.contains("secret"))
}
