//! What a scenario says of its stores: the server of 2019 is found before anybody connects to it.

use callcore::scenario::{Backup, Reach, RecorderSettings, Scenario, Srtp, Store};
use wire::sip::uri::Uri;

use super::{Finding, Severity, error};
use crate::server::is_by_tls;

pub(super) fn check(scenario: &Scenario) -> Vec<Finding> {
    let mut found = Vec::new();
    if scenario.recorder.as_ref().is_some_and(is_heard_on_its_way) {
        let message = "calls go to the recorder unencrypted over its network: reach it by TLS (`siprec`), and leave `srtp` under [recorder] out";
        found.push(error("S0405", &scenario.file, message));
    }
    for store in &scenario.stores {
        reachable(scenario, store, &mut found);
        if store.encrypted.value == Some(false) {
            let message = format!(
                "`{}` holds its data unencrypted: use a vault with keys apart",
                store.name
            );
            found.push(error(
                "S0403",
                &place(scenario, store.encrypted.line),
                message,
            ));
        }
        if store.backup.value == Backup::None {
            found.push(Finding {
                severity: Severity::Warning,
                ..error(
                    "S0404",
                    &place(scenario, store.backup.line),
                    format!(
                        "`{}` has no backup (HSLF-FS 2016:40 ch. 3 § 12): `vaxel backup create`",
                        store.name
                    ),
                )
            });
        }
    }
    found
}

/// Whether audio leaves this machine in the clear, or with its keys in signalling that is.
fn is_heard_on_its_way(recorder: &RecorderSettings) -> bool {
    let Ok(uri) = Uri::parse(&recorder.siprec) else {
        return false;
    };
    let far = uri.address().is_some_and(|at| !at.ip().is_loopback());
    let encrypted = !matches!(recorder.srtp, Some(Srtp::Off | Srtp::Offer));
    far && !(is_by_tls(&uri) && encrypted)
}

fn reachable(scenario: &Scenario, store: &Store, found: &mut Vec<Finding>) {
    let from = match store.reach {
        Reach::Internet => "from the internet",
        Reach::Network => "from its network",
        Reach::Machine => return,
    };
    if !store.login.value {
        let message = format!(
            "`{}` can be read {from} without a login: its address is enough (IMY-REPORT p. 3). Take it off the net; ask who reads",
            store.name
        );
        found.push(error("S0401", &place(scenario, store.login.line), message));
    }
    if !store.tls.value {
        let message = format!(
            "`{}` sends what it holds unencrypted: serve it by TLS only",
            store.name
        );
        found.push(error("S0402", &place(scenario, store.tls.line), message));
    }
}

fn place(scenario: &Scenario, line: u32) -> String {
    format!("{}:{line}", scenario.file)
}
