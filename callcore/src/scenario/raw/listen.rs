//! `[listen]` and `[listen.tls]` as they are written.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{OneOrMany, Text};

/// Where the switch listens and whom it believes.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Listen")]
pub(in crate::scenario) struct RawListen {
    /// Where SIP is spoken by UDP and TCP: one address, or one for each network (at most 8); not 0.0.0.0 or [::].
    #[schemars(with = "Option<OneOrMany>")]
    pub(in crate::scenario) sip: Option<Spanned<OneOrMany>>,
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) web: Option<Text>,
    /// Networks whose kommun-ID and caller's number are believed.
    #[schemars(with = "Option<Vec<String>>")]
    pub(in crate::scenario) trusted: Option<Vec<Text>>,
    /// Networks of carriers and session border controllers whose SDP tells exactly where their audio comes from, each call's
    /// from an address of its own: their legs share ports, which costs less. Nobody behind NAT.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(in crate::scenario) rtp_shared: Vec<Text>,
    /// The UDP ports for audio, at each address: `10000-19999` unless said otherwise, both included. A stream takes an even one and, for
    /// its reports (RTCP), the one after it.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) rtp_ports: Option<Text>,
    /// What is offered to callers who leave the offer to the switch, or are called back: `off`, `offer` (SRTP for who can) or
    /// `require`.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) srtp: Option<Text>,
    /// The sources of a kommun-ID, in the order of their trust: `header`, `uri`, `digits`, `access-network`, `geolocation`,
    /// and `area-code`, which is weak and isn't read unless it is named here.
    #[schemars(with = "Option<Vec<String>>")]
    pub(in crate::scenario) kommun_sources: Option<Vec<Text>>,
    /// A file of `user:realm:algorithm:ha1` lines.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) credentials: Option<Text>,
    /// The realm of those who register here.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) realm: Option<Text>,
    /// A file of the same kind: who this switch is to trunks that ask (401, 407).
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) own_credentials: Option<Text>,
    /// The name server that is asked where targets are; the system's unless said otherwise.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) dns: Option<Text>,
    pub(in crate::scenario) tls: Option<RawTls>,
}

/// SIP over TLS.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListenTls")]
pub(in crate::scenario) struct RawTls {
    /// Where it listens, one address or several; 127.0.0.1:5061 unless said otherwise.
    #[schemars(with = "Option<OneOrMany>")]
    pub(in crate::scenario) address: Option<Spanned<OneOrMany>>,
    /// The certificate chain, a PEM file.
    #[schemars(with = "String")]
    pub(in crate::scenario) certificate: Text,
    /// Its private key, a PEM file.
    #[schemars(with = "String")]
    pub(in crate::scenario) key: Text,
    /// The CA certificates that peers' certificates must lead to, a PEM file.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) peers_ca: Option<Text>,
    /// Names in peers' certificates that are believed like trusted networks.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(in crate::scenario) trusted_names: Vec<Text>,
}
