//! `[listen.tls]` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;

/// SIP over TLS.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListenTls")]
pub(in crate::scenario) struct RawTls {
    /// Where it listens; 127.0.0.1:5061 unless said otherwise.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) address: Option<Text>,
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
