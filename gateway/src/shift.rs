//! Moves the ports of a scenario, so that two runs fit on one machine (`--shift`).

use std::net::SocketAddr;

use callcore::scenario::Scenario;
use wire::sip::uri::Uri;

/// A port would be moved out of the range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("--shift {by} moves port {port} past 65535")]
pub struct ShiftError {
    /// By how much.
    by: u16,
    /// Which.
    port: u16,
}

/// Adds `by` to every port that the scenario names on this machine: its own, its recorder's, and its providers'.
///
/// # Errors
/// When one would be past the last port; then some have moved.
pub fn shift(scenario: &mut Scenario, by: u16) -> Result<(), ShiftError> {
    if by == 0 {
        return Ok(());
    }
    let listen = &mut scenario.listen;
    let tls = listen.tls.iter_mut().flat_map(|tls| &mut tls.addresses);
    let all = listen.sip.iter_mut().chain([&mut listen.web]).chain(tls);
    for address in all {
        address.set_port(moved(address.port(), by)?);
    }
    if let Some(recorder) = &mut scenario.recorder {
        if let Some(tls) = &mut recorder.tls {
            for address in &mut tls.addresses {
                address.set_port(moved(address.port(), by)?);
            }
        }
        shift_uri(&mut recorder.siprec, by)?;
        // What is no address is refused, with a remedy, by whoever wants to listen there.
        if let Ok(mut api) = recorder.api.parse::<SocketAddr>() {
            api.set_port(moved(api.port(), by)?);
            recorder.api = api.to_string().into();
        }
    }
    for target in scenario.providers.iter_mut().flat_map(|p| &mut p.targets) {
        shift_uri(target, by)?;
    }
    Ok(())
}

/// Another machine's ports are not ours to move.
fn shift_uri(text: &mut Box<str>, by: u16) -> Result<(), ShiftError> {
    let Ok(mut uri) = Uri::parse(text) else {
        return Ok(());
    };
    if let Some(address) = uri.address().filter(|address| address.ip().is_loopback()) {
        uri.port = Some(moved(address.port(), by)?);
        *text = uri.to_string().into();
    }
    Ok(())
}

fn moved(port: u16, by: u16) -> Result<u16, ShiftError> {
    port.checked_add(by).ok_or(ShiftError { by, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_on_this_machine_move_and_others_stay() {
        let text = include_str!("../../scenarios/imy-2019.toml");
        let mut scenario = Scenario::from_toml(text, "imy-2019.toml").expect("built in");
        let mut far = scenario.providers[0].clone();
        far.targets = vec!["sip:1177@192.0.2.1:5080".into()];
        scenario.providers.push(far);
        scenario.listen.tls = Some(callcore::scenario::TlsSettings {
            addresses: vec![SocketAddr::from(([127, 0, 0, 1], 5061))],
            certificate: "c.pem".into(),
            key: "c.key".into(),
            peers_ca: None,
            trusted_names: Vec::new(),
        });
        shift(&mut scenario, 1000).expect("room above");
        let targets: Vec<&str> = scenario
            .providers
            .iter()
            .flat_map(|provider| provider.targets.iter().map(|target| &**target))
            .collect();
        assert_eq!(
            targets,
            ["sip:1177@127.0.0.1:6080", "sip:1177@192.0.2.1:5080"]
        );
        assert_eq!(scenario.listen.sip[0].port(), 6060);
        let tls = scenario.listen.tls.as_ref().expect("named above");
        assert_eq!(tls.addresses[0].port(), 6061);
        assert_eq!(scenario.listen.web.port(), 2177);
        let recorder = scenario.recorder.as_ref().expect("it records");
        assert_eq!(
            (&*recorder.siprec, &*recorder.api),
            ("sip:recorder@127.0.0.1:6070", "127.0.0.1:2178")
        );
        assert!(shift(&mut scenario, 60_000).is_err());
    }
}
