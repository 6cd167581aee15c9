//! Who takes part, on its way to the recording: what is told is stored in the recording that it is of, with those who left while
//! that went on, and by the names that the streams' files have.

use super::{audio::track::Flow, disk::Job, parties::Told, session::Session};
use crate::{
    names::StreamLabel,
    vault::{Meta, Party},
};

/// Who is known of a recording at most: with more, those who left first are forgotten.
const PARTIES_MAX: usize = 2 * wire::siprec::PARTICIPANTS_MAX;

/// What a stream's file is called, by what its offer calls it: most are called the same.
pub(super) type Names<'a> = Vec<(&'a str, &'a StreamLabel)>;

impl Session {
    /// Stores what was told of who takes part: in this recording, or in the next one as soon as that is there.
    pub(super) fn tell(&mut self, told: Told) {
        if let Some(next) = &mut self.next {
            next.told = next.told.max(told);
            next.late |= told != Told::Nothing;
            return;
        }
        if told == Told::Transfer {
            self.mark();
        }
        if told != Told::Nothing {
            self.whom = with_those_before(self.whom_now(), &self.whom);
            self.unstored = true;
            self.store_whom();
            if self.unstored {
                tracing::error!(recording = %self.id, "the disk is too slow: who takes part is stored later");
            }
        }
    }

    /// Who takes part now.
    pub(super) fn whom_now(&self) -> Meta {
        let live = self.streams.iter().flatten();
        let live = live.filter(|stream| stream.steering.flow() != Flow::Ended);
        let names = live.filter_map(|stream| Some((stream.named.as_deref()?, &stream.label)));
        self.parties.meta(&names.collect())
    }

    /// Gives the writer what it had no room for before.
    pub(super) fn store_whom(&mut self) {
        if let Some(job) = self.unstored_whom() {
            self.unstored = self.jobs.try_send(job).is_err();
        }
    }

    /// What the writer is still to be given.
    pub(super) fn unstored_whom(&self) -> Option<Job> {
        let job = || Job::Meta(self.id, Box::new(self.whom.clone()));
        self.unstored.then(job)
    }
}

/// Those who take part now, and those who spoke before in the same recording.
fn with_those_before(now: Meta, before: &Meta) -> Meta {
    let mut parties = now.parties;
    for one in &before.parties {
        if parties.iter().any(|known| says_as_much(known, one)) {
            continue;
        }
        let same = |known: &&mut Party| (&known.name, &known.address) == (&one.name, &one.address);
        match parties.iter_mut().find(same) {
            Some(silent) if silent.stream.is_empty() => silent.stream.clone_from(&one.stream),
            _ => parties.push(one.clone()),
        }
    }
    parties.truncate(PARTIES_MAX);
    Meta { parties }
}

/// Whether all that is known of the other is known of this one.
fn says_as_much(known: &Party, other: &Party) -> bool {
    let pairs = [
        (&known.stream, &other.stream),
        (&known.name, &other.name),
        (&known.address, &other.address),
    ];
    pairs
        .iter()
        .all(|(known, other)| other.is_empty() || known == other)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc;
    use transport::media::RtpPorts;
    use wire::{
        sdp::{Description, Origin},
        siprec::{Aor, Id, Metadata, Participant, StreamInfo},
    };

    use super::*;
    use crate::{
        board::Board,
        monitor::Figures,
        names::RecordingId,
        server::{
            RTP_PORTS, audio::steering::Door, offer::Agreed, parties::Parties, session::Place,
            srtp::Demand,
        },
        vault::test_tag,
    };

    const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn id(number: u8) -> Id {
        Id::from_uuid([number; 16])
    }

    /// Only that person is there, and speaks in the stream that is called `said`.
    fn metadata(name: &str) -> Metadata {
        let mut metadata = Metadata::new(id(1));
        metadata.participants = vec![Participant {
            id: id(name.as_bytes()[0]),
            aor: Some(Aor::new(format!("sip:{name}@127.0.0.1"))),
            name: Some(name.into()),
            sends: vec![id(10)],
            receives: Vec::new(),
        }];
        metadata.streams = vec![StreamInfo {
            id: id(10),
            label: "said".into(),
        }];
        metadata
    }

    fn place(label: &str) -> Place {
        let ports = RtpPorts::new(HERE, RTP_PORTS);
        let agreed = Agreed {
            label: StreamLabel::parse(label).expect("a label"),
            named: Some("said".into()),
            codec: wire::g711::Law::A.into(),
            payload_type: 8,
            remote: HERE,
            port: 4000,
            paused: false,
            ssrc: None,
            crypto: None,
        };
        Some((agreed, Door::Own(ports.open().expect("a port"))))
    }

    /// Anna speaks, in a file that is called 7. The writer has room for so many jobs.
    fn session(room: usize) -> (Session, mpsc::Receiver<Job>) {
        let (jobs, todo) = mpsc::channel(room);
        let answer = Description {
            origin: Origin::new(1, HERE),
            streams: Vec::new(),
        };
        let session = Session::begin(
            std::time::Instant::now(),
            (random(), test_tag("region-01")),
            (answer, Demand::Any),
            Parties::new(&metadata("anna")),
            vec![place("7")],
            (
                jobs,
                Arc::new(Board::new(Figures::default()).expect("metrics")),
            ),
        );
        (session, todo)
    }

    fn random() -> RecordingId {
        RecordingId::random().expect("random")
    }

    fn hear(session: &mut Session, name: &str) {
        let told = session.parties.learn(&metadata(name));
        assert_eq!(told, Told::Transfer);
        session.tell(told);
    }

    /// Who is stored, in which recording.
    fn stored(todo: &mut mpsc::Receiver<Job>) -> Vec<(RecordingId, Vec<String>)> {
        let mut stored = Vec::new();
        while let Ok(job) = todo.try_recv() {
            if let Job::Meta(id, meta) = job {
                assert!(meta.parties.iter().all(|one| one.stream == "7"));
                let names = meta.parties.into_iter().map(|one| one.name);
                stored.push((id, names.collect()));
            }
        }
        stored
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn who_spoke_before_in_the_same_recording_stays() {
        let (mut session, mut todo) = session(10);
        for name in ["berit", "cecilia"] {
            hear(&mut session, name);
        }
        let spoke = stored(&mut todo).pop();
        let all = names(&["cecilia", "berit", "anna"]);
        assert_eq!(spoke, Some((session.id, all)));
    }

    #[tokio::test]
    async fn what_is_told_while_the_next_recording_is_made_is_stored_in_that() {
        let (mut session, mut todo) = session(10);
        let told = session.parties.learn(&metadata("berit"));
        let next = random();
        let (_, whom) = session.prepare_next(next, told);
        assert_eq!(whom.parties.len(), 1, "who is there when it begins");
        hear(&mut session, "cecilia");
        assert_eq!(stored(&mut todo), []);
        let begins = session.next.take().expect("prepared");
        drop(session.enter(begins));
        let both = names(&["cecilia", "berit"]);
        assert_eq!(stored(&mut todo), [(next, both)]);
    }

    #[tokio::test]
    async fn what_a_recording_that_is_never_made_began_with_is_stored_in_this() {
        let (mut session, mut todo) = session(10);
        let told = session.parties.learn(&metadata("berit"));
        session.prepare_next(random(), told);
        let next = session.next.take().expect("prepared");
        session.stay();
        session.tell(next.told);
        let both = names(&["berit", "anna"]);
        assert_eq!(stored(&mut todo), [(session.id, both)]);
    }

    #[tokio::test]
    async fn what_the_writer_has_no_room_for_is_stored_later() {
        let (mut session, mut todo) = session(1);
        session.jobs.try_send(Job::Flush).expect("room");
        hear(&mut session, "berit");
        session.store_whom();
        assert_eq!(stored(&mut todo), []);
        session.store_whom();
        let both = names(&["berit", "anna"]);
        assert_eq!(stored(&mut todo), [(session.id, both)]);
        session.store_whom();
        assert_eq!(stored(&mut todo), [], "once");
    }

    /// A stream without a number of its own would be written to the file of the one that comes after it.
    #[tokio::test]
    async fn a_stream_that_the_next_recording_has_no_room_for_keeps_the_call_in_this() {
        let (mut session, mut todo) = session(1);
        session.prepare_next(random(), Told::Nothing);
        session.add(vec![place("8")], 0);
        let mut next = session.next.take().expect("prepared");
        session.jobs.try_send(Job::Flush).expect("room");
        assert!(!session.add_late(&mut next));
        todo.try_recv().expect("what filled it");
        assert!(session.add_late(&mut next));
    }

    #[tokio::test]
    async fn a_recording_that_follows_a_hold_begins_when_the_hold_was_over() {
        let (mut session, _todo) = session(10);
        session.prepare_next(random(), Told::Nothing);
        session.wait();
        let over = std::time::Instant::now();
        let next = session.next.take().expect("prepared");
        drop(session.enter(next));
        assert!(session.since <= over);
    }
}
