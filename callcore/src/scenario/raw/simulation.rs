//! The part of the file that only runs in virtual time read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{Anything, OneOrMany, Text};

#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Simulation")]
pub(in crate::scenario) struct RawSimulation {
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) from: Option<Anything>,
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) until: Option<Anything>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) warm_up_h: Option<Spanned<f64>>,
    #[schemars(with = "Option<u32>")]
    pub(in crate::scenario) replications: Option<Spanned<u32>>,
    #[serde(default)]
    pub(in crate::scenario) flat: bool,
    #[serde(default)]
    pub(in crate::scenario) exponential_talk: bool,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) patience_shape: Option<Spanned<f64>>,
    #[schemars(with = "Option<[f64; 2]>")]
    pub(in crate::scenario) answer_s: Option<Spanned<[f64; 2]>>,
    #[schemars(with = "Option<Vec<f64>>")]
    pub(in crate::scenario) month_factors: Option<Spanned<Vec<f64>>>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, u32>")]
    pub(in crate::scenario) calls_by_region: BTreeMap<Text, u32>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) missing_share: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) invalid_share: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) wrong_share: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) redial_share: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) redial_after_s: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) returning_share: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) returning_after_s: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) callback_share: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) callback_missed_share: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) files_per_call: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) sick_share: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(in crate::scenario) break_share: Option<Spanned<f64>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(in crate::scenario) beside: Vec<Text>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(in crate::scenario) stores: BTreeMap<Text, Text>,
    #[serde(default)]
    pub(in crate::scenario) surge: Vec<RawSurge>,
    #[serde(default)]
    pub(in crate::scenario) staffing: Vec<RawStaffing>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Surge")]
pub(in crate::scenario) struct RawSurge {
    #[schemars(with = "String")]
    pub(in crate::scenario) name: Text,
    #[schemars(with = "String")]
    pub(in crate::scenario) from: Anything,
    #[schemars(with = "String")]
    pub(in crate::scenario) until: Anything,
    #[schemars(with = "f64")]
    pub(in crate::scenario) factor: Spanned<f64>,
    #[schemars(with = "Option<OneOrMany>")]
    pub(in crate::scenario) region: Option<Spanned<OneOrMany>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Staffing")]
pub(in crate::scenario) struct RawStaffing {
    #[schemars(with = "Option<OneOrMany>")]
    pub(in crate::scenario) queue: Option<Spanned<OneOrMany>>,
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) hours: Option<Text>,
    #[schemars(with = "f64")]
    pub(in crate::scenario) share: Spanned<f64>,
}
