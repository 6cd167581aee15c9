//! Values that may be written in more than one way.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::Text;

/// `"01"` or `["01", "04"]`.
pub(in crate::scenario) enum OneOrMany {
    One(String),
    Many(Vec<Text>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

/// Not `#[serde(untagged)]`: that buffers the values, and the places they came from are lost.
struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes, or a list of such")
    }

    fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMany::Many(texts))
    }
}

/// `"sip:queue@host"`, `{ sip = "...", at_once = 3 }`, `{ register = "nurse-01" }` or `{ simulated = 12 }`.
pub(in crate::scenario) enum RawAgent {
    Contact(String),
    Table(RawAgentTable),
}

/// Agents: a number of simulated ones, or a SIP contact that takes several calls at once.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AgentTable")]
pub(in crate::scenario) struct RawAgentTable {
    pub(in crate::scenario) simulated: Option<u32>,
    pub(in crate::scenario) sip: Option<String>,
    pub(in crate::scenario) at_once: Option<u32>,
    /// The user that a phone registers as.
    pub(in crate::scenario) register: Option<String>,
    /// Whether calls to it are encrypted (SRTP): `off` unless it is said, `offer` or `require`.
    #[schemars(with = "Option<String>")]
    pub(in crate::scenario) srtp: Option<Text>,
    /// A file of `user:realm:algorithm:ha1` lines: who this switch is to a SIP contact that asks (401, 407).
    pub(in crate::scenario) credentials: Option<String>,
}

impl<'de> Deserialize<'de> for RawAgent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawAgentVisitor)
    }
}

struct RawAgentVisitor;

impl<'de> Visitor<'de> for RawAgentVisitor {
    type Value = RawAgent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SIP address in quotes, { sip = ..., at_once = ... } or { simulated = ... }")
    }

    fn visit_str<E>(self, text: &str) -> Result<RawAgent, E> {
        Ok(RawAgent::Contact(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawAgent, A::Error> {
        RawAgentTable::deserialize(MapAccessDeserializer::new(map)).map(RawAgent::Table)
    }
}
