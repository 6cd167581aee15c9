//! `vaxel load` against a switch of its own, by every way that callers have.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Command, Output},
};

use gateway::mutual;
use testkit::child::Child;

use crate::{VAXEL, json, refused, vaxel_in};

/// A switch that speaks UDP and TCP by IPv4 and IPv6, and TLS.
struct Switch {
    folder: tempfile::TempDir,
    plain: SocketAddr,
    ipv6: SocketAddr,
    tls: SocketAddr,
    _process: Child,
}

/// A port that nobody has now.
fn free(at: &str) -> SocketAddr {
    let listener = TcpListener::bind((at, 0)).expect("a port");
    listener.local_addr().expect("its address")
}

impl Switch {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (plain, ipv6, tls) = (free("127.0.0.1"), free("::1"), free("127.0.0.1"));
        for name in ["own", "stranger"] {
            let folder = folder.path().join(name);
            fs::create_dir(&folder).expect("made");
            mutual::generate(&folder, &["127.0.0.1"]).expect("certificates");
        }
        let scenario = format!(
            r#"
organisation = [{{ id = "inera", name = "Inera AB", kind = "processor" }}]
queue = [{{ name = "all", controller = "inera", agents = [{{ simulated = 20 }}] }}]
route = [{{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "all" }}]

[operator]
organisation = "inera"

[listen]
sip = ["{plain}", "{ipv6}"]
web = "127.0.0.1:0"

[listen.tls]
address = "{tls}"
certificate = "own/certificate.pem"
key = "own/key.pem"
"#
        );
        fs::write(folder.path().join("switch.toml"), scenario).expect("written");
        let mut process = Child::start(
            "the switch",
            Command::new(VAXEL).current_dir(folder.path()).args([
                "gateway",
                "--config",
                "switch.toml",
            ]),
        );
        process.says("calls:").await;
        Self {
            folder,
            plain,
            ipv6,
            tls,
            _process: process,
        }
    }

    fn load(&self, to: &str, more: &[&str]) -> Output {
        let args = [
            "load", "--to", to, "--calls", "4", "--rate", "20", "--talk", "4", "--json",
        ];
        vaxel_in(self.folder.path(), &[&args[..], more].concat())
    }
}

/// Each call is answered and heard; so many are encrypted.
#[track_caller]
fn went_well(output: &Output, encrypted: u64) {
    let report = json(output);
    assert_eq!(report["completed"], 4, "{report:#}");
    assert_eq!(report["silent"], 0, "{report:#}");
    assert_eq!(report["encrypted"], encrypted, "{report:#}");
    assert!(output.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_come_by_udp_tcp_and_tls_and_by_both_families() {
    let switch = Switch::start().await;
    let (plain, ipv6, tls) = (switch.plain, switch.ipv6, switch.tls);
    went_well(&switch.load(&format!("sip:1177@{plain}"), &[]), 0);
    went_well(
        &switch.load(&format!("sip:1177@{plain};transport=tcp"), &[]),
        0,
    );
    went_well(&switch.load(&format!("sip:1177@{ipv6}"), &[]), 0);
    let ca = ["--ca", "own/ca.pem"];
    went_well(
        &switch.load(&format!("sip:1177@{tls};transport=tls"), &ca),
        4,
    );
    went_well(&switch.load(&format!("sips:1177@{tls}"), &ca), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_isnt_who_it_should_be_is_not_called() {
    let switch = Switch::start().await;
    let (plain, tls) = (switch.plain, switch.tls);
    let by_tls = format!("sip:1177@{tls};transport=tls");
    refused(&switch.load(&by_tls, &[]), 2, &["--ca FILE"]);
    let stranger = switch.load(&by_tls, &["--ca", "stranger/ca.pem"]);
    refused(
        &stranger,
        3,
        &[&tls.to_string(), "signed its certificate", "--ca FILE"],
    );
    let not_tls = switch.load(&format!("sips:1177@{plain}"), &["--ca", "own/ca.pem"]);
    refused(&not_tls, 3, &["no TLS is spoken there", "5061"]);
    let no_ca = switch.load(&by_tls, &["--ca", "own/key.pem"]);
    refused(&no_ca, 2, &["own/key.pem", "certificate"]);
    let udp = switch.load(&format!("sip:1177@{plain}"), &["--ca", "own/ca.pem"]);
    refused(&udp, 2, &["--ca is for calls by TLS"]);
    for way in ["ws", "sctp"] {
        let to = format!("sip:1177@{plain};transport={way}");
        refused(&switch.load(&to, &[]), 2, &[way, "udp, tcp or tls"]);
    }
}

/// Load on a switch that takes real calls would ring people. The address is one for documentation (RFC 5737), and nothing is sent.
#[test]
fn another_machine_is_called_only_when_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    for to in [
        "sip:1177@192.0.2.1",
        "sip:1177@[2001:db8::1]:5060;transport=tcp",
    ] {
        let output = vaxel_in(folder.path(), &["load", "--to", to, "--calls", "1"]);
        refused(&output, 2, &["another machine", "--elsewhere"]);
    }
}

/// Nobody is there: what isn't known of the peer isn't said of its certificate.
#[test]
fn nobody_at_all_is_no_wrong_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    mutual::generate(folder.path(), &["127.0.0.1"]).expect("certificates");
    let to = format!("sips:1177@{}", free("127.0.0.1"));
    let args = [
        "load", "--to", &to, "--ca", "ca.pem", "--calls", "2", "--json",
    ];
    let output = vaxel_in(folder.path(), &args);
    let report = json(&output);
    assert_eq!(
        (&report["unreached"], output.status.code()),
        (&2.into(), Some(1))
    );
}
