//! Looks by itself, all the time, whether what should be recorded was, and whether anything has outstayed its ceiling.
//! Both are alarms: metrics, and red on the page.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use prometheus::{IntGauge, IntGaugeVec, Opts};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Shared, answer::No, listen};
use crate::{
    gallring,
    ledger::Signer,
    monitor::{Duties, Monitor},
    reconcile::{self, Asked, KINDS, Report},
};

/// Fast enough for a person who waits for it in front of the page.
const RECONCILE_EVERY: Duration = Duration::from_secs(15);
/// The plan reads an index of all recordings, and the folders are many: seconds with ten million recordings.
const PLAN_EVERY: Duration = Duration::from_secs(300);
/// How far back the live reconciliation looks.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(48);

/// Looks until the API stops.
pub(super) async fn look(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let gauges = match Gauges::new(&shared.monitor) {
        Ok(gauges) => gauges,
        Err(error) => {
            return tracing::error!(%error, "no reconciliation: its metrics can't be made");
        }
    };
    let mut tick = interval(RECONCILE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut planned: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = listen::told(&mut stopped) => return,
        }
        let plan = planned.is_none_or(|at| at.elapsed() >= PLAN_EVERY);
        if let Err(no) = one(&shared, &gauges, plan).await {
            tracing::error!(
                reason = no.reason,
                "reconciliation failed; it is tried again"
            );
            continue;
        }
        if plan {
            planned = Some(Instant::now());
        }
    }
}

/// The time that the live reconciliation is about.
pub(super) fn recent(shared: &Shared) -> Asked {
    let now = shared.clock();
    let all = Asked {
        from: now.checked_sub(LOOKED_BACK).unwrap_or(now),
        until: now,
        folders: false,
        bucket: false,
        // Nothing of two days goes under a decision, and the register of years isn't read every quarter of a minute.
        erased: false,
    };
    all.settled(now)
}

async fn one(shared: &Arc<Shared>, gauges: &Gauges, plan: bool) -> Result<(), No> {
    let before = Arc::clone(&shared.monitor.duties().borrow());
    let asked = Asked {
        folders: plan,
        ..recent(shared)
    };
    let calls = shared.stores.calls().map(ToOwned::to_owned);
    let (mut report, signing_key_missing) = shared
        .stores
        .ask(move |vault, index| {
            let report = reconcile::reconcile(vault, index, calls.as_deref(), &asked)?;
            Ok::<_, reconcile::ReconcileError>((report, Signer::is_missing(vault)))
        })
        .await?;
    let mut duties = Duties {
        signing_key_missing,
        ..Duties::clone(&before)
    };
    if plan {
        let (overdue, refused) = overdue(shared).await?;
        duties.overdue = overdue;
        gauges
            .refused
            .set(i64::try_from(refused).unwrap_or(i64::MAX));
    } else {
        // Folders were looked at a while ago; what was found there still stands.
        report.keep_untagged(duties.reconciliation.as_ref());
    }
    gauges.show(&report, &duties.overdue);
    duties.reconciliation = Some(report.without_calls());
    shared.monitor.tell(duties);
    Ok(())
}

/// How many things have outstayed their ceiling, by controller and class; and how many the last run had to leave.
async fn overdue(
    shared: &Arc<Shared>,
) -> Result<(BTreeMap<String, BTreeMap<String, u64>>, u64), No> {
    let today = callcore::time::Time::from(shared.clock())
        .in_sweden()
        .date();
    let scenario = Arc::clone(&shared.scenario);
    let (plan, refused) = shared
        .stores
        .ask(move |vault, index| {
            let plan = gallring::plan(vault, index, &scenario, today)?;
            Ok::<_, gallring::GallringError>((plan, gallring::refused(vault)))
        })
        .await?;
    let mut overdue: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for group in plan.groups {
        let of = overdue.entry(group.controller).or_default();
        *of.entry(group.class).or_default() += group.overdue;
    }
    Ok((overdue, refused))
}

struct Gauges {
    recordings: IntGaugeVec,
    external_calls: IntGauge,
    external_recordings: IntGauge,
    checked: IntGauge,
    overdue: IntGaugeVec,
    refused: IntGauge,
}

impl Gauges {
    fn new(monitor: &Monitor) -> Result<Self, prometheus::Error> {
        let gauge = IntGauge::new;
        let gauges = Self {
            recordings: IntGaugeVec::new(
                Opts::new(
                    "vaxel_reconciliation_recordings",
                    "Calls and recordings of the last two days held against each other, by controller and kind",
                ),
                &["controller", "kind"],
            )?,
            external_calls: gauge(
                "vaxel_reconciliation_external_calls",
                "Calls of the last two days that left for a provider",
            )?,
            external_recordings: gauge(
                "vaxel_reconciliation_external_recordings",
                "Recordings here of calls that left for a provider: must be 0",
            )?,
            checked: gauge(
                "vaxel_reconciliation_timestamp_seconds",
                "When calls and recordings were held against each other last",
            )?,
            refused: gauge(
                "vaxel_gallring_refused_objects",
                "Things that the last run of gallring had to leave, as the store or S3 refused: must be 0",
            )?,
            overdue: IntGaugeVec::new(
                Opts::new(
                    "vaxel_gallring_overdue_objects",
                    "Things that have outstayed their ceiling, by controller and class: must be 0",
                ),
                &["controller", "class"],
            )?,
        };
        let registry = &monitor.metrics;
        registry.register(Box::new(gauges.recordings.clone()))?;
        registry.register(Box::new(gauges.overdue.clone()))?;
        for gauge in [
            &gauges.external_calls,
            &gauges.external_recordings,
            &gauges.checked,
            &gauges.refused,
        ] {
            registry.register(Box::new(gauge.clone()))?;
        }
        Ok(gauges)
    }

    fn show(&self, report: &Report, overdue: &BTreeMap<String, BTreeMap<String, u64>>) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        // What isn't there any more must not stay on the board.
        self.recordings.reset();
        for (controller, line) in &report.controllers {
            for kind in KINDS {
                let gauge = self
                    .recordings
                    .with_label_values(&[controller.as_str(), kind]);
                gauge.set(number(line.of(kind)));
            }
        }
        self.external_calls.set(number(report.external_calls));
        self.external_recordings
            .set(number(report.external_recordings));
        self.checked.set(Timestamp::now().as_second());
        self.overdue.reset();
        for (controller, classes) in overdue {
            for (class, count) in classes {
                let labels = [controller.as_str(), class.as_str()];
                self.overdue.with_label_values(&labels).set(number(*count));
            }
        }
    }
}
