//! What the page shows of a rule set: who takes part, and where each kommun's calls go now.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use callcore::{
    kommun::{self, kommuner},
    origin::Origin,
    route::{Decision, Destination},
    scenario::{OrgId, Scenario},
    time::Time,
};

use crate::view::{Fixed, KommunView, Party};

/// The organisation that answers a call so decided, and is controller of what is said.
pub(crate) fn answering(scenario: &Scenario, decision: &Decision) -> OrgId {
    match decision.to {
        Destination::Queue(queue) => scenario.queue(queue).controller,
        Destination::External(external) => scenario.provider(external.provider).organisation,
    }
}

/// That view, at a moment.
pub(crate) fn fixed_view(scenario: &Scenario, name: &str, sip: SocketAddr, now: Time) -> Fixed {
    let party = |organisation: &callcore::organisation::Organisation| Party {
        id: organisation.id.to_string(),
        name: organisation.name.to_string(),
        kind: organisation.kind.name(),
    };
    let kommuner = kommuner()
        .iter()
        .map(|entry| {
            let unanswered = KommunView {
                id: entry.id.to_string(),
                name: entry.name,
                region: entry.region.to_string(),
                region_name: kommun::region(entry.region).name,
                route: String::new(),
                answers: String::new(),
                external: false,
                recorded: false,
            };
            // Rules have dates and hours, and may leave a gap between them.
            let Some(decision) = scenario.routes.decide(Origin::Known(entry.id), now) else {
                return unanswered;
            };
            let recorded =
                matches!(decision.to, Destination::Queue(queue) if scenario.queue(queue).recording);
            KommunView {
                route: scenario.route_name(decision.route).to_owned(),
                answers: scenario.org(answering(scenario, &decision)).id.to_string(),
                external: matches!(decision.to, Destination::External(_)),
                recorded,
                ..unanswered
            }
        })
        .collect();
    Fixed {
        sip: on_this_machine(sip).to_string(),
        scenario: name.to_owned(),
        digest: scenario.routes.digest().to_string(),
        operator: party(scenario.org(scenario.operator)),
        organisations: scenario.organisations.iter().map(party).collect(),
        kommuner,
    }
}

/// Where a phone on this machine calls what listens there: the page answers this machine only.
pub(crate) fn on_this_machine(mut at: SocketAddr) -> SocketAddr {
    if at.ip().is_unspecified() {
        at.set_ip(match at {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: &str = r#"
operator = { organisation = "inera" }
organisation = [{ id = "inera", name = "Inera AB", kind = "processor" }, { id = "region-04", name = "Region Sörmland", kind = "region" }]
queue = [{ name = "sormland", region = "04", controller = "region-04", agents = [{ simulated = 1 }] }]
route = [
  { name = "others", all = true, unknown = true, invalid = true, conflict = true, until = 2026-03-01, queue = "sormland" },
  { name = "own", region = "04", queue = "sormland" },
]
"#;

    #[test]
    fn a_kommun_that_nobody_answers_now_is_there_and_says_so() {
        let scenario = Scenario::from_toml(YEAR, "year.toml").expect("a valid scenario");
        let sip = scenario.listen.sip[0];
        let at = |text: &str| {
            let stamp: jiff::Timestamp = text.parse().expect("a moment");
            fixed_view(&scenario, "year", sip, stamp.into()).kommuner
        };
        let (before, after) = (at("2026-02-01T00:00:00Z"), at("2026-04-01T00:00:00Z"));
        assert_eq!((before.len(), after.len()), (290, 290));
        let of = |list: &[KommunView], id: &str| {
            let found = list
                .iter()
                .find(|kommun| kommun.id == id)
                .expect("a kommun");
            (found.route.clone(), found.answers.clone())
        };
        assert_eq!(of(&before, "0180"), ("others".into(), "region-04".into()));
        assert_eq!(of(&after, "0180"), (String::new(), String::new()));
        assert_eq!(of(&after, "0488"), ("own".into(), "region-04".into()));
    }

    #[test]
    fn who_listens_everywhere_is_called_on_this_machine() {
        for (listens, called) in [
            ("127.0.0.1:9360", "127.0.0.1:9360"),
            ("0.0.0.0:5060", "127.0.0.1:5060"),
            ("[::]:5060", "[::1]:5060"),
            ("192.0.2.7:5060", "192.0.2.7:5060"),
        ] {
            let at = on_this_machine(listens.parse().expect("an address"));
            assert_eq!(at.to_string(), called);
        }
    }
}
