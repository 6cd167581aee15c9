//! Targets that are given by name, found beside the calls (RFC 3263): NAPTR, SRV, then A and AAAA.
//!
//! A call never waits for a resolver: names are looked up at the start, when rules are replaced, and again when what was
//! found is no longer valid; a call takes what was found last. A name may lead to several ways. They are tried by priority and
//! weight (RFC 2782), and one that failed comes last for a while.

mod order;
mod resolve;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use callcore::scenario::{Contact, Scenario};
use hickory_resolver::TokioResolver;
use tokio::{
    sync::Notify,
    time::{sleep_until, timeout},
};
use wire::sip::{endpoint::TransportKind, uri::Uri};

use self::resolve::{Found, Insists};
use crate::homes::Families;

/// What is known of a name is renewed at least so often: providers move their hosts in minutes at best. The resolver keeps what is
/// valid for longer, so this costs no questions.
const REFRESH_MAX: Duration = Duration::from_secs(60);
/// And at most so often, whatever a record says.
const REFRESH_MIN: Duration = Duration::from_secs(1);
/// How long the names of one scenario may take at the start; a resolver that doesn't answer must not keep the switch from starting.
const START_WAIT_MAX: Duration = Duration::from_secs(10);
/// Names looked up at once and kept; every target of every provider, many times over.
const PLACES_MAX: usize = 4096;
/// A way that failed is tried last for so long.
const REST: Duration = Duration::from_secs(30);
/// Ways that rest at once; beyond, none is added.
const RESTING_MAX: usize = 1024;

/// What is known of names. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Names(Arc<Shared>);

struct Shared {
    /// `None`: this machine has no resolver configured, and names aren't found.
    resolver: Option<TokioResolver>,
    /// What this switch speaks.
    families: Families,
    known: RwLock<BTreeMap<Place, Found>>,
    wanted: RwLock<BTreeSet<Place>>,
    changed: Notify,
    resting: Mutex<BTreeMap<SocketAddr, Instant>>,
}

/// What of a URI says where it leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    host: Box<str>,
    port: Option<u16>,
    kind: Option<TransportKind>,
    default_port: u16,
}

/// By what a target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    /// `None`: as the target itself says.
    pub(crate) kind: Option<TransportKind>,
}

impl Names {
    /// Nothing known yet. `server` is the name server to ask; `None`: the system's.
    pub(crate) fn new(server: Option<SocketAddr>, families: Families) -> Self {
        let resolver = resolve::resolver(server, families);
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no name server: targets given by name are not found");
        }
        Self(Arc::new(Shared {
            resolver: resolver.ok(),
            families,
            known: RwLock::default(),
            wanted: RwLock::default(),
            changed: Notify::new(),
            resting: Mutex::default(),
        }))
    }

    /// The ways to a target that is given by name, in the order in which to try them. `draw` gives a number up to and
    /// including the one it is given.
    pub(crate) fn ways(&self, target: &Uri, draw: impl FnMut(u32) -> u32) -> VecDeque<Way> {
        let Some(place) = Place::of(target) else {
            return VecDeque::new();
        };
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = known.get(&place) else {
            return VecDeque::new();
        };
        let resting = locked(&self.0.resting);
        let now = Instant::now();
        let rests = |way: &Way| resting.get(&way.address).is_some_and(|until| *until > now);
        let (tired, fresh): (Vec<Way>, Vec<Way>) =
            order::order(&found.ways, draw).into_iter().partition(rests);
        fresh.into_iter().chain(tired).collect()
    }

    /// Takes a target to lead there, in this order.
    #[cfg(test)]
    pub(crate) fn knows(&self, target: &Uri, ways: &[SocketAddr]) {
        let place = Place::of(target).expect("a name");
        let ranked = (0..).zip(ways).map(|(priority, address)| resolve::Ranked {
            priority,
            weight: 0,
            way: Way {
                address: *address,
                kind: None,
            },
            second: None,
        });
        let found = Found::new(ranked.collect(), Instant::now() + REFRESH_MAX);
        let mut known = self.0.known.write().expect("not poisoned");
        known.insert(place, found);
    }

    /// A way failed: others come before it for a while.
    pub(crate) fn failed(&self, address: SocketAddr) {
        let now = Instant::now();
        let mut resting = locked(&self.0.resting);
        resting.retain(|_, until| *until > now);
        if resting.len() < RESTING_MAX {
            resting.insert(address, now + REST);
        }
    }

    /// Looks up the names of a scenario too, from now on.
    pub(crate) fn want(&self, scenario: &Scenario) {
        let mut wanted = self
            .0
            .wanted
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for place in places_of(scenario) {
            if wanted.len() < PLACES_MAX {
                wanted.insert(place);
            }
        }
        drop(wanted);
        self.0.changed.notify_one();
    }

    /// Looks up every name once.
    pub(crate) async fn look_up(&self) {
        if timeout(START_WAIT_MAX, self.look_up_due()).await.is_err() {
            tracing::warn!("the name server takes too long: names are looked up beside the calls");
        }
    }

    /// Looks them up for ever.
    pub(crate) async fn look_up_again(self) {
        loop {
            let next = self.look_up_due().await;
            tokio::select! {
                () = sleep_until(next.into()) => {}
                () = self.0.changed.notified() => {}
            }
        }
    }

    /// Looks up what isn't known or valid any more; when to come again.
    async fn look_up_due(&self) -> Instant {
        let now = Instant::now();
        let wanted: Vec<Place> = {
            let wanted = self.0.wanted.read().unwrap_or_else(PoisonError::into_inner);
            wanted.iter().cloned().collect()
        };
        let mut next = now + REFRESH_MAX;
        for place in wanted {
            let valid = {
                let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
                known.get(&place).map(|found| found.until)
            };
            let until = match valid.filter(|until| *until > now) {
                Some(until) => until,
                None => self.look_up_one(&place).await,
            };
            next = next.min(until);
        }
        next.max(Instant::now() + REFRESH_MIN)
    }

    /// Looks one up; until when the answer is valid.
    async fn look_up_one(&self, place: &Place) -> Instant {
        let soon = Instant::now() + REFRESH_MAX;
        let Some(resolver) = &self.0.resolver else {
            return soon;
        };
        let insists = {
            let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
            Insists::on(known.get(place))
        };
        match resolve::resolve(resolver, place, self.0.families, insists).await {
            Ok(found) if !found.ways.is_empty() => {
                let until = found.until.min(soon);
                let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
                known.insert(place.clone(), Found { until, ..found });
                until
            }
            // What was known stays: an old address is better than none.
            Ok(_) => {
                tracing::warn!(host = %place.host, "a target's name leads nowhere");
                soon
            }
            Err(error) => {
                tracing::warn!(host = %place.host, %error, "a target's name isn't found");
                soon
            }
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Place {
    /// `None` for an address.
    fn of(uri: &Uri) -> Option<Self> {
        if uri.address().is_some() {
            return None;
        }
        // The port that an address in its place would have.
        let mut numeric = uri.clone();
        numeric.host = "127.0.0.1".into();
        numeric.port = None;
        Some(Self {
            host: uri.host.clone(),
            port: uri.port,
            kind: TransportKind::asked_by(uri),
            default_port: numeric.address()?.port(),
        })
    }
}

/// Where the named targets of a scenario are: providers', and agents' phones'.
fn places_of(scenario: &Scenario) -> impl Iterator<Item = Place> {
    let providers = scenario.providers.iter().flat_map(|p| &p.targets);
    let agents = scenario
        .agents
        .iter()
        .filter_map(|agent| match &agent.contact {
            Contact::Sip(uri) => Some(uri),
            _ => None,
        });
    providers
        .chain(agents)
        .filter_map(|target| Place::of(&Uri::parse(target).ok()?))
}

fn locked<T>(it: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_the_port_and_transport_that_its_target_has() {
        for (target, port, kind) in [
            ("sip:1177@provider.test", 5060, None),
            ("sips:1177@provider.test", 5061, Some(TransportKind::Tls)),
            (
                "sip:1177@provider.test:5080;transport=tcp",
                5060,
                Some(TransportKind::Tcp),
            ),
        ] {
            let place = Place::of(&Uri::parse(target).expect("a URI")).expect("a name");
            assert_eq!((place.default_port, place.kind), (port, kind), "{target}");
        }
        let numeric = Uri::parse("sip:1177@192.0.2.1").expect("a URI");
        assert_eq!(Place::of(&numeric), None);
    }

    #[test]
    fn a_way_that_failed_comes_last_for_a_while() {
        let names = Names::new(
            Some(([127, 0, 0, 1], 9).into()),
            Families {
                four: true,
                six: false,
            },
        );
        let target = Uri::parse("sip:1177@provider.test").expect("a URI");
        let ranked = |port| resolve::Ranked {
            priority: port,
            weight: 0,
            way: Way {
                address: ([127, 0, 0, 1], port).into(),
                kind: None,
            },
            second: None,
        };
        let found = Found::new(vec![ranked(1), ranked(2)], Instant::now() + REFRESH_MAX);
        let place = Place::of(&target).expect("a name");
        let mut known = names.0.known.write().expect("not poisoned");
        known.insert(place, found);
        drop(known);
        let ports = || -> Vec<u16> {
            let ways = names.ways(&target, |most| most);
            ways.iter().map(|way| way.address.port()).collect()
        };
        assert_eq!(ports(), [1, 2]);
        names.failed(([127, 0, 0, 1], 1).into());
        assert_eq!(ports(), [2, 1]);
    }
}
