//! One typed fact gives the log line, the metric, the totals and the view: nothing is counted in two places.

mod shown;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use callcore::{
    origin::Origin,
    route::{Decision, Destination, Digest},
    scenario::{QueueId, Scenario},
    switch::{CallId, CallbackStep, Fact, FactKind, Outcome, Switch},
    tag::RecordingTag,
    time::Time,
};
use prometheus::Registry;
use tokio::sync::{broadcast, watch};
use wire::sip::endpoint::Counters;

use crate::{
    calls::Calls,
    clock::swedish,
    exchange::Why,
    fixed::{answering, fixed_view, on_this_machine},
    ledger::Ledger,
    media::Side,
    metrics::Metrics,
    view::{Arrival, CallView, Fixed, Live, Monitor, ProviderView, Totals},
};

/// Calls shown one by one; more is not read by anybody.
const CALLS_SHOWN_MAX: usize = 200;

/// Arrivals a slow page may lag behind before it loses some.
const ARRIVALS_BEHIND_MAX: usize = 1024;

/// Everything that watches the switch.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) scenario: Arc<Scenario>,
    metrics: Metrics,
    totals: Totals,
    /// What each call in progress was decided to be.
    decided: BTreeMap<CallId, Decided>,
    ledger: Option<Ledger>,
    calls: Option<Calls>,
    fixed: watch::Sender<Arc<Fixed>>,
    live: watch::Sender<Arc<Live>>,
    arrivals: broadcast::Sender<Arrival>,
    pub(crate) ready: watch::Sender<bool>,
    counted: Counters,
    /// Where the switch listens first.
    sip: SocketAddr,
    pub(crate) providers: Vec<ProviderView>,
    recorder_up: Option<bool>,
    pub(crate) recorder_why: Option<&'static str>,
    /// Why a recording was lost whose gap the call machine will tell of.
    failing: BTreeMap<CallId, Why>,
}

#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) origin: Origin,
    pub(crate) route: String,
    /// The queue that answers, when one does.
    pub(crate) queue: Option<QueueId>,
    /// The digest of the table that decided.
    pub(crate) table: Digest,
    pub(crate) external: bool,
    /// Whether a queue that records may record it.
    pub(crate) recordable: bool,
    pub(crate) controller: String,
    pub(crate) offered: Time,
}

impl Observer {
    /// An observer and the window it fills.
    ///
    /// # Errors
    /// When a metric can't be registered.
    pub(crate) fn new(
        scenario: Arc<Scenario>,
        name: &str,
        now: Time,
    ) -> Result<(Self, Monitor), prometheus::Error> {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, &scenario)?;
        let sip = scenario.listen.sip[0];
        let (fixed, fixed_seen) = watch::channel(Arc::new(fixed_view(&scenario, name, sip, now)));
        let (live, live_seen) = watch::channel(Arc::default());
        let (ready, ready_seen) = watch::channel(false);
        let (arrivals, _) = broadcast::channel(ARRIVALS_BEHIND_MAX);
        let monitor = Monitor {
            fixed: fixed_seen,
            live: live_seen,
            arrivals: arrivals.clone(),
            metrics: registry,
            ready: ready_seen,
            web_sockets: None,
        };
        let totals = Totals::default();
        let observer = Self {
            scenario,
            metrics,
            totals,
            decided: BTreeMap::new(),
            ledger: None,
            calls: None,
            fixed,
            live,
            arrivals,
            ready,
            counted: Counters::default(),
            sip,
            providers: Vec::new(),
            recorder_up: None,
            recorder_why: None,
            failing: BTreeMap::new(),
        };
        Ok((observer, monitor))
    }

    /// One side of a call has been silent too long, and the call ends.
    pub(crate) fn silent(&self, call: CallId, side: Side) {
        let leg = match side {
            Side::Caller => "caller",
            Side::Far => "far",
        };
        tracing::info!(call = call.0, leg, "no RTP any more");
        self.metrics.rtp_silent.with_label_values(&[leg]).inc();
    }

    /// A caller's audio is encrypted; its keys came in signalling that others could read, or couldn't.
    pub(crate) fn encrypts(&self, private: bool) {
        let signalling = if private { "encrypted" } else { "clear" };
        self.metrics
            .srtp_legs
            .with_label_values(&[signalling])
            .inc();
    }

    /// The metrics that media tasks count in themselves.
    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What was counted.
    pub(crate) const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The route that won for a call in progress.
    pub(crate) fn route_of(&self, call: CallId) -> Option<&str> {
        self.decided
            .get(&call)
            .map(|decided| decided.route.as_str())
    }

    /// Keeps a boundary ledger from now on.
    pub(crate) fn keep_ledger(&mut self, ledger: Ledger) {
        self.ledger = Some(ledger);
    }

    /// Says of each call, from now on, whether it should have been recorded.
    pub(crate) fn keep_calls(&mut self, calls: Calls) {
        self.calls = Some(calls);
    }

    /// Another rule set decides for new calls.
    pub(crate) fn replace(&mut self, scenario: Arc<Scenario>, now: Time) {
        if let Some(ledger) = &mut self.ledger {
            ledger.replace(&scenario, now);
        }
        self.scenario = scenario;
    }

    /// Takes one fact.
    pub(crate) fn observe(&mut self, switch: &Switch, fact: &Fact) {
        let call = fact.call;
        let scenario = Arc::clone(switch.scenario_of(call).unwrap_or(&self.scenario));
        if let (Some(calls), Some(decided)) = (&mut self.calls, self.decided.get(&call)) {
            calls.observe(&scenario, fact, decided);
        }
        match &fact.what {
            FactKind::Routed { origin, decision } => {
                self.routed(switch, fact.at, call, *origin, decision)
            }
            FactKind::Unrouted { origin } => {
                self.offered("none", *origin);
                tracing::warn!(
                    call = call.0,
                    origin = origin.class(),
                    reason = origin.reason(),
                    "no route"
                );
            }
            FactKind::Diverted(Destination::Queue(queue)) => {
                tracing::info!(call = call.0, queue = %scenario.queue(*queue).name, "diverted");
            }
            FactKind::Diverted(Destination::External(to)) => {
                tracing::info!(call = call.0, provider = %scenario.provider(to.provider).name, "diverted");
            }
            FactKind::Queued(queue) => {
                tracing::info!(call = call.0, queue = %scenario.queue(*queue).name, "waits");
            }
            FactKind::Callback(step) => self.callback(call, *step),
            FactKind::Ringing => tracing::debug!(call = call.0, "rings"),
            FactKind::Connected { queue, agent } => {
                tracing::info!(call = call.0, queue = %scenario.queue(*queue).name, agent = agent.0, "nurse answers");
                self.connected(call, *queue, fact.at);
            }
            FactKind::Tried(external) => {
                tracing::info!(call = call.0, provider = %scenario.provider(external.provider).name, handover = external.handover.name(), "leaves");
            }
            FactKind::PassedOver(external) => {
                tracing::info!(call = call.0, provider = %scenario.provider(external.provider).name, "passed over: down");
                self.metrics
                    .watch
                    .passed_over
                    .with_label_values(&[&scenario.provider(external.provider).name])
                    .inc();
            }
            FactKind::TakenOver(external) => {
                tracing::info!(call = call.0, provider = %scenario.provider(external.provider).name, recorded = false, "taken over");
            }
            FactKind::ProviderFailed(external, why) => {
                tracing::warn!(call = call.0, provider = %scenario.provider(external.provider).name, ?why, "provider failed");
            }
            FactKind::Recording => tracing::debug!(call = call.0, "recorded"),
            FactKind::RecordingGap => {
                let why = self.failing.remove(&call).unwrap_or(Why::Own);
                self.recording_lacks(call, why);
            }
            FactKind::Ended(outcome) => self.ended(call, *outcome),
        }
        if let (Some(ledger), Some(decided)) = (&mut self.ledger, self.decided.get(&call)) {
            ledger.enter(&scenario, fact, decided);
        }
    }

    /// The recorder confirmed a recording. Called by the SIPREC client with the tag that the recording bears.
    pub(crate) fn recorded(&mut self, call: CallId, tag: &RecordingTag) {
        self.recorded_late(tag);
        if self
            .decided
            .get(&call)
            .is_none_or(|decided| decided.external)
        {
            self.totals.recorded_at_switch_for_provider += 1;
            self.metrics.recorded_for_provider.inc();
            tracing::error!(
                call = call.0,
                "a call that left for a provider was recorded here"
            );
        }
    }

    /// The recorder confirmed a recording whose call had ended meanwhile. The tag came of a permit, so it was a queue's.
    pub(crate) fn recorded_late(&mut self, tag: &RecordingTag) {
        *self
            .totals
            .recorded
            .entry(tag.controller.to_string())
            .or_default() += 1;
        self.metrics
            .recorded
            .with_label_values(&[&tag.controller])
            .inc();
    }

    /// The recorder is lost to a call; it is a gap when the call machine says so.
    pub(crate) fn recording_fails(&mut self, call: CallId, why: Why) {
        if self.decided.contains_key(&call) {
            self.failing.insert(call, why);
        }
    }

    /// What was said in a call, or in a part of it, is not recorded; the call may be over.
    pub(crate) fn recording_lacks(&mut self, call: CallId, why: Why) {
        self.totals.recording_gaps += 1;
        self.recorder_why = Some(why.label());
        self.metrics.gaps.with_label_values(&[why.label()]).inc();
        tracing::warn!(
            call = call.0,
            why = why.label(),
            status = why.status(),
            "the recorder is lost: this call has a gap"
        );
    }

    /// Whether the recorder answers, and why not.
    pub(crate) fn recorder_is(&mut self, answer: Result<(), Why>) {
        self.recorder_up = Some(answer.is_ok());
        self.metrics.recorder_up.set(i64::from(answer.is_ok()));
        if let Err(why) = answer {
            self.recorder_why = Some(why.label());
        }
    }

    /// Shows the state of the moment.
    pub(crate) fn publish(&mut self, switch: &Switch, now: Time, counters: &Counters) {
        self.count_sip(counters);
        if let Some(ledger) = &mut self.ledger {
            ledger.flush();
        }
        if let Some(calls) = &mut self.calls {
            calls.flush();
        }
        let in_progress = switch.calls_in_progress();
        self.totals.unaccounted = self
            .totals
            .offered
            .saturating_sub(self.totals.outcomes.values().sum::<u64>())
            .saturating_sub(in_progress as u64);
        self.metrics
            .calls
            .set(i64::try_from(in_progress).unwrap_or(i64::MAX));
        let queues = self.queues(switch, now);
        for queue in &queues {
            let waiting = i64::try_from(queue.waiting).unwrap_or(i64::MAX);
            self.metrics
                .waiting
                .with_label_values(&[&queue.name])
                .set(waiting);
        }
        // The newest only: this runs often, and what looks at every call keeps all of them waiting.
        let newest = self.decided.keys().rev();
        let calls: Vec<CallView> = newest
            .filter_map(|id| self.call_view(switch, &switch.call(*id)?, now))
            .take(CALLS_SHOWN_MAX)
            .collect();
        let clock = swedish(now);
        let live = Live {
            clock,
            takes_calls: *self.ready.borrow(),
            recorder_up: self.recorder_up,
            recorder_why: self.recorder_why,
            calls,
            calls_now: in_progress,
            queues,
            providers: self.providers.clone(),
            totals: self.totals.clone(),
        };
        self.live.send_replace(Arc::new(live));
    }

    /// Shows where the switch listens in fact: a port 0 of the scenario is any free one.
    pub(crate) fn listens(&mut self, sip: SocketAddr) {
        self.sip = sip;
        let shown = on_this_machine(sip).to_string();
        self.fixed
            .send_modify(|seen| Arc::make_mut(seen).sip = shown);
    }

    /// Shows who answers where by the table in force now (rules have dates and hours).
    pub(crate) fn refresh_fixed(&self, name: &str, now: Time) {
        let fresh = fixed_view(&self.scenario, name, self.sip, now);
        self.fixed.send_if_modified(|seen| {
            let changed = seen.kommuner != fresh.kommuner || seen.digest != fresh.digest;
            if changed {
                *seen = Arc::new(fresh);
            }
            changed
        });
    }

    /// So many new calls were refused before they were offered.
    pub(crate) const fn count_not_admitted(&mut self, calls: u64) {
        self.totals.not_admitted += calls;
    }

    fn offered(&mut self, route: &str, origin: Origin) {
        self.totals.offered += 1;
        *self.totals.by_route.entry(route.to_owned()).or_default() += 1;
        self.metrics
            .offered
            .with_label_values(&[route, origin.class()])
            .inc();
    }

    fn routed(
        &mut self,
        switch: &Switch,
        at: Time,
        call: CallId,
        origin: Origin,
        decision: &Decision,
    ) {
        let scenario = Arc::clone(switch.scenario_of(call).unwrap_or(&self.scenario));
        let route = scenario.route_name(decision.route).to_owned();
        let answers = scenario.org(answering(&scenario, decision)).id.to_string();
        let external = matches!(decision.to, Destination::External(_));
        let kommun = origin.kommun().map(|id| id.to_string()).unwrap_or_default();
        tracing::info!(
            call = call.0, kommun, origin = origin.class(), reason = origin.reason(), route, answers, external,
            table = %decision.digest, "routed"
        );
        self.offered(&route, origin);
        // Nobody watching is no error.
        let _ = self.arrivals.send(Arrival {
            call: call.0,
            kommun,
            route: route.clone(),
            answers: answers.clone(),
            external,
        });
        self.decided.insert(
            call,
            Decided {
                origin,
                route,
                queue: None,
                table: decision.digest,
                external,
                recordable: !external,
                controller: answers,
                offered: at,
            },
        );
    }

    fn callback(&mut self, call: CallId, step: CallbackStep) {
        if let CallbackStep::Kept { since, recordable } = step
            && let Some(decided) = self.decided.get_mut(&call)
        {
            decided.offered = since;
            decided.recordable &= recordable;
        }
        let why = match step {
            CallbackStep::Failed(why) => Some(tracing::field::debug(why)),
            _ => None,
        };
        tracing::info!(
            call = call.0,
            step = step.label(),
            why,
            "called back instead of waiting"
        );
        self.metrics
            .callbacks
            .with_label_values(&[step.label()])
            .inc();
    }

    fn connected(&mut self, call: CallId, queue: QueueId, at: Time) {
        let Some(decided) = self.decided.get_mut(&call) else {
            return;
        };
        if decided.queue.replace(queue).is_none() {
            let wait = at.since(decided.offered).as_secs_f64();
            self.metrics.wait.observe(wait);
        }
    }

    fn ended(&mut self, call: CallId, outcome: Outcome) {
        let route = self.decided.remove(&call).map(|decided| decided.route);
        self.failing.remove(&call);
        let well = matches!(outcome, Outcome::Completed | Outcome::HandedOver);
        *(if well {
            &mut self.totals.completed
        } else {
            &mut self.totals.failed
        }) += 1;
        *self.totals.outcomes.entry(outcome.label()).or_default() += 1;
        self.metrics
            .ended
            .with_label_values(&[outcome.label()])
            .inc();
        tracing::info!(call = call.0, outcome = outcome.label(), route, "ended");
    }

    fn count_sip(&mut self, counters: &Counters) {
        self.metrics
            .malformed
            .inc_by(counters.malformed.saturating_sub(self.counted.malformed));
        self.counted.malformed = counters.malformed;
        self.metrics
            .refused
            .with_label_values(&["elsewhere"])
            .inc_by(
                counters
                    .from_elsewhere
                    .saturating_sub(self.counted.from_elsewhere),
            );
        self.counted.from_elsewhere = counters.from_elsewhere;
        self.metrics
            .expired
            .inc_by(counters.expired.saturating_sub(self.counted.expired));
        self.counted.expired = counters.expired;
        for (status, count) in &counters.refused {
            let before = self.counted.refused.insert(*status, *count).unwrap_or(0);
            self.metrics
                .refused
                .with_label_values(&[&status.to_string()])
                .inc_by(count.saturating_sub(before));
        }
    }
}
