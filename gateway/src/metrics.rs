//! The switch's metrics: base units, `_total` on counters, no personal datum in a label.

use callcore::scenario::Scenario;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use crate::{exchange::Why, watch::WatchMetrics};

/// Every metric of the gateway. All names are told in `docs/metrics.md`.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Calls that reached the switch, by route and class of origin.
    pub(crate) offered: IntCounterVec,
    /// Calls that ended, by outcome.
    pub(crate) ended: IntCounterVec,
    /// Recordings confirmed, by controller.
    pub(crate) recorded: IntCounterVec,
    /// Recordings lost in mid-call or never begun.
    pub(crate) gaps: IntCounterVec,
    /// Recordings made here of a call that left for a provider: stays 0.
    pub(crate) recorded_for_provider: IntCounter,
    /// Calls in progress.
    pub(crate) calls: IntGauge,
    /// Callers waiting, by queue.
    pub(crate) waiting: IntGaugeVec,
    /// Callers called back, by step.
    pub(crate) callbacks: IntCounterVec,
    /// Seconds from offered to a nurse's answer.
    pub(crate) wait: Histogram,
    /// SIP messages that could not be parsed.
    pub(crate) malformed: IntCounter,
    /// SIP sessions whose peer gave no sign of life in the time agreed.
    pub(crate) expired: IntCounter,
    /// SIP refused, by reason.
    pub(crate) refused: IntCounterVec,
    /// RTP packets received by the media path.
    pub(crate) rtp_received: IntCounter,
    /// RTP packets that were neither heard nor recorded, by reason.
    pub(crate) rtp_dropped: IntCounterVec,
    /// What sides of calls report to each other.
    pub(crate) rtcp: RtcpMetrics,
    /// Sides hung up on because they sent no RTP, by which.
    pub(crate) rtp_silent: IntCounterVec,
    /// Callers' legs with encrypted audio, by whether their keys came in the clear.
    pub(crate) srtp_legs: IntCounterVec,
    /// Where calls come from, providers' health, and the journal.
    pub(crate) watch: WatchMetrics,
    /// Whether the recorder answers: 1 or 0.
    pub(crate) recorder_up: IntGauge,
}

impl Metrics {
    /// The metrics, registered.
    ///
    /// # Errors
    /// Never in practice: names are constants and each is registered once.
    pub(crate) fn register(registry: &Registry, scenario: &Scenario) -> prometheus::Result<Self> {
        let keep = Keeper(registry);
        let wait_buckets = vec![1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 540.0, 1800.0, 5400.0];
        Ok(Self {
            offered: keep.counters(
                "vaxel_calls_offered_total",
                "Calls that reached the switch",
                &["route", "origin"],
            )?,
            ended: keep.counters("vaxel_calls_ended_total", "Calls that ended", &["outcome"])?,
            recorded: keep.counters(
                "vaxel_calls_recorded_total",
                "Recordings confirmed by the recorder",
                &["controller"],
            )?,
            gaps: gaps(&keep)?,
            recorded_for_provider: keep.counter(
                "vaxel_recorded_for_provider_total",
                "Recordings made here of calls that left for a provider; must stay 0",
            )?,
            calls: keep.gauge("vaxel_calls", "Calls in progress")?,
            waiting: keep.gauges("vaxel_queue_waiting_callers", "Callers waiting", &["queue"])?,
            callbacks: keep.counters(
                "vaxel_callbacks_total",
                "Callers offered to be called back, and what came of it",
                &["step"],
            )?,
            wait: keep.add(Histogram::with_opts(
                HistogramOpts::new(
                    "vaxel_queue_wait_seconds",
                    "From offered to a nurse's answer",
                )
                .buckets(wait_buckets),
            )?)?,
            malformed: keep.counter(
                "vaxel_sip_malformed_total",
                "SIP messages that could not be parsed",
            )?,
            expired: keep.counter("vaxel_sip_expired_total", "Sessions whose peer vanished")?,
            refused: keep.counters(
                "vaxel_sip_refused_total",
                "SIP messages and connections refused",
                &["reason"],
            )?,
            rtp_received: keep
                .counter("vaxel_rtp_packets_received_total", "RTP packets received")?,
            rtp_dropped: keep.counters(
                "vaxel_rtp_packets_dropped_total",
                "RTP packets that were neither heard nor recorded",
                &["reason"],
            )?,
            rtcp: RtcpMetrics::register(&keep)?,
            rtp_silent: keep.counters(
                "vaxel_rtp_silent_legs_total",
                "Sides hung up on because they sent no RTP any more",
                &["leg"],
            )?,
            srtp_legs: keep.counters(
                "vaxel_srtp_legs_total",
                "Callers' legs with encrypted audio, by how their keys came",
                &["signalling"],
            )?,
            watch: WatchMetrics::register(&keep)?,
            recorder_up: recorder_up(&keep, scenario)?,
        })
    }
}

/// Each reason is there from the start: an alarm on what grows doesn't see a figure that begins at 1.
fn gaps(keep: &Keeper<'_>) -> Result<IntCounterVec, prometheus::Error> {
    let name = "vaxel_recording_gaps_total";
    let gaps = keep.counters(name, "Recordings lost in mid-call or never begun", &["why"])?;
    for why in Why::LABELS {
        gaps.with_label_values(&[why]);
    }
    Ok(gaps)
}

/// Shown where there is one, or should be: a recorder that nothing is sent to isn't down, and an alarm on it would never end.
fn recorder_up(keep: &Keeper<'_>, scenario: &Scenario) -> Result<IntGauge, prometheus::Error> {
    const NAME: &str = "vaxel_recorder_up";
    const HELP: &str = "Whether the recorder answers OPTIONS";
    let records = scenario.queues.iter().any(|queue| queue.recording);
    if records || scenario.recorder.is_some() {
        keep.gauge(NAME, HELP)
    } else {
        IntGauge::new(NAME, HELP)
    }
}

/// What is known of RTCP.
#[derive(Debug, Clone)]
pub(crate) struct RtcpMetrics {
    /// Packets, by direction.
    pub(crate) packets: IntCounterVec,
    /// The part of what was sent that the other side says it didn't get.
    pub(crate) loss: Histogram,
}

impl RtcpMetrics {
    fn register(keep: &Keeper<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            packets: keep.counters(
                "vaxel_rtcp_packets_total",
                "RTCP packets of callers, agents and providers",
                &["direction"],
            )?,
            loss: keep.add(Histogram::with_opts(
                HistogramOpts::new(
                    "vaxel_rtp_reported_loss_ratio",
                    "Lost of what was sent, as each report of the other side says",
                )
                .buckets(vec![0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]),
            )?)?,
        })
    }
}

/// Registers what it makes.
pub(crate) struct Keeper<'a>(&'a Registry);

impl Keeper<'_> {
    fn add<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    pub(crate) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(name, help)?)
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(name, help)?)
    }

    pub(crate) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub(crate) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// dashboards/prometheus/alerts.yml raises an alarm at 0.
    #[test]
    fn a_switch_that_records_nothing_has_no_recorder_that_is_down() {
        let shows_one = |recording: &str| {
            let text = format!(
                r#"
operator = {{ organisation = "inera" }}
organisation = [{{ id = "inera", name = "Inera AB", kind = "processor" }}, {{ id = "region-04", name = "Region Sörmland", kind = "region" }}]
queue = [{{ name = "sormland", region = "04", controller = "region-04", agents = [{{ simulated = 1 }}] {recording} }}]
route = [{{ name = "all", all = true, unknown = true, invalid = true, conflict = true, queue = "sormland" }}]
agreement = [{{ id = "pub-04", controller = "region-04", processor = "inera", purposes = ["routing", "recording", "storage"], from = 2013-01-01 }}]
retention = [{{ class = "audio", earliest = "2 years", latest = "3 years", basis = "BTV instruction 8" }}]
"#
            );
            let scenario = Scenario::from_toml(&text, "test.toml").expect("a valid scenario");
            let registry = Registry::new();
            Metrics::register(&registry, &scenario).expect("no metric is there twice");
            let families = registry.gather();
            let mut names = families.iter().map(|family| family.name());
            names.any(|name| name == "vaxel_recorder_up")
        };
        assert!(!shows_one(""));
        assert!(shows_one(", recording = true, agreement = \"pub-04\""));
    }
}
