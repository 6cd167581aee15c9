//! Organisations, agreements, announcements, queues with their agents, and providers.

use std::ops::Range;

use toml::Spanned;

use super::{Reader, names::Names};
use crate::{
    kommun::RegionCode,
    organisation::{Agreement, Organisation, OrganisationKind, Transfer},
    scenario::{
        AGENTS_MAX, Agent, Announcement, Contact, OrgId, Provider, Queue, QueueId, Srtp,
        raw::{
            RawAgent, RawAgentTable, RawAgreement, RawAnnouncement, RawOrganisation, RawProvider,
            RawQueue,
        },
        values,
    },
    time::Span,
};

/// Wrap-up after a call unless the scenario says otherwise: row r094 of `data/call_profile.csv`, an assumption.
const WRAP_UP_DEFAULT_S: u32 = 120;
/// How long a phone rings before the next is tried: about five signals.
const RING_DEFAULT_S: u32 = 20;
/// Callers who may wait: row r047 (Västra Götaland, 2020).
const LEN_MAX_DEFAULT: u32 = 500;
/// Expected wait at which the queue closes: row r046 (Västra Götaland, 2020).
const WAIT_MAX_DEFAULT_S: u32 = 2700;
/// Mean patience of a simulated caller: row r095, an assumption.
const PATIENCE_DEFAULT_S: u32 = 3000;
/// The purpose that 1177 itself gives for recording.
const PURPOSE_DEFAULT: &str = "patient-safety-and-quality";

const KINDS: [(&str, OrganisationKind); 4] = [
    (OrganisationKind::Region.name(), OrganisationKind::Region),
    (
        OrganisationKind::Processor.name(),
        OrganisationKind::Processor,
    ),
    (
        OrganisationKind::CareProvider.name(),
        OrganisationKind::CareProvider,
    ),
    (
        OrganisationKind::SubProcessor.name(),
        OrganisationKind::SubProcessor,
    ),
];

impl Reader<'_> {
    /// Country and secrecy default to what holds for a Swedish region: `SE`, and under secrecy. A region called
    /// `region-01` is that of the code 01.
    pub(super) fn organisation(&mut self, raw: RawOrganisation) -> Organisation {
        let kind = self
            .word(&raw.kind, "kind of organisation", &KINDS)
            .unwrap_or(OrganisationKind::Region);
        let country = raw.country.as_ref().map_or("SE", |country| {
            let two_capitals = |text: &String| {
                (text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())).then_some(())
            };
            self.value(
                country,
                "this is no country",
                "write its two letters, such as `SE` or `TH`",
                two_capitals,
            );
            country.get_ref()
        });
        let region = match &raw.region {
            Some(code) => self.region(code.get_ref(), code.span()),
            None => raw
                .id
                .get_ref()
                .strip_prefix("region-")
                .filter(|_| kind == OrganisationKind::Region)
                .and_then(RegionCode::parse),
        };
        let receiver = raw.receiver.as_ref().and_then(|print| {
            self.value(
                print,
                "this is no fingerprint of a receiver's key",
                "write the 64 digits that `vaxel handover key` tells",
                |print| {
                    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
                    (print.len() == 64 && print.bytes().all(hex)).then(|| print.as_str().into())
                },
            )
        });
        self.says(
            &raw.name,
            "the organisation has no name",
            "write its name as in its agreements, such as `Inera AB`: people read it in every register",
        );
        Organisation {
            region,
            board: raw.board.into(),
            receiver,
            country: country.into(),
            id: raw.id.into_inner().into(),
            name: raw.name.into_inner().into(),
            kind,
            health_care_secrecy: raw
                .health_care_secrecy
                .unwrap_or(kind == OrganisationKind::Region),
        }
    }

    pub(super) fn agreement(&mut self, raw: RawAgreement, names: &Names) -> Agreement {
        let from = self.day(&raw.from);
        let until = raw.until.as_ref().and_then(|until| self.day(until));
        self.in_order(from, until, raw.from.span());
        self.words(
            &raw.purposes,
            ("the agreement has no purpose", "a purpose is empty"),
            "write what it is for: `routing`, `recording`, `storage` or `care`",
        );
        Agreement {
            controller: names.org(self, &raw.controller),
            processor: names.org(self, &raw.processor),
            purposes: raw
                .purposes
                .into_inner()
                .into_iter()
                .map(|purpose| purpose.into_inner().into())
                .collect(),
            from: from.unwrap_or_default(),
            until,
            sub_processors: raw
                .sub_processors
                .iter()
                .map(|name| names.org(self, name))
                .collect(),
            gives_care: raw
                .gives_care
                .iter()
                .map(|name| names.org(self, name))
                .collect(),
            transfer: raw.transfer.and_then(|transfer| {
                self.word(&transfer, "ground for a transfer", &Transfer::NAMES)
            }),
            id: raw.id.into_inner().into(),
        }
    }

    pub(super) fn announcement(&mut self, raw: RawAnnouncement) -> Announcement {
        for informs in &raw.informs {
            self.told(informs);
        }
        if raw.file.get_ref().is_empty() {
            self.fault(
                raw.file.span(),
                "an announcement needs an audio file",
                "name a WAV file, such as `region.wav`",
            );
        }
        Announcement {
            name: raw.name.into_inner().into(),
            file: raw.file.into_inner().into(),
            text: raw.text.into(),
            informs: raw
                .informs
                .into_iter()
                .map(|informs| informs.into_inner().into())
                .collect(),
        }
    }

    pub(super) fn provider(&mut self, raw: RawProvider, names: &Names) -> Provider {
        let organisation = names.org(self, &raw.organisation);
        if raw.targets.get_ref().is_empty() {
            self.fault(
                raw.targets.span(),
                "a provider needs at least one target",
                "add its SIP address: `sip:1177@host:port`",
            );
        }
        let targets = raw.targets.into_inner();
        targets
            .iter()
            .for_each(|target| self.sip_uri(target.get_ref(), target.span()));
        self.names_something_or_is_left_out("credentials", raw.credentials.as_ref());
        Provider {
            name: raw.name.into_inner().into(),
            organisation,
            targets: targets
                .into_iter()
                .map(|target| target.into_inner().into())
                .collect(),
            ring_max: Span::from_secs(raw.ring_s.unwrap_or(RING_DEFAULT_S)),
            records: raw.records,
            ping: self.ping(raw.ping),
            srtp: self.srtp(raw.srtp.as_ref()),
            credentials: raw.credentials.map(|file| file.into_inner().into()),
        }
    }

    pub(super) fn queues(
        &mut self,
        raws: Vec<RawQueue>,
        names: &Names,
    ) -> (Vec<Queue>, Vec<Agent>) {
        let mut agents = Vec::new();
        let mut queues = Vec::with_capacity(raws.len());
        for (id, raw) in (0..=u16::MAX).map(QueueId).zip(raws) {
            for agent in &raw.agents {
                self.agents(agent, id, &mut agents);
            }
            queues.push(self.queue(raw, names));
        }
        (queues, agents)
    }

    fn queue(&mut self, raw: RawQueue, names: &Names) -> Queue {
        let span = |secs: Option<u32>, default| Span::from_secs(secs.unwrap_or(default));
        let mut announcement =
            |name: Option<Spanned<String>>| name.map(|name| names.announcement(self, &name));
        let (heard, music, busy) = (
            announcement(raw.announcement),
            announcement(raw.music),
            announcement(raw.busy_announcement),
        );
        if let Some(purpose) = &raw.purpose {
            let remedy =
                "write why calls are recorded, or leave it out for `patient-safety-and-quality`";
            self.says(purpose, "`purpose` is empty", remedy);
        }
        Queue {
            name: raw.name.into_inner().into(),
            region: raw
                .region
                .and_then(|region| self.region(region.get_ref(), region.span())),
            controller: names.org(self, &raw.controller),
            recording: raw.recording,
            agreement: raw.agreement.map(|name| names.agreement(self, &name)),
            answered_by: raw.answered_by.map(|name| names.org(self, &name)),
            purpose: raw
                .purpose
                .map_or_else(|| PURPOSE_DEFAULT.into(), |said| said.into_inner().into()),
            basis: raw.basis.unwrap_or_default().into(),
            wrap_up: span(raw.wrap_up_s, WRAP_UP_DEFAULT_S),
            ring_max: span(raw.ring_s, RING_DEFAULT_S),
            len_max: raw.len_max.unwrap_or(LEN_MAX_DEFAULT) as usize,
            wait_max: span(raw.wait_max_s, WAIT_MAX_DEFAULT_S),
            announcement: heard,
            music,
            busy_announcement: busy,
            patience_mean: span(raw.patience_mean_s, PATIENCE_DEFAULT_S),
            overflow: self.overflow(&raw.overflow, raw.handover.as_ref(), names),
            speak: raw.speak.map(|raw| self.speak(raw)),
            callback: raw.callback.map(|raw| self.callback(raw, names)),
        }
    }

    fn agents(&mut self, raw: &Spanned<RawAgent>, queue: QueueId, agents: &mut Vec<Agent>) {
        let mut srtp = Srtp::Off;
        let mut credentials = None;
        if let RawAgent::Table(table) = raw.get_ref() {
            srtp = self.srtp(table.srtp.as_ref());
            credentials = self.agents_credentials(table, raw.span());
        }
        let (contact, count) = match raw.get_ref() {
            RawAgent::Contact(uri) => (self.contact(uri, raw.span()), 1),
            RawAgent::Table(RawAgentTable {
                sip: Some(uri),
                simulated: None,
                at_once,
                register: None,
                ..
            }) => (self.contact(uri, raw.span()), at_once.unwrap_or(1)),
            RawAgent::Table(RawAgentTable {
                simulated: Some(count),
                sip: None,
                at_once: None,
                register: None,
                srtp: None,
                ..
            }) => (Contact::Simulated, *count),
            RawAgent::Table(RawAgentTable {
                register: Some(user),
                simulated: None,
                sip: None,
                at_once: None,
                ..
            }) => (self.registering(user, raw.span(), agents), 1),
            RawAgent::Table(_) => {
                let remedy = "write { simulated = 12 }, { register = \"nurse-01\" }, { sip = \"sip:...\", at_once = 3 } or \"sip:...\"";
                return self.fault(
                    raw.span(),
                    "an agent is either simulated, a phone that registers, or a SIP contact",
                    remedy,
                );
            }
        };
        let count = count as usize;
        if count > AGENTS_MAX.saturating_sub(agents.len()) {
            let message = format!("more than {AGENTS_MAX} agents in the scenario");
            return self.fault(raw.span(), &message, "use fewer agents");
        }
        agents.extend(std::iter::repeat_n(
            Agent {
                queue,
                contact,
                srtp,
                credentials,
            },
            count,
        ));
    }

    /// Only a SIP contact may ask who we are: a phone that registers here is told nothing, and a simulated nurse is none.
    fn agents_credentials(
        &mut self,
        table: &RawAgentTable,
        span: Range<usize>,
    ) -> Option<Box<str>> {
        let file = table.credentials.as_deref()?;
        if table.sip.is_none() {
            self.fault(
                span,
                "only a SIP contact is told who this switch is",
                "write { sip = \"sip:...\", credentials = \"pbx.ha1\" }, or take `credentials` away; passwords of phones that register are in \
                 the file that [listen] `credentials` names",
            );
        }
        Some(file.into())
    }

    fn srtp(&mut self, raw: Option<&Spanned<String>>) -> Srtp {
        self.srtp_said(raw).unwrap_or_default()
    }

    pub(super) fn srtp_said(&mut self, raw: Option<&Spanned<String>>) -> Option<Srtp> {
        raw.and_then(|word| self.word(word, "way to encrypt audio", &Srtp::NAMES))
    }

    /// A user is one phone, whichever queue it answers for.
    fn registering(&mut self, user: &str, span: Range<usize>, agents: &[Agent]) -> Contact {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if user.is_empty() || !user.bytes().all(plain) {
            self.fault(
                span.clone(),
                "this is no user that can register",
                "write letters, digits, `-`, `_` and `.`, such as `nurse-01`",
            );
        }
        let contact = Contact::Registers(user.into());
        if agents.iter().any(|agent| agent.contact == contact) {
            self.fault(
                span,
                "two agents register as the same user",
                "give each phone a user of its own",
            );
        }
        contact
    }

    fn contact(&mut self, uri: &str, span: Range<usize>) -> Contact {
        self.sip_uri(uri, span);
        Contact::Sip(uri.into())
    }

    pub(super) fn sip_uri(&mut self, uri: &str, span: Range<usize>) {
        if let Some(fault) = values::sip_uri_fault(uri) {
            self.fault(span, fault, "write it as `sip:user@host:port`");
        }
    }

    pub(super) fn region(&mut self, code: &str, span: Range<usize>) -> Option<RegionCode> {
        let region = RegionCode::parse(code);
        if region.is_none() {
            self.fault(
                span,
                "no region has this code",
                "write two digits, such as `01`; data/regions.csv lists all 21",
            );
        }
        region
    }

    /// The controller of a rule that may be for everyone.
    pub(super) fn maybe_org(
        &mut self,
        raw: Option<Spanned<String>>,
        names: &Names,
    ) -> Option<OrgId> {
        raw.map(|name| names.org(self, &name))
    }
}
