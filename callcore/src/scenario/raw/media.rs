//! What is asked of calls' audio, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// What is asked of calls' audio.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Media")]
pub(in crate::scenario) struct RawMedia {
    /// Seconds without RTP from one side after which a call is ended; 60 unless it is said, 0 for never.
    #[schemars(with = "Option<u32>")]
    pub(in crate::scenario) silence_max_s: Option<Spanned<u32>>,
}
