//! baresip, a telephone for people, driven without hands: <https://github.com/baresip/baresip>.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use testkit::{child::Child, http, tone};

use crate::{
    control::Control,
    ports::free_address,
    sound,
    switch::{CALLER_NUMBER, Switch},
};

/// Where Debian keeps its modules: before and since they moved to the architecture's own folder.
const MODULE_FOLDERS: [&str; 4] = [
    "/usr/lib/baresip/modules",
    "/usr/lib/x86_64-linux-gnu/baresip/modules",
    "/usr/lib/aarch64-linux-gnu/baresip/modules",
    "/usr/local/lib/baresip/modules",
];

/// Where its audio comes from: none of our programs' own ports, so that audio through a switch shows.
pub(crate) const AUDIO_PORTS: std::ops::RangeInclusive<u16> = 33_000..=39_998;

/// It says this when the other side has ended a call. How long it was, it says of calls that weren't over within a second only.
const OVER: &str = "session closed";
/// It ends by itself after so many seconds, should a test forget it.
const SECONDS_MAX: &str = "60";
/// The length of a file with so much audio.
const HALF_SECOND: u64 = 44 + 8000;
/// Where the system likes.
const ANYWHERE: &str = "127.0.0.1:0";

/// A telephone in a call.
pub(crate) struct Baresip {
    child: Child,
    dump: PathBuf,
    control: SocketAddr,
}

impl Baresip {
    /// Dials `digits` at the switch, and says its tone once answered.
    pub(crate) fn dials(switch: &Switch, digits: &str) -> Self {
        // It doesn't register: `regint=0`.
        let account = format!("<sip:{CALLER_NUMBER}@127.0.0.1>;regint=0\n");
        let dial = format!("/dial sip:{digits}@{}", switch.sip());
        Self::start(switch, "baresip", &account, ANYWHERE, &["-e", &dial])
    }

    /// Does what its control is told.
    pub(crate) fn idle(switch: &Switch, name: &str) -> Self {
        let account = format!("<sip:{CALLER_NUMBER}@127.0.0.1>;regint=0\n");
        Self::start(switch, name, &account, ANYWHERE, &[])
    }

    /// Answers whoever calls it there, with the caller's tone.
    pub(crate) fn at(switch: &Switch, name: &str, address: SocketAddr) -> Self {
        let account = format!("<sip:1177@{address}>;regint=0;answermode=auto\n");
        Self::start(switch, name, &account, &address.to_string(), &[])
    }

    /// Its keys.
    pub(crate) async fn control(&self) -> Control {
        Control::to(self.control).await
    }

    /// The same with its audio encrypted: `srtp` (keys beside RTP/AVP) or `srtp-mand` (RTP/SAVP).
    pub(crate) fn dials_encrypted(switch: &Switch, digits: &str, how: &str) -> Self {
        let account = format!("<sip:{CALLER_NUMBER}@127.0.0.1>;regint=0;mediaenc={how}\n");
        let dial = format!("/dial sip:{digits}@{}", switch.sip());
        Self::start(switch, "baresip", &account, ANYWHERE, &["-e", &dial])
    }

    /// Registers as `user`, and answers whoever calls, with the caller's tone.
    pub(crate) fn registers(switch: &Switch, user: &str, registrar: SocketAddr) -> Self {
        let account = format!("<sip:{user}@{registrar}>;regint=60;answermode=auto\n");
        Self::start(switch, user, &account, ANYWHERE, &[])
    }

    /// Registers with the switch as `user`, by way of that proxy, and answers whoever calls, with the caller's tone.
    pub(crate) fn registers_through(
        switch: &Switch,
        (user, password): (&str, &str),
        proxy: SocketAddr,
    ) -> Self {
        let account = format!(
            "<sip:{user}@{}>;regint=60;answermode=auto;auth_pass={password};outbound=\"sip:{proxy}\"\n",
            switch.sip()
        );
        Self::start(switch, user, &account, ANYWHERE, &[])
    }

    fn start(switch: &Switch, name: &str, account: &str, at: &str, args: &[&str]) -> Self {
        let folder = switch.folder().join(name);
        let dump = folder.join("dump");
        fs::create_dir_all(&dump).expect("the test's own folder");
        let words = folder.join("words.wav");
        sound::write_wav(&words, sound::CALLER, 30);
        let control = free_address();
        let config =
            config(&words, &dump) + &format!("sip_listen {at}\nctrl_tcp_listen {control}\n");
        fs::write(folder.join("config"), config).expect("the test's own folder");
        fs::write(folder.join("accounts"), account).expect("the test's own folder");
        fs::write(folder.join("contacts"), "").expect("the test's own folder");
        let mut command = Command::new("baresip");
        command.args(["-4", "-f"]).arg(&folder);
        command.args(["-t", SECONDS_MAX]).args(args);
        Self {
            child: Child::start("baresip", &mut command),
            dump,
            control,
        }
    }

    /// Waits until its registrar has said yes.
    pub(crate) async fn has_registered(&mut self) {
        self.child.says("200 OK").await;
    }

    /// Waits until it has heard something for half a second.
    pub(crate) async fn hears(&self) {
        http::wait_for("audio heard by baresip", async || {
            let heard = self.files();
            let long =
                |file: &PathBuf| fs::metadata(file).is_ok_and(|file| file.len() > HALF_SECOND);
            heard.iter().any(long).then_some(())
        })
        .await;
    }

    /// What it writes of what it hears.
    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.dump)
            .expect("the test's own folder")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect()
    }

    /// Waits until the other side has hung up, and tells what was heard.
    pub(crate) async fn until_hung_up_on(mut self) -> Heard {
        self.child.says(OVER).await;
        self.child.terminate();
        let status = self.child.ends().await;
        assert!(status.success(), "baresip: {status}\n{}", self.child.said());
        // A file for the announcement before the answer, and one for the call.
        let files = self.files();
        let heard: Vec<Vec<i16>> = files
            .iter()
            .map(|file| sound::read_channel(file, 0))
            .collect();
        assert!(!heard.is_empty(), "no audio: {}", self.child.said());
        Heard(heard)
    }
}

/// What came out of its loudspeaker: the samples of each file that it wrote.
pub(crate) struct Heard(Vec<Vec<i16>>);

impl Heard {
    /// How much there is of it.
    pub(crate) fn seconds(&self) -> Vec<f64> {
        self.0
            .iter()
            .map(|heard| heard.len() as f64 / tone::RATE)
            .collect()
    }

    /// Whether that tone was in it.
    pub(crate) fn tone(&self, hz: f64) -> bool {
        self.0.iter().any(|heard| tone::heard(heard, hz))
    }
}

/// One codec as Swedish telephones have it, a file as microphone, and what is heard written down by `sndfile`.
/// `aubridge` is a loudspeaker that nobody needs: without one, nothing is decoded.
fn config(words: &Path, dump: &Path) -> String {
    let modules = MODULE_FOLDERS
        .iter()
        .find(|folder| Path::new(folder).exists());
    let modules = modules.expect("baresip's modules; run tests/install-peers");
    format!(
        "\
poll_method epoll
net_interface 127.0.0.1
audio_source aufile,{words}
audio_player aubridge,nobody
audio_alert aubridge,nobody
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
rtp_ports {first}-{last}
jitter_buffer_delay 1-5
snd_path {dump}
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
",
        first = AUDIO_PORTS.start(),
        last = AUDIO_PORTS.end(),
        words = words.display(),
        dump = dump.display(),
    )
}
