//! What is seen of the health of providers and agents' phones, and of where kommun-IDs come from: the metric, the log line and the view.

use callcore::{
    sources::{Finding, Source},
    switch::CallId,
};

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};
use wire::sip::message::StatusCode;

use crate::{
    admission::Full,
    clock::{Clock, swedish},
    health::{Change, Fault, Health, Standing, State, Target},
    metrics::Keeper,
    observer::Observer,
    view::{LastAnswer, ProviderView, TargetView},
};

/// The metrics of this file, and the journal's.
#[derive(Debug, Clone)]
pub(crate) struct WatchMetrics {
    /// Whether a provider's target answers: 1 or 0.
    pub(crate) target_up: IntGaugeVec,
    /// Times that a provider was passed over for a call.
    pub(crate) passed_over: IntCounterVec,
    /// Calls that a provider sent elsewhere, which weren't.
    pub(crate) redirects: IntCounterVec,
    /// Agents whose phone was given up in a conversation, by queue.
    pub(crate) agents_lost: IntCounterVec,
    /// Kommun-IDs by the source that named them.
    pub(crate) kommun_source: IntCounterVec,
    /// New calls that were over what can be carried, by what stood in the way.
    pub(crate) not_admitted: IntCounterVec,
    /// What was taken over from the program before this one, by kind.
    pub(crate) taken_over: IntCounterVec,
    /// What was done otherwise because two ends speak different IP families.
    pub(crate) families: IntCounterVec,
    /// Journals that ended because the disk couldn't follow.
    pub(crate) journal_failures: IntCounter,
}

impl WatchMetrics {
    pub(crate) fn register(keep: &Keeper<'_>) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            target_up: keep.gauges(
                "vaxel_provider_target_up",
                "Whether a provider's target answers OPTIONS",
                &["provider", "target"],
            )?,
            passed_over: keep.counters(
                "vaxel_provider_passed_over_total",
                "Calls for which a provider, or a target of it, was passed over because it is down",
                &["provider"],
            )?,
            redirects: keep.counters(
                "vaxel_provider_redirects_total",
                "Calls that a provider answered with 3xx, which is not followed",
                &["provider"],
            )?,
            agents_lost: keep.counters(
                "vaxel_agents_lost_total",
                "Agents whose phone was given up in a conversation: no sign of life, or nobody could talk with it",
                &["queue"],
            )?,
            kommun_source: keep.counters(
                "vaxel_kommun_sources_total",
                "Calls by the source that told the kommun, and what it told",
                &["source", "origin"],
            )?,
            taken_over: keep.counters(
                "vaxel_taken_over_total",
                "What was taken over from the program before this one",
                &["what"],
            )?,
            not_admitted: keep.counters(
                "vaxel_calls_not_admitted_total",
                "New calls answered 503 because of overload, or because none are taken any more",
                &["reason"],
            )?,
            families: keep.counters(
                "vaxel_address_family_total",
                "Targets of an IP family that isn't listened on, and direct calls that were relayed between families",
                &["what"],
            )?,
            journal_failures: keep.counter(
                "vaxel_journal_failures_total",
                "Journals that ended because the disk couldn't follow",
            )?,
        };
        // There from the start: Prometheus sees no increase in a series that begins with its first refusals.
        for why in Full::ALL {
            metrics.not_admitted.with_label_values(&[why.label()]);
        }
        Ok(metrics)
    }
}

impl Observer {
    /// Other targets are watched from now on.
    pub(crate) fn watch(&mut self, health: &Health, clock: Clock) {
        self.metrics().watch.target_up.reset();
        self.show_providers(health, clock);
    }

    /// Shows what is known of the providers' targets.
    pub(crate) fn show_providers(&mut self, health: &Health, clock: Clock) {
        self.providers.clear();
        for state in health.states() {
            let name = self.provider_name(state.target);
            if self.providers.last().is_none_or(|last| last.name != name) {
                self.providers.push(ProviderView {
                    name,
                    targets: Vec::new(),
                });
            }
            if let Some(provider) = self.providers.last_mut() {
                provider.targets.push(target_view(&state, clock));
            }
            match state.standing {
                Standing::Unknown => {}
                Standing::Up => self.gauge(state.target, true),
                Standing::Down(_) => self.gauge(state.target, false),
            }
        }
    }

    /// A target was found to be down, or to be up again.
    pub(crate) fn target_is(&self, Change { target, up }: Change, why: Option<Fault>) {
        let provider = self.provider_name(target);
        let target = target.place;
        if up {
            tracing::info!(provider, target, "a provider's target answers again");
        } else {
            let why = why.map(word);
            tracing::warn!(
                provider,
                target,
                why,
                "a provider's target is down: it is passed over"
            );
        }
    }

    /// A provider names others who are to take a call. Whom it names nobody has agreed with: who is controller or processor stands in
    /// the scenario.
    pub(crate) fn redirected(&self, call: CallId, provider: &str, status: StatusCode) {
        let status = status.code();
        tracing::warn!(
            call = call.0,
            provider,
            status,
            "a provider sends a call elsewhere: not followed"
        );
        let redirects = &self.metrics().watch.redirects;
        redirects.with_label_values(&[provider]).inc();
    }

    /// The phone of an agent who talked is given up.
    pub(crate) fn agent_lost(&self, queue: &str) {
        let lost = &self.metrics().watch.agents_lost;
        lost.with_label_values(&[queue]).inc();
    }

    /// A kommun-ID was looked for: by which source it was found, and what it was.
    pub(crate) fn found(&self, call: CallId, found: &Finding) {
        let source = found.source.map_or("none", Source::name);
        let against = found.against.map(Source::name);
        let class = found.origin.class();
        tracing::info!(call = call.0, source, against, origin = class, "kommun-ID");
        self.metrics()
            .watch
            .kommun_source
            .with_label_values(&[source, class])
            .inc();
    }

    /// So many new calls were over the budget.
    pub(crate) fn not_admitted(&mut self, why: Full, calls: u64) {
        self.count_not_admitted(calls);
        self.metrics()
            .watch
            .not_admitted
            .with_label_values(&[why.label()])
            .inc_by(calls);
    }

    fn gauge(&self, target: Target, up: bool) {
        let (name, place) = (self.provider_name(target), target.place.to_string());
        self.metrics()
            .watch
            .target_up
            .with_label_values(&[&name, &place])
            .set(i64::from(up));
    }

    fn provider_name(&self, target: Target) -> String {
        self.scenario.provider(target.provider).name.to_string()
    }
}

fn target_view(state: &State, clock: Clock) -> TargetView {
    let at = |moment| swedish(clock.time_of(moment));
    let (stands, why) = match state.standing {
        Standing::Unknown => ("unknown", None),
        Standing::Up => ("up", None),
        Standing::Down(fault) => ("down", Some(word(fault))),
    };
    let last_answer = state.answered.map(|(moment, status)| LastAnswer {
        status: status.code(),
        at: at(moment),
    });
    TargetView {
        target: state.target.place,
        state: stands,
        since: at(state.since),
        why,
        last_answer,
    }
}

/// A short word for why a target is down.
fn word(fault: Fault) -> String {
    match fault {
        Fault::NoAnswer => "no_answer".to_owned(),
        Fault::Unreachable => "unreachable".to_owned(),
        Fault::Answers(status) => status.code().to_string(),
    }
}
