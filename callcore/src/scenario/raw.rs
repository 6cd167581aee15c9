//! The TOML file as it is written, key by key. Private to the reader: nothing here has been checked yet.

mod duties;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

pub(super) use duties::{
    RawBackup, RawBackupTable, RawCollection, RawInformation, RawSanction, RawStore,
};

type Text = Spanned<String>;
type Anything = Spanned<toml::Value>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScenario {
    pub(super) operator: RawOperator,
    #[serde(default)]
    pub(super) organisation: Vec<RawOrganisation>,
    #[serde(default)]
    pub(super) agreement: Vec<RawAgreement>,
    #[serde(default)]
    pub(super) announcement: Vec<RawAnnouncement>,
    #[serde(default)]
    pub(super) announcements: RawSwitchAnnouncements,
    #[serde(default)]
    pub(super) calendar: Vec<RawCalendar>,
    #[serde(default)]
    pub(super) route: Vec<RawRoute>,
    #[serde(default)]
    pub(super) queue: Vec<RawQueue>,
    #[serde(default)]
    pub(super) provider: Vec<RawProvider>,
    #[serde(default)]
    pub(super) retention: Vec<RawRetention>,
    #[serde(default)]
    pub(super) decision: Vec<RawDecision>,
    #[serde(default)]
    pub(super) pause: Vec<RawPause>,
    #[serde(default)]
    pub(super) information: Vec<RawInformation>,
    #[serde(default)]
    pub(super) collection: Vec<RawCollection>,
    #[serde(default)]
    pub(super) store: Vec<RawStore>,
    #[serde(default)]
    pub(super) sanction: Vec<RawSanction>,
    pub(super) recorder: Option<RawRecorder>,
    #[serde(default)]
    pub(super) listen: RawListen,
    #[serde(default)]
    pub(super) traffic: RawTraffic,
    #[serde(default)]
    pub(super) expect: Vec<RawExpect>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOperator {
    pub(super) organisation: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOrganisation {
    pub(super) id: Text,
    pub(super) name: String,
    pub(super) kind: Text,
    pub(super) country: Option<Text>,
    pub(super) health_care_secrecy: Option<bool>,
    pub(super) region: Option<Text>,
    #[serde(default)]
    pub(super) board: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAgreement {
    pub(super) id: Text,
    pub(super) controller: Text,
    pub(super) processor: Text,
    pub(super) purposes: Vec<String>,
    pub(super) from: Anything,
    pub(super) until: Option<Anything>,
    #[serde(default)]
    pub(super) sub_processors: Vec<Text>,
    #[serde(default)]
    pub(super) gives_care: Vec<Text>,
    pub(super) transfer: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAnnouncement {
    pub(super) name: Text,
    pub(super) file: Text,
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) informs: Vec<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSwitchAnnouncements {
    pub(super) no_answer: Option<Text>,
    pub(super) busy: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCalendar {
    pub(super) name: Text,
    pub(super) open: Vec<RawOpening>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOpening {
    pub(super) days: Spanned<OneOrMany>,
    pub(super) from: Anything,
    pub(super) to: Anything,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    pub(super) name: Text,
    pub(super) kommun: Option<Spanned<OneOrMany>>,
    pub(super) region: Option<Spanned<OneOrMany>>,
    #[serde(default)]
    pub(super) all: bool,
    #[serde(default)]
    pub(super) unknown: bool,
    #[serde(default)]
    pub(super) invalid: bool,
    #[serde(default)]
    pub(super) conflict: bool,
    pub(super) from: Option<Anything>,
    pub(super) until: Option<Anything>,
    pub(super) hours: Option<Text>,
    pub(super) queue: Option<Text>,
    pub(super) provider: Option<Text>,
    pub(super) handover: Option<Text>,
    #[serde(default)]
    pub(super) failover: Vec<Text>,
    pub(super) announcement: Option<Text>,
    pub(super) recording: Option<Spanned<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQueue {
    pub(super) name: Text,
    pub(super) region: Option<Text>,
    pub(super) controller: Text,
    #[serde(default)]
    pub(super) agents: Vec<Spanned<RawAgent>>,
    #[serde(default)]
    pub(super) recording: bool,
    pub(super) agreement: Option<Text>,
    pub(super) answered_by: Option<Text>,
    pub(super) purpose: Option<String>,
    pub(super) basis: Option<String>,
    pub(super) wrap_up_s: Option<u32>,
    pub(super) ring_s: Option<u32>,
    pub(super) len_max: Option<u32>,
    pub(super) wait_max_s: Option<u32>,
    pub(super) announcement: Option<Text>,
    pub(super) music: Option<Text>,
    pub(super) busy_announcement: Option<Text>,
    pub(super) patience_mean_s: Option<u32>,
    #[serde(default)]
    pub(super) overflow: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProvider {
    pub(super) name: Text,
    pub(super) organisation: Text,
    pub(super) targets: Spanned<Vec<Text>>,
    pub(super) ring_s: Option<u32>,
    #[serde(default)]
    pub(super) records: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetention {
    pub(super) class: Text,
    pub(super) controller: Option<Text>,
    pub(super) earliest: Text,
    pub(super) latest: Option<Text>,
    pub(super) counted_from: Option<Text>,
    pub(super) basis: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDecision {
    pub(super) controller: Text,
    pub(super) diary_number: Text,
    pub(super) date: Anything,
    pub(super) permits: Text,
    pub(super) classes: Vec<Text>,
    pub(super) until: Option<Anything>,
    #[serde(default)]
    pub(super) note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPause {
    pub(super) from: Anything,
    pub(super) until: Option<Anything>,
    pub(super) controller: Option<Text>,
    pub(super) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecorder {
    pub(super) siprec: Text,
    pub(super) store: Option<Text>,
    pub(super) keys: Option<Text>,
    pub(super) api: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListen {
    pub(super) sip: Option<Text>,
    pub(super) web: Option<Text>,
    pub(super) trusted: Option<Vec<Text>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTraffic {
    pub(super) calls_per_year: Option<Spanned<u32>>,
    pub(super) talk_mean_s: Option<Spanned<u32>>,
    pub(super) talk_sd_s: Option<Spanned<u32>>,
    pub(super) weekend_factor: Option<Spanned<f64>>,
    pub(super) holiday_factor: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) regions: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpect {
    pub(super) kommun: Text,
    pub(super) at: Anything,
    pub(super) route: Text,
    pub(super) recorded: Option<bool>,
}

/// `"01"` or `["01", "04"]`.
pub(super) enum OneOrMany {
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

/// `"sip:queue@host"`, `{ sip = "...", at_once = 3 }` or `{ simulated = 12 }`.
pub(super) enum RawAgent {
    Contact(String),
    Table(RawAgentTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAgentTable {
    pub(super) simulated: Option<u32>,
    pub(super) sip: Option<String>,
    pub(super) at_once: Option<u32>,
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
