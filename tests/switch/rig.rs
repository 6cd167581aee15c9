//! A switch with its recorder on loopback, and phones round it.

use std::{path::Path, sync::Arc, time::Duration};

use callcore::scenario::{RecorderSettings, Scenario, TlsSettings};
use gateway::{
    Gateway, Options,
    view::{Live, Totals},
};
use recorder::{
    Recorder, RecorderHandle,
    index::Filter,
    store::{self, Store},
};
use tempfile::TempDir;
use testkit::{AnswerPlan, CallPlan, DEADLINE, Phone, Sound, Until};
use tokio::{sync::watch, time::timeout};
use wire::sip::message::{HeaderName, Headers};

/// What a caller says, in Hz.
pub(crate) const CALLER_TONE: f64 = 440.0;
/// What the other side says.
pub(crate) const FAR_TONE: f64 = 1000.0;

/// The switch's own ports for audio, apart from the phones' and the recorder's.
pub(crate) const RTP_PORTS: std::ops::RangeInclusive<u16> = 46_000..=55_999;

/// A running switch and recorder in a folder of their own.
pub(crate) struct Rig {
    pub(crate) gateway: Gateway,
    recorder: RecorderHandle,
    folder: TempDir,
}

/// What was recorded, after everything is closed.
pub(crate) struct Kept {
    pub(crate) totals: Totals,
    pub(crate) folder: TempDir,
}

/// Organisations and queue settings that every test scenario begins with.
const PEOPLE: &str = r#"
operator = { organisation = "inera" }
organisation = [
  { id = "inera", name = "Inera AB", kind = "processor", country = "SE", health_care_secrecy = true },
  { id = "region-01", name = "Region Stockholm", kind = "region", country = "SE", health_care_secrecy = true },
  { id = "region-04", name = "Region Sörmland", kind = "region", country = "SE", health_care_secrecy = true },
  { id = "medhelp", name = "MedHelp AB", kind = "care-provider", country = "SE", health_care_secrecy = true },
]
agreement = [
  { id = "inera-04", controller = "region-04", processor = "inera", purposes = ["routing", "recording", "storage"], from = 2018-05-25 },
  { id = "inera-01", controller = "region-01", processor = "inera", purposes = ["routing"], from = 2018-05-25 },
]
retention = [{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }]
"#;

/// What is told as soon as it is so. Panics when it isn't in time: no test waits for ever.
pub(crate) async fn told<T: Clone>(
    teller: &mut watch::Receiver<T>,
    is_so: impl FnMut(&T) -> bool,
) -> T {
    let told = timeout(DEADLINE, teller.wait_for(is_so)).await;
    let told = told.expect("told in time");
    told.expect("whoever tells it is there").clone()
}

impl Rig {
    /// A switch whose region-04 queue has these agents, with these providers and routes added.
    pub(crate) async fn start(agents: &str, rest: &str) -> Self {
        Self::start_as(agents, rest, |text| text).await
    }

    /// The same where only that network is trusted.
    pub(crate) async fn start_trusting(network: &str, agents: &str, rest: &str) -> Self {
        let network = format!("\"{network}\"");
        Self::start_as(agents, rest, |text| {
            text.replace("\"127.0.0.0/8\"", &network)
        })
        .await
    }

    /// The same where that network's calls share ports.
    pub(crate) async fn start_sharing(network: &str, agents: &str, rest: &str) -> Self {
        let shares = format!("listen = {{ rtp_shared = [\"{network}\"], ");
        Self::start_as(agents, rest, |text| {
            text.replacen("listen = { ", &shares, 1)
        })
        .await
    }

    /// The same where callers who leave the offer to the switch are offered SRTP so.
    pub(crate) async fn start_offering(srtp: &str, agents: &str, rest: &str) -> Self {
        let offers = format!("listen = {{ srtp = \"{srtp}\", ");
        Self::start_as(agents, rest, |text| {
            text.replacen("listen = { ", &offers, 1)
        })
        .await
    }

    /// The same with those ports for audio, and that said of `listen` besides.
    pub(crate) async fn start_on_ports(
        ports: &std::ops::RangeInclusive<u16>,
        listen: &str,
        agents: &str,
        rest: &str,
    ) -> Self {
        let (first, last) = (ports.start(), ports.end());
        let said = format!("rtp_ports = \"{first}-{last}\"{listen}");
        Self::start_as(agents, rest, |text| text.replacen(&rtp_ports(), &said, 1)).await
    }

    /// The same with that file of credentials.
    pub(crate) async fn start_with_credentials(file: &str, agents: &str, rest: &str) -> Self {
        let named = format!("listen = {{ credentials = \"{file}\", ");
        Self::start_as(agents, rest, |text| text.replace("listen = { ", &named)).await
    }

    /// The same with another recorder than its own, and that said of its `srtp`.
    pub(crate) async fn start_recording_by(
        recorder: &str,
        srtp: &str,
        agents: &str,
        rest: &str,
    ) -> Self {
        let other = format!("siprec = \"{recorder}\", srtp = \"{srtp}\"");
        Self::start_as(agents, rest, |text| {
            let (before, after) = text.split_once("siprec = \"").expect("a recorder");
            let (_, after) = after.split_once('"').expect("a closed string");
            format!("{before}{other}{after}")
        })
        .await
    }

    /// The same where a call has that many recordings at most.
    pub(crate) async fn start_with_segments(max: u8, agents: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = settings(folder.path(), "sip:recorder@127.0.0.1:0");
        settings.segments_max = Some(max);
        let max = format!("segments_max = {max}, api = ");
        let change = |text: String| text.replacen("api = ", &max, 1);
        Self::start_in(folder, &settings, agents, rest, change).await
    }

    /// The same where everybody has IPv6 addresses only, the recorder too.
    pub(crate) async fn start_by_ipv6(agents: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path(), "sip:recorder@[::1]:0");
        let change = |text: String| {
            let text = text.replace("sip = \"127.0.0.1:0\"", "sip = \"[::1]:0\"");
            text.replace("\"127.0.0.0/8\"", "\"::1/128\"")
        };
        Self::start_in(folder, &settings, agents, rest, change).await
    }

    /// The same where the switch stands in those networks (the recorder only in that of 127.0.0.1), and that is said of `listen`
    /// besides.
    pub(crate) async fn start_in_networks(
        ips: &[&str],
        listen: &str,
        agents: &str,
        rest: &str,
    ) -> Self {
        let ips: Vec<String> = ips.iter().map(|ip| format!("\"{ip}:0\"")).collect();
        let sip = format!("sip = [{}]{listen}", ips.join(", "));
        Self::start_as(agents, rest, |text| {
            let text = text.replace("sip = \"127.0.0.1:0\"", &sip);
            text.replace("\"127.0.0.0/8\"", "\"127.0.0.0/8\", \"::1/128\"")
        })
        .await
    }

    /// The same with a recorder that takes recordings by TLS only, from the switch whose certificate it trusts.
    pub(crate) async fn start_by_tls(agents: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("tls");
        std::fs::create_dir(&place).expect("a folder");
        let files = transport::mutual::generate(&place, &["127.0.0.1", "switch.example.invalid"]);
        let files = files.expect("certificates");
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let (certificate, key) = (text(&files.certificate), text(&files.key));
        let ca = files.peers_ca.as_deref().map(text).expect("a CA");
        let mut settings = settings(folder.path(), "sip:recorder@127.0.0.1:0;transport=tls");
        settings.tls = Some(TlsSettings {
            addresses: vec![std::net::SocketAddr::from(([127, 0, 0, 1], 0))],
            certificate: certificate.as_str().into(),
            key: key.as_str().into(),
            peers_ca: Some(ca.as_str().into()),
            trusted_names: vec!["switch.example.invalid".into()],
        });
        Self::start_in(folder, &settings, agents, rest, |text| {
            let tls = format!(
                "tls = {{ address = \"127.0.0.1:0\", certificate = \"{certificate}\", key = \"{key}\", peers_ca = \"{ca}\" }},"
            );
            text.replace("listen = { ", &format!("listen = {{ {tls} "))
        })
        .await
    }

    async fn start_as(agents: &str, rest: &str, change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path(), "sip:recorder@127.0.0.1:0");
        Self::start_in(folder, &settings, agents, rest, change).await
    }

    async fn start_in(
        folder: TempDir,
        settings: &RecorderSettings,
        agents: &str,
        rest: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let mut options = recorder::Options::new(["region-04".to_owned()]);
        options.segments_max = settings
            .segments_max
            .map_or(options.segments_max, Into::into);
        let recorder = Recorder::start(settings, options).await;
        let recorder = recorder.expect("a recorder");
        let at = match recorder.tls_addr() {
            Some(tls) => format!("sip:recorder@{tls};transport=tls"),
            None => format!("sip:recorder@{}", recorder.sip_addr()),
        };
        let text = change(scenario(agents, &at, rest));
        let scenario = Scenario::from_toml(&text, "rig.toml").expect("a valid scenario");
        let options = Options::for_file(Path::new("rig.toml"));
        let gateway = Gateway::start(Arc::new(scenario), options)
            .await
            .expect("a switch");
        Self {
            gateway,
            recorder,
            folder,
        }
    }

    /// What the switch shows as soon as that is so.
    pub(crate) async fn sees(&self, is_so: impl FnMut(&Arc<Live>) -> bool) -> Arc<Live> {
        told(&mut self.gateway.monitor().live.clone(), is_so).await
    }

    /// The same as soon as a call is in that state.
    pub(crate) async fn sees_a_call(&self, state: &str) -> Arc<Live> {
        self.sees(|live| live.calls.iter().any(|call| call.state == state))
            .await
    }

    /// Calls the switch from a kommun, saying the caller's tone.
    pub(crate) async fn call(&self, kommun: &str, until: Until) -> testkit::CallResult {
        self.call_from(&CallPlan::default().from, kommun, until)
            .await
    }

    /// The same from that address.
    pub(crate) async fn call_from(
        &self,
        from: &str,
        kommun: &str,
        until: Until,
    ) -> testkit::CallResult {
        let plan = CallPlan {
            sound: Sound::Tone(CALLER_TONE),
            until,
            from: from.into(),
            ..CallPlan::default()
        };
        self.call_as(kommun, plan).await
    }

    /// The same by that plan.
    pub(crate) async fn call_as(&self, kommun: &str, plan: CallPlan) -> testkit::CallResult {
        let mut headers = Headers::new();
        let name = HeaderName::parse("X-Kommun-ID").expect("a token");
        headers.push(name, kommun);
        let mut phone = Phone::bind().expect("a phone");
        let target = format!("sip:1177@{}", self.gateway.sip_addr());
        let target = wire::sip::uri::Uri::parse(&target).expect("a URI");
        phone.call(target, headers, plan).await
    }

    /// What a counter with one label stands at.
    pub(crate) fn counted(&self, metric: &str, label: &str) -> u64 {
        let families = self.gateway.monitor().metrics.gather();
        let family = families.iter().find(|family| family.name() == metric);
        let found = family.and_then(|family| {
            let is_it = |one: &&prometheus::proto::Metric| {
                one.get_label().iter().any(|pair| pair.value() == label)
            };
            family.get_metric().iter().find(is_it)
        });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count"
        )]
        found.map_or(0, |metric| metric.get_counter().get_value() as u64)
    }

    /// A window on the recorder.
    pub(crate) fn recorder(&self) -> recorder::monitor::Monitor {
        self.recorder.monitor()
    }

    /// Where the recorder is, for another rule set.
    pub(crate) fn recorder_uri(&self) -> String {
        format!("sip:recorder@{}", self.recorder.sip_addr())
    }

    /// Ends everything and keeps what was recorded.
    pub(crate) async fn stop(self) -> Kept {
        let totals = self.gateway.stop().await;
        self.recorder.stop().await;
        Kept {
            totals,
            folder: self.folder,
        }
    }
}

/// [`RTP_PORTS`] as a scenario says it.
fn rtp_ports() -> String {
    format!("rtp_ports = \"{}-{}\"", RTP_PORTS.start(), RTP_PORTS.end())
}

/// A whole scenario: one queue of region 04 with these agents, and the rest.
pub(crate) fn scenario(agents: &str, recorder: &str, rest: &str) -> String {
    let rtp_ports = rtp_ports();
    format!(
        r#"{PEOPLE}
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = {agents}, recording = true,
  agreement = "inera-04", basis = "GDPR Art. 6.1 e and 9.2 h", wrap_up_s = 1, ring_s = 10 }}]
recorder = {{ siprec = "{recorder}", store = "unused", keys = "unused-keys", api = "127.0.0.1:0" }}
listen = {{ sip = "127.0.0.1:0", web = "127.0.0.1:0", trusted = ["127.0.0.0/8"], {rtp_ports} }}
{rest}
"#
    )
}

impl Kept {
    /// The recorder's store.
    pub(crate) fn store(&self) -> Store {
        let settings = settings(self.folder.path(), "");
        store::open_existing(Path::new(&*settings.store), Path::new(&*settings.keys))
            .expect("the store")
    }

    /// Every recording as exported: its controller and its two channels.
    pub(crate) fn recordings(&self) -> Vec<(String, [Vec<i16>; 2])> {
        let store = self.store();
        let rows = store.list(&Filter::default()).expect("a list");
        let export = |row: &store::Row| {
            let file = self.folder.path().join(format!("{}.wav", row.id));
            let by = recorder::store::By {
                who: "test".to_owned(),
                purpose: "a test".to_owned(),
            };
            store.export(&row.id, &file, &by).expect("an export");
            let samples: Vec<i16> = hound::WavReader::open(&file)
                .expect("a WAV file")
                .samples()
                .map(|s| s.expect("a sample"))
                .collect();
            let channel = |first: usize| samples.iter().skip(first).step_by(2).copied().collect();
            (row.controller.clone(), [channel(0), channel(1)])
        };
        rows.iter().map(export).collect()
    }
}

/// An agent or provider that answers and says its tone until it has heard the caller's for a while.
pub(crate) fn answers() -> AnswerPlan {
    AnswerPlan {
        sound: Sound::Tone(FAR_TONE),
        until: Until::PeerEnds,
        ..AnswerPlan::default()
    }
}

/// How long a caller listens when both sides should be heard well.
pub(crate) const A_WHILE: Until = Until::Heard(Duration::from_millis(1500));

fn settings(folder: &Path, siprec: &str) -> RecorderSettings {
    RecorderSettings {
        siprec: siprec.into(),
        store: folder.join("store").to_string_lossy().into(),
        keys: folder.join("keys").to_string_lossy().into(),
        api: "127.0.0.1:0".into(),
        ..RecorderSettings::default()
    }
}
