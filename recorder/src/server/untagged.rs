//! The tag of what a client records that sends none: recording clients of others know nothing of ours. A scenario says by
//! address whose calls they are (`[recorder.untagged]`); what no setting covers is refused, as nobody could say whose it is.

use std::net::IpAddr;

use callcore::{
    retention::{ObjectClass, Period},
    scenario::{Queue, Scenario},
    switch::CallId,
    tag::RecordingTag,
    time::Time,
};
use sha2::{Digest, Sha256};
use wire::{sip::message::Request, siprec::Metadata};

/// What stands for the route in such a tag: no table of ours decided. No route has such a name, and no tag may come with it.
pub(crate) const ROUTE: &str = "(untagged)";

/// As many as any reader of JSON keeps exactly.
const NUMBER_BITS: u32 = 53;

/// The tag of a queue's calls, but for what differs from call to call.
#[derive(Debug, Clone)]
pub struct Untagged {
    tag: RecordingTag,
    earliest: Period,
    latest: Option<Period>,
}

impl Untagged {
    /// That of a queue; `None` when nothing says how long its recordings stay.
    pub fn of(scenario: &Scenario, queue: &Queue) -> Option<Self> {
        let (started, class) = (Time::from_micros(0), ObjectClass::Audio);
        let day = started.in_sweden().date();
        let (window, rule) = scenario.retention_window(queue.controller, class, day)?;
        let operator = &scenario.org(scenario.operator).id;
        let basis = Some(&queue.basis).filter(|basis| !basis.is_empty());
        let agreement = queue.agreement.map(|id| scenario.agreement(id).id.clone());
        let region = queue.region.map(|code| code.to_string().into());
        let tag = RecordingTag {
            controller: scenario.org(queue.controller).id.clone(),
            processor: operator.clone(),
            operator: operator.clone(),
            region: region.unwrap_or_default(),
            kommun: Box::default(),
            purpose: queue.purpose.clone(),
            basis: basis.unwrap_or(&rule.basis).clone(),
            agreement: agreement.unwrap_or_default(),
            class,
            earliest: window.earliest(),
            latest: window.latest(),
            route: ROUTE.into(),
            table: scenario.routes.digest().to_string().into(),
            call: CallId(0),
            started,
        };
        Some(Self {
            tag,
            earliest: rule.earliest,
            latest: rule.latest,
        })
    }

    /// The tag of a call whose recording begins now.
    pub(super) fn tag(&self, call: CallId, now: Time) -> RecordingTag {
        let day = now.in_sweden().date();
        RecordingTag {
            earliest: self.earliest.after(day),
            latest: self.latest.map(|latest| latest.after(day)),
            call,
            started: now,
            ..self.tag.clone()
        }
    }
}

/// A number for the call: the same for every recording session that its client begins for it, where its metadata names the
/// call (RFC 7865 section 6.3), else the session's own.
pub(super) fn call(peer: IpAddr, metadata: &Metadata, request: &Request) -> CallId {
    let named = metadata.session_id.as_str();
    let name = if named.is_empty() {
        request.headers.call_id().unwrap_or_default()
    } else {
        named
    };
    let digest = Sha256::digest(format!("{peer} {name}"));
    let first = digest.first_chunk().copied().unwrap_or_default();
    CallId(u64::from_be_bytes(first) >> (u64::BITS - NUMBER_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queues_calls_are_its_controllers_and_stay_as_long_as_its_rules_say() {
        let text = include_str!("../../../scenarios/jamtland-2025.toml");
        let scenario = Scenario::from_toml(text, "jamtland-2025").expect("shipped");
        let untagged = Untagged::of(&scenario, &scenario.queues[0]).expect("a rule");
        // 2026-11-22.
        let tag = untagged.tag(CallId(7), Time::from_micros(1_795_318_000_000_000));
        assert_eq!(
            (&*tag.controller, &*tag.agreement),
            ("region-23", "inera-23")
        );
        assert_eq!((&*tag.region, &*tag.route), ("23", ROUTE));
        let days = (tag.earliest, tag.latest);
        let expected = (
            jiff::civil::date(2028, 11, 22),
            Some(jiff::civil::date(2029, 11, 22)),
        );
        assert_eq!(days, expected);
        let fields = tag.fields();
        let field = |name| {
            let known = fields.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| value.as_str())
        };
        assert_eq!(RecordingTag::from_fields(field).as_ref(), Ok(&tag));
    }
}
