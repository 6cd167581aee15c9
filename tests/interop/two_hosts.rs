//! Two hosts with a network between them that loses and delays: a thousand calls from one to the other all the same.
//!
//! The hosts are network namespaces joined by a pair of virtual network cards. Where the kernel has `tc netem`, it makes the network
//! bad; where it hasn't, the forwarder of `bad_network` does, a process in the switch's host.

use std::{env, path::Path, process::Command};

use serde_json::Value;
use testkit::{child::Child, http};

use crate::{
    bad_network::{LINE, LINE_IS_BAD, LINE_IS_UP},
    four_sipp::NOVEMBER_2026,
    scenario::{FILE, Scenario},
    sipp::PATIENCE,
    switch::VAXEL,
};

const CALLS: u32 = 1000;
/// Addresses that exist in the two hosts only.
const CALLER: &str = "10.11.77.1";
const SWITCH: &str = "10.11.77.2";
/// Ports in the switch's host, where nobody else is.
const SIP_PORT: u16 = 5060;
const LINE_PORT: u16 = 5062;
const WEB_PORT: u16 = 1177;
/// What `tc netem` does, each way. No jitter: it would let one datagram overtake another, and SIPp takes a 100 after the 200 for a fault.
const NETEM: [&str; 5] = ["netem", "delay", "20ms", "loss", "2%"];

#[expect(
    clippy::print_stderr,
    reason = "says what made the network bad, or why nothing was tested"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_between_two_hosts_survive_loss_and_delay() {
    let hosts = match Hosts::joined() {
        Ok(hosts) => hosts,
        Err(why) => {
            return eprintln!(
                "two hosts: NOT TESTED, network namespaces aren't permitted here: {why}"
            );
        }
    };
    let netem = hosts.netem();
    eprintln!(
        "two hosts: the network is made bad by {}",
        if netem {
            "tc netem"
        } else {
            "our forwarder, as the kernel has no netem"
        }
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    Scenario::today()
        .trusting("10.11.77.0/24")
        .write(folder.path());
    let mut recorder = hosts.vaxel(
        folder.path(),
        "recorder",
        "127.0.0.1:5070",
        "127.0.0.1:1178",
        &[],
    );
    recorder.says("stop: Ctrl-C").await;
    let (sip, web) = (
        format!("{SWITCH}:{SIP_PORT}"),
        format!("127.0.0.1:{WEB_PORT}"),
    );
    let mut gateway = hosts.vaxel(
        folder.path(),
        "gateway",
        &sip,
        &web,
        &["--at", NOVEMBER_2026],
    );
    gateway.says("stop: Ctrl-C").await;
    let mut line = None;
    if !netem {
        line = Some(hosts.line().await);
    }
    hosts
        .calls(folder.path(), if netem { SIP_PORT } else { LINE_PORT })
        .await;
    let totals = http::wait_for("all calls over", async || hosts.totals()).await;
    assert_eq!(
        (&totals["offered"], &totals["unaccounted"]),
        (&CALLS.into(), &0.into()),
        "{totals}"
    );
    match &mut line {
        Some(line) => drop(line.says(LINE_IS_BAD).await),
        None => assert!(hosts.netem_dropped() > 50, "netem lost nothing"),
    }
    for child in [&mut gateway, &mut recorder] {
        child.terminate();
        assert!(child.ends().await.success(), "{}", child.said());
    }
}

/// Both, gone when dropped.
struct Hosts {
    caller: String,
    switch: String,
}

impl Hosts {
    fn joined() -> Result<Self, String> {
        let name = |what: &str| format!("vaxel-test-{}-{what}", std::process::id());
        let hosts = Self {
            caller: name("caller"),
            switch: name("switch"),
        };
        let (caller, switch) = (hosts.caller.as_str(), hosts.switch.as_str());
        ip(&["netns", "add", caller])?;
        ip(&["netns", "add", switch])?;
        ip(&[
            "link", "add", "wire", "netns", caller, "type", "veth", "peer", "name", "wire",
            "netns", switch,
        ])?;
        for (host, address) in [(caller, CALLER), (switch, SWITCH)] {
            ip(&[
                "-n",
                host,
                "address",
                "add",
                &format!("{address}/24"),
                "dev",
                "wire",
            ])?;
            ip(&["-n", host, "link", "set", "wire", "up"])?;
            ip(&["-n", host, "link", "set", "lo", "up"])?;
        }
        Ok(hosts)
    }

    /// Whether the kernel could make the network bad, and has.
    fn netem(&self) -> bool {
        [&self.caller, &self.switch].into_iter().all(|host| {
            let add = ["-n", host, "qdisc", "add", "dev", "wire", "root"];
            run("tc", &[&add[..], &NETEM[..]].concat()).is_ok()
        })
    }

    /// Datagrams that netem has lost at the caller's end.
    fn netem_dropped(&self) -> u64 {
        let said = run(
            "tc",
            &["-n", &self.caller, "-s", "qdisc", "show", "dev", "wire"],
        );
        let said = said.expect("tc ran before");
        let (_, rest) = said.split_once("dropped ").expect("a count");
        let count: String = rest.chars().take_while(char::is_ascii_digit).collect();
        count.parse().expect("a number")
    }

    /// A program in one of them.
    fn program(host: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", host]).arg(program);
        command
    }

    fn vaxel(&self, folder: &Path, what: &str, sip: &str, web: &str, more: &[&str]) -> Child {
        let mut command = Self::program(&self.switch, Path::new(VAXEL));
        command.current_dir(folder).args([what, "--config", FILE]);
        command.args(["--sip", sip, "--web", web]).args(more);
        Child::start(what, &mut command)
    }

    /// This very program once more, as the bad line in the switch's host.
    async fn line(&self) -> Child {
        let own = env::current_exe().expect("it runs");
        let mut command = Self::program(&self.switch, &own);
        command
            .args([
                "--exact",
                "bad_network::the_line_between_two_hosts",
                "--nocapture",
            ])
            .env(LINE, format!("{SWITCH}:{LINE_PORT} {SWITCH}:{SIP_PORT}"));
        let mut line = Child::start("the bad line", &mut command);
        line.says(LINE_IS_UP).await;
        line
    }

    /// SIPp makes the calls.
    async fn calls(&self, folder: &Path, port: u16) {
        let scenario =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/sipp/asks_through_loss.xml");
        let mut command = Self::program(&self.caller, Path::new("sipp"));
        command
            .current_dir(folder)
            .arg("-sf")
            .arg(scenario)
            .args([
                "-i", CALLER, "-mi", CALLER, "-nostdin", "-key", "kommun", "0488",
            ])
            .args(["-m", &CALLS.to_string(), "-r", "100", "-d", "1000"])
            .args(PATIENCE)
            .arg(format!("{SWITCH}:{port}"));
        let mut sipp = Child::start("sipp", &mut command);
        assert!(sipp.ends().await.success(), "{}", sipp.said());
    }

    /// What the switch counted, once all calls are over. Its page is where only its own host sees it.
    fn totals(&self) -> Option<Value> {
        let asks = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{WEB_PORT}; printf 'GET /api/view HTTP/1.0\\r\\nHost: 127.0.0.1:{WEB_PORT}\\r\\n\\r\\n' >&3; cat <&3"
        );
        let said = run("ip", &["netns", "exec", &self.switch, "bash", "-c", &asks]).ok()?;
        let (_, body) = said.split_once("\r\n\r\n")?;
        let view: Value = serde_json::from_str(body).ok()?;
        let live = &view["live"];
        let over = live["calls_now"] == 0 && live["totals"]["offered"] == CALLS;
        over.then(|| live["totals"].clone())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in [&self.caller, &self.switch] {
            // One that could not be made is not there to be removed.
            let _ = ip(&["netns", "delete", host]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<String, String> {
    run("ip", arguments)
}

/// What the program says, or complains of.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}; run tests/install-peers"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}
