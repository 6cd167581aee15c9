//! A personal-data incident at a store: who is what, how much was exposed, who tells whom by when.
//!
//! In 2019 several actors each reported the same incident as controller (IMY-REPORT p. 4). The roles follow from the
//! scenario, so they are told apart before anybody has to write to the authority.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    check::{Way, region_controllers, store_controllers, ways},
    retention::ObjectClass,
    scenario::{OrgId, Reach, Scenario, Store},
    time::{Span, Time},
};

/// Files a call makes: three to four on average, ten at most (IMY-REPORT p. 3).
const FILES_A_CALL_MEAN: (u64, u64) = (3, 4);
const FILES_A_CALL_MAX: u64 = 10;

/// How long a controller has to notify the authority, from when it knows (GDPR Art. 33.1).
const NOTIFY_WITHIN: Span = Span::from_secs(72 * 3600);

/// What happened, as far as is known.
#[derive(Debug, Clone)]
pub struct Exposure<'a> {
    /// The name of the store.
    pub store: &'a str,
    /// Since when it was exposed; `None` when that can't be told.
    pub from: Option<Time>,
    /// Until when.
    pub until: Time,
    /// When the controller came to know.
    pub discovered: Time,
    /// How many files it held; `None` when that isn't known.
    pub files: Option<u64>,
}

/// Why an incident can't be worked out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncidentError {
    /// No scenario declares that store.
    #[error("no store is called `{store}`; the scenarios declare {known}")]
    NoSuchStore {
        /// The name that was asked for.
        store: String,
        /// The names there are.
        known: String,
    },
    /// Two scenarios declare one of that name.
    #[error(
        "{operators} each run a store called `{store}`: give only the scenario of the one it was"
    )]
    SeveralStores {
        /// The name.
        store: String,
        /// Who run them.
        operators: String,
    },
    /// It ended before it began, or was discovered before that.
    #[error("the incident ends or is discovered before it begins")]
    OutOfOrder,
}

/// An incident, worked out. Serialised, it is `vaxel incident --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// The store.
    pub store: String,
    /// Who runs it.
    pub operator: String,
    /// Since when it was exposed, on a Swedish clock.
    pub from: Option<String>,
    /// Until when.
    pub until: String,
    /// When the controller came to know.
    pub discovered: String,
    /// What kinds of data it held.
    pub data: Vec<&'static str>,
    /// How many files.
    pub files: Option<u64>,
    /// How many calls they are.
    pub calls: Option<Calls>,
    /// Everybody in the scenarios, and what they are in this incident.
    pub actors: Vec<Actor>,
    /// Who tells whom, in order.
    pub notices: Vec<Notice>,
    /// What the notification to the authority says (GDPR Art. 33.3).
    pub notification: Notification,
}

/// How many calls a number of files is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// At the least, were every call as long as the longest.
    pub least: u64,
    /// The lower estimate, at four files a call.
    pub low: u64,
    /// The upper estimate, at three files a call.
    pub high: u64,
}

/// Somebody's part in the incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// Its id.
    pub organisation: String,
    /// Its full name.
    pub name: String,
    /// `controller`, `processor` or `none`.
    pub role: &'static str,
    /// Why.
    pub why: String,
}

/// One message that has to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Who tells.
    pub from: String,
    /// Whom.
    pub to: String,
    /// By when, in words.
    pub within: &'static str,
    /// The last moment, on a Swedish clock, when there is one.
    pub deadline: Option<String>,
    /// The article.
    pub basis: &'static str,
}

/// The fields of GDPR Art. 33.3. What the scenario can't know says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// (a) The nature of the breach, whose data and how many.
    pub nature: String,
    /// (b) Where more can be asked.
    pub contact: String,
    /// (c) What is likely to come of it.
    pub consequences: String,
    /// (d) What was done, or is to be.
    pub measures: Vec<String>,
}

/// Works an incident out from what scenarios declare. An organisation that takes part in several is one.
///
/// # Errors
/// When no scenario declares the store, or the times are out of order.
pub fn incident(
    scenarios: &[&Scenario],
    exposure: &Exposure<'_>,
) -> Result<Incident, IncidentError> {
    // Since when may never be told; that it was discovered before it was over is the rule.
    let begins = exposure.from;
    if begins.is_some_and(|begins| begins > exposure.until || begins > exposure.discovered) {
        return Err(IncidentError::OutOfOrder);
    }
    let (scenario, store) = find(scenarios, exposure.store)?;
    let case = Case::new(scenario, store);
    Ok(Incident {
        store: store.name.to_string(),
        operator: case.id(store.operator),
        from: exposure.from.map(clock),
        until: clock(exposure.until),
        discovered: clock(exposure.discovered),
        data: store.holds.iter().map(|class| class.name()).collect(),
        files: exposure.files,
        calls: exposure.files.map(calls),
        actors: case.actors(scenarios),
        notices: case.notices(exposure.discovered),
        notification: case.notification(exposure),
    })
}

fn find<'s>(
    scenarios: &[&'s Scenario],
    name: &str,
) -> Result<(&'s Scenario, &'s Store), IncidentError> {
    let all = || {
        scenarios
            .iter()
            .flat_map(|scenario| scenario.stores.iter().map(move |store| (*scenario, store)))
    };
    let mut named = all().filter(|(_, store)| *store.name == *name);
    let found = named.next();
    if let Some((scenario, store)) = found {
        let runs = |(scenario, store): (&Scenario, &Store)| scenario.org(store.operator).id.clone();
        let first = runs((scenario, store));
        if let Some(other) = named.map(runs).find(|other| *other != first) {
            return Err(IncidentError::SeveralStores {
                store: name.to_owned(),
                operators: format!("{first} and {other}"),
            });
        }
    }
    found.ok_or_else(|| {
        let known: Vec<&str> = all().map(|(_, store)| &*store.name).collect();
        IncidentError::NoSuchStore {
            store: name.to_owned(),
            known: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        }
    })
}

fn calls(files: u64) -> Calls {
    let (few, many) = FILES_A_CALL_MEAN;
    let least = files.div_ceil(FILES_A_CALL_MAX);
    // Of a handful of files too.
    let low = (files / many).max(least);
    Calls {
        least,
        low,
        high: (files / few).max(low),
    }
}

fn clock(at: Time) -> String {
    at.in_sweden().strftime("%Y-%m-%dT%H:%M").to_string()
}

struct Case<'s> {
    scenario: &'s Scenario,
    store: &'s Store,
    ways: Vec<Way>,
    controllers: Vec<OrgId>,
}

impl<'s> Case<'s> {
    fn new(scenario: &'s Scenario, store: &'s Store) -> Self {
        let ways = ways(scenario);
        let controllers = store_controllers(scenario, &ways, store)
            .into_iter()
            .collect();
        Self {
            scenario,
            store,
            ways,
            controllers,
        }
    }

    fn id(&self, org: OrgId) -> String {
        self.scenario.org(org).id.to_string()
    }

    /// Whether the processor of the store is somebody else than each controller.
    fn processor(&self) -> Option<OrgId> {
        (!self.controllers.contains(&self.store.operator)).then_some(self.store.operator)
    }

    /// Everybody: first by what the store's own scenario says, then those who only take part elsewhere.
    fn actors(&self, scenarios: &[&Scenario]) -> Vec<Actor> {
        let mut found: BTreeMap<String, Actor> = BTreeMap::new();
        for (place, org) in (0..).map(OrgId).zip(&self.scenario.organisations) {
            let (role, why) = self.part(place);
            let actor = Actor {
                organisation: org.id.to_string(),
                name: org.name.to_string(),
                role,
                why,
            };
            found.insert(actor.organisation.clone(), actor);
        }
        for scenario in scenarios {
            for (place, org) in (0..).map(OrgId).zip(&scenario.organisations) {
                found.entry(org.id.to_string()).or_insert_with(|| Actor {
                    organisation: org.id.to_string(),
                    name: org.name.to_string(),
                    role: "none",
                    why: elsewhere(scenario, place),
                });
            }
        }
        let mut actors: Vec<Actor> = found.into_values().collect();
        let rank = |role: &str| match role {
            "controller" => 0,
            "processor" => 1,
            _ => 2,
        };
        actors.sort_by_key(|actor| rank(actor.role));
        actors
    }

    /// What an organisation of the store's own scenario is in the incident, and why.
    fn part(&self, org: OrgId) -> (&'static str, String) {
        if self.controllers.contains(&org) {
            let why = "the data are those of calls it is controller for";
            return ("controller", why.to_owned());
        }
        let whose: Vec<String> = self
            .controllers
            .iter()
            .map(|&controller| self.id(controller))
            .collect();
        let whose = whose.join(", ");
        if self.store.operator == org {
            return ("processor", format!("runs the store for {whose}"));
        }
        let answers = self.ways.iter().any(|way| match way.to {
            crate::route::Destination::Queue(queue) => {
                let queue = self.scenario.queue(queue);
                queue.answered_by == Some(org) && self.controllers.contains(&queue.controller)
            }
            crate::route::Destination::External(_) => false,
        });
        if answers {
            return (
                "processor",
                format!("answers calls for {whose}; the store is not its own"),
            );
        }
        ("none", elsewhere(self.scenario, org))
    }

    fn notices(&self, known: Time) -> Vec<Notice> {
        let mut notices = Vec::new();
        for &controller in &self.controllers {
            if let Some(processor) = self.processor() {
                notices.push(Notice {
                    from: self.id(processor),
                    to: self.id(controller),
                    within: "without undue delay after becoming aware",
                    deadline: None,
                    basis: "Art. 33.2",
                });
            }
            notices.push(Notice {
                from: self.id(controller),
                to: "IMY".to_owned(),
                within: "72 hours after becoming aware",
                deadline: Some(clock(known + NOTIFY_WITHIN)),
                basis: "Art. 33.1",
            });
            if self.is_high_risk() {
                notices.push(Notice {
                    from: self.id(controller),
                    to: "the callers".to_owned(),
                    within: "without undue delay: the risk to them is high",
                    deadline: None,
                    basis: "Art. 34.1",
                });
            }
        }
        notices
    }

    /// Health data that lay in the clear are a high risk; encrypted ones are not (Art. 34.3 a).
    fn is_high_risk(&self) -> bool {
        let health = [
            ObjectClass::Audio,
            ObjectClass::JournalDocument,
            ObjectClass::TextConversation,
        ];
        self.store.encrypted.value != Some(true)
            && self.store.holds.iter().any(|class| health.contains(class))
    }

    fn notification(&self, exposure: &Exposure<'_>) -> Notification {
        let data: Vec<&str> = self.store.holds.iter().map(|class| class.name()).collect();
        let many = match exposure.files.map(|files| (files, calls(files))) {
            Some((files, calls)) => format!(
                "{files} files, estimated as {} to {} calls, at least {}",
                calls.low, calls.high, calls.least
            ),
            None => "how many files and calls is not known yet".to_owned(),
        };
        let since = exposure.from.map_or_else(
            || "since when can't be told".to_owned(),
            |from| format!("since {}", clock(from)),
        );
        Notification {
            nature: format!(
                "unauthorised disclosure of or access to {} of people who called 1177, in the store `{}`, {since}, until {}; {many}",
                data.join(", "),
                self.store.name,
                clock(exposure.until)
            ),
            contact: "to be filled in: the data protection officer is not in the scenario".to_owned(),
            consequences: "what callers said about their health may become known to others; they may be recognised, shamed or pressed"
                .to_owned(),
            measures: self.measures(),
        }
    }

    fn measures(&self) -> Vec<String> {
        let mut measures = vec!["take the store off the network; move the data to the controller's own, and erase them at the processor on its instruction only".to_owned()];
        let mut add = |missing: bool, measure: &str| {
            if missing {
                measures.push(measure.to_owned());
            }
        };
        add(
            self.store.reach == Reach::Internet,
            "close the way in from the internet",
        );
        add(!self.store.login.value, "require a login");
        add(!self.store.tls.value, "serve over TLS only");
        add(
            self.store.encrypted.value != Some(true),
            "encrypt what is held",
        );
        measures
    }
}

/// Why somebody has no part: what it is instead.
fn elsewhere(scenario: &Scenario, org: OrgId) -> String {
    let routes = scenario.routes.routes().iter();
    let for_routing = routes
        .filter(|route| region_controllers(scenario, route).contains(&org))
        .count();
    if for_routing > 0 {
        return "controller for number and kommun-ID when calls are routed; holds nothing of this store".to_owned();
    }
    if scenario.operator == org {
        return "routes calls for others; it recorded none of these and holds none".to_owned();
    }
    "has no part in this store".to_owned()
}
