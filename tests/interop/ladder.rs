//! SIPp scenarios made of parts, and the processes that play them.
//!
//! A file of `scenarios` says what is special about a way that a call goes. What every call has stands in `scenarios/parts`:
//! `{changes 2 sendonly recvonly}` is the part `changes.xml` with `sendonly` for its `$2`.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use testkit::{child::Child, http};

use crate::{ports::free_port, switch::Switch};

/// What a scenario is told beside its parts: `[kommun]` and the like, in the text itself.
pub(crate) type Keys<'a> = &'a [(&'a str, &'a str)];

/// SIPp ends by itself before: longer than any session timer of these scenarios.
const PATIENCE: Duration = Duration::from_secs(90);

/// SIPp plays it.
pub(crate) struct Ladder {
    child: Child,
    messages: PathBuf,
}

impl Ladder {
    /// Calls the switch.
    pub(crate) fn calls(switch: &Switch, name: &str, scenario: &str, keys: Keys<'_>) -> Self {
        let at = SocketAddr::new(switch.sip().ip(), free_port());
        Self::at(switch, at, name, scenario, keys)
    }

    /// The same from a known port.
    pub(crate) fn at(
        switch: &Switch,
        at: SocketAddr,
        name: &str,
        scenario: &str,
        keys: Keys<'_>,
    ) -> Self {
        let mut ladder = Folder::make(switch.folder(), name, scenario, keys).sipp(at);
        ladder.command.arg(switch.sip().to_string());
        ladder.start()
    }

    /// Waits to be called there, and is ready when this returns.
    pub(crate) async fn answers(
        switch: &Switch,
        at: SocketAddr,
        name: &str,
        scenario: &str,
        keys: Keys<'_>,
    ) -> Self {
        let folder = Folder::make(switch.folder(), name, scenario, keys);
        folder.sipp(at).waiting_at(at).await
    }

    /// The same, and sends all audio back to where it comes from.
    pub(crate) async fn echoes(
        switch: &Switch,
        at: SocketAddr,
        name: &str,
        scenario: &str,
    ) -> Self {
        let mut ready = Folder::make(switch.folder(), name, scenario, &[]).sipp(at);
        ready.command.arg("-rtp_echo");
        ready.waiting_at(at).await
    }

    /// Waits for its end; what was wrong, when something was.
    pub(crate) async fn ends(mut self) -> Result<(), String> {
        let status = self.child.ends_within(PATIENCE).await;
        let messages = || fs::read_to_string(&self.messages).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        Err(format!("{status}\n{}\n{}", self.child.said(), messages()))
    }

    /// Waits until it has sent or got something with `what` in it, and gives the text from there on.
    pub(crate) async fn has_seen(&self, what: &str) -> String {
        http::wait_for(what, async || {
            let messages = fs::read_to_string(&self.messages).ok()?;
            messages.find(what).map(|at| messages[at..].to_owned())
        })
        .await
    }
}

/// A folder of its own for each SIPp: it writes beside where it runs.
struct Folder(PathBuf);

struct Ready {
    name: String,
    command: Command,
    messages: PathBuf,
}

impl Folder {
    fn make(beside: &Path, name: &str, scenario: &str, keys: Keys<'_>) -> Self {
        let folder = beside.join(name);
        fs::create_dir_all(&folder).expect("the test's own folder");
        let mut text = expanded(&read(&format!("{scenario}.xml")));
        for (key, value) in keys {
            text = text.replace(&format!("[{key}]"), value);
        }
        fs::write(folder.join("scenario.xml"), text).expect("the test's own folder");
        Self(folder)
    }

    fn sipp(self, at: SocketAddr) -> Ready {
        let (ip, port) = (at.ip().to_string(), at.port().to_string());
        let mut command = Command::new("sipp");
        command
            .current_dir(&self.0)
            .args(["-sf", "scenario.xml", "-m", "1", "-nostdin"])
            .args(["-i", &ip, "-p", &port])
            .args(["-mi", &ip, "-mp", &media_ports().to_string()])
            // A message that doesn't come by then won't.
            .args([
                "-recv_timeout",
                "75000",
                "-timeout",
                "80s",
                "-timeout_error",
            ])
            .args(["-trace_msg", "-message_file", "messages.log"])
            .args(["-trace_err", "-error_file", "errors.log"]);
        Ready {
            name: format!("sipp {}", self.0.display()),
            messages: self.0.join("messages.log"),
            command,
        }
    }
}

impl Ready {
    async fn waiting_at(self, at: SocketAddr) -> Ladder {
        let ladder = self.start();
        http::wait_for("SIPp's port taken", async || UdpSocket::bind(at).err()).await;
        ladder
    }

    fn start(mut self) -> Ladder {
        Ladder {
            child: Child::start(&self.name, &mut self.command),
            messages: self.messages,
        }
    }
}

/// The first of eight that nobody has: SIPp takes some for RTCP and for video beside the one that it is told.
fn media_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let first = MEDIA_PORTS.start
            + NEXT.fetch_add(8, Ordering::Relaxed) % (MEDIA_PORTS.end - MEDIA_PORTS.start);
        let is_free = |port| UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if (first..first + 8).all(is_free) {
            return first;
        }
    }
}

/// None of the switch's or the recorder's, and above those that the system gives to who doesn't care.
const MEDIA_PORTS: std::ops::Range<u16> = 61_000..65_000;

/// The text with its parts put in, and theirs in them.
fn expanded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 4);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (call, after) = after.split_once('}').expect("a part's call is closed");
        out.push_str(&part(call));
        rest = after;
    }
    out + rest
}

/// `$1` and so on are its arguments, `$*` all of them.
fn part(call: &str) -> String {
    let (name, all) = call.split_once(' ').unwrap_or((call, ""));
    let kind = ["xml", "txt"]
        .into_iter()
        .find(|kind| path(name, kind).exists());
    let kind = kind.unwrap_or_else(|| panic!("no part {name}"));
    let mut text = read(&format!("parts/{name}.{kind}")).replace("$*", all);
    for (index, argument) in all.split(' ').enumerate() {
        text = text.replace(&format!("${}", index + 1), argument);
    }
    expanded(text.strip_suffix('\n').unwrap_or(&text))
}

fn path(name: &str, kind: &str) -> PathBuf {
    folder().join("parts").join(format!("{name}.{kind}"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/scenarios")
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
