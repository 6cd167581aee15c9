//! Whether providers' targets are there: each is asked by OPTIONS, and counts as down or up after so many answers in a row.
//!
//! What is found is told to the call machine, which passes over targets that are down.

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
    /// The question that is open, and when it was put.
    open: Option<(PingId, Instant)>,
    up: bool,
    /// Answers in a row that say the opposite of `up`.
    against: u8,
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
    /// Watches every target of a scenario whose provider has a `ping`, and takes each as up until it shows otherwise.
    /// Targets without a numeric address are left alone: asking them needs a name looked up first.
    pub(crate) fn of(scenario: &Scenario, now: Instant) -> Self {
        let providers = (0..).map(ProviderId::at).zip(&scenario.providers);
        let targets = providers.flat_map(|(id, provider)| {
            let watched = (0..)
                .zip(&provider.targets)
                .filter_map(move |(place, uri)| {
                    let uri = Uri::parse(uri).ok()?;
                    uri.address()?;
                    Some(Watched {
                        target: Target {
                            provider: id,
                            place,
                        },
                        uri,
                        ping: provider.ping?,
                        next: now,
                        open: None,
                        up: true,
                        against: 0,
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
            let open = watched.open.map(|(_, at)| at + ANSWER_MAX);
            open.unwrap_or(watched.next)
        };
        self.targets.iter().map(due).min()
    }

    /// Puts the questions that are due by `ask`, which gives a question's name or tells that it can't be put.
    pub(crate) fn on_time(
        &mut self,
        now: Instant,
        mut ask: impl FnMut(Uri, Option<SocketAddr>) -> Option<PingId>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for (place, watched) in self.targets.iter_mut().enumerate() {
            match watched.open {
                Some((ping, at)) if at + ANSWER_MAX <= now => {
                    self.asked.remove(&ping);
                    changes.extend(watched.answered(now, false));
                }
                None if watched.next <= now => {
                    match ask(watched.uri.clone(), watched.uri.address()) {
                        Some(ping) => {
                            watched.open = Some((ping, now));
                            self.asked.insert(ping, place);
                        }
                        None => changes.extend(watched.answered(now, false)),
                    }
                }
                _ => {}
            }
        }
        changes
    }

    /// An answer came, or the way is broken. An answer to a question that was given up says nothing any more.
    pub(crate) fn pong(&mut self, now: Instant, ping: PingId, alive: bool) -> Option<Change> {
        let place = self.asked.remove(&ping)?;
        self.targets.get_mut(place)?.answered(now, alive)
    }

    /// Every target that is watched, and whether it is up.
    pub(crate) fn states(&self) -> impl Iterator<Item = (Target, bool)> {
        self.targets
            .iter()
            .map(|watched| (watched.target, watched.up))
    }
}

impl Watched {
    fn answered(&mut self, now: Instant, alive: bool) -> Option<Change> {
        self.open = None;
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
        .map(|alive| target.answered(now, alive).map(|change| change.up))
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
        let mut ask = |_: Uri, _: Option<SocketAddr>| {
            put += 1;
            None
        };
        let mut at = now;
        let mut changes = Vec::new();
        for _ in 0..3 {
            changes.extend(health.on_time(at, &mut ask));
            assert_eq!(health.on_time(at, &mut ask), [], "not twice");
            at = health.next().expect("watched");
        }
        assert_eq!(put, 3);
        assert_eq!(changes.len(), 1, "a way that is broken is no answer");
        assert_eq!(health.states().next().map(|(_, up)| up), Some(false));
        assert_eq!(at, now + Duration::from_secs(30));
    }
}
