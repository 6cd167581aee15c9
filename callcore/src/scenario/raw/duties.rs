//! The part of the file that says what is owed to callers and to their data: information, stores, collections,
//! and the sanctions of a case that has been decided.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::{Anything, OneOrMany, Text};

/// What an organisation tells its callers otherwise than in a call (GDPR Art. 13 and 14).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Information")]
pub(in crate::scenario) struct RawInformation {
    #[schemars(with = "String")]
    pub(in crate::scenario) organisation: Text,
    /// `number-and-kommun-id`, `recording`, `care-provider`, `call-information`.
    #[schemars(with = "Vec<String>")]
    pub(in crate::scenario) data: Vec<Text>,
    /// `announcement`, `web` or `letter`.
    #[schemars(with = "String")]
    pub(in crate::scenario) by: Text,
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) from: Option<Anything>,
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) until: Option<Anything>,
    #[serde(default)]
    pub(in crate::scenario) note: String,
}

/// Personal data that a controller collects from somebody else than the caller (GDPR Art. 14).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Collection")]
pub(in crate::scenario) struct RawCollection {
    #[schemars(with = "String")]
    pub(in crate::scenario) controller: Text,
    #[schemars(with = "String")]
    pub(in crate::scenario) from: Text,
    #[schemars(with = "Vec<String>")]
    pub(in crate::scenario) data: Spanned<Vec<Text>>,
    #[schemars(with = "String")]
    pub(in crate::scenario) purpose: Text,
}

/// A place where personal data are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Store")]
pub(in crate::scenario) struct RawStore {
    #[schemars(with = "String")]
    pub(in crate::scenario) name: Text,
    #[schemars(with = "String")]
    pub(in crate::scenario) operator: Text,
    /// Whose data it holds; left out for every controller whose calls are recorded here.
    #[schemars(with = "Option<OneOrMany>")]
    pub(in crate::scenario) controller: Option<Spanned<OneOrMany>>,
    /// Classes of data, as in `retention`.
    #[schemars(with = "Vec<String>")]
    pub(in crate::scenario) holds: Vec<Text>,
    /// Whether the classes it holds can't be told apart.
    #[serde(default)]
    pub(in crate::scenario) inseparable: bool,
    /// Where it stands, in words.
    #[serde(default)]
    pub(in crate::scenario) place: String,
    /// `internet`, `network` or `machine`.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) reachable: Option<Text>,
    /// Whether it asks who reads.
    #[schemars(with = "Option<bool>")]
    pub(in crate::scenario) login: Option<Spanned<bool>>,
    /// Whether what is read is encrypted on the way.
    #[schemars(with = "Option<bool>")]
    pub(in crate::scenario) tls: Option<Spanned<bool>>,
    /// Whether what it holds is encrypted.
    #[schemars(with = "Option<bool>")]
    pub(in crate::scenario) encrypted: Option<Spanned<bool>>,
    /// `{ place, lifetime, restore_test }`, `none`, or `not-examined` in a historical case.
    #[schemars(with = "Option<RawBackup>")]
    pub(in crate::scenario) backup: Option<Spanned<RawBackup>>,
    /// Whether its operator erases there by itself what has outstayed its ceiling.
    #[schemars(with = "Option<bool>")]
    pub(in crate::scenario) erases: Option<Spanned<bool>>,
}

/// A sanction that an authority decided in the case this scenario describes. A fact, never an estimate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sanction")]
pub(in crate::scenario) struct RawSanction {
    #[schemars(with = "String")]
    pub(in crate::scenario) actor: Text,
    /// The codes it was for, taken together, such as `V0301`.
    #[schemars(with = "Vec<String>")]
    pub(in crate::scenario) findings: Spanned<Vec<Text>>,
    /// Swedish kronor.
    pub(in crate::scenario) sek: u64,
    #[schemars(with = "String")]
    pub(in crate::scenario) source: Text,
    #[serde(default)]
    pub(in crate::scenario) note: String,
}

/// How extracts of personal data are ordered.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Uttag")]
pub(in crate::scenario) struct RawUttag {
    /// The HSA catalogue: a CSV file beside the scenario, with the columns hsa_id,role,organisation,mail,phone.
    #[schemars(with = "String")]
    pub(in crate::scenario) hsa: Text,
    /// The organisation that makes and delivers extracts.
    #[schemars(with = "String")]
    pub(in crate::scenario) supplier: Text,
}

/// `"none"`, `"not-examined"`, or `{ place = "...", lifetime = "...", restore_test = "..." }`.
pub(in crate::scenario) enum RawBackup {
    Word(String),
    Table(RawBackupTable),
}

/// What is decided about a backup (HSLF-FS 2016:40 ch. 3 §§ 12-13).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BackupTable")]
pub(in crate::scenario) struct RawBackupTable {
    pub(in crate::scenario) place: String,
    /// How long a backup is kept, such as `35 days`.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) lifetime: Option<Text>,
    /// How often restoring is tested, such as `6 months`.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) restore_test: Option<Text>,
}

impl<'de> Deserialize<'de> for RawBackup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawBackupVisitor)
    }
}

struct RawBackupVisitor;

impl<'de> Visitor<'de> for RawBackupVisitor {
    type Value = RawBackup;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\"none\", \"not-examined\" or { place = ..., lifetime = ..., restore_test = ... }",
        )
    }

    fn visit_str<E>(self, text: &str) -> Result<RawBackup, E> {
        Ok(RawBackup::Word(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawBackup, A::Error> {
        RawBackupTable::deserialize(MapAccessDeserializer::new(map)).map(RawBackup::Table)
    }
}
