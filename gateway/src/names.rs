//! Host names of targets, found by the system's resolver beside the calls (RFC 3263 section 4.2: A and AAAA).
//!
//! A call never waits for a resolver: names are looked up at the start and again and again, and a call takes what was
//! found last. Which target comes after which is the scenario's to say, in `targets`, as SRV records would.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use callcore::scenario::{Contact, Scenario};
use tokio::{net::lookup_host, time::sleep};
use wire::sip::uri::Uri;

/// How old what is known of a name gets: providers move their hosts in minutes at best.
const REFRESH: Duration = Duration::from_secs(60);

/// What is known of names. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<RwLock<BTreeMap<Box<str>, IpAddr>>>);

impl Names {
    /// The address of a target that is given by name.
    pub(crate) fn find(&self, target: &Uri) -> Option<SocketAddr> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let ip = *known.get(&*target.host)?;
        // The port that an address in its place would have.
        let mut numeric = target.clone();
        numeric.host = ip.to_string().into();
        Some(SocketAddr::new(ip, numeric.address()?.port()))
    }

    /// Looks up every name of a scenario once.
    pub(crate) async fn look_up(&self, hosts: &[Box<str>]) {
        for host in hosts {
            // The port plays no part in it.
            match lookup_host((&**host, 0)).await {
                Ok(mut found) => {
                    if let Some(address) = found.next() {
                        self.keep(host, address.ip());
                    }
                }
                // What was known stays: an old address is better than none.
                Err(error) => tracing::warn!(%host, %error, "a target's name isn't found"),
            }
        }
    }

    /// Looks them up for ever.
    pub(crate) async fn look_up_again(self, hosts: Vec<Box<str>>) {
        while !hosts.is_empty() {
            sleep(REFRESH).await;
            self.look_up(&hosts).await;
        }
    }

    fn keep(&self, host: &str, ip: IpAddr) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(host.into(), ip);
    }
}

/// The host names among a scenario's targets: providers and agents' phones.
pub(crate) fn hosts_of(scenario: &Scenario) -> Vec<Box<str>> {
    let providers = scenario.providers.iter().flat_map(|p| &p.targets);
    let agents = scenario
        .agents
        .iter()
        .filter_map(|agent| match &agent.contact {
            Contact::Sip(uri) => Some(uri),
            _ => None,
        });
    let names = providers
        .chain(agents)
        .filter_map(|target| Uri::parse(target).ok())
        .filter(|uri| uri.address().is_none())
        .map(|uri| uri.host);
    let mut hosts: Vec<Box<str>> = names.collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_found_with_the_port_that_its_transport_has() {
        let names = Names::default();
        names
            .look_up(&["localhost".into(), "nowhere.invalid".into()])
            .await;
        for (target, port) in [
            ("sip:1177@localhost", 5060),
            ("sips:1177@localhost", 5061),
            ("sip:1177@localhost:5080;transport=tcp", 5080),
        ] {
            let found = names
                .find(&Uri::parse(target).expect("a URI"))
                .expect("found");
            assert!(found.ip().is_loopback());
            assert_eq!(found.port(), port, "{target}");
        }
        assert_eq!(
            names.find(&Uri::parse("sip:a@nowhere.invalid").expect("a URI")),
            None
        );
    }
}
