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

/// What a waiting caller is told about place and wait, between the music.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Speak")]
pub(in crate::scenario) struct RawSpeak {
    /// Whether the place in the queue is said.
    #[serde(default)]
    pub(in crate::scenario) place: bool,
    /// Whether the expected wait is said.
    #[serde(default)]
    pub(in crate::scenario) wait: bool,
    /// Seconds until it is said again.
    #[schemars(with = "Option<u32>")]
    pub(in crate::scenario) every_s: Option<Spanned<u32>>,
}

/// Keys to choose by, after the greeting: "press 1 for ...".
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Menu")]
pub(in crate::scenario) struct RawMenu {
    /// The announcement that names the keys.
    #[schemars(with = "String")]
    pub(in crate::scenario) announcement: Text,
    /// Seconds after it in which a key may still be pressed.
    #[schemars(with = "Option<u32>")]
    pub(in crate::scenario) timeout_s: Option<Spanned<u32>>,
    /// How often it is said again to those who press nothing; they go on then as if there were no menu.
    #[schemars(with = "Option<u8>")]
    pub(in crate::scenario) repeats: Option<Spanned<u8>>,
    #[schemars(with = "Vec<RawChoice>")]
    pub(in crate::scenario) choices: Spanned<Vec<RawChoice>>,
}

/// What a key is for: exactly one of `queue`, `callback` and `continue`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Choice")]
pub(in crate::scenario) struct RawChoice {
    #[schemars(with = "String")]
    pub(in crate::scenario) digit: Text,
    /// Another queue.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) queue: Option<Text>,
    /// To be called back by the route's own queue.
    #[serde(default)]
    pub(in crate::scenario) callback: bool,
    /// On, as if there were no menu.
    #[serde(default, rename = "continue")]
    pub(in crate::scenario) goes_on: bool,
}
