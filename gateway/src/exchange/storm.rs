//! Callers, nurses, a provider and a recorder say whatever they like to a switch on a bench, in any order. When all have gone nothing is
//! left of any call, and every call has ended once.

mod actor;

use std::net::SocketAddr;

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_pcg::Pcg64;
use wire::sip::message::Method;

use self::actor::Actor;
use super::{
    bench::{Bench, Peer},
    call::{Far, Leg},
};
use crate::media::{MediaEvent, Side};

/// Storms in one test.
const SEEDS: std::ops::Range<u64> = 0..40;
/// What is said in each.
const WORDS: u32 = 100;
/// Rounds in which everybody takes leave: who was asked something answers, and is asked something again.
const LEAVE_ROUNDS: u32 = 12;

const PROVIDER: usize = 3;
const RECORDER: usize = 4;
const NAMES: [&str; 5] = ["caller", "anna", "bo", "provider", "recorder"];

struct Storm {
    bench: Bench,
    switch: SocketAddr,
    probe: Peer,
    probes: u32,
    actors: Vec<Actor>,
    rng: Pcg64,
}

impl Storm {
    async fn new(seed: u64) -> Self {
        let actors: Vec<Actor> = NAMES.into_iter().map(Actor::new).collect();
        let entries = format!(
            r#"
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = ["sip:anna@{}", "sip:bo@{}"], ring_s = 10, recording = true, agreement = "pub-04" }}]
agreement = [{{ id = "pub-04", controller = "region-04", processor = "inera", purposes = ["routing", "recording", "storage"], from = 2013-01-01 }}]
retention = [{{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }}]
recorder = {{ siprec = "sip:recorder@{}" }}
provider = [{{ name = "medhelp", organisation = "medhelp", targets = ["sip:x@{}"], ping = {{ every_s = 0 }} }}]
announcement = [{{ name = "region", file = "region.wav" }}]
[[route]]
name = "in"
region = "04"
queue = "sormland"
announcement = "region"
[[route]]
name = "out"
all = true
unknown = true
invalid = true
conflict = true
provider = "medhelp"
handover = "{}"
failover = ["sormland"]
"#,
            actors[1].at(),
            actors[2].at(),
            actors[RECORDER].at(),
            actors[PROVIDER].at(),
            ["direct", "relay", "release"][usize::try_from(seed % 3).expect("small")],
        );
        let bench = Bench::new(&entries);
        let switch = bench.address();
        let mut storm = Self {
            bench,
            switch,
            probe: Peer::new().await,
            probes: 0,
            actors,
            rng: Pcg64::seed_from_u64(seed),
        };
        // The recorder is asked whether it is there.
        let now = std::time::Instant::now();
        storm
            .bench
            .exchange
            .ping_recorder(&mut storm.bench.sip, now);
        storm.bench.sip.flush();
        storm.passes().await;
        storm.passes().await;
        storm
    }

    /// The switch has read all that was sent before, and everybody what it said then.
    async fn passes(&mut self) {
        self.probes += 1;
        let (probe, cseq) = (&self.probe, self.probes);
        let probed = async {
            probe.asks(self.switch, ("OPTIONS", cseq, ""), "").await;
            probe.is_told(200).await;
        };
        self.bench.until(probed).await;
        for actor in &mut self.actors {
            actor.reads(self.switch);
        }
    }

    fn description(&mut self) -> String {
        match self.rng.random_range(0..6) {
            0 => String::new(),
            1 => format!("{}a=sendonly\r\n", Peer::sdp(5000)),
            2 => format!("{}a=inactive\r\n", Peer::sdp(5004)),
            _ => Peer::sdp(5000 + 2 * self.rng.random_range(0..3)),
        }
    }

    fn word(&mut self) {
        let switch = self.switch;
        match self.rng.random_range(0..10) {
            0 | 1 => self.calls(),
            2..=4 => self.answers(),
            5..=7 => self.asks(),
            8 => self.acknowledges(),
            _ => self.hears(),
        }
        let actor = self.rng.random_range(0..NAMES.len());
        self.actors[actor].reads(switch);
    }

    fn calls(&mut self) {
        let body = self.description();
        let kommun = ["", "X-Kommun-ID: 0480\r\n"][self.rng.random_range(0..2)];
        let takes = [
            "",
            "Supported: 100rel, replaces\r\nAllow: INVITE, UPDATE, REFER\r\n",
        ];
        let more = [kommun, takes[self.rng.random_range(0..2)]].concat();
        if self.actors[0].dialogs.len() < 4 {
            self.actors[0].calls(self.switch, &more, &body);
        }
    }

    fn answers(&mut self) {
        const STATUS: [&str; 12] = [
            "180 Ringing",
            "183 Session Progress",
            "200 OK",
            "200 OK",
            "200 OK",
            "200 OK",
            "202 Accepted",
            "302 Moved",
            "486 Busy Here",
            "488 Not Acceptable Here",
            "491 Request Pending",
            "503 Service Unavailable",
        ];
        let body = self.description();
        let (who, rseq) = (
            self.rng.random_range(0..NAMES.len()),
            self.rng.random_range(1..4),
        );
        let actor = &mut self.actors[who];
        if actor.asked.is_empty() {
            return;
        }
        let which = self.rng.random_range(0..actor.asked.len());
        let status = STATUS.choose(&mut self.rng).copied().unwrap_or("200 OK");
        let asked = actor.asked[which].clone();
        let more = match status {
            "183 Session Progress" if self.rng.random_bool(0.6) => {
                format!("Require: 100rel\r\nRSeq: {rseq}\r\n")
            }
            _ => String::new(),
        };
        let bodied = asked.method == Method::Invite || asked.method == Method::Update;
        actor.answers(
            self.switch,
            &asked,
            status,
            &more,
            if bodied { &body } else { "" },
        );
        if self.rng.random_bool(0.5) && !status.starts_with('1') {
            actor.asked.swap_remove(which);
        }
    }

    fn asks(&mut self) {
        const METHODS: [&str; 9] = [
            "INVITE", "INVITE", "UPDATE", "BYE", "CANCEL", "INFO", "REFER", "ACK", "NOTIFY",
        ];
        let body = self.description();
        let other = self.actors[self.rng.random_range(0..PROVIDER)].at();
        let who = self.rng.random_range(0..NAMES.len());
        let actor = &mut self.actors[who];
        if actor.dialogs.is_empty() {
            return;
        }
        let which = self.rng.random_range(0..actor.dialogs.len());
        let method = METHODS.choose(&mut self.rng).copied().unwrap_or("BYE");
        let (more, body) = match method {
            "REFER" => (format!("Refer-To: <sip:bo@{other}>\r\n"), ""),
            "INFO" => (String::new(), "Signal=1\r\n"),
            "NOTIFY" => (
                "Event: refer\r\nSubscription-State: active\r\n".to_owned(),
                "",
            ),
            "BYE" | "CANCEL" => (String::new(), ""),
            _ => (String::new(), &*body),
        };
        actor.asks(self.switch, which, method, &more, body);
    }

    /// ACK and PRACK of something that was told.
    fn acknowledges(&mut self) {
        let body = self.description();
        let who = self.rng.random_range(0..NAMES.len());
        let actor = &mut self.actors[who];
        if !actor.told.is_empty() {
            let which = self.rng.random_range(0..actor.told.len());
            let told = actor.told[which].clone();
            actor.acknowledges(self.switch, &told, &body);
        }
    }

    /// What the audio threads may tell.
    fn hears(&mut self) {
        let calls: Vec<_> = self.bench.exchange.calls.keys().copied().collect();
        let Some(id) = calls.choose(&mut self.rng).copied() else {
            return;
        };
        let media = self
            .bench
            .exchange
            .calls
            .get(&id)
            .and_then(|call| call.media.as_ref());
        let playing = media.map(|media| media.playing());
        let event = match (self.rng.random_range(0..12), playing) {
            (0..=9, Some(clip)) => MediaEvent::PlayedToEnd(id, clip),
            (10, _) => MediaEvent::Silent(id, Side::Caller),
            _ => MediaEvent::Silent(id, Side::Far),
        };
        self.bench.exchange.on_media(&mut self.bench.sip, event);
    }

    /// What holds at any moment.
    fn is_sound(&mut self) -> Result<(), String> {
        let Bench { exchange, sip, .. } = &mut self.bench;
        for (session, leg) in &exchange.legs {
            if sip.endpoint().call_id(*session).is_none() {
                return Err(format!("{leg:?} has no session any more"));
            }
        }
        for (id, call) in &exchange.calls {
            let Some(view) = exchange.switch.call(*id) else {
                return Err(format!("{id:?} is known here alone"));
            };
            let left = call.transfer.as_ref().is_some_and(|it| it.left);
            let far = call.far.session();
            if let Some(far) = far.filter(|_| !left)
                && exchange.legs.get(&far) != Some(&Leg::Far(*id))
            {
                return Err(format!("{id:?}, {}: {:?} has no leg", view.state, call.far));
            }
            if view.state == "talking" && far.is_none() {
                return Err(format!("{id:?} talks with nobody"));
            }
            if matches!(call.far, Far::Provider(..)) && call.recording.is_some() {
                return Err(format!("{id:?} is a provider's, and recorded"));
            }
            let waits = matches!(view.state, "waiting" | "announcement");
            if waits && !matches!(call.far, Far::Nobody) {
                return Err(format!("{id:?}, {}: has {:?}", view.state, call.far));
            }
        }
        Ok(())
    }

    /// Everybody goes: callers hang up or take back, and whatever was asked is answered.
    async fn leaves(&mut self) {
        for _ in 0..LEAVE_ROUNDS {
            self.passes().await;
            let switch = self.switch;
            for actor in &mut self.actors {
                for told in std::mem::take(&mut actor.told) {
                    actor.acknowledges(switch, &told, "");
                }
                for asked in std::mem::take(&mut actor.asked) {
                    let status = if asked.method == Method::Invite {
                        "486 Busy Here"
                    } else {
                        "200 OK"
                    };
                    actor.answers(switch, &asked, status, "", "");
                }
            }
            for at in 0..self.actors[0].dialogs.len() {
                self.actors[0].asks(switch, at, "CANCEL", "", "");
                self.actors[0].asks(switch, at, "BYE", "", "");
            }
        }
        self.passes().await;
    }
}

#[tokio::test]
async fn nothing_is_left_of_any_call_whatever_was_said() {
    for seed in SEEDS {
        let mut storm = Storm::new(seed).await;
        for _ in 0..WORDS {
            storm.word();
            storm.passes().await;
            if let Err(why) = storm.is_sound() {
                panic!("seed {seed}: {why}");
            }
        }
        storm.leaves().await;
        let Bench { exchange, sip, .. } = &mut storm.bench;
        assert!(
            exchange.calls.is_empty(),
            "seed {seed}: {} calls",
            exchange.calls.len()
        );
        assert_eq!(exchange.switch.calls_in_progress(), 0, "seed {seed}");
        let totals = exchange.observer.totals();
        let ended: u64 = totals.outcomes.values().sum();
        assert_eq!(totals.offered, ended, "seed {seed}");
        assert_eq!(totals.recorded_at_switch_for_provider, 0, "seed {seed}");
        for actor in &storm.actors {
            let mut open = actor.ends.iter().filter(|(_, end)| end.is_none());
            assert_eq!(open.next(), None, "seed {seed}: has no answer");
        }
        assert_eq!(sip.endpoint().sessions(), 0, "seed {seed}");
        let legs = exchange
            .legs
            .iter()
            .filter(|(id, _)| sip.endpoint().call_id(**id).is_none());
        let legs: Vec<_> = legs.collect();
        assert!(legs.is_empty(), "seed {seed}: {legs:?} without a session");
        assert!(
            exchange.nurses.is_empty() && exchange.tries.len() <= 1,
            "seed {seed}"
        );
    }
}
