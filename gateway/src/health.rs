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
use wire::sip::{
    endpoint::{PingId, Unanswered},
    message::StatusCode,
    uri::Uri,
};

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
    standing: Standing,
    /// Since when it stands so.
    since: Instant,
    /// Answers in a row that say the opposite.
    against: u8,
    /// What it answered last, and when.
    answered: Option<(Instant, StatusCode)>,
}

/// Whether a target is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has answered nothing yet, nor been silent often enough: calls go there.
    Unknown,
    Up,
    /// What said so last.
    Down(Fault),
}

/// What says that a target isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    NoAnswer,
    /// Its name leads nowhere, no address of ours is of its family, or its connection can't be opened.
    Unreachable,
    Answers(StatusCode),
}

/// What is known of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) target: Target,
    pub(crate) standing: Standing,
    pub(crate) since: Instant,
    pub(crate) answered: Option<(Instant, StatusCode)>,
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

/// A target that was found to be down, or to be up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) target: Target,
    pub(crate) up: bool,
}

impl Health {
    /// Watches every target of a scenario whose provider has a `ping`, of each of which nothing is known yet, but of one that was
    /// watched before.
    pub(crate) fn of(scenario: &Scenario, now: Instant, before: &Self) -> Self {
        let providers = (0..).map(ProviderId::at).zip(&scenario.providers);
        let targets = providers.flat_map(|(id, provider)| {
            let watched = (0..)
                .zip(&provider.targets)
                .filter_map(move |(place, uri)| {
                    let uri = Uri::parse(uri).ok()?;
                    let known = before.targets.iter().find(|known| known.uri == uri);
                    let (standing, since, answered) = known
                        .map_or((Standing::Unknown, now, None), |known| {
                            (known.standing, known.since, known.answered)
                        });
                    Some(Watched {
                        target: Target {
                            provider: id,
                            place,
                        },
                        ping: provider.ping?,
                        next: now,
                        open: None,
                        standing,
                        since,
                        against: 0,
                        answered,
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
                    found.push(watched.answered(now, Err(Unanswered::Silent)));
                }
                None if watched.next <= now => match ask(&watched.uri) {
                    Some(Asked { ping, host }) => {
                        watched.open = Some(Open { put: now, host });
                        self.asked.insert(ping, place);
                    }
                    None => found.push(watched.answered(now, Err(Unanswered::Unreachable))),
                },
                _ => {}
            }
        }
        found
    }

    /// An answer came, or the way is broken. An answer to a question that was given up says nothing any more.
    pub(crate) fn pong(
        &mut self,
        now: Instant,
        ping: PingId,
        answer: Result<StatusCode, Unanswered>,
    ) -> Found {
        let place = self.asked.remove(&ping);
        let watched = place.and_then(|place| self.targets.get_mut(place));
        watched.map_or_else(Found::default, |watched| watched.answered(now, answer))
    }

    /// What is known of every target that is watched.
    pub(crate) fn states(&self) -> impl Iterator<Item = State> {
        self.targets.iter().map(|watched| State {
            target: watched.target,
            standing: watched.standing,
            since: watched.since,
            answered: watched.answered,
        })
    }

    /// Why a target is down, if it is.
    pub(crate) fn fault(&self, target: Target) -> Option<Fault> {
        let known = self.targets.iter().find(|known| known.target == target);
        known.and_then(|known| match known.standing {
            Standing::Down(fault) => Some(fault),
            Standing::Unknown | Standing::Up => None,
        })
    }
}

impl Watched {
    fn answered(&mut self, now: Instant, answer: Result<StatusCode, Unanswered>) -> Found {
        let host = self.open.take().and_then(|open| open.host);
        if let Ok(status) = answer {
            self.answered = Some((now, status));
        }
        let fault = fault_of(answer);
        Found {
            change: self.turned(now, fault),
            silent: host.filter(|_| fault.is_some()),
        }
    }

    fn turned(&mut self, now: Instant, fault: Option<Fault>) -> Option<Change> {
        let every = u64::try_from(self.ping.every.as_micros()).unwrap_or(u64::MAX);
        self.next = now + Duration::from_micros(every);
        let enough = match (self.standing, fault) {
            (Standing::Up, None) | (Standing::Down(_), Some(_)) => {
                self.against = 0;
                if let Some(fault) = fault {
                    self.standing = Standing::Down(fault);
                }
                return None;
            }
            (Standing::Unknown, None) => 1,
            (Standing::Unknown | Standing::Up, Some(_)) => self.ping.down_after,
            (Standing::Down(_), None) => self.ping.up_after,
        };
        self.against += 1;
        if self.against < enough {
            return None;
        }
        let stands = fault.map_or(Standing::Up, Standing::Down);
        let before = std::mem::replace(&mut self.standing, stands);
        (self.since, self.against) = (now, 0);
        // Calls go to one of which nothing is known: that it is up is no news.
        let news = before != Standing::Unknown || fault.is_some();
        news.then_some(Change {
            target: self.target,
            up: fault.is_none(),
        })
    }
}

/// Why an answer is none. A proxy says 408, 502 or 504 of a target behind it that isn't there, and who says 503 takes no calls now
/// (RFC 3261 sections 21.4.9 and 21.5); any other response comes from somebody who is there.
fn fault_of(answer: Result<StatusCode, Unanswered>) -> Option<Fault> {
    match answer {
        Ok(status) => matches!(status.code(), 408 | 502..=504).then_some(Fault::Answers(status)),
        Err(Unanswered::Silent) => Some(Fault::NoAnswer),
        Err(Unanswered::Unreachable) => Some(Fault::Unreachable),
    }
}

#[cfg(test)]
mod tests {
    use callcore::time::Span;

    use super::*;

    const OK: Result<StatusCode, Unanswered> = Ok(StatusCode::OK);
    const SILENT: Result<StatusCode, Unanswered> = Err(Unanswered::Silent);

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
            standing: Standing::Up,
            since: now,
            against: 0,
            answered: None,
        }
    }

    #[test]
    fn a_target_is_down_after_so_many_failures_in_a_row_and_up_after_so_many_answers() {
        let now = Instant::now();
        let mut target = watched(now);
        let found: Vec<Option<bool>> = [
            SILENT, SILENT, OK, SILENT, SILENT, SILENT, SILENT, OK, SILENT, OK, OK,
        ]
        .into_iter()
        .map(|answer| target.answered(now, answer).change.map(|change| change.up))
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
        let state = health.states().next().expect("watched");
        assert_eq!(state.standing, Standing::Down(Fault::Unreachable));
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
        let down = Standing::Down(Fault::NoAnswer);
        let later = now + Duration::from_secs(40);
        for _ in 0..3 {
            health.targets[0].answered(now, SILENT);
        }
        let after = Health::of(&entries(&format!("{other}, {one}")), later, &health);
        let states: Vec<_> = after.states().map(|it| (it.standing, it.since)).collect();
        assert_eq!(states, [(Standing::Unknown, later), (down, now)]);
        assert_eq!(after.next(), Some(later), "and is asked at once");
    }

    #[test]
    fn a_host_that_does_not_answer_is_told_of_and_another_answer_keeps_the_target_up() {
        let now = Instant::now();
        let mut target = watched(now);
        for (answer, host) in [(SILENT, 1), (OK, 2), (SILENT, 1), (SILENT, 2), (OK, 1)] {
            let host = SocketAddr::from(([192, 0, 2, host], 5060));
            target.open = Some(Open {
                put: now,
                host: Some(host),
            });
            let found = target.answered(now, answer);
            assert_eq!(found.silent, answer.is_err().then_some(host));
            assert_eq!(found.change, None);
        }
    }

    /// Else a page says that all is well while nobody has been asked.
    #[test]
    fn nothing_is_known_of_a_target_before_its_first_answer_and_then_all() {
        let now = Instant::now();
        let later = now + Duration::from_secs(10);
        let mut target = watched(now);
        target.standing = Standing::Unknown;
        assert_eq!(target.answered(now, SILENT), Found::default());
        assert_eq!((target.standing, target.since), (Standing::Unknown, now));
        assert_eq!(
            target.answered(later, OK),
            Found::default(),
            "no news to calls"
        );
        assert_eq!((target.standing, target.since), (Standing::Up, later));
        let mut silent = watched(now);
        silent.standing = Standing::Unknown;
        let changes = (0..3).map(|_| silent.answered(later, SILENT).change.is_some());
        assert_eq!(changes.collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn a_target_that_answers_that_it_takes_no_calls_is_down_and_it_is_known_why_and_since_when() {
        let now = Instant::now();
        let mut target = watched(now);
        let at = |seconds| now + Duration::from_secs(seconds);
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        for (seconds, answer) in [(0, Ok(unavailable)), (10, SILENT), (20, Ok(unavailable))] {
            target.answered(at(seconds), answer);
        }
        let down = Standing::Down(Fault::Answers(unavailable));
        assert_eq!((target.standing, target.since), (down, at(20)));
        target.answered(at(30), SILENT);
        let down = Standing::Down(Fault::NoAnswer);
        assert_eq!(
            (target.standing, target.since),
            (down, at(20)),
            "why it is now"
        );
        assert_eq!(target.answered, Some((at(20), unavailable)));
        for seconds in [40, 50] {
            target.answered(at(seconds), Ok(StatusCode::NOT_FOUND));
        }
        assert_eq!(
            (target.standing, target.since),
            (Standing::Up, at(50)),
            "it is there"
        );
    }
}
