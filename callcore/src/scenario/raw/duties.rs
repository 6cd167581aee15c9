//! The part of the file that says what is owed to callers and to their data: information, stores, collections,
//! and the sanctions of a case that has been decided.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::{Anything, OneOrMany, Text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RawInformation {
    pub(in crate::scenario) organisation: Text,
    pub(in crate::scenario) data: Vec<Text>,
    pub(in crate::scenario) by: Text,
    pub(in crate::scenario) from: Option<Anything>,
    pub(in crate::scenario) until: Option<Anything>,
    #[serde(default)]
    pub(in crate::scenario) note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RawCollection {
    pub(in crate::scenario) controller: Text,
    pub(in crate::scenario) from: Text,
    pub(in crate::scenario) data: Vec<String>,
    pub(in crate::scenario) purpose: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RawStore {
    pub(in crate::scenario) name: Text,
    pub(in crate::scenario) operator: Text,
    pub(in crate::scenario) controller: Option<Spanned<OneOrMany>>,
    pub(in crate::scenario) holds: Vec<Text>,
    #[serde(default)]
    pub(in crate::scenario) inseparable: bool,
    #[serde(default)]
    pub(in crate::scenario) place: String,
    pub(in crate::scenario) reachable: Option<Text>,
    pub(in crate::scenario) login: Option<Spanned<bool>>,
    pub(in crate::scenario) tls: Option<Spanned<bool>>,
    pub(in crate::scenario) encrypted: Option<Spanned<bool>>,
    pub(in crate::scenario) backup: Option<Spanned<RawBackup>>,
    pub(in crate::scenario) erases: Option<Spanned<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RawSanction {
    pub(in crate::scenario) actor: Text,
    pub(in crate::scenario) findings: Spanned<Vec<Text>>,
    pub(in crate::scenario) sek: u64,
    pub(in crate::scenario) source: String,
    #[serde(default)]
    pub(in crate::scenario) note: String,
}

/// `"none"`, `"not-examined"`, or `{ place = "...", lifetime = "...", restore_test = "..." }`.
pub(in crate::scenario) enum RawBackup {
    Word(String),
    Table(RawBackupTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RawBackupTable {
    pub(in crate::scenario) place: String,
    pub(in crate::scenario) lifetime: Option<Text>,
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
