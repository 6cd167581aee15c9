//! Whether providers' targets are there: each is asked by OPTIONS, and counts as down or up after so many answers in a row.
//!
//! What is found is told to the call machine, which passes over targets that are down. Of a target that is given by name one host
//! is asked at a time; one that doesn't answer leaves its turn to the next, so that the target is down only when none answers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use callcore::scenario::{Ping, ProviderId, Scenario};
use wire::sip::{endpoint::PingId, uri::Uri};

/// A target that hasn't answered OPTIONS for this long has failed to: time for one lost packet and its repetitions.
const ANSWER_MAX: Duration = Duration::from_secs(4);

/// The targets that are watched.
#[derive(Debug, Default)]
pub(crate) struct Health {
    targets: Vec<Watched>,
    /// Questions on their way, by the place of their target.
    asked: BTreeMap<PingId, usize>,
}

#[derive(Debug)]
struct Watched {
    target: Target,
    uri: Uri,
    ping: Ping,
    next: Instant,
    open: Option<Open>,
    up: bool,
    /// Answers in a row that say the opposite of `up`.
    against: u8,
}

/// A question that has no answer yet.
#[derive(Debug, Clone, Copy)]
struct Open {
    put: Instant,
    /// The host that was asked, of a target that is given by name.
    host: Option<SocketAddr>,
}

/// A question that was put, and to which host of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) ping: PingId,
    pub(crate) host: Option<SocketAddr>,
}

/// What a question led to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) change: Option<Change>,
    /// A host of a name that didn't answer.
    pub(crate) silent: Option<SocketAddr>,
}

/// A target by its provider and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) provider: ProviderId,
    pub(crate) place: u16,
}

/// A target that was found to be up or down when it had been the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) target: Target,
    pub(crate) up: bool,
}

impl Health {
    /// Watches every target of a scenario whose provider has a `ping`, and takes each as up until it shows otherwise; one that was
    /// watched before, for how it was.
    pub(crate) fn of(scenario: &Scenario, now: Instant, before: &Self) -> Self {
        let providers = (0..).map(ProviderId::at).zip(&scenario.providers);
        let targets = providers.flat_map(|(id, provider)| {
            let watched = (0..)
                .zip(&provider.targets)
                .filter_map(move |(place, uri)| {
                    let uri = Uri::parse(uri).ok()?;
                    let known = before.targets.iter().find(|known| known.uri == uri);
                    Some(Watched {
                        target: Target {
                            provider: id,
                            place,
                        },
                        ping: provider.ping?,
                        next: now,
                        open: None,
                        up: known.is_none_or(|known| known.up),
                        against: 0,
                        uri,
                    })
                });
            watched.collect::<Vec<_>>()
        });
        Self {
            targets: targets.collect(),
            asked: BTreeMap::new(),
        }
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<Instant> {
        let due = |watched: &Watched| {
            let open = watched.open.map(|open| open.put + ANSWER_MAX);
            open.unwrap_or(watched.next)
        };
        self.targets.iter().map(due).min()
    }

    /// Puts the questions that are due by `ask`, which tells what it asked, or that it can't.
    pub(crate) fn on_time(
        &mut self,
        now: Instant,
        mut ask: impl FnMut(&Uri) -> Option<Asked>,
    ) -> Vec<Found> {
        let mut found = Vec::new();
        for (place, watched) in self.targets.iter_mut().enumerate() {
            match watched.open {
                Some(open) if open.put + ANSWER_MAX <= now => {
                    self.asked.retain(|_, asked| *asked != place);
                    found.push(watched.answered(now, false));
                }
                None if watched.next <= now => match ask(&watched.uri) {
                    Some(Asked { ping, host }) => {
                        watched.open = Some(Open { put: now, host });
                        self.asked.insert(ping, place);
                    }
                    None => found.push(watched.answered(now, false)),
                },
                _ => {}
            }
        }
        found
    }

    /// An answer came, or the way is broken. An answer to a question that was given up says nothing any more.
    pub(crate) fn pong(&mut self, now: Instant, ping: PingId, alive: bool) -> Found {
        let place = self.asked.remove(&ping);
        let watched = place.and_then(|place| self.targets.get_mut(place));
        watched.map_or_else(Found::default, |watched| watched.answered(now, alive))
    }

    /// Every target that is watched, and whether it is up.
    pub(crate) fn states(&self) -> impl Iterator<Item = (Target, bool)> {
        self.targets
            .iter()
            .map(|watched| (watched.target, watched.up))
    }
}

impl Watched {
    fn answered(&mut self, now: Instant, alive: bool) -> Found {
        let host = self.open.take().and_then(|open| open.host);
        Found {
            change: self.turned(now, alive),
            silent: host.filter(|_| !alive),
        }
    }

    fn turned(&mut self, now: Instant, alive: bool) -> Option<Change> {
        let every = u64::try_from(self.ping.every.as_micros()).unwrap_or(u64::MAX);
        self.next = now + Duration::from_micros(every);
        if alive == self.up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let enough = if self.up {
            self.ping.down_after
        } else {
            self.ping.up_after
        };
        if self.against < enough {
            return None;
        }
        (self.up, self.against) = (alive, 0);
        Some(Change {
            target: self.target,
            up: alive,
        })
    }
}

#[cfg(test)]
mod tests {
    use callcore::time::Span;

    use super::*;

    fn watched(now: Instant) -> Watched {
        Watched {
            target: Target {
                provider: ProviderId::at(0),
                place: 1,
            },
            uri: Uri::parse("sip:a@192.0.2.1").expect("a URI"),
            ping: Ping {
                every: Span::from_secs(10),
                down_after: 3,
                up_after: 2,
            },
            next: now,
            open: None,
            up: true,
            against: 0,
        }
    }

    #[test]
    fn a_target_is_down_after_so_many_failures_in_a_row_and_up_after_so_many_answers() {
        let now = Instant::now();
        let mut target = watched(now);
        let found: Vec<Option<bool>> = [
            false, false, true, false, false, false, false, true, false, true, true,
        ]
        .into_iter()
        .map(|alive| target.answered(now, alive).change.map(|change| change.up))
        .collect();
        let mut expected = [None; 11];
        expected[5] = Some(false);
        expected[10] = Some(true);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_question_is_put_at_its_time_and_given_up_when_no_answer_comes() {
        let now = Instant::now();
        let mut health = Health {
            targets: vec![watched(now)],
            asked: BTreeMap::new(),
        };
        let mut put = 0;
        let mut ask = |_: &Uri| {
            put += 1;
            None
        };
        let mut at = now;
        let mut changes = Vec::new();
        for _ in 0..3 {
            let found = health.on_time(at, &mut ask);
            changes.extend(found.into_iter().filter_map(|found| found.change));
            assert_eq!(health.on_time(at, &mut ask), [], "not twice");
            at = health.next().expect("watched");
        }
        assert_eq!(put, 3);
        assert_eq!(changes.len(), 1, "a way that is broken is no answer");
        assert_eq!(health.states().next().map(|(_, up)| up), Some(false));
        assert_eq!(at, now + Duration::from_secs(30));
    }

    /// Rules are replaced when a provider is down: that must not send callers to it again until it has been asked three times.
    #[test]
    fn what_is_known_of_a_target_is_known_under_other_rules_too() {
        let entries = |targets: &str| {
            let entries = format!(
                r#"
provider = [{{ name = "medhelp", organisation = "medhelp", targets = [{targets}] }}]
route = [{{ name = "out", all = true, unknown = true, invalid = true, conflict = true, provider = "medhelp", handover = "relay" }}]
"#
            );
            crate::exchange::scenario_of_tests(&entries)
        };
        let (one, other) = (r#""sip:a@192.0.2.1""#, r#""sip:b@192.0.2.2""#);
        let now = Instant::now();
        let mut health = Health::of(&entries(one), now, &Health::default());
        health.targets[0].up = false;
        let after = Health::of(&entries(&format!("{other}, {one}")), now, &health);
        let states: Vec<(u16, bool)> = after.states().map(|(it, up)| (it.place, up)).collect();
        assert_eq!(states, [(0, true), (1, false)]);
        assert_eq!(after.next(), Some(now), "and is asked at once");
    }

    #[test]
    fn a_host_that_does_not_answer_is_told_of_and_another_answer_keeps_the_target_up() {
        let now = Instant::now();
        let mut target = watched(now);
        for (alive, host) in [(false, 1), (true, 2), (false, 1), (false, 2), (true, 1)] {
            let host = SocketAddr::from(([192, 0, 2, host], 5060));
            target.open = Some(Open {
                put: now,
                host: Some(host),
            });
            let found = target.answered(now, alive);
            assert_eq!(found.silent, (!alive).then_some(host));
            assert_eq!(found.change, None);
        }
    }
}
