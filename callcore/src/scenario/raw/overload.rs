//! When new calls are refused, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// When new calls are refused, so that those in progress go on.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Overload")]
pub(in crate::scenario) struct RawOverload {
    /// Calls held at once.
    #[schemars(with = "Option<u32>")]
    pub(in crate::scenario) calls_max: Option<Spanned<u32>>,
    /// New calls a second.
    #[schemars(with = "Option<u32>")]
    pub(in crate::scenario) rate_max: Option<Spanned<u32>>,
    /// How late the switch's own work may be, in milliseconds.
    #[schemars(with = "Option<u32>")]
    pub(in crate::scenario) late_max_ms: Option<Spanned<u32>>,
}
