//! Every way a call can go, walked by SIPp on both sides of the switch: a table for each idea, its scenarios side by side.
//!
//! Each table has a switch of its own, with a route for each way. tshark listens to all of it.

use std::{fmt::Write as _, net::SocketAddr};

use serde_json::Value;

use crate::{
    capture::Capture, four_sipp::NOVEMBER_2026, ladder::Ladder, ports::free_address,
    scenario::Scenario, switch::Switch,
};

/// One way that a call goes.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) to: To,
    /// The caller's scenario.
    pub(crate) caller: &'static str,
    /// Those of the phones behind the route, in the order in which they are tried.
    pub(crate) far: &'static [&'static str],
    pub(crate) keys: Vec<(&'static str, &'static str)>,
}

/// Where the route leads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// A provider, signalling only.
    Direct,
    /// A provider, audio too.
    Relay,
    /// A provider, after an announcement.
    Announced,
    /// A queue whose nurses are the phones.
    Queue,
    /// The same for who presses 1; who doesn't waits.
    Menu,
    /// A queue whose nurse registers, by this name.
    Registered(&'static str),
    /// A nurse who is simulated.
    Simulated,
    /// Nowhere: refused at the door, or no call at all.
    Door,
}

impl Way {
    pub(crate) fn new(
        name: &'static str,
        to: To,
        caller: &'static str,
        far: &'static [&'static str],
    ) -> Self {
        let keys = Vec::new();
        Self {
            name,
            to,
            caller,
            far,
            keys,
        }
    }

    pub(crate) fn told(mut self, keys: &[(&'static str, &'static str)]) -> Self {
        self.keys = keys.to_vec();
        self
    }
}

/// A switch with a route for each of these ways, and the phones behind it.
pub(crate) struct Ground {
    pub(crate) switch: Switch,
    capture: Capture,
    /// By way and place in its row.
    pub(crate) phones: Vec<Vec<Ladder>>,
}

impl Ground {
    pub(crate) async fn laid(ways: &[Way]) -> Self {
        let mut addresses: Vec<Vec<SocketAddr>> = Vec::new();
        for way in ways {
            addresses.push(way.far.iter().map(|_| free_address()).collect());
        }
        let scenario = Scenario::new(scenario(ways, &addresses));
        let switch =
            Switch::start_beside(scenario, NOVEMBER_2026, &[("phones.ha1", CREDENTIALS)]).await;
        let capture = Capture::of_signalling(&switch).await;
        let mut phones = Vec::new();
        for (way, addresses) in ways.iter().zip(&addresses) {
            phones.push(Self::phones(&switch, way, addresses).await);
        }
        Self {
            switch,
            capture,
            phones,
        }
    }

    async fn phones(switch: &Switch, way: &Way, addresses: &[SocketAddr]) -> Vec<Ladder> {
        let texts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let names = ["phone-0", "phone-1"];
        let keys: Vec<(&str, &str)> = names
            .into_iter()
            .zip(texts.iter().map(String::as_str))
            .collect();
        let mut row = Vec::new();
        for (index, (far, address)) in way.far.iter().zip(addresses).enumerate() {
            let name = format!("{}-{index}", way.name);
            if let To::Registered(user) = way.to {
                let keys = [("user", user), ("password", PASSWORD), ("status", "200")];
                let registers = Ladder::at(
                    switch,
                    *address,
                    &format!("{name}-registers"),
                    "registers",
                    &keys,
                );
                registers.ends().await.expect("registered");
            }
            row.push(Ladder::answers(switch, *address, &name, far, &keys).await);
        }
        row
    }

    /// SIPp calls by that way.
    pub(crate) fn call(&self, index: usize, way: &Way) -> Ladder {
        let mut keys = way.keys.clone();
        keys.push(("kommun", kommun(index)));
        Ladder::calls(&self.switch, way.name, way.caller, &keys)
    }

    /// Waits until every call is over, and gives the totals: each accounted for, and every message whole.
    pub(crate) async fn left(self, offered: u64) -> Value {
        let totals = self.switch.totals_at_rest(offered).await;
        assert_eq!(totals["unaccounted"], 0, "{totals}");
        self.capture.ends_sound().await;
        self.switch.stop().await;
        totals
    }
}

/// Walks all of them at once, and fails with everything that went otherwise on any.
pub(crate) async fn walk(ways: &[Way]) -> Value {
    let mut ground = Ground::laid(ways).await;
    let callers = ways
        .iter()
        .enumerate()
        .map(|(index, way)| ground.call(index, way));
    let callers: Vec<Ladder> = callers.collect();
    let phones = std::mem::take(&mut ground.phones);
    let mut wrong = String::new();
    for (way, caller) in ways.iter().zip(callers) {
        note(&mut wrong, way.name, "caller", caller.ends().await);
    }
    for (way, row) in ways.iter().zip(phones) {
        for (far, phone) in way.far.iter().zip(row) {
            // When the caller's call went wrong, nobody may ever call the phone.
            if wrong.is_empty() {
                note(&mut wrong, way.name, far, phone.ends().await);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let offered = ways.iter().filter(|way| way.to != To::Door).count();
    ground.left(offered as u64).await
}

fn note(wrong: &mut String, way: &str, who: &str, result: Result<(), String>) {
    if let Err(what) = result {
        writeln!(wrong, "== {way}, {who}: {what}").expect("a string takes it");
    }
}

/// A kommun for each way of a table.
pub(crate) fn kommun(index: usize) -> &'static str {
    let register = include_str!("../../data/kommuner.csv");
    let line = register.lines().nth(index + 1).expect("290 of them");
    line.split_once(',').expect("its code is first").0
}

const PEOPLE: &str = r#"
operator = { organisation = "inera" }
organisation = [
  { id = "inera", name = "Inera AB", kind = "processor", country = "SE", health_care_secrecy = true },
  { id = "region-04", name = "Region Sörmland", kind = "region", country = "SE", health_care_secrecy = true },
  { id = "medhelp", name = "MedHelp AB", kind = "care-provider", country = "SE", health_care_secrecy = true },
]
agreement = [{ id = "inera-04", controller = "region-04", processor = "inera", purposes = ["routing", "recording", "storage"], from = 2018-05-25 }]
retention = [{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }]
recorder = { siprec = "sip:recorder@127.0.0.1:5070", store = "store", keys = "keys", api = "127.0.0.1:0" }
"#;

/// Of the nurse who registers.
pub(crate) const PASSWORD: &str = "for-tests-only";

/// Who registers, with the hash of `nurse-01:vaxel:for-tests-only`: SIPp knows MD5 only. A stronger one is there for Kamailio's and
/// the switch's own tests.
pub(crate) const CREDENTIALS: &str = "nurse-01:vaxel:MD5:375dea92e337cba1ba122a858b4bec80\n";

/// A scenario with a route for each way, and the phones behind it at these addresses.
pub(crate) fn scenario(ways: &[Way], addresses: &[Vec<SocketAddr>]) -> String {
    let mut entries = Entries::default();
    for (index, (way, addresses)) in ways.iter().zip(addresses).enumerate() {
        entries.add(way, kommun(index), addresses);
    }
    // Only where somebody registers is there a file that says who.
    let registers = ways.iter().any(|way| matches!(way.to, To::Registered(_)));
    let credentials = if registers {
        "credentials = \"phones.ha1\""
    } else {
        ""
    };
    let Entries {
        providers,
        queues,
        routes,
    } = entries;
    format!(
        r#"{PEOPLE}
provider = [
{providers}]
queue = [
{queues}  {{ name = "simulated", region = "04", controller = "region-04", agents = [{{ simulated = 9 }}] }},
]
route = [
{routes}  {{ name = "others", all = true, unknown = true, invalid = true, conflict = true, queue = "simulated" }},
]

[listen]
sip = "127.0.0.1:0"
web = "127.0.0.1:0"
trusted = ["127.0.0.0/8"]
{credentials}

[[announcement]]
name = "notice"
file = "notice.wav"
text = "Samtalet kopplas vidare."
informs = []
"#
    )
}

/// What a scenario says of each way, an entry a line.
#[derive(Default)]
struct Entries {
    providers: String,
    queues: String,
    routes: String,
}

impl Entries {
    fn add(&mut self, way: &Way, kommun: &str, addresses: &[SocketAddr]) {
        let name = way.name;
        let mut targets: Vec<String> = addresses
            .iter()
            .map(|at| format!("\"sip:1177@{at}\""))
            .collect();
        if targets.is_empty() {
            // Somebody has to be there to be called, though nobody is.
            targets.push(format!("\"sip:1177@{}\"", free_address()));
        }
        let targets = targets.join(", ");
        let provider = |more: &str| format!("provider = \"{name}\", {more}");
        let queue = format!("queue = \"{name}\"");
        let leads = match way.to {
            To::Direct => provider("handover = \"direct\""),
            To::Relay => provider("handover = \"relay\""),
            To::Announced => provider("handover = \"direct\", announcement = \"notice\""),
            To::Queue | To::Registered(_) => queue,
            To::Menu => format!(
                "queue = \"simulated\", menu = {{ announcement = \"notice\", timeout_s = 60, choices = [{{ digit = \"1\", {queue} }}] }}"
            ),
            To::Simulated | To::Door => "queue = \"simulated\"".to_owned(),
        };
        match way.to {
            To::Direct | To::Relay | To::Announced => self.provider(name, &targets),
            To::Queue | To::Menu => self.queue(name, &targets),
            To::Registered(user) => self.queue(name, &format!("{{ register = \"{user}\" }}")),
            To::Simulated | To::Door => {}
        }
        let route = format!("  {{ name = \"{name}\", kommun = [\"{kommun}\"], {leads} }},\n");
        self.routes.push_str(&route);
    }

    fn provider(&mut self, name: &str, targets: &str) {
        let rest = "ring_s = 20, ping = { every_s = 0 }";
        let entry = format!(
            "  {{ name = \"{name}\", organisation = \"medhelp\", targets = [{targets}], {rest} }},\n"
        );
        self.providers.push_str(&entry);
    }

    fn queue(&mut self, name: &str, agents: &str) {
        let rest = "recording = true, agreement = \"inera-04\", basis = \"GDPR Art. 6.1 e and 9.2 h\", wrap_up_s = 0, ring_s = 20";
        let entry = format!(
            "  {{ name = \"{name}\", region = \"04\", controller = \"region-04\", agents = [{agents}], {rest} }},\n"
        );
        self.queues.push_str(&entry);
    }
}
