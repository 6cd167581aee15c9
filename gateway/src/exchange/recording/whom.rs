//! Who takes part in a recorded call, as its recorder is told (RFC 7865).

use std::collections::BTreeMap;

use callcore::{personal::CallerNumber, scenario::AgentId, tag::RecordingTag};
use wire::siprec::{Aor, Id, Metadata, Participant, StreamInfo};

use crate::negotiate;

/// What names the parts of one recording: whoever is told of again keeps the name (RFC 7865 section 6.9).
#[derive(Debug)]
pub(in crate::exchange) struct Whom {
    /// The call, the same in each of its recordings: by it the recorder counts them (RFC 7865 section 6.3).
    session: Id,
    caller: Id,
    /// Who talks with the caller.
    nurse: Id,
    /// Agents who do, or have done so: no more than the scenario names.
    agents: BTreeMap<AgentId, Id>,
    streams: [Id; 2],
}

impl Whom {
    /// Names drawn by chance, for a caller who talks with that agent in a call of this name.
    pub(super) fn new(
        session: Id,
        agent: Option<AgentId>,
        mut draw: impl FnMut() -> [u8; 16],
    ) -> Self {
        let mut id = || Id::from_uuid(draw());
        let nurse = id();
        Self {
            session,
            caller: id(),
            agents: agent
                .map(|agent| (agent, nurse.clone()))
                .into_iter()
                .collect(),
            nurse,
            streams: [id(), id()],
        }
    }

    /// Somebody else talks with the caller: that agent, or a phone of which nobody knows whose it is.
    pub(super) fn nurse_is(&mut self, agent: Option<AgentId>, mut draw: impl FnMut() -> [u8; 16]) {
        let mut id = || Id::from_uuid(draw());
        self.nurse = match agent {
            Some(agent) => self.agents.entry(agent).or_insert_with(id).clone(),
            None => id(),
        };
    }

    /// What the recorder is told: two parties, two streams, and the tag. The caller's number only on a private way: it lies
    /// encrypted in the store, so that an extract (uttag) can find a person's calls.
    pub(super) fn metadata(&self, tag: &RecordingTag, number: Option<&CallerNumber>) -> Metadata {
        let labels = [negotiate::CALLER_LABEL, negotiate::NURSE_LABEL];
        let [caller, nurse] = &self.streams;
        let address = number.map(|number| Aor::new(format!("tel:{}", number.reveal().as_str())));
        let party = |id: &Id, name: &str, aor, sends: &Id, receives: &Id| Participant {
            id: id.clone(),
            aor,
            name: Some(name.into()),
            sends: vec![sends.clone()],
            receives: vec![receives.clone()],
        };
        let mut metadata = Metadata::new(self.session.clone());
        metadata.start_time = Some(tag.started.timestamp().to_string().into());
        metadata.participants = vec![
            party(&self.caller, "caller", address, caller, nurse),
            party(&self.nurse, "nurse", None, nurse, caller),
        ];
        let streams = self.streams.iter().zip(labels);
        metadata.streams = streams
            .map(|(id, label)| StreamInfo {
                id: id.clone(),
                label: label.into(),
            })
            .collect();
        metadata.extension = tag
            .fields()
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_told_of_again_keeps_the_name_and_nobody_else_has_it() {
        let mut drawn = 0;
        let mut draw = || {
            drawn += 1;
            [drawn; 16]
        };
        let [first, second] = [1, 2].map(|agent| Some(AgentId(agent)));
        let mut whom = Whom::new(Id::from_uuid([0; 16]), first, &mut draw);
        let others = (
            whom.caller.clone(),
            whom.session.clone(),
            whom.streams.clone(),
        );
        let mut nurses = vec![whom.nurse.clone()];
        for agent in [second, first, None, None, second] {
            whom.nurse_is(agent, &mut draw);
            nurses.push(whom.nurse.clone());
        }
        let same = |one: usize, other: usize| nurses[one] == nurses[other];
        assert!(same(0, 2) && same(1, 5));
        assert!(!same(0, 1) && !same(2, 3) && !same(3, 4));
        assert_eq!(others, (whom.caller, whom.session, whom.streams));
    }
}
