//! SIPp, the callers' side: <https://sipp.readthedocs.io>.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command};

use wire::sip::endpoint::TransportKind;

use testkit::child::Child;

use crate::{ports::free_port, sound, switch::Switch};

/// The sound that `speaks.xml` plays.
const TONE_FILE: &str = "caller.al";
/// What SIPp sent and got, for the message of a test that fails.
const MESSAGES_FILE: &str = "sipp-messages.log";

/// A message that doesn't come in half a minute won't: the run fails instead of hanging.
pub(crate) const PATIENCE: [&str; 5] = [
    "-recv_timeout",
    "30000",
    "-timeout",
    "40s",
    "-timeout_error",
];

/// One run of SIPp.
pub(crate) struct Sipp<'a> {
    switch: &'a Switch,
    to: SocketAddr,
    command: Command,
    calls: u32,
}

impl<'a> Sipp<'a> {
    /// SIPp with its built-in caller: user `service`, no kommun-ID, PCMU in its offer and never any audio.
    pub(crate) fn built_in(switch: &'a Switch) -> Self {
        let mut command = Command::new("sipp");
        command
            .current_dir(switch.folder())
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin"])
            .args(["-p", &free_port().to_string()])
            .args(["-mp", &free_port().to_string()])
            .args(PATIENCE)
            .args(["-trace_msg", "-message_file", MESSAGES_FILE]);
        Self {
            switch,
            to: switch.sip(),
            command,
            calls: 1,
        }
    }

    /// SIPp with a scenario of `tests/interop/sipp`.
    pub(crate) fn scenario(switch: &'a Switch, name: &str) -> Self {
        let mut sipp = Self::built_in(switch);
        sipp.command.arg("-sf").arg(file(name));
        sipp
    }

    /// The kommun-ID in the INVITE.
    pub(crate) fn kommun(mut self, code: &str) -> Self {
        self.command.args(["-key", "kommun", code]);
        self
    }

    /// Not straight to the switch, but to what is in front of it.
    pub(crate) fn by_way_of(mut self, proxy: SocketAddr) -> Self {
        self.to = proxy;
        self
    }

    /// By UDP or TCP, one socket for all.
    pub(crate) fn over(mut self, transport: TransportKind) -> Self {
        let mode = match transport {
            TransportKind::Udp => "u1",
            TransportKind::Tcp => "t1",
            TransportKind::Tls => "l1",
            TransportKind::Ws | TransportKind::Wss => panic!("SIPp has no WebSocket"),
        };
        self.command.args(["-t", mode]);
        self
    }

    /// Sends every packet of audio back to where it came from.
    pub(crate) fn echoing(mut self) -> Self {
        self.command.arg("-rtp_echo");
        self
    }

    /// Pauses without a length of their own last this long.
    pub(crate) fn talking_ms(mut self, milliseconds: u32) -> Self {
        self.command.args(["-d", &milliseconds.to_string()]);
        self
    }

    /// One call for each line of a file of `tests/interop/sipp`.
    pub(crate) fn each_of(mut self, lines: &str, calls: u32) -> Self {
        self.command.arg("-inf").arg(file(lines));
        self.calls = calls;
        self
    }

    /// That many calls, so many a second.
    pub(crate) fn burst(mut self, calls: u32, a_second: u32) -> Self {
        self.command.args(["-r", &a_second.to_string()]);
        self.calls = calls;
        self
    }

    /// Runs it, and fails the test when a call didn't go as its scenario says.
    pub(crate) async fn succeeds(mut self) {
        sound::write_raw_a_law(&self.switch.folder().join(TONE_FILE), sound::CALLER);
        self.command
            .args(["-m", &self.calls.to_string()])
            .arg(self.to.to_string());
        let mut child = Child::start("sipp", &mut self.command);
        let status = child.ends().await;
        if !status.success() {
            let messages = self.switch.folder().join(MESSAGES_FILE);
            let messages = fs::read_to_string(messages).unwrap_or_default();
            panic!("sipp: {status}\n{}\n{messages}", child.said());
        }
    }
}

/// The To tag of the last response with that status, in the run before.
pub(crate) fn to_tag(switch: &Switch, status: u16) -> String {
    let messages = fs::read_to_string(switch.folder().join(MESSAGES_FILE)).expect("SIPp ran");
    let start = format!("SIP/2.0 {status} ");
    let (_, response) = messages.rsplit_once(&start).expect("such a response");
    let to = response.lines().find(|line| line.starts_with("To:"));
    let tag = to.and_then(|to| to.split_once(";tag="));
    tag.expect("a tag").1.to_owned()
}

/// The port for audio in the answer that SIPp got, in the run before.
pub(crate) fn audio_port(switch: &Switch) -> u16 {
    let messages = fs::read_to_string(switch.folder().join(MESSAGES_FILE)).expect("SIPp ran");
    let (_, answer) = messages.rsplit_once("SIP/2.0 200 OK").expect("an answer");
    let answer = match answer.contains("m=audio ") {
        true => answer,
        // The last 200 was to a BYE.
        false => messages.split("SIP/2.0 200 OK").nth(1).unwrap_or_default(),
    };
    let (_, port) = answer.split_once("m=audio ").expect("a stream");
    let port = port.split(' ').next().unwrap_or_default();
    port.parse().expect("a port")
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/interop/sipp")
        .join(name)
}
