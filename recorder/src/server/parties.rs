//! Who takes part in a recorded call, as its metadata tells it bit by bit: whole documents and partial updates.

use callcore::tag::RecordingTag;
use wire::siprec::{
    Aor, DataMode, Id, Metadata, PARTICIPANTS_MAX, Participant, STREAMS_MAX, StreamInfo,
};

use super::{segments::Call, whom::Names};
use crate::vault::{Meta, Party};

/// Who is known. Debug shows nobody.
#[derive(Clone, Default)]
pub(super) struct Parties {
    participants: Vec<Participant>,
    streams: Vec<StreamInfo>,
    /// What the call is named.
    named: Id,
}

/// What metadata changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// Nothing of who takes part.
    Nothing,
    /// Somebody joined or left, or there is more of them to know.
    More,
    /// Somebody else speaks in a stream, or one left as another came: a transfer.
    Transfer,
}

impl Parties {
    pub(super) fn new(metadata: &Metadata) -> Self {
        let mut parties = Self {
            named: metadata.session_id.clone(),
            ..Self::default()
        };
        parties.learn(metadata);
        parties
    }

    /// The call that they take part in.
    pub(super) fn call(&self, tag: &RecordingTag) -> Call {
        Call::of(tag, self.named.as_str())
    }

    /// Takes what is said now.
    pub(super) fn learn(&mut self, metadata: &Metadata) -> Told {
        if metadata.participants.is_empty()
            && metadata.streams.is_empty()
            && metadata.left.is_empty()
        {
            return Told::Nothing;
        }
        let mut then = self.clone();
        match metadata.mode {
            DataMode::Complete => then.replace(metadata),
            DataMode::Partial => then.update(metadata),
        }
        then.participants
            .retain(|one| !metadata.left.contains(&one.id));
        let transfer = self.is_transferred_to(&then);
        *self = then;
        if transfer { Told::Transfer } else { Told::More }
    }

    /// A client that sends streams alone doesn't say that nobody is there.
    fn replace(&mut self, metadata: &Metadata) {
        if !metadata.participants.is_empty() {
            self.participants.clone_from(&metadata.participants);
        }
        if !metadata.streams.is_empty() {
            self.streams.clone_from(&metadata.streams);
        }
    }

    /// What is said again counts as it is said now; the rest stays (RFC 7865 section 6.1).
    fn update(&mut self, metadata: &Metadata) {
        for told in &metadata.streams {
            // No document may have more either: a peer can't fill memory by many of them.
            let has_room = self.streams.len() < STREAMS_MAX;
            match self.place_of_stream(told) {
                Some(place) => self.streams[place].clone_from(told),
                None if has_room => self.streams.push(told.clone()),
                None => {}
            }
        }
        for told in &metadata.participants {
            // A stream has one who speaks in it.
            let known = self.place_of(told);
            for (place, other) in self.participants.iter_mut().enumerate() {
                if Some(place) != known {
                    other.sends.retain(|stream| !told.sends.contains(stream));
                }
            }
            match known.and_then(|place| self.participants.get_mut(place)) {
                Some(known) => merge(known, told),
                None => self.join(told.clone()),
            }
        }
    }

    /// Where it is known. Under a new id it takes the place of the one that was called the same.
    fn place_of_stream(&self, told: &StreamInfo) -> Option<usize> {
        let mut streams = self.streams.iter();
        let known = streams
            .clone()
            .position(|one| is_same_id(&one.id, &told.id));
        let called = |one: &StreamInfo| one.label == told.label && !told.label.is_empty();
        known.or_else(|| streams.position(called))
    }

    /// Who has no id is known by name and address.
    fn place_of(&self, told: &Participant) -> Option<usize> {
        let same = |one: &Participant| match told.id.is_empty() {
            true => one.id.is_empty() && is_same(one, told),
            false => one.id == told.id,
        };
        self.participants.iter().position(same)
    }

    /// With as many as a document may have, somebody who speaks no more makes room; else it isn't noted who joins.
    fn join(&mut self, told: Participant) {
        if self.participants.len() >= PARTICIPANTS_MAX {
            let silent = self
                .participants
                .iter()
                .position(|one| one.sends.is_empty());
            let Some(silent) = silent else { return };
            self.participants.remove(silent);
        }
        self.participants.push(told);
    }

    fn is_transferred_to(&self, then: &Self) -> bool {
        let mut spoken = self.streams.iter().filter_map(|stream| {
            Some((self.speaker(&stream.label)?, then.speaker(&stream.label)?))
        });
        if spoken.any(|(before, after)| !is_same(before, after)) {
            return true;
        }
        let new = |these: &Self, those: &Self| {
            let known = |one: &Participant| those.participants.iter().any(|it| is_same(it, one));
            !these.participants.iter().all(known)
        };
        new(self, then) && new(then, self)
    }

    fn speaker(&self, label: &str) -> Option<&Participant> {
        let stream = self.streams.iter().find(|one| &*one.label == label)?;
        self.participants
            .iter()
            .find(|one| one.sends.contains(&stream.id))
    }

    /// As it is stored: who speaks in which stream, by what the streams' files are called.
    pub(super) fn meta(&self, names: &Names<'_>) -> Meta {
        let party = |one: &Participant| {
            let label = |id: &Id| {
                let stream = self.streams.iter().find(|stream| stream.id == *id)?;
                Some(&*stream.label)
            };
            let file = |label: &str| {
                let (_, file) = names.iter().find(|(named, _)| *named == label)?;
                Some(file.as_str())
            };
            // Of several streams one that is recorded: others may be video.
            let mut labels = one.sends.iter().filter_map(label);
            let stream = labels.clone().find_map(file).or_else(|| labels.next());
            let aor = one.aor.as_ref().map(Aor::reveal);
            Party {
                stream: stream.unwrap_or_default().to_owned(),
                name: one.name.as_deref().unwrap_or_default().to_owned(),
                address: aor.unwrap_or_default().to_owned(),
            }
        };
        Meta {
            parties: self.participants.iter().map(party).collect(),
        }
    }
}

impl std::fmt::Debug for Parties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parties({})", self.participants.len())
    }
}

/// An update may leave out what it doesn't change.
fn merge(known: &mut Participant, told: &Participant) {
    if told.aor.is_some() {
        known.aor.clone_from(&told.aor);
    }
    if told.name.is_some() {
        known.name.clone_from(&told.name);
    }
    if !told.sends.is_empty() {
        known.sends.clone_from(&told.sends);
    }
    if !told.receives.is_empty() {
        known.receives.clone_from(&told.receives);
    }
}

/// What has no id is nothing else that has none.
fn is_same_id(one: &Id, other: &Id) -> bool {
    one == other && !one.is_empty()
}

/// Some clients make new ids for each document: then whoever is called the same is the same.
fn is_same(one: &Participant, other: &Participant) -> bool {
    let called = |party: &Participant| (party.aor.clone(), party.name.clone());
    is_same_id(&one.id, &other.id) || (called(one) != (None, None) && called(one) == called(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Id {
        Id::from_uuid([number; 16])
    }

    fn party(number: u8, name: &str, stream: u8) -> Participant {
        Participant {
            id: id(number),
            aor: Some(Aor::new(format!("sip:{name}@127.0.0.1"))),
            name: Some(name.into()),
            sends: vec![id(stream)],
            receives: Vec::new(),
        }
    }

    /// Streams 10 and 11, labelled 1 and 2.
    fn metadata(mode: DataMode, participants: Vec<Participant>) -> Metadata {
        let mut metadata = Metadata::new(id(1));
        metadata.mode = mode;
        metadata.participants = participants;
        metadata.streams = [(10, "1"), (11, "2")]
            .map(|(number, label)| StreamInfo {
                id: id(number),
                label: label.into(),
            })
            .into();
        metadata
    }

    fn begun() -> Parties {
        let both = vec![party(2, "caller", 10), party(3, "anna", 11)];
        Parties::new(&metadata(DataMode::Complete, both))
    }

    fn names(parties: &Parties) -> Vec<(String, String)> {
        let parties = parties.meta(&Vec::new()).parties.into_iter();
        parties.map(|one| (one.name, one.stream)).collect()
    }

    #[test]
    fn another_who_speaks_in_a_stream_is_a_transfer() {
        for mode in [DataMode::Complete, DataMode::Partial] {
            let mut parties = begun();
            let mut told = metadata(mode, vec![party(4, "berit", 11)]);
            if mode == DataMode::Complete {
                told.participants.insert(0, party(2, "caller", 10));
            }
            assert_eq!(parties.learn(&told), Told::Transfer, "{mode:?}");
            let spoken = names(&parties);
            assert!(
                spoken.contains(&("caller".to_owned(), "1".to_owned())),
                "{mode:?}"
            );
            assert!(
                spoken.contains(&("berit".to_owned(), "2".to_owned())),
                "{mode:?}"
            );
        }
    }

    #[test]
    fn who_joins_or_leaves_is_no_transfer() {
        let mut parties = begun();
        let mut joins = metadata(DataMode::Partial, vec![party(5, "interpreter", 12)]);
        joins.streams = vec![StreamInfo {
            id: id(12),
            label: "3".into(),
        }];
        assert_eq!(parties.learn(&joins), Told::More);
        assert_eq!(names(&parties).len(), 3);
        let leaves = metadata(DataMode::Complete, vec![party(2, "caller", 10)]);
        assert_eq!(parties.learn(&leaves), Told::More);
    }

    #[test]
    fn the_same_people_under_new_ids_are_the_same() {
        let mut parties = begun();
        let again = vec![party(6, "caller", 10), party(7, "anna", 11)];
        let told = metadata(DataMode::Complete, again);
        assert_eq!(parties.learn(&told), Told::More);
        let nothing = Metadata::new(id(1));
        assert_eq!(parties.learn(&nothing), Told::Nothing);
        assert_eq!(names(&parties).len(), 2);
    }

    #[test]
    fn who_left_speaks_no_more() {
        let mut parties = begun();
        let mut told = metadata(DataMode::Partial, vec![party(4, "berit", 11)]);
        told.left = vec![id(3)];
        assert_eq!(parties.learn(&told), Told::Transfer);
        let spoken = [("caller", "1"), ("berit", "2")];
        let spoken = spoken.map(|(name, stream)| (name.to_owned(), stream.to_owned()));
        assert_eq!(names(&parties), spoken);
        let mut leaves = Metadata::new(id(1));
        leaves.mode = DataMode::Partial;
        leaves.left = vec![id(4)];
        assert_eq!(parties.learn(&leaves), Told::More);
        assert_eq!(names(&parties), spoken[..1]);
    }

    #[test]
    fn a_stream_under_a_new_id_is_the_one_that_is_called_so() {
        let mut parties = begun();
        let mut told = metadata(DataMode::Partial, vec![party(4, "berit", 12)]);
        told.streams = vec![StreamInfo {
            id: id(12),
            label: "2".into(),
        }];
        assert_eq!(parties.learn(&told), Told::Transfer);
        let spoken = names(&parties);
        assert!(
            spoken.contains(&("berit".to_owned(), "2".to_owned())),
            "{spoken:?}"
        );
        assert!(
            spoken.contains(&("anna".to_owned(), String::new())),
            "{spoken:?}"
        );
    }

    /// Clients that know no ids: two of whom nothing but the name is known are two.
    #[test]
    fn those_without_an_id_are_not_one_another() {
        let mut parties = begun();
        for name in ["first", "second", "first"] {
            let mut told = metadata(DataMode::Partial, vec![party(0, name, 12)]);
            told.participants[0].id = Id::default();
            parties.learn(&told);
        }
        let known = names(&parties).into_iter().map(|(name, _)| name);
        let known: Vec<_> = known.collect();
        assert_eq!(known, ["caller", "anna", "first", "second"]);
    }

    #[test]
    fn of_several_streams_the_one_that_is_recorded_counts_by_its_files_name() {
        let mut told = metadata(DataMode::Complete, vec![party(2, "caller", 10)]);
        told.participants[0].sends.push(id(11));
        let parties = Parties::new(&told);
        let file = crate::names::StreamLabel::parse("7").expect("a label");
        let meta = parties.meta(&vec![("2", &file)]);
        assert_eq!(meta.parties[0].stream, "7");
    }

    #[test]
    fn updates_without_end_fill_no_memory() {
        let mut parties = begun();
        for number in 20..=u8::MAX {
            let mut told = metadata(DataMode::Partial, vec![party(number, "another", 11)]);
            let stream = StreamInfo {
                id: id(number),
                label: format!("another {number}").into(),
            };
            told.streams.push(stream);
            parties.learn(&told);
        }
        let known = (parties.participants.len(), parties.streams.len());
        assert_eq!(known, (PARTICIPANTS_MAX, STREAMS_MAX));
        let spoken = names(&parties);
        assert!(
            spoken.iter().any(|(name, _)| name == "caller"),
            "{spoken:?}"
        );
    }

    /// An update that says less of somebody doesn't make what was known unknown: the caller's number above all.
    #[test]
    fn a_partial_update_forgets_nothing() {
        let mut parties = begun();
        let mut told = metadata(DataMode::Partial, vec![party(2, "caller", 10)]);
        told.participants[0].aor = None;
        told.participants[0].sends.clear();
        told.streams.clear();
        assert_eq!(parties.learn(&told), Told::More);
        assert!(
            parties.meta(&Vec::new()).parties[0]
                .address
                .contains("caller@")
        );
        assert_eq!(names(&parties)[0], ("caller".to_owned(), "1".to_owned()));
    }
}
