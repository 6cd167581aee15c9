//! What callers are offered while they wait, and how providers are watched, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Text;

/// The offer to be called back instead of waiting on the line.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Callback")]
pub(in crate::scenario) struct RawCallback {
    /// Offered to those who must expect to wait this long.
    #[schemars(with = "u32")]
    pub(in crate::scenario) after_expected_wait_s: Spanned<u32>,
    /// How many promises to call back may stand at once.
    #[schemars(with = "u32")]
    pub(in crate::scenario) at_most: Spanned<u32>,
    /// The announcement that offers it.
    #[schemars(with = "String")]
    pub(in crate::scenario) offer: Text,
    /// The announcement that confirms it.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) accepted: Option<Text>,
    /// The key that accepts; "1" unless it is said.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) digit: Option<Text>,
    /// How often the caller is tried.
    #[schemars(with = "Option<u8>")]
    pub(in crate::scenario) attempts_max: Option<Spanned<u8>>,
    /// Seconds from an attempt in vain to the next.
    pub(in crate::scenario) again_after_s: Option<u32>,
    /// Seconds that the caller's phone rings.
    #[schemars(with = "Option<u32>")]
    pub(in crate::scenario) ring_s: Option<Spanned<u32>>,
    /// The SIP address of the trunk that calls are made through; the peer that brought the call unless it is said.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) via: Option<Text>,
}

/// How a provider's targets are asked whether they are there (OPTIONS).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ping")]
pub(in crate::scenario) struct RawPing {
    /// Seconds between two questions; 10 unless it is said, 0 to ask never.
    #[schemars(with = "Option<u32>")]
    pub(in crate::scenario) every_s: Option<Spanned<u32>>,
    /// Answers that fail to come, in a row, until a target counts as down.
    #[schemars(with = "Option<u8>")]
    pub(in crate::scenario) down_after: Option<Spanned<u8>>,
    /// Answers that come, in a row, until it counts as up again.
    #[schemars(with = "Option<u8>")]
    pub(in crate::scenario) up_after: Option<Spanned<u8>>,
}
