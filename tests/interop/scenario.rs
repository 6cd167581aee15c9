//! The project's own scenarios, moved to where the test's phones are. Routes, dates and queues stay as they are.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path};

use wire::auth::Algorithm;

use crate::sound;

/// A scenario, and what lies beside it.
pub(crate) struct Scenario {
    text: String,
    /// The text of the switch's own credentials.
    own: Option<String>,
    announcement_s: usize,
}

impl Scenario {
    /// A test's own; its recorder is `sip:recorder@127.0.0.1:5070`.
    pub(crate) const fn new(text: String) -> Self {
        Self {
            text,
            own: None,
            announcement_s: 1,
        }
    }

    /// 1177 in 2019: Stockholm, Sörmland and Värmland at MedHelp.
    pub(crate) fn imy_2019() -> Self {
        Self::new(include_str!("../../scenarios/imy-2019.toml").to_owned())
    }

    /// 1177 today: every region answers its own calls.
    pub(crate) fn today() -> Self {
        Self::new(include_str!("../../scenarios/today.toml").to_owned())
    }

    /// So long is every announcement; else a second.
    pub(crate) fn announced_for(self, announcement_s: usize) -> Self {
        Self {
            announcement_s,
            ..self
        }
    }

    /// The provider's switch is there.
    pub(crate) fn provider_at(self, address: SocketAddr) -> Self {
        self.replace("sip:1177@127.0.0.1:5080", &format!("sip:1177@{address}"))
    }

    /// The provider's calls are handed over by 302.
    pub(crate) fn released(self) -> Self {
        self.replace("handover = \"direct\"", "handover = \"release\"")
    }

    /// The recorder is there.
    pub(crate) fn recorder_at(self, address: SocketAddr) -> Self {
        self.replace(
            "sip:recorder@127.0.0.1:5070",
            &format!("sip:recorder@{address}"),
        )
    }

    /// This is who the switch is to that contact of a nurse's, should it ask.
    pub(crate) fn known_at(
        self,
        contact: SocketAddr,
        (user, realm, password): (&str, &str, &str),
    ) -> Self {
        let hash = Algorithm::Sha256.hash(&[user, realm, password]);
        let contact = format!("\"sip:nurse@{contact}\"");
        let asking = format!("{{ sip = {contact}, credentials = \"{OWN}\" }}");
        let mut known = self.replace(&contact, &asking);
        known.own = Some(format!("{user}:{realm}:SHA-256:{hash}\n"));
        known
    }

    /// That queue has one nurse, with this telephone and no notes to write after a call.
    pub(crate) fn nurse_at(self, queue: &str, address: SocketAddr) -> Self {
        let start = format!("{{ name = \"{queue}\", ");
        let (before, rest) = self
            .text
            .split_once(&format!("{start}region"))
            .unwrap_or_else(|| panic!("the scenario has a queue {queue}"));
        let (entry, after) = rest.split_once('\n').expect("a line of its own");
        let (head, tail) = entry.split_once("agents = [").expect("a queue has agents");
        let (_, tail) = tail.split_once(']').expect("a closed list");
        let nurse = format!("agents = [\"sip:nurse@{address}\"], wrap_up_s = 0");
        let text = format!("{before}{start}region{head}{nurse}{tail}\n{after}");
        Self { text, ..self }
    }

    /// That queue has one nurse, who registers by that name and has no notes to write; who may, says the file `phones.ha1`.
    pub(crate) fn nurse_registers(self, queue: &str, user: &str) -> Self {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
        let by_name = format!("{{ register = \"{user}\" }}");
        let named = self.nurse_at(queue, nobody);
        let named = named.replace(&format!("\"sip:nurse@{nobody}\""), &by_name);
        named.replace("[listen]", "[listen]\ncredentials = \"phones.ha1\"")
    }

    /// Peers in that network are believed too.
    pub(crate) fn trusting(self, network: &str) -> Self {
        self.replace("trusted = [", &format!("trusted = [\"{network}\", "))
    }

    /// Whether the switch stands in several networks.
    pub(crate) fn has_several_addresses(&self) -> bool {
        self.text.contains("\nsip = [")
    }

    /// Writes it into `folder`, beside announcements and a simulated nurse that are tones: short, and easy to tell.
    pub(crate) fn write(&self, folder: &Path) {
        let text = format!("{PATIENT}\n{}", self.text);
        fs::write(folder.join(FILE), text).expect("the test's own folder");
        if let Some(own) = &self.own {
            let file = folder.join(OWN);
            fs::write(&file, own).expect("the test's own folder");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
        }
        for line in self.text.lines() {
            if let Some(name) = line.strip_prefix("file = ") {
                let file = folder.join(name.trim_matches('"'));
                sound::write_wav(&file, sound::ANNOUNCEMENT, self.announcement_s);
            }
        }
        sound::write_wav(&folder.join("nurse.wav"), sound::ANSWERER, 2);
    }

    fn replace(self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "the scenario says {from}");
        let text = self.text.replace(from, to);
        Self { text, ..self }
    }
}

/// No call of these tests is one too many, however busy the machine is with other things.
const PATIENT: &str = "overload = { late_max_ms = 10000 }";
/// The file of the switch's own credentials.
const OWN: &str = "own.ha1";
/// The name it is written under.
pub(crate) const FILE: &str = "interop.toml";
