//! The part of the file that only runs in virtual time read.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Anything, OneOrMany, Text};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RawSimulation {
    pub(in crate::scenario) from: Option<Anything>,
    pub(in crate::scenario) until: Option<Anything>,
    pub(in crate::scenario) warm_up_h: Option<Spanned<f64>>,
    pub(in crate::scenario) replications: Option<Spanned<u32>>,
    #[serde(default)]
    pub(in crate::scenario) flat: bool,
    #[serde(default)]
    pub(in crate::scenario) exponential_talk: bool,
    pub(in crate::scenario) patience_shape: Option<Spanned<f64>>,
    pub(in crate::scenario) answer_s: Option<Spanned<[f64; 2]>>,
    pub(in crate::scenario) month_factors: Option<Spanned<Vec<f64>>>,
    #[serde(default)]
    pub(in crate::scenario) calls_by_region: BTreeMap<Text, u32>,
    pub(in crate::scenario) missing_share: Option<Spanned<f64>>,
    pub(in crate::scenario) invalid_share: Option<Spanned<f64>>,
    pub(in crate::scenario) wrong_share: Option<Spanned<f64>>,
    pub(in crate::scenario) redial_share: Option<Spanned<f64>>,
    pub(in crate::scenario) redial_after_s: Option<Spanned<f64>>,
    pub(in crate::scenario) files_per_call: Option<Spanned<f64>>,
    pub(in crate::scenario) sick_share: Option<Spanned<f64>>,
    pub(in crate::scenario) break_share: Option<Spanned<f64>>,
    #[serde(default)]
    pub(in crate::scenario) beside: Vec<Text>,
    #[serde(default)]
    pub(in crate::scenario) stores: BTreeMap<Text, Text>,
    #[serde(default)]
    pub(in crate::scenario) surge: Vec<RawSurge>,
    #[serde(default)]
    pub(in crate::scenario) staffing: Vec<RawStaffing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RawSurge {
    pub(in crate::scenario) name: Text,
    pub(in crate::scenario) from: Anything,
    pub(in crate::scenario) until: Anything,
    pub(in crate::scenario) factor: Spanned<f64>,
    pub(in crate::scenario) region: Option<Spanned<OneOrMany>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RawStaffing {
    pub(in crate::scenario) queue: Option<Spanned<OneOrMany>>,
    pub(in crate::scenario) hours: Option<Text>,
    pub(in crate::scenario) share: Spanned<f64>,
}
