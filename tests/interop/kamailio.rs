//! Kamailio, the SIP proxy that many operators have in front: <https://www.kamailio.org>, and rtpengine beside it.

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::Command,
};

use tempfile::TempDir;
use testkit::{child::Child, http};

use crate::ports::free_port;

/// Where Debian keeps its modules.
const MODULE_FOLDERS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/kamailio/modules/",
    "/usr/lib/aarch64-linux-gnu/kamailio/modules/",
    "/usr/lib/kamailio/modules/",
];

/// Where rtpengine's audio comes from: none of the switch's, the phones' or baresip's ports.
pub(crate) const RTPENGINE_PORTS: std::ops::RangeInclusive<u16> = 40_000..=40_998;

/// The part of its configuration that lets rtpengine carry the audio.
const MEDIA: &str = "WITH_MEDIA";
/// A kommun whose calls go nowhere.
const NOBODY: (&str, SocketAddr) = (
    "0001",
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9),
);

/// A running proxy.
pub(crate) struct Kamailio {
    child: Child,
    address: SocketAddr,
    rtpengine: Option<Child>,
    /// Its configuration and its pipes.
    _folder: TempDir,
}

impl Kamailio {
    /// A proxy that sends calls of each kommun to the switch beside it.
    pub(crate) async fn dispatching(kommuner: &[(&str, SocketAddr)]) -> Self {
        Self::start(kommuner, &[]).await
    }

    /// As [`Kamailio::dispatching`], with the audio of its calls through rtpengine.
    pub(crate) async fn relaying(kommuner: &[(&str, SocketAddr)]) -> Self {
        Self::start(kommuner, &[MEDIA]).await
    }

    /// What phones register through with that switch.
    pub(crate) async fn edge(switch: SocketAddr) -> Self {
        Self::start(&[("0001", switch)], &["WITH_EDGE"]).await
    }

    /// Waits until a call to a phone has come by the way that it named.
    pub(crate) async fn called_through(&mut self) {
        self.child.says("called through").await;
    }

    /// A registrar and nothing else.
    pub(crate) async fn registrar() -> Self {
        Self::start(&[NOBODY], &[]).await
    }

    /// A registrar that asks whoever calls a phone who they are: anybody with the password `secret` in the realm `kamailio`.
    pub(crate) async fn asking() -> Self {
        Self::start(&[NOBODY], &["WITH_DIGEST"]).await
    }

    async fn start(kommuner: &[(&str, SocketAddr)], parts: &[&str]) -> Self {
        let media = parts.contains(&MEDIA);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let control = free_port();
        let rtpengine = match media {
            true => Some(rtpengine(control).await),
            false => None,
        };
        configure(folder.path(), kommuner, address.port(), control);
        let mut command = Command::new("kamailio");
        command
            .current_dir(folder.path())
            .args(["-f", "kamailio.cfg", "-DD", "-E", "-m", "64", "-M", "8"])
            .arg("-w")
            .arg(folder.path())
            .arg("-Y")
            .arg(folder.path());
        for part in parts {
            command.args(["-A", part]);
        }
        let mut child = Child::start("kamailio", &mut command);
        child.says("ready for calls").await;
        Self {
            child,
            address,
            rtpengine,
            _folder: folder,
        }
    }

    /// Where it takes calls and registrations.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has believed somebody who calls.
    pub(crate) async fn believes(&mut self, user: &str) {
        self.child.says(&format!("believes {user}")).await;
    }

    /// Waits until somebody has registered.
    pub(crate) async fn registered(&mut self, user: &str) {
        self.child.says(&format!("registered {user}")).await;
    }

    /// Ends it as a supervisor does, with its workers.
    pub(crate) async fn stop(mut self) {
        for child in [Some(&mut self.child), self.rtpengine.as_mut()]
            .into_iter()
            .flatten()
        {
            child.terminate();
            child.ends().await;
        }
    }
}

fn configure(folder: &Path, kommuner: &[(&str, SocketAddr)], sip: u16, control: u16) {
    let modules = MODULE_FOLDERS
        .iter()
        .find(|folder| Path::new(folder).exists());
    let config = include_str!("kamailio/proxy.cfg")
        .replace("FOLDER", &folder.display().to_string())
        .replace("SIP_PORT", &sip.to_string())
        .replace("NG_PORT", &control.to_string())
        .replace("MODULES", modules.expect("run tests/install-peers"));
    fs::write(folder.join("kamailio.cfg"), config).expect("the test's own folder");
    let mut sets = String::new();
    for (kommun, switch) in kommuner {
        // A set's number has no leading zero.
        let set: u16 = kommun.parse().expect("four digits");
        writeln!(sets, "{set} sip:{switch} 0 0").expect("a string takes it");
    }
    fs::write(folder.join("dispatcher.list"), sets).expect("the test's own folder");
}

/// Started and answering: a Kamailio that finds no rtpengine when it starts does without for a minute.
async fn rtpengine(control: u16) -> Child {
    let mut command = Command::new("rtpengine");
    command
        .args(["--foreground", "--table=-1", "--interface=127.0.0.1"])
        .arg(format!("--listen-ng=127.0.0.1:{control}"))
        .arg(format!("--port-min={}", RTPENGINE_PORTS.start()))
        .arg(format!("--port-max={}", RTPENGINE_PORTS.end()))
        .args(["--log-level=4", "--log-stderr"]);
    let child = Child::start("rtpengine", &mut command);
    let asking = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    asking.set_nonblocking(true).expect("a socket of ours");
    asking.connect(("127.0.0.1", control)).expect("loopback");
    http::wait_for("rtpengine's pong", async || {
        // A cookie, and a dictionary as its control protocol has them.
        let _ = asking.send(b"1 d7:command4:pinge");
        let mut answer = [0; 64];
        asking.recv(&mut answer).is_ok().then_some(())
    })
    .await;
    child
}
