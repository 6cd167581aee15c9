//! Random lives of a store beside a model of it: each recording with its own Swedish day, where gallring works by groups, days of
//! UTC, an index and files. Nothing may go before the model lets it, nor stay after a whole run that may erase it.

use std::{collections::BTreeMap, fs, ops::ControlFlow};

use callcore::{
    retention::{Kept, ObjectClass, RetentionWindow, Verdict, judge},
    scenario::Scenario,
    tag::RecordingTag,
    time::Time,
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use recorder::{
    backup::{self, From, Policy, Where},
    envelope::Identity,
    gallring,
    handover::{self, Receiver, Wanted},
    index::Index,
    names::RecordingId,
    rotate::{self, RotateError},
    store::{self, By},
    vault::Vault,
};

use super::stored::{Bench, tag};

const SEEDS: u64 = 6;
const STEPS: usize = 40;
const CONTROLLERS: [&str; 2] = ["region-22", "region-23"];

/// A controller that erases, and thought better of it for a year; one that has its recordings handed over, and later erased; a pause.
const SCENARIO: &str = r#"
    organisation = [
      { id = "inera", name = "Inera AB", kind = "processor" },
      { id = "region-22", name = "Region Västernorrland", kind = "region" },
      { id = "region-23", name = "Region Jämtland Härjedalen", kind = "region" },
    ]
    operator = { organisation = "inera" }
    queue = [{ name = "q", controller = "region-23" }]
    route = [{ name = "r", all = true, unknown = true, invalid = true, conflict = true, queue = "q" }]
    retention = [
      { class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" },
      { class = "telephone-number", earliest = "23 months", latest = "3 years", basis = "BTV instruction 3" },
    ]
    decision = [
      { controller = "region-22", diary_number = "RV/1", date = 2020-11-01, permits = "erase", classes = ["audio", "telephone-number"] },
      { controller = "region-22", diary_number = "RV/2", date = 2021-12-01, permits = "keep", classes = ["audio"] },
      { controller = "region-22", diary_number = "RV/3", date = 2022-12-01, permits = "erase", classes = ["audio", "telephone-number"] },
      { controller = "region-23", diary_number = "RS/1", date = 2020-06-01, permits = "hand-over", classes = ["audio", "telephone-number"] },
      { controller = "region-23", diary_number = "RS/2", date = 2023-02-01, permits = "erase", classes = ["audio", "telephone-number"] },
    ]
    pause = [{ from = 2021-09-01, until = 2021-09-30, reason = "an inquiry" }]
"#;

/// Round midnight of summer, winter and the nights between, of a leap day and of a year.
const BEGAN: [&str; 12] = [
    "2018-10-27T21:59:59Z",
    "2018-10-27T22:00:00Z",
    "2018-10-28T22:59:59Z",
    "2018-10-28T23:00:00Z",
    "2019-03-30T22:59:59Z",
    "2019-03-30T23:30:00Z",
    "2019-03-31T21:59:59Z",
    "2019-03-31T22:00:00Z",
    "2020-02-28T23:00:00Z",
    "2020-02-29T22:59:59Z",
    "2020-02-29T23:00:00Z",
    "2019-12-31T23:00:00Z",
];

/// A small generator (splitmix64): the same seed gives the same life.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % end as u64) as usize
    }
}

/// What the model knows of a recording.
#[derive(Debug, Clone)]
struct Known {
    tag: RecordingTag,
    held: bool,
    /// Whether the last order about it is that it stay: a restored backup may hold what was released since.
    ordered: bool,
    handed_over: bool,
    numbers: bool,
}

struct Life {
    bench: Bench,
    scenario: Scenario,
    chance: Chance,
    now: Timestamp,
    model: BTreeMap<RecordingId, Known>,
    /// The newest backup and who was in it.
    backup: Option<(std::path::PathBuf, BTreeMap<RecordingId, Known>)>,
    restored: bool,
    identity: Identity,
    made: usize,
}

fn by() -> By {
    By {
        who: "anna".into(),
        purpose: "a test".into(),
    }
}

impl Life {
    fn of(seed: u64) -> Self {
        Self {
            bench: Bench::new(),
            scenario: Scenario::from_toml(SCENARIO, "model")
                .unwrap_or_else(|error| panic!("{error}")),
            chance: Chance(seed),
            now: "2020-10-25T22:30:00Z".parse().expect("a moment"),
            model: BTreeMap::new(),
            backup: None,
            restored: false,
            identity: Identity::generate().expect("random"),
            made: 0,
        }
    }

    fn today(&self) -> Date {
        Time::from(self.now).in_sweden().date()
    }

    fn window(&self, known: &Known, class: ObjectClass) -> RetentionWindow {
        if class == ObjectClass::Audio {
            return RetentionWindow::new(known.tag.earliest, known.tag.latest).expect("a window");
        }
        let controller = self
            .scenario
            .org_by_id(&known.tag.controller)
            .expect("known");
        let day = known.tag.started.in_sweden().date();
        let ruled = self.scenario.retention_window(controller, class, day);
        ruled.expect("a rule").0
    }

    fn may_go(&self, known: &Known, class: ObjectClass, day: Date) -> bool {
        let kept = Kept {
            controller: self
                .scenario
                .org_by_id(&known.tag.controller)
                .expect("known"),
            class,
            window: self.window(known, class),
            held: known.held,
            handed_over: known.handed_over,
        };
        matches!(judge(&self.scenario, &kept, day), Verdict::Erase(_))
    }

    /// Whether the audio, and who spoke, may go by a day that was asked for, and by today.
    fn due(&self, known: &Known, day: Date) -> (bool, bool) {
        let on = |day| {
            let numbers = self.may_go(known, ObjectClass::TelephoneNumber, day);
            let audio = self.may_go(known, ObjectClass::Audio, day);
            (
                audio && (numbers || !known.numbers),
                numbers && known.numbers,
            )
        };
        let (then, today) = (on(day), on(self.today()));
        (then.0 && today.0, then.1 && today.1)
    }

    fn record(&mut self) {
        let controller = CONTROLLERS[self.chance.below(2)];
        let started = Time::from(
            BEGAN[self.chance.below(BEGAN.len())]
                .parse::<Timestamp>()
                .expect("one"),
        );
        self.made += 1;
        let base = tag(controller, self.made as u64);
        let org = self.scenario.org_by_id(controller).expect("known");
        let day = started.in_sweden().date();
        let rule = self.scenario.retention_window(org, ObjectClass::Audio, day);
        let window = rule.expect("a rule").0;
        let tag = RecordingTag {
            started,
            earliest: window.earliest(),
            latest: window.latest(),
            ..base
        };
        let id = self.bench.record_under(&tag);
        let known = Known {
            tag,
            held: false,
            ordered: false,
            handed_over: false,
            numbers: true,
        };
        self.model.insert(id, known);
    }

    fn any(&mut self) -> Option<RecordingId> {
        let count = self.model.len();
        (count > 0).then(|| {
            *self
                .model
                .keys()
                .nth(self.chance.below(count))
                .expect("one")
        })
    }

    fn hold_or_release(&mut self) {
        let Some(id) = self.any() else { return };
        let store = store::open_to_change_place(self.bench.vault.place().clone()).expect("opens");
        let known = self.model.get_mut(&id).expect("known");
        match known.held {
            true => drop(store.release(&id.to_string(), &by()).expect("released")),
            false => drop(store.hold(&id.to_string(), &by()).expect("held")),
        }
        known.held = !known.held;
        known.ordered = known.held;
    }

    /// Holds the store against the model after something may have erased by a day.
    fn agree(&mut self, day: Date, whole: bool, what: &str) {
        let known: Vec<_> = self
            .model
            .iter()
            .map(|(id, known)| (*id, known.clone()))
            .collect();
        for (id, known) in known {
            let (audio, numbers) = self.due(&known, day);
            let entry = self.bench.index.get(id).ok();
            let here = entry.is_some();
            assert!(
                here || audio,
                "{what} by {day}: {id} went too soon: {known:?}"
            );
            assert!(
                !(here && whole && audio),
                "{what} by {day}: {id} stays too long: {known:?}"
            );
            if !here {
                assert!(!self.bench.vault.has_key(id), "{what}: {id} has a key yet");
                self.model.remove(&id);
                continue;
            }
            let opened = self.bench.vault.unlock(id, &known.tag);
            assert!(opened.is_ok(), "{what}: {id} is there and doesn't open");
            let spoke = self.bench.vault.has_numbers(id, &known.tag);
            assert!(
                spoke || numbers || !known.numbers,
                "{what} by {day}: who spoke in {id} went too soon: {known:?}"
            );
            assert!(
                !(spoke && whole && numbers),
                "{what} by {day}: who spoke in {id} stays too long: {known:?}"
            );
            self.model.get_mut(&id).expect("known").numbers = spoke;
        }
        let there: Vec<_> = self.bench.index.list(&Default::default()).expect("listed");
        assert_eq!(there.len(), self.model.len(), "{what}: what is there");
    }

    fn gallring(&mut self, stop: bool) {
        // Today, or a day of before.
        let back = [0, 0, 1, 400][self.chance.below(4)];
        let day = self
            .today()
            .checked_sub(jiff::Span::new().days(back))
            .expect("a day");
        let mut left = if stop {
            self.chance.below(12)
        } else {
            usize::MAX
        };
        let mut watch = |_| {
            left = left.saturating_sub(1);
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let (vault, index) = (&self.bench.vault, &self.bench.index);
        let plan = gallring::plan(vault, index, &self.scenario, self.today()).expect("a plan");
        let ran = gallring::run(vault, index, &self.scenario, day, self.now, &mut watch);
        let whole = ran.is_ok();
        if !whole {
            // As a recorder that starts does.
            gallring::recover(vault, index, self.now).expect("finishes");
        }
        if whole && back == 0 {
            let went = ran.as_ref().map_or(0, |ran| ran.recordings);
            let due = plan
                .groups
                .iter()
                .filter(|one| one.class == "audio" && one.verdict == "erase");
            assert_eq!(
                due.map(|one| one.objects).sum::<u64>(),
                went,
                "the plan says what a run does"
            );
        }
        self.agree(day, whole, "gallring");
    }

    fn hand_over(&mut self) {
        let wanted = Wanted {
            controller: CONTROLLERS[1].into(),
            ..Wanted::default()
        };
        self.made += 1;
        let package = self.bench.place.path().join(format!("{}.age", self.made));
        let parts = (&self.bench.vault, &self.bench.index);
        let receiver = Receiver::of(&self.identity);
        let created = handover::create(
            parts,
            &self.scenario,
            &wanted,
            &receiver,
            &package,
            (&by(), self.now),
            &mut || {},
        );
        if created.is_err() {
            return;
        }
        let packed: Vec<RecordingId> = self.bench.ids();
        self.record();
        let identities = std::slice::from_ref(&self.identity);
        let verified = handover::verify(&package, identities, None, self.now).expect("whole");
        for id in packed {
            let known = self.model.get_mut(&id).expect("known");
            known.handed_over |= *known.tag.controller == *CONTROLLERS[1];
        }
        let (parts, mut watch) = ((&self.bench.vault, &self.bench.index), |_| {
            ControlFlow::Continue(())
        });
        let closed = handover::close(
            parts,
            &self.scenario,
            &verified.receipt,
            (&by(), self.now),
            &mut watch,
        );
        closed.expect("closed");
        self.agree(self.today(), false, "hand-over");
    }

    fn back_up(&mut self) {
        let at = Where {
            audio: self
                .bench
                .place
                .path()
                .join(format!("backup-{}", self.made)),
            keys: self
                .bench
                .place
                .path()
                .join(format!("backup-{}-keys", self.made)),
            recipient: Some(self.identity.recipient()),
            force: true,
        };
        self.made += 1;
        let policy = Policy {
            lifetime: None,
            restore_test: None,
        };
        let parts = (&self.bench.vault, &self.bench.index);
        let created =
            backup::create(parts, &at, policy, &by(), self.now, &mut || {}).expect("made");
        self.backup = Some((created.kept.audio, self.model.clone()));
    }

    /// The disk is lost; the key part is as the last command left it.
    fn restore(&mut self) {
        let Some((audio, then)) = self.backup.take() else {
            return;
        };
        backup::refresh(&self.bench.vault, &self.bench.index, self.now).expect("renewed");
        let catalogue = audio.parent().expect("a folder").with_extension("");
        let keys = catalogue.with_file_name(format!(
            "{}-keys",
            catalogue.file_name().expect("named").to_string_lossy()
        ));
        let from = From {
            audio,
            keys: keys.join(backup::KEY_PART),
            register: None,
        };
        self.made += 1;
        let to = self.bench.place.path().join(format!("new-{}", self.made));
        let identities = std::slice::from_ref(&self.identity);
        let restored = backup::restore(&from, identities, &to, &by(), self.now).expect("restored");
        self.bench.vault = Vault::open(&restored.store, &restored.keys).expect("opens");
        self.bench.index = Index::open_to_change(&self.bench.vault).expect("opens");
        self.restored = true;
        // What came since the backup is lost with the disk; what went since stays away.
        let live = std::mem::take(&mut self.model);
        for (id, known) in then {
            let Some(now) = live.get(&id) else {
                assert!(
                    self.bench.index.get(id).is_err(),
                    "{id} was erased and is back"
                );
                continue;
            };
            let numbers = self.bench.vault.has_numbers(id, &known.tag);
            assert_eq!(numbers, now.numbers, "who spoke in {id}");
            let ordered = now.ordered;
            let known = Known {
                numbers,
                ordered,
                ..known
            };
            self.model.insert(id, known);
        }
        self.read_back(&live);
        self.agree(self.today(), false, "restore");
    }

    fn lose_index(mut self) -> Self {
        fs::remove_file(self.bench.place.path().join("new.sqlite")).unwrap_or_default();
        self.bench = self.bench.with_new_index();
        let live = self.model.clone();
        self.read_back(&live);
        self.agree(self.today(), false, "a new index");
        self
    }

    /// What another index knows of holds and hand-overs: no hold is lost, and nothing is handed over that wasn't.
    fn read_back(&mut self, live: &BTreeMap<RecordingId, Known>) {
        let holds = self.bench.index.holds().expect("read");
        for (id, known) in &mut self.model {
            let held = holds
                .iter()
                .any(|hold| hold.id == id.to_string() && hold.released.is_empty());
            assert!(held || !live[id].ordered, "the hold on {id} is lost");
            known.held = held;
        }
        // Groups say which receipts there are; a recording that was handed over is asked for by its group.
        let alike = self.bench.index.alike().expect("read");
        let mut handed = Vec::new();
        for group in alike.iter().filter(|group| !group.handed_over.is_empty()) {
            let some = self
                .bench
                .index
                .some_alike(group, None, 10_000)
                .expect("read");
            handed.extend(some.into_iter().map(|entry| entry.id));
        }
        for (id, known) in &mut self.model {
            known.handed_over = handed.contains(id);
            assert!(
                !known.handed_over || live[id].handed_over,
                "{id} was never handed over"
            );
        }
    }

    fn step(mut self) -> Self {
        match self.chance.below(16) {
            0..=4 => self.record(),
            5 | 6 => self.hold_or_release(),
            7 | 8 => self.gallring(false),
            9 => self.gallring(true),
            10 => self.hand_over(),
            11 => self.back_up(),
            12 => self.restore(),
            13 => return self.lose_index(),
            14 => {
                let controller = CONTROLLERS[self.chance.below(2)];
                let (vault, index) = (&self.bench.vault, &self.bench.index);
                let turned = rotate::rotate(vault, index, controller, |_| {});
                let theirs = |it: &Known| *it.tag.controller == *controller;
                // Of what was recorded after a backup that was restored the keys are there, and nothing else.
                let left = matches!(turned, Err(RotateError::Left { .. })) && self.restored;
                assert!(
                    turned.is_ok() || left || !self.model.values().any(theirs),
                    "{turned:?}"
                );
            }
            // A clock that goes on by months, by hours, or back.
            _ => {
                let hours = [24 * 120, 24 * 31, 1, 2, -1, -48][self.chance.below(6)];
                self.now += SignedDuration::from_hours(hours);
            }
        }
        self
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a failing test shows its seed")]
fn random_lives_go_as_their_model_says() {
    // More of them by hand.
    let seeds = std::env::var("VAXEL_SEEDS").ok();
    let seeds = seeds.and_then(|it| it.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        println!("seed {seed}");
        let mut life = Life::of(seed);
        for _ in 0..STEPS {
            life = life.step();
        }
    }
}
