//! Hold on a bench: who is told of it, and what becomes of the recording. What happened is replayed by a machine of its own.

mod direct;

use std::net::SocketAddr;

use callcore::journal::Replay;
use tempfile::TempDir;
use wire::{
    sdp::Description,
    sip::{
        endpoint::{Ending, Event},
        header::NameAddr,
        message::{Method, Request},
        uri::Uri,
    },
};

use super::*;
use crate::{
    exchange::bench::{self, Bench, Peer, tag_of},
    journal::{Journal, JournalTo},
};

const OK: (&str, &str) = ("200 OK", "");
const JOURNAL: &str = "run.journal";

/// A caller whose calls are recorded, in a queue of two nurses.
struct Talk {
    bench: Bench,
    switch: SocketAddr,
    caller: Peer,
    nurses: [Peer; 2],
    recorder: Peer,
    /// The tag that the switch gave the caller.
    tag: String,
    cseq: u32,
    /// Where the journal is.
    folder: TempDir,
}

/// How a description comes in a change.
enum Said {
    Offers(&'static str),
    Answers(&'static str),
}

impl Talk {
    /// The caller is answered, and the first nurse is rung.
    async fn rings(segments_max: u8) -> (Self, Request) {
        let caller = Peer::new().await;
        let nurses = [Peer::new().await, Peer::new().await];
        let recorder = Peer::new().await;
        let entries = format!(
            r#"
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = ["sip:a@{}", "sip:b@{}"], ring_s = 10, recording = true, agreement = "pub-04" }}]
agreement = [{{ id = "pub-04", controller = "region-04", processor = "inera", purposes = ["routing", "recording", "storage"], from = 2013-01-01 }}]
retention = [{{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }}]
recorder = {{ siprec = "sip:recorder@{}", segments_max = {segments_max} }}
route = [{{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }}]
"#,
            nurses[0].at(),
            nurses[1].at(),
            recorder.at()
        );
        let mut bench = Bench::new(&entries);
        let folder = tempfile::tempdir().expect("a folder");
        bench.exchange.journal = Some(journal(&bench, &folder, &entries));
        let switch = bench.address();
        let (tag, rung) = bench.answered(&caller, &nurses[0]).await;
        let talk = Self {
            bench,
            switch,
            caller,
            nurses,
            recorder,
            tag,
            cseq: 1,
            folder,
        };
        (talk, rung)
    }

    /// The same, and she has answered and is recorded. Gives what the switch called her by.
    async fn begun(segments_max: u8) -> (Self, Request) {
        let (mut talk, rung) = Self::rings(segments_max).await;
        talk.answers(0, &rung).await;
        talk.records("recvonly").await;
        (talk, rung)
    }

    async fn answers(&mut self, nurse: usize, rung: &Request) {
        let (nurse, switch) = (&self.nurses[nurse], self.switch);
        let answer = Peer::sdp(5002);
        let taken = async {
            nurse.answers(switch, rung, OK, &answer).await;
            nurse.is_asked(Method::Ack).await
        };
        self.bench.until(taken).await;
    }

    /// The recorder takes what it is asked next; gives the direction that it was asked for.
    async fn records(&mut self, answer: &str) -> Direction {
        let (recorder, switch) = (&self.recorder, self.switch);
        let streams = format!(
            "{}a={answer}\r\nm=audio 6002 RTP/AVP 8\r\na={answer}\r\n",
            Peer::sdp(6000)
        );
        let asked = async {
            let asked = recorder.is_asked(Method::Invite).await;
            recorder.answers(switch, &asked, OK, &streams).await;
            recorder.is_asked(Method::Ack).await;
            asked
        };
        direction_of(&self.bench.until(asked).await)
    }

    async fn recording_is_closed(&mut self) {
        let (recorder, switch) = (&self.recorder, self.switch);
        let closed = async {
            let bye = recorder.is_asked(Method::Bye).await;
            recorder.answers(switch, &bye, OK, "").await;
        };
        self.bench.until(closed).await;
    }

    /// What a nurse is told next of the other side.
    async fn is_told(&mut self, nurse: usize) -> Direction {
        let (nurse, switch) = (&self.nurses[nurse], self.switch);
        let answer = Peer::sdp(5002);
        let told = async {
            let told = nurse.is_asked(Method::Invite).await;
            nurse.answers(switch, &told, OK, &answer).await;
            nurse.is_asked(Method::Ack).await;
            told
        };
        direction_of(&self.bench.until(told).await)
    }

    async fn caller_says(&mut self, direction: &str) {
        self.cseq += 1;
        let (caller, switch, tag, cseq) = (&self.caller, self.switch, &self.tag, self.cseq);
        let offer = format!("{}a={direction}\r\n", Peer::sdp(5000));
        let changed = async {
            caller.asks(switch, ("INVITE", cseq, tag), &offer).await;
            caller.is_told(200).await;
            caller.asks(switch, ("ACK", cseq, tag), "").await;
        };
        self.bench.until(changed).await;
    }

    /// The first nurse, whom the switch called by `rung`, says so by re-INVITE, or by the ACK of one that leaves the offer to us. Gives
    /// what the switch says to it.
    async fn nurse_says(&mut self, rung: &Request, cseq: u32, said: Said) -> Direction {
        let (nurse, switch) = (&self.nurses[0], self.switch);
        let going = |direction| format!("{}a={direction}\r\n", Peer::sdp(5002));
        let (offer, answer) = match said {
            Said::Offers(direction) => (going(direction), String::new()),
            Said::Answers(direction) => (String::new(), going(direction)),
        };
        let changed = async {
            nurse
                .asks_back(switch, rung, ("INVITE", cseq), &offer)
                .await;
            let ok = nurse.is_answered(200).await;
            nurse.asks_back(switch, rung, ("ACK", cseq), &answer).await;
            ok.body()
        };
        let body = self.bench.until(changed).await;
        let direction = body.as_ref().and_then(negotiate::direction);
        direction.expect("a description")
    }

    /// What the caller is told next of the other side.
    async fn caller_is_told(&mut self) -> Direction {
        let (caller, switch) = (&self.caller, self.switch);
        let answer = Peer::sdp(5000);
        let told = async {
            let told = caller.is_asked(Method::Invite).await;
            caller.answers(switch, &told, OK, &answer).await;
            caller.is_asked(Method::Ack).await;
            told
        };
        direction_of(&self.bench.until(told).await)
    }

    /// The caller holds the first nurse, and her recording is closed for it.
    async fn holds(&mut self) {
        self.caller_says("sendonly").await;
        assert_eq!(self.is_told(0).await, Direction::SendOnly);
        self.recording_is_closed().await;
    }

    /// The first nurse's phone is dead, and the second is rung.
    async fn loses_the_first(&mut self) -> Request {
        let session = self.bench.far();
        let why = Ending::Lost;
        let lost = Event::Ended { session, why };
        self.bench.exchange.on_sip(&mut self.bench.sip, lost);
        self.bench
            .until(self.nurses[1].is_asked(Method::Invite))
            .await
    }

    /// The first nurse sends the caller on to the second, who takes the call.
    async fn sends_on(&mut self) {
        let session = self.bench.far();
        let to = NameAddr::new(Uri::sip(Some("b"), self.nurses[1].at()));
        let to = Box::new(to);
        let referred = Event::Referred {
            session,
            to,
            by: None,
        };
        self.bench.exchange.on_sip(&mut self.bench.sip, referred);
        let rung = self
            .bench
            .until(self.nurses[1].is_asked(Method::Invite))
            .await;
        self.answers(1, &rung).await;
    }

    /// The caller hangs up, and what happened is repeated by a machine that hears of the inputs alone.
    async fn ends_and_replays(mut self) {
        let (caller, switch, tag) = (&self.caller, self.switch, &self.tag);
        let over = async {
            caller.asks(switch, ("BYE", self.cseq + 1, tag), "").await;
            caller.is_told(200).await;
        };
        self.bench.until(over).await;
        self.bench.exchange.close_journal();
        let text = std::fs::read_to_string(self.folder.path().join(JOURNAL)).expect("a journal");
        let mut replay = Replay::default();
        for line in text.lines() {
            replay.line(line).unwrap_or_else(|error| panic!("{error}"));
        }
        let report = replay.finish().unwrap_or_else(|error| panic!("{error}"));
        assert!(report.whole && report.calls == 1, "{report:?}");
    }

    /// How the call's recording stands, when there is one.
    fn wanted(&self) -> Option<Direction> {
        let call = self.bench.exchange.calls.values().next()?;
        call.recording.as_ref().map(|leg| leg.wanted)
    }
}

fn journal(bench: &Bench, folder: &TempDir, entries: &str) -> Journal {
    let exchange = &bench.exchange;
    let to = JournalTo {
        file: folder.path().join(JOURNAL),
        text: bench::text(entries),
    };
    let failures = exchange.observer.metrics().watch.journal_failures.clone();
    Journal::create(&to, &exchange.scenario, failures).expect("a journal")
}

fn direction_of(asked: &Request) -> Direction {
    let body = asked.body().map(negotiate::session_part);
    let direction = body.as_ref().and_then(negotiate::direction);
    direction.expect("a description")
}

/// What would be recorded is silence, and the nurse would wonder why nobody answers.
#[tokio::test]
async fn a_caller_who_holds_while_the_nurse_is_lost_holds_the_next_one_too() {
    let (mut talk, _) = Talk::begun(5).await;
    talk.holds().await;
    let rung = talk.loses_the_first().await;
    talk.answers(1, &rung).await;
    assert_eq!(talk.is_told(1).await, Direction::SendOnly);
    assert_eq!(talk.wanted(), Some(Direction::Inactive));
    talk.records("recvonly").await;
    assert_eq!(talk.records("inactive").await, Direction::Inactive);
    talk.caller_says("sendrecv").await;
    assert_eq!(talk.is_told(1).await, Direction::SendRecv);
    assert_eq!(talk.records("recvonly").await, Direction::SendOnly);
    talk.ends_and_replays().await;
}

#[tokio::test]
async fn a_caller_who_goes_on_before_the_next_nurse_is_there_holds_nobody() {
    let (mut talk, _) = Talk::begun(5).await;
    talk.holds().await;
    let rung = talk.loses_the_first().await;
    talk.caller_says("sendrecv").await;
    talk.answers(1, &rung).await;
    assert_eq!(talk.wanted(), Some(Direction::SendOnly));
    talk.records("recvonly").await;
    talk.caller_says("sendonly").await;
    assert_eq!(talk.is_told(1).await, Direction::SendOnly);
    talk.ends_and_replays().await;
}

/// The call has had as many recordings as it may while the nurses are two: one is paused, and goes on.
#[tokio::test]
async fn a_caller_who_holds_is_not_recorded_when_another_nurse_has_the_call() {
    for segments_max in [5, 1] {
        let (mut talk, _) = Talk::begun(segments_max).await;
        talk.caller_says("sendonly").await;
        assert_eq!(talk.is_told(0).await, Direction::SendOnly);
        let closes = segments_max > 1;
        if closes {
            talk.recording_is_closed().await;
        } else {
            assert_eq!(talk.records("inactive").await, Direction::Inactive);
        }
        talk.sends_on().await;
        assert_eq!(talk.is_told(1).await, Direction::SendOnly);
        let held = (!closes).then_some(Direction::Inactive);
        assert_eq!(talk.wanted(), held, "{segments_max}");
        if !closes {
            // It is told that another nurse has the call.
            assert_eq!(talk.records("inactive").await, Direction::Inactive);
        }
        talk.caller_says("sendrecv").await;
        assert_eq!(talk.is_told(1).await, Direction::SendRecv);
        talk.records("recvonly").await;
        assert_eq!(talk.wanted(), Some(Direction::SendOnly));
        talk.ends_and_replays().await;
    }
}

#[tokio::test]
async fn a_phone_that_takes_the_place_of_one_that_is_held_is_held() {
    let (mut talk, _) = Talk::begun(5).await;
    talk.holds().await;
    let session = talk.bench.far();
    let of_nurse = talk.bench.sip.endpoint().named(session).expect("it is up");
    // As the other side of it names it.
    let swapped = of_nurse
        .replace("to-tag", "x-tag")
        .replace("from-tag", "to-tag")
        .replace("x-tag", "from-tag");
    let replaces = format!("Replaces: {swapped}\r\n");
    let (other, switch) = (&talk.nurses[1], talk.switch);
    let taken = async {
        let offer = Peer::sdp(5002);
        other
            .asks_with(switch, ("INVITE", 1, ""), &replaces, &offer)
            .await;
        let tag = tag_of(&other.is_told(200).await);
        other.asks(switch, ("ACK", 1, &tag), "").await;
        other.is_asked(Method::Invite).await
    };
    let told = talk.bench.until(taken).await;
    assert_eq!(direction_of(&told), Direction::SendOnly);
    assert_eq!(talk.wanted(), None);
    talk.ends_and_replays().await;
}

/// Who holds while the queue's music plays holds whoever answers.
#[tokio::test]
async fn a_caller_who_holds_in_the_queue_holds_the_nurse_who_answers() {
    let (mut talk, rung) = Talk::rings(5).await;
    talk.caller_says("sendonly").await;
    talk.answers(0, &rung).await;
    assert_eq!(talk.is_told(0).await, Direction::SendOnly);
    assert_eq!(talk.wanted(), Some(Direction::Inactive));
    talk.records("recvonly").await;
    assert_eq!(talk.records("inactive").await, Direction::Inactive);
    talk.caller_says("sendrecv").await;
    assert_eq!(talk.is_told(0).await, Direction::SendRecv);
    assert_eq!(talk.records("recvonly").await, Direction::SendOnly);
    talk.ends_and_replays().await;
}

/// Phones repeat in a refresh what they said last: held ones that they only hear (RFC 4028 section 7.4). They hold nobody.
#[tokio::test]
async fn a_nurse_who_is_held_and_refreshes_her_session_holds_nobody() {
    let (mut talk, rung) = Talk::begun(5).await;
    talk.holds().await;
    // Others say what they would do (RFC 6337 section 5.3); she is held all the same, as she is told.
    for (cseq, said) in [
        (7, Said::Offers("recvonly")),
        (8, Said::Offers("sendrecv")),
        (9, Said::Answers("recvonly")),
    ] {
        let told = talk.nurse_says(&rung, cseq, said).await;
        assert_eq!(told, Direction::SendOnly);
    }
    talk.caller_says("sendrecv").await;
    assert_eq!(talk.is_told(0).await, Direction::SendRecv);
    assert_eq!(talk.records("recvonly").await, Direction::SendOnly);
    assert_eq!(talk.wanted(), Some(Direction::SendOnly));
    talk.ends_and_replays().await;
}

#[tokio::test]
async fn a_caller_who_is_held_and_refreshes_the_session_holds_nobody() {
    let (mut talk, rung) = Talk::begun(5).await;
    talk.nurse_says(&rung, 7, Said::Offers("sendonly")).await;
    assert_eq!(talk.caller_is_told().await, Direction::SendOnly);
    talk.recording_is_closed().await;
    talk.caller_says("recvonly").await;
    talk.nurse_says(&rung, 8, Said::Offers("sendrecv")).await;
    assert_eq!(talk.caller_is_told().await, Direction::SendRecv);
    assert_eq!(talk.records("recvonly").await, Direction::SendOnly);
    assert_eq!(talk.wanted(), Some(Direction::SendOnly));
    talk.ends_and_replays().await;
}

/// As switches of others do that leave the offer to us.
#[tokio::test]
async fn hold_and_resume_may_come_in_the_ack() {
    let (mut talk, rung) = Talk::begun(5).await;
    for (cseq, direction, told) in [
        (7, "sendonly", Direction::SendOnly),
        (8, "sendrecv", Direction::SendRecv),
    ] {
        talk.nurse_says(&rung, cseq, Said::Answers(direction)).await;
        assert_eq!(talk.caller_is_told().await, told);
        if told == Direction::SendOnly {
            talk.recording_is_closed().await;
        }
    }
    assert_eq!(talk.records("recvonly").await, Direction::SendOnly);
    talk.ends_and_replays().await;
}

/// Both change the session at once, and the nurse's change comes first: ours is of before that, and she would take it for nothing new
/// (RFC 3264 section 8).
#[tokio::test]
async fn a_hold_that_met_a_change_of_the_nurses_is_described_anew() {
    let (mut talk, rung) = Talk::begun(5).await;
    talk.caller_says("sendonly").await;
    let (nurse, switch) = (&talk.nurses[0], talk.switch);
    let offer = Peer::sdp(5002);
    let met = async {
        let ours = nurse.is_asked(Method::Invite).await;
        let glare = ("491 Request Pending", "");
        nurse.answers(switch, &ours, glare, "").await;
        nurse.is_asked(Method::Ack).await;
        nurse.asks_back(switch, &rung, ("INVITE", 7), &offer).await;
        let between = nurse.is_answered(200).await;
        nurse.asks_back(switch, &rung, ("ACK", 7), "").await;
        (between, nurse.is_asked(Method::Invite).await)
    };
    let (between, again) = talk.bench.until(met).await;
    assert_eq!(direction_of(&again), Direction::SendOnly);
    let version = |body: Option<Body>| {
        let body = body.expect("a description");
        let description = Description::parse(&body.bytes).expect("SDP");
        description.origin.version
    };
    assert!(version(again.body()) > version(between.body()));
    talk.ends_and_replays().await;
}
