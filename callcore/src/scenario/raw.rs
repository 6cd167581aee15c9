//! The TOML file as it is written, key by key. Private to the reader: nothing here has been checked yet.

mod duties;
mod either;
mod listen;
mod media;
mod overload;
mod schema;
mod simulation;
mod waiting;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

pub(super) use duties::{
    RawBackup, RawBackupTable, RawCollection, RawInformation, RawSanction, RawStore, RawUttag,
};
pub(super) use either::{OneOrMany, RawAgent, RawAgentTable};
pub(super) use listen::{RawListen, RawTls};
pub(super) use media::RawMedia;
pub(super) use overload::RawOverload;
pub(super) use schema::json_schema;
pub(super) use simulation::{RawSimulation, RawStaffing, RawSurge};
pub(super) use waiting::{RawCallback, RawChoice, RawMenu, RawPing, RawSpeak};

type Text = Spanned<String>;
type Anything = Spanned<toml::Value>;

/// A scenario of vaxel: who takes part, who answers whom, what is recorded, for whom, how long.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Scenario")]
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
    pub(super) uttag: Option<RawUttag>,
    #[serde(default)]
    pub(super) listen: RawListen,
    #[serde(default)]
    pub(super) overload: RawOverload,
    #[serde(default)]
    pub(super) media: RawMedia,
    #[serde(default)]
    pub(super) traffic: RawTraffic,
    #[serde(default)]
    pub(super) simulation: RawSimulation,
    #[serde(default)]
    pub(super) expect: Vec<RawExpect>,
}

/// Which organisation runs this switch.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Operator")]
pub(super) struct RawOperator {
    #[schemars(with = "String")]
    pub(super) organisation: Text,
}

/// An organisation that takes part.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Organisation")]
pub(super) struct RawOrganisation {
    /// Its short name, such as `inera` or `region-01`.
    #[schemars(with = "String")]
    pub(super) id: Text,
    #[schemars(with = "String")]
    pub(super) name: Text,
    /// `region`, `processor`, `care-provider` or `sub-processor`.
    #[schemars(with = "String")]
    pub(super) kind: Text,
    /// Two letters, such as `SE`.
    #[schemars(with = "Option<String>")]
    pub(super) country: Option<Text>,
    /// Whether it stands under Swedish health-care law and its duty of secrecy.
    pub(super) health_care_secrecy: Option<bool>,
    /// The region it is, two digits; `region-01` is 01 without saying so.
    #[schemars(with = "Option<String>")]
    pub(super) region: Option<Text>,
    /// The board that is controller within it.
    #[serde(default)]
    pub(super) board: String,
    /// The fingerprint of the key to which its recordings are handed over, as `vaxel handover key` tells it, got by another way
    /// than the key itself.
    #[schemars(with = "Option<String>")]
    pub(super) receiver: Option<Text>,
}

/// An agreement by which a processor works for a controller (GDPR Art. 28).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Agreement")]
pub(super) struct RawAgreement {
    #[schemars(with = "String")]
    pub(super) id: Text,
    #[schemars(with = "String")]
    pub(super) controller: Text,
    #[schemars(with = "String")]
    pub(super) processor: Text,
    /// What it is for: `routing`, `recording`, `storage`, `care`.
    #[schemars(with = "Vec<String>")]
    pub(super) purposes: Spanned<Vec<Text>>,
    /// First day in force, such as 2018-05-25.
    #[schemars(with = "String")]
    pub(super) from: Anything,
    /// First day no longer in force.
    #[schemars(with = "Option<String>")]
    pub(super) until: Option<Anything>,
    /// Who else may be engaged.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) sub_processors: Vec<Text>,
    /// Who of them gives care to callers, as a matter of fact.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) gives_care: Vec<Text>,
    /// What lets data leave the EEA: `adequacy`, `standard-clauses`, `binding-rules`, or `not-examined` in a historical case.
    #[schemars(with = "Option<String>")]
    pub(super) transfer: Option<Text>,
}

/// Something that is played to callers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Announcement")]
pub(super) struct RawAnnouncement {
    #[schemars(with = "String")]
    pub(super) name: Text,
    /// A WAV file beside the scenario, or a built-in one.
    #[schemars(with = "String")]
    pub(super) file: Text,
    #[serde(default)]
    pub(super) text: String,
    /// What it informs of: `number-and-kommun-id`, `recording`, `care-provider`, `call-information`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) informs: Vec<Text>,
}

/// What the switch plays by itself.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SwitchAnnouncements")]
pub(super) struct RawSwitchAnnouncements {
    #[schemars(with = "Option<String>")]
    pub(super) no_answer: Option<Text>,
    #[schemars(with = "Option<String>")]
    pub(super) busy: Option<Text>,
}

/// Weekly hours with a name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Calendar")]
pub(super) struct RawCalendar {
    #[schemars(with = "String")]
    pub(super) name: Text,
    pub(super) open: Vec<RawOpening>,
}

/// From one time of day to another on some days.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Opening")]
pub(super) struct RawOpening {
    /// `mon` to `sun`, `mon-fri`, `holiday`, or a list.
    #[schemars(with = "OneOrMany")]
    pub(super) days: Spanned<OneOrMany>,
    /// A time of day, such as "08:00".
    #[schemars(with = "String")]
    pub(super) from: Anything,
    /// A time of day; one that is not later than `from` is on the next day.
    #[schemars(with = "String")]
    pub(super) to: Anything,
}

/// A rule: whose calls go where, and when. The first that holds wins.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route")]
pub(super) struct RawRoute {
    #[schemars(with = "String")]
    pub(super) name: Text,
    /// Kommun codes, four digits each.
    #[schemars(with = "Option<OneOrMany>")]
    pub(super) kommun: Option<Spanned<OneOrMany>>,
    /// Region codes, two digits each.
    #[schemars(with = "Option<OneOrMany>")]
    pub(super) region: Option<Spanned<OneOrMany>>,
    /// Every kommun.
    #[serde(default)]
    pub(super) all: bool,
    /// Callers whose kommun is not known.
    #[serde(default)]
    pub(super) unknown: bool,
    /// Callers whose kommun-ID is none.
    #[serde(default)]
    pub(super) invalid: bool,
    /// Callers for whom trusted sources name different kommuner.
    #[serde(default)]
    pub(super) conflict: bool,
    /// First day it holds.
    #[schemars(with = "Option<String>")]
    pub(super) from: Option<Anything>,
    /// First day it no longer holds.
    #[schemars(with = "Option<String>")]
    pub(super) until: Option<Anything>,
    /// `jourtid`, or the name of a calendar.
    #[schemars(with = "Option<String>")]
    pub(super) hours: Option<Text>,
    /// The queue that answers. Either this or `provider`.
    #[schemars(with = "Option<String>")]
    pub(super) queue: Option<Text>,
    /// The provider the call is handed over to. Either this or `queue`.
    #[schemars(with = "Option<String>")]
    pub(super) provider: Option<Text>,
    /// `release`, `direct` or `relay`.
    #[schemars(with = "Option<String>")]
    pub(super) handover: Option<Text>,
    /// Queues and providers that are tried instead, in order.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) failover: Vec<Text>,
    /// What the caller hears first.
    #[schemars(with = "Option<String>")]
    pub(super) announcement: Option<Text>,
    /// Keys to choose by after that; only for a queue.
    pub(super) menu: Option<RawMenu>,
    /// Never true for a provider: the checker says so.
    #[schemars(with = "Option<bool>")]
    pub(super) recording: Option<Spanned<bool>>,
}

/// A queue of this switch, answered by a region's or provider's own nurses.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Queue")]
pub(super) struct RawQueue {
    #[schemars(with = "String")]
    pub(super) name: Text,
    #[schemars(with = "Option<String>")]
    pub(super) region: Option<Text>,
    /// Who is controller for what is said and recorded.
    #[schemars(with = "String")]
    pub(super) controller: Text,
    /// SIP contacts, `{ sip = "...", at_once = 3 }` or `{ simulated = 12 }`.
    #[serde(default)]
    #[schemars(with = "Vec<RawAgent>")]
    pub(super) agents: Vec<Spanned<RawAgent>>,
    /// Whether calls are recorded.
    #[serde(default)]
    pub(super) recording: bool,
    /// The agreement under which this switch's operator records.
    #[schemars(with = "Option<String>")]
    pub(super) agreement: Option<Text>,
    /// Whose nurses answer, when they are not the controller's own.
    #[schemars(with = "Option<String>")]
    pub(super) answered_by: Option<Text>,
    #[schemars(with = "Option<String>")]
    pub(super) purpose: Option<Text>,
    /// The legal basis of the recording, cited.
    pub(super) basis: Option<String>,
    pub(super) wrap_up_s: Option<u32>,
    pub(super) ring_s: Option<u32>,
    pub(super) len_max: Option<u32>,
    pub(super) wait_max_s: Option<u32>,
    #[schemars(with = "Option<String>")]
    pub(super) announcement: Option<Text>,
    #[schemars(with = "Option<String>")]
    pub(super) music: Option<Text>,
    #[schemars(with = "Option<String>")]
    pub(super) busy_announcement: Option<Text>,
    pub(super) patience_mean_s: Option<u32>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) overflow: Vec<Text>,
    /// How a call leaves to a provider of `overflow`: `direct` unless it is said, `relay` or `release`. A caller who has
    /// been answered can only be sent on (`release`).
    #[schemars(with = "Option<String>")]
    pub(super) handover: Option<Text>,
    /// The offer to be called back instead of waiting on the line.
    pub(super) callback: Option<RawCallback>,
    /// What a waiting caller is told about place and wait, between the music.
    pub(super) speak: Option<RawSpeak>,
}

/// A care provider outside this switch. Its calls are never recorded here.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Provider")]
pub(super) struct RawProvider {
    #[schemars(with = "String")]
    pub(super) name: Text,
    #[schemars(with = "String")]
    pub(super) organisation: Text,
    /// SIP addresses, tried in order.
    #[schemars(with = "Vec<String>")]
    pub(super) targets: Spanned<Vec<Text>>,
    pub(super) ring_s: Option<u32>,
    /// Whether it records the calls it answers, in its own system.
    #[serde(default)]
    pub(super) records: bool,
    /// How its targets are asked whether they are there.
    pub(super) ping: Option<RawPing>,
    /// Whether relayed calls to it are encrypted (SRTP): `off` unless it is said, `offer` or `require`.
    #[schemars(with = "Option<String>")]
    pub(super) srtp: Option<Text>,
    /// A file of `user:realm:algorithm:ha1` lines: who this switch is to a provider that asks (401, 407).
    #[schemars(with = "Option<String>")]
    pub(super) credentials: Option<Text>,
}

/// How long a class of data stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Retention")]
pub(super) struct RawRetention {
    /// `audio`, `telephone-number`, `access-log`, `journal-document` or `text-conversation`.
    #[schemars(with = "String")]
    pub(super) class: Text,
    #[schemars(with = "Option<String>")]
    pub(super) controller: Option<Text>,
    /// The floor, such as `2 years`.
    #[schemars(with = "String")]
    pub(super) earliest: Text,
    /// The ceiling, such as `3 years`.
    #[schemars(with = "Option<String>")]
    pub(super) latest: Option<Text>,
    /// `call` or `last-entry`.
    #[schemars(with = "Option<String>")]
    pub(super) counted_from: Option<Text>,
    /// The citation.
    pub(super) basis: String,
}

/// A recorded decision of a controller about its data.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Decision")]
pub(super) struct RawDecision {
    #[schemars(with = "String")]
    pub(super) controller: Text,
    #[schemars(with = "String")]
    pub(super) diary_number: Text,
    #[schemars(with = "String")]
    pub(super) date: Anything,
    /// `erase`, `hand-over` or `keep`.
    #[schemars(with = "String")]
    pub(super) permits: Text,
    #[schemars(with = "Vec<String>")]
    pub(super) classes: Vec<Text>,
    /// First day it no longer holds.
    #[schemars(with = "Option<String>")]
    pub(super) until: Option<Anything>,
    #[serde(default)]
    pub(super) note: String,
}

/// A time in which nothing may be erased.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pause")]
pub(super) struct RawPause {
    #[schemars(with = "String")]
    pub(super) from: Anything,
    #[schemars(with = "Option<String>")]
    pub(super) until: Option<Anything>,
    #[schemars(with = "Option<String>")]
    pub(super) controller: Option<Text>,
    #[schemars(with = "String")]
    pub(super) reason: Text,
}

/// The SIPREC recording server.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Recorder")]
pub(super) struct RawRecorder {
    #[schemars(with = "String")]
    pub(super) siprec: Text,
    #[schemars(with = "Option<String>")]
    pub(super) store: Option<Text>,
    #[schemars(with = "Option<String>")]
    pub(super) keys: Option<Text>,
    #[schemars(with = "Option<String>")]
    pub(super) index: Option<Text>,
    #[schemars(with = "Option<String>")]
    pub(super) spool: Option<Text>,
    #[schemars(with = "Option<String>")]
    pub(super) credentials: Option<Text>,
    /// SIPREC by TLS, in the words of `[listen.tls]`.
    pub(super) tls: Option<RawTls>,
    /// Recordings of one call, hold and transfer counted in; 10 unless said otherwise.
    #[schemars(with = "Option<u8>")]
    pub(super) segments_max: Option<Spanned<u8>>,
    /// Whether audio goes to it encrypted (SRTP): as its signalling does unless it is said, `off`, `offer` or `require`.
    #[schemars(with = "Option<String>")]
    pub(super) srtp: Option<Text>,
    /// The UDP ports that audio comes to: `20000-29999` unless said otherwise, both included; of each two, an even one and the next, one is for
    /// a stream.
    #[schemars(with = "Option<String>")]
    pub(super) rtp_ports: Option<Text>,
    #[schemars(with = "Option<String>")]
    pub(super) api: Option<Text>,
    /// The API's certificate, a PEM file; needed outside this machine.
    #[schemars(with = "Option<String>")]
    pub(super) certificate: Option<Text>,
    /// The certificate's key, a PEM file of mode 0600.
    #[schemars(with = "Option<String>")]
    pub(super) certificate_key: Option<Text>,
    /// The folder where a switch says of each call whether it should have been recorded.
    #[schemars(with = "Option<String>")]
    pub(super) calls: Option<Text>,
    /// Who may record here, by address, and for which controllers; without it anybody for all of them.
    #[schemars(with = "Option<std::collections::BTreeMap<String, Vec<String>>>")]
    pub(super) peers: Option<Spanned<std::collections::BTreeMap<String, Vec<Text>>>>,
    /// Recording clients that send no tag, by address, each with the queue whose calls it records.
    #[schemars(with = "Option<std::collections::BTreeMap<String, String>>")]
    pub(super) untagged: Option<Spanned<std::collections::BTreeMap<String, Text>>>,
}

/// The traffic that simulation and load generation offer.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Traffic")]
pub(super) struct RawTraffic {
    #[schemars(with = "Option<u32>")]
    pub(super) calls_per_year: Option<Spanned<u32>>,
    #[schemars(with = "Option<u32>")]
    pub(super) talk_mean_s: Option<Spanned<u32>>,
    #[schemars(with = "Option<u32>")]
    pub(super) talk_sd_s: Option<Spanned<u32>>,
    #[schemars(with = "Option<f64>")]
    pub(super) weekend_factor: Option<Spanned<f64>>,
    #[schemars(with = "Option<f64>")]
    pub(super) holiday_factor: Option<Spanned<f64>>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) regions: Vec<Text>,
}

/// A test inside the file: this kommun at this time goes there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
pub(super) struct RawExpect {
    /// The kommun-ID as it comes with the call; empty for none.
    #[schemars(with = "String")]
    pub(super) kommun: Text,
    /// A moment on a Swedish clock, such as `2018-11-05T22:15`.
    #[schemars(with = "String")]
    pub(super) at: Anything,
    #[schemars(with = "String")]
    pub(super) route: Text,
    pub(super) recorded: Option<bool>,
}
